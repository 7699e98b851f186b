"""Imports and includes go downwards, and never in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom up. What stands in one line may know each other, but not in a circle.
PYTHON_LAYERS = [
    [
        "_core",
        "_check",
        "_errstate",
        "_files",
        "_folds",
        "_sample",
        "_threads",
        "_workers",
        "config",
    ],
    ["_parameters", "_state"],
    [
        "_declarations",
        "_groups",
        "_moments",
        "_objective_pass",
        "_segments",
    ],
    ["_row_policy", "credit", "critics", "optimizers"],
    ["_two_passes"],
    ["_objective"],
    ["_all_actions", "_custom_objective", "_stub", "_tabular_policy", "objectives"],
    ["policies"],
    ["estimators", "testing"],
    ["__init__"],
    ["_command"],
    ["bench", "train"],
    ["cli"],
    ["__main__"],
]
CPP_LAYERS = [
    ["include/scorefn"],
    ["src/kernels/tuning.hpp", "src/kernels/table.hpp", "src/kernels/simd"],
    ["src/kernels/math"],
    ["src/kernels/rows"],
    ["src/kernels/objectives"],
    ["src/kernels/functions", "src/kernels/policies"],
    ["src/kernels"],
    ["src/runtime"],
    ["src/check.hpp"],
    ["src/policies"],
    ["src"],
]
Graph = dict[str, set[str]]


def layer_of(name: str, layers: list[list[str]]) -> int:
    """That of the longest entry that is the name or a folder or package around it."""
    found = [
        (len(entry), number)
        for number, layer in enumerate(layers)
        for entry in layer
        if name == entry or name.startswith((f"{entry}/", f"{entry}."))
    ]
    assert found, f"{name} is in no layer"
    return max(found)[1]


def imports_of(path: Path, package: Path, modules: set[str]) -> Iterator[str]:
    """Of those modules; `from x import y` is of the module x.y, if there is one, else of x."""
    here = path.relative_to(package.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = ".".join(here[: len(here) - node.level]) if node.level else ""
            base = ".".join(part for part in (around, node.module) if part)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                names.append(full if full in modules else base)
        yield from (name for name in names if name in modules)


def python_graph() -> Graph:
    """The modules of scorefn and what they import, without the name of the package.

    The stub is left out, which names the classes that the extension is given when it is asked for
    the first of them.
    """
    package = ROOT / "python" / "scorefn"
    names = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[path] = ".".join(parts).removesuffix(".__init__")
    modules = {*names.values(), "scorefn._core"}

    def short(name: str) -> str:
        return name.removeprefix("scorefn.") if name != "scorefn" else "__init__"

    return {
        short(name): {short(found) for found in imports_of(path, package, modules)}
        for path, name in names.items()
    }


def cpp_graph() -> Graph:
    """The files of the core and what they include of it."""
    cpp = ROOT / "cpp"
    graph: Graph = {}
    for path in [p for p in cpp.rglob("*") if p.suffix in (".hpp", ".inl", ".cpp")]:
        included = re.findall(r'^#include ["<](.+)[">]', path.read_text(), re.M)
        places = [folder / name for name in included for folder in (cpp / "include", cpp / "src")]
        graph[path.relative_to(cpp).as_posix()] = {
            place.relative_to(cpp).as_posix() for place in places if place.exists()
        }
    return graph


@pytest.mark.parametrize(
    ("graph", "layers"),
    [(python_graph(), PYTHON_LAYERS), (cpp_graph(), CPP_LAYERS)],
    ids=["python", "cpp"],
)
def test_no_arrow_goes_up_and_none_in_a_circle(graph: Graph, layers: list[list[str]]) -> None:
    assert sum(map(len, graph.values())) > 100  # they are found
    for name, others in graph.items():
        for other in others:
            assert layer_of(other, layers) <= layer_of(name, layers), f"{name} knows {other}"
    # Raises a CycleError that names the files.
    TopologicalSorter({name: others - {name} for name, others in graph.items()}).prepare()
