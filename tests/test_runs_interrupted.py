"""Trainings that a signal or an error ends: what is on disk then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _runs import (
    CORRIDOR,
    FILES,
    assert_same_result,
    state_of,
    steps_on_disk,
    stop_after,
)
from scorefn.cli import main
from scorefn.train.run_folder import RunFolder
from scorefn.train.trainer import Trainer

pytestmark = pytest.mark.slow


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(
    ("where", "number", "code"),
    [(where, *SIGNALS[i % 3]) for i, where in enumerate([0, 3, 63, 64, 100, 1601])],
)
def test_a_signal_is_answered_after_the_step(
    where: int, number: int, code: int, each_step: list[Callable[[], None]], tmp_path: Path
) -> None:
    """In the first rollout, at its end, in the second one, in the second segment."""
    calls = []

    def send() -> None:
        calls.append(1)
        if len(calls) == where + 1:
            os.kill(os.getpid(), number)

    each_step.append(send)
    run = tmp_path / "run"
    handlers = [signal.getsignal(n) for n, _ in SIGNALS]
    assert main(["train", *CORRIDOR, "--steps", "8000", "--output", str(run)]) == code
    assert [signal.getsignal(n) for n, _ in SIGNALS] == handlers
    assert len(calls) == where + 1  # not one more
    folder = RunFolder(run)
    assert state_of(run) == "stopped"
    # A corridor of SMALL ends, so that some of the steps are resets, which call nothing.
    updates = len(folder.read_metrics())
    assert updates >= where // 64
    assert folder.read_checkpoint()["counts"][0] == updates
    assert {path.name for path in run.iterdir()} == FILES
    each_step.clear()
    assert main(["train", "--resume", str(run), "--steps", "9000", "--quiet"]) == 0
    assert len(folder.read_metrics()) > updates


@pytest.mark.parametrize("during", ["training", "evaluation"])
def test_a_signal_while_environments_step_together(
    during: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CartPole has a vector implementation of its own."""
    vector = pytest.importorskip("gymnasium.envs.classic_control.cartpole").CartPoleVectorEnv
    step = vector.step
    calls = []

    def step_and_send(self: Any, actions: Any) -> Any:
        if during == "training" or self.num_envs == 100:
            calls.append(1)
            if len(calls) == 5:
                os.kill(os.getpid(), signal.SIGTERM)
        return step(self, actions)

    monkeypatch.setattr(vector, "step", step_and_send)
    options = ["--steps", "64000", "--quiet", "--stop-at-return", "9", "--output"]
    assert main(["train", "CartPole-v1", *options, str(tmp_path / "run")]) == 143
    assert len(calls) == 5


def test_a_signal_in_the_evaluation(
    each_step: list[Callable[[], None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to do is the evaluation: the resumed run has the same bits."""
    options = ["--steps", "16000", "--stop-at-return", "2.5", "--output"]
    assert main(["train", *CORRIDOR, *options, str(tmp_path / "whole")]) == 0
    play = sys.modules["scorefn.train.train"].play
    played = []

    def interrupted_play(*args: Any, **options: Any) -> Any:
        if not played:
            each_step.append(lambda: os.kill(os.getpid(), signal.SIGTERM))
        played.append(1)
        return play(*args, **options)

    monkeypatch.setattr("scorefn.train.train.play", interrupted_play)
    run = tmp_path / "run"
    assert main(["train", *CORRIDOR, *options, str(run)]) == 143
    each_step.clear()
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    assert len(played) == 2
    assert state_of(run) == "solved"
    assert_same_result(run, tmp_path / "whole")


def test_signals_that_come_twice_or_are_ignored(
    each_step: list[Callable[[], None]], tmp_path: Path
) -> None:
    """``timeout`` sends SIGTERM twice, a terminal SIGHUP; ``nohup`` has SIGHUP ignored."""
    each_step.append(lambda: os.kill(os.getpid(), signal.SIGHUP))
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["train", *CORRIDOR, "--steps", "64", "--output", str(tmp_path / "a")]) == 0
    finally:
        signal.signal(signal.SIGHUP, previous)
    each_step[:] = [lambda: [os.kill(os.getpid(), signal.SIGTERM) for _ in range(3)]]  # type: ignore
    assert main(["train", *CORRIDOR, "--steps", "64", "--output", str(tmp_path / "b")]) == 143
    each_step[:] = [lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)]]  # type: ignore
    assert main(["train", *CORRIDOR, "--steps", "64", "--output", str(tmp_path / "c")]) == 130
    assert state_of(tmp_path / "c") == "running"  # the second Ctrl-C is abrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_everything(number: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "scorefn", "train", "CartPole-v1"]
    options = ["--stop-at-return", "never", "--steps", "1000000000", "--output", str(run)]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    metrics = run / "metrics.csv"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 1):
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert out.startswith("Interrupted after " if number == 2 else "Stopped by SIGTERM after ")
    assert f"scorefn train --resume {run}" in out
    assert {path.name for path in run.iterdir()} == FILES
    assert RunFolder(run).read_policy().parameters.any()
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0


@pytest.mark.parametrize("what", ["diverges", "raises"])
def test_an_error_keeps_the_updates_before_it(
    what: str,
    each_step: list[Callable[[], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    trainers = []
    update = Trainer._update

    def update_and_fail(trainer: Trainer) -> None:
        trainers.append(trainer)
        if trainer.updates == 5:
            if what == "diverges":
                monkeypatch.setattr("scorefn.train.learner.LARGEST_PARAMETER", 0.0)
            else:
                each_step.append(lambda: [][1])
        update(trainer)

    monkeypatch.setattr(Trainer, "_update", update_and_fail)
    try:
        assert main(["train", *CORRIDOR, "--steps", "8000", "--output", str(run)]) == 2
    except IndexError:
        assert what == "raises"
    assert steps_on_disk(run) == [320] * 3
    assert state_of(run) == "failed"
    monkeypatch.undo()
    stop_after(monkeypatch, 5)
    train = ["train", *CORRIDOR, "--steps", "8000", "--output", str(tmp_path / "stopped")]
    assert main(train) == 0
    arrays = RunFolder(run).read_checkpoint()
    for name, expected in RunFolder(tmp_path / "stopped").read_checkpoint().items():
        if name != "rows":  # which have the seconds
            np.testing.assert_array_equal(arrays[name], expected, strict=True)
