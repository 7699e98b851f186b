"""Hypothesis profiles: the same examples every time, or, with HYPOTHESIS_PROFILE=long, many others.

No deadline, as a loaded machine is no failure. And the folder of a training run, which takes a
second to make.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("long", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


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
