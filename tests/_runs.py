"""Runs of the command line that tests share; `finished_run` and `run` are in conftest.py."""

from __future__ import annotations

import pytest

from scorefn.cli import main

# A tiny training: an update takes 64 steps, a segment of environments with this limit 1600.
SMALL = ["--num-envs", "4", "--rollout-steps", "16", "--max-episode-steps", "100"]
SMALL += ["--stop-at-return", "never", "--quiet"]
FROZEN_LAKE = ["FrozenLake-v1", "--env-arg", "is_slippery=false", *SMALL]


def error_of(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The message of a command that fails as it should: exit code 2 and one line."""
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scorefn: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("scorefn: error: ").rstrip()
