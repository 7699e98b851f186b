"""Runs of the command line that tests share; `finished_run` and `run` are in conftest.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import _environments  # noqa: F401  (it registers that of CORRIDOR)
from scorefn.cli import main
from scorefn.train.run_folder import RunFolder
from scorefn.train.session import Session
from scorefn.train.trainer import StopTraining

# A tiny training: an update takes 64 steps, a segment of environments with this limit 1600.
SMALL = ["--num-envs", "4", "--rollout-steps", "16", "--max-episode-steps", "100"]
SMALL += ["--stop-at-return", "never", "--quiet"]
FILES = {"config.json", "policy.npz", "metrics.csv", "learning_curve.png", "checkpoint.npz"}
CORRIDOR = ["ScorefnTest/Corridor-v2", *SMALL]
UPDATES_PER_SEGMENT = 25  # of SMALL
FROZEN_LAKE = ["FrozenLake-v1", "--env-arg", "is_slippery=false", *SMALL]


def error_of(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The message of a command that fails as it should: exit code 2 and one line."""
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scorefn: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("scorefn: error: ").rstrip()


def result_of(run: Path) -> tuple[np.ndarray[Any, Any], list[str]]:
    """The policy, and the metrics without the seconds."""
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    seconds = rows[0].index("seconds")
    without = [",".join(row[:seconds] + row[seconds + 1 :]) for row in rows]
    return RunFolder(run).read_policy().parameters, without


def assert_same_result(run: Path, expected: Path) -> None:
    (policy, metrics), (expected_policy, expected_metrics) = result_of(run), result_of(expected)
    assert metrics == expected_metrics
    np.testing.assert_array_equal(policy, expected_policy, strict=True)


def state_of(run: Path) -> str:
    return str(json.loads((run / "config.json").read_text())["progress"]["state"])


def steps_on_disk(run: Path) -> list[int]:
    """Of the checkpoint, of the metrics, of the config."""
    folder = RunFolder(run)
    checkpoint = int(folder.read_checkpoint()["counts"][1])
    return [checkpoint, folder.read_metrics()[-1].steps, folder.read_progress().steps]


def stop_after(monkeypatch: pytest.MonkeyPatch, updates: int) -> None:
    after_update = Session._after_update

    def stop(session: Session, display: Any) -> None:
        after_update(session, display)
        if session._trainer.updates == updates:
            raise StopTraining

    monkeypatch.setattr(Session, "_after_update", stop)
