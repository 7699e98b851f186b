"""The project keeps its own rules: stubs, docstrings, versions, symbols, flags, sizes of files."""

import doctest
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import scorefn

ROOT = Path(__file__).parents[1]
CODE = ["cpp", "python", "tests", "benchmarks"]
MOST_LINES = 450


def files(*suffixes: str, folders: list[str] = CODE) -> list[Path]:
    """The project's own files by the ends of their names."""
    found = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    return sorted(p for p in found if p.name.endswith(suffixes) and "__pycache__" not in p.parts)


def run(*command: str | Path) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


# --- stub ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stub_is_the_extension() -> None:
    """Every name, parameter, kind of parameter and default of the stub, and no others."""
    assert "Success" in run(sys.executable, "-m", "mypy.stubtest", "scorefn._core")


# --- docstrings ---------------------------------------------------------------------------------


def public_functions() -> dict[str, Callable[..., object]]:
    """Those written in Python; test_docstrings.py looks at the extension's."""
    modules = [
        scorefn,
        scorefn.credit,
        scorefn.critics,
        scorefn.policies,
        scorefn.estimators,
        scorefn.optimizers,
    ]
    named = {name: getattr(module, name) for module in modules for name in module.__all__}
    return {name: value for name, value in named.items() if inspect.isfunction(value)}


# Sections for what these functions do not do.
NOT_NEEDED = {"show_config": {"Raises"}, "threads": {"Returns"}}


def section(doc: str, title: str) -> str | None:
    """The lines of a section of a NumPy-style docstring."""
    match = re.search(rf"^{title}\n-{{{len(title)}}}\n(.*?)(?=^\w+\n--|\Z)", doc, re.M | re.S)
    return match and match[1]


@pytest.mark.parametrize("name", public_functions())
def test_docstring(name: str) -> None:
    function = public_functions()[name]
    doc = inspect.getdoc(function) or ""
    assert re.match(r"\S.*[.:]\n", doc), "no summary in one line"
    parameters = list(inspect.signature(function).parameters)
    needed = {"Parameters"} if parameters else set()
    needed |= {"Returns", "Raises", "Examples"} - NOT_NEEDED.get(name, set())
    for title in needed:
        assert section(doc, title), f"no section {title}"
    # "x : what it is", and one line may stand for several: "x, y : what they are"
    described = re.findall(r"^(\w[\w, ]*?)(?= : |$)", section(doc, "Parameters") or "", re.M)
    assert ", ".join(described).split(", ") == (parameters or [""])


def modules() -> list[ModuleType]:
    names = [m.name for m in pkgutil.walk_packages(scorefn.__path__, "scorefn.")]
    unwanted = {"scorefn._core", "scorefn.__main__"}
    peers = "scorefn.bench.solutions."  # of which hardly anybody has all
    wanted = [n for n in ["scorefn", *names] if n not in unwanted and not n.startswith(peers)]
    return [importlib.import_module(name) for name in wanted]


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.__name__)
def test_examples_of_docstrings(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


# --- symbols ------------------------------------------------------------------------------------


def symbols_of_kernels() -> dict[str, list[tuple[str, str]]]:
    """(type, name) of the symbols that each kernel object of the installed library shows others."""
    cmake_dir = Path(run(sys.executable, "-m", "scorefn", "--cmakedir").strip())
    library = cmake_dir.parents[1] / "libscorefn_core.a"
    tables = {}
    for member in run("nm", "--extern-only", "--demangle", library).split("\n\n"):
        symbols = re.findall(r"^[0-9a-f ]+ (\w) (.+)$", member, re.M)
        # The objects are all called kernels.cpp.o; each is known by the table that it defines.
        for kind, name in symbols:
            if kind != "U" and name.startswith("scorefn::kernels_"):
                tables[name.removeprefix("scorefn::kernels_")] = symbols
    return tables


@pytest.mark.slow
def test_kernels_share_nothing() -> None:
    """One function compiled for two instruction sets must never be merged by the linker.

    So each object defines nothing but its table, weakly or otherwise, and calls nothing but what
    the compiler itself may call: no libm, whose results differ, and no C++ library.
    """
    tables = symbols_of_kernels()
    assert set(tables) >= set(scorefn.show_config().available_isas)
    for isa, symbols in tables.items():
        defined = [(kind, name) for kind, name in symbols if kind != "U"]
        assert [kind for kind, _ in defined] == ["D"], (isa, defined)
        used = {name for kind, name in symbols if kind == "U"}
        assert used <= {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}, isa


# --- sources ------------------------------------------------------------------------------------


def test_one_version() -> None:
    version = scorefn.__version__
    assert importlib.metadata.version("scorefn") == version
    assert f"project(scorefn VERSION {version} " in (ROOT / "CMakeLists.txt").read_text()
    released = re.search(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released
    assert released[1] == version
    consumer = (ROOT / "tests" / "cpp" / "consumer" / "CMakeLists.txt").read_text()
    assert f"find_package(scorefn {version.rpartition('.')[0]} " in consumer


def lines_of_code(path: Path) -> str:
    return re.sub(r"(#|//).*", "", path.read_text())


def test_flags_of_instruction_sets_have_one_place() -> None:
    build_files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]
    for path in [*build_files, *files("CMakeLists.txt", ".cmake")]:
        code = lines_of_code(path)
        flags = re.findall(r"(?<![\w-])-m[a-z0-9]\S*", code)
        assert bool(flags) == (path.name == "isas.cmake"), f"{path}: {flags}"
        assert not re.search("(?<!-fno-)fast-math", code), path
        assert "-Ofast" not in code, path
    for path in files(".cpp", ".hpp", ".inl", folders=["cpp", "python"]):
        code = path.read_text()
        assert not re.search(r"\btarget\s*\(\s*\"|pragma GCC (target|optimize)", code), path


def test_files_are_short() -> None:
    for path in files(".py", ".cpp", ".hpp", ".inl"):
        assert len(path.read_text().splitlines()) <= MOST_LINES, path
