"""How much is tested: Hypothesis profiles and the option --lengths; the folder of a training run.

Hypothesis runs the same examples every time, and a quarter of them with -m "not slow".
HYPOTHESIS_PROFILE=long runs many others. There is no deadline: a loaded machine is no failure.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import _functions

settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("long", deadline=None, max_examples=5000, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lengths", choices=["few", "all"], default="few", help="rows of how many lengths"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Both before any test module is imported.
    profile = "quick" if "not slow" in config.getoption("markexpr") else "default"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", profile))
    if config.getoption("lengths") == "all":
        _functions.FEW_LENGTHS[:] = _functions.LENGTHS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("large"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from _runs import FROZEN_LAKE
    from scorefn.cli import main

    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *FROZEN_LAKE, "--steps", "2000", "--output", str(folder)]) == 0
    return folder


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """The folder of a finished small run, to change at will."""
    return shutil.copytree(finished_run, tmp_path / "run")


@pytest.fixture
def each_step(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Functions that each corridor calls in each of its steps."""
    import _environments

    functions: list[Callable[[], None]] = []
    step = _environments.Corridor.step

    def step_and_call(self: Any, action: int) -> Any:
        for function in functions:
            function()
        return step(self, action)

    monkeypatch.setattr(_environments.Corridor, "step", step_and_call)
    return functions
