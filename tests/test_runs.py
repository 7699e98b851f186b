"""Runs that lose nothing: saves by time, resuming, two processes, kills, a full disk."""

from __future__ import annotations

import functools
import itertools
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
    FROZEN_LAKE,
    SMALL,
    UPDATES_PER_SEGMENT,
    assert_same_result,
    error_of,
    result_of,
    state_of,
    steps_on_disk,
    stop_after,
)
from scorefn._command.errors import CommandError
from scorefn.cli import main
from scorefn.train.rollout import Player
from scorefn.train.run_folder import RunFolder
from scorefn.train.session import Session
from scorefn.train.trainer import Trainer

pytestmark = pytest.mark.slow

# Saves by time


class Clock:
    """The time of a simulator: a step and a save take as long as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[], float]) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.made: list[float] = []  # of each update, when
        self.saved: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        update, save = Trainer._update, Session._save

        def update_and_note(trainer: Trainer) -> None:
            update(trainer)
            self.made.append(self.now)

        def save_and_note(session: Session, state: Any) -> None:
            save(session, state)
            self.now += 0.9
            self.saved += [self.now] * (session.saved_updates - len(self.saved))

        monkeypatch.setattr(Trainer, "_update", update_and_note)
        monkeypatch.setattr(Session, "_save", save_and_note)

    def step(self) -> None:
        self.now += self.seconds()


RNG = np.random.default_rng(0)
SPEEDS: dict[str, Callable[[], float]] = {
    "1 us": lambda: 1e-6,
    "0.5 ms": lambda: 5e-4,
    "50 ms": lambda: 0.05,
    "1 s": lambda: 1.0,
    "now 1 us, now 1 s": functools.partial(next, itertools.cycle([1e-6] * 64 + [1.0] * 64)),
    "1 us to 1 s": lambda: 10.0 ** RNG.uniform(-6.0, 0.0),
}


@pytest.mark.parametrize("seconds", SPEEDS.values(), ids=SPEEDS)
def test_each_update_is_on_disk_after_5_seconds(
    seconds: Callable[[], float],
    each_step: list[Callable[[], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At any speed, and the speed changes no bit. A save takes 0.9 s here, which is slow."""
    options = [*CORRIDOR, "--steps", "1920", "--output"]
    assert main(["train", *options, str(tmp_path / "whole")]) == 0
    clock = Clock(monkeypatch, seconds)
    each_step.append(clock.step)
    assert main(["train", *options, str(tmp_path / "timed")]) == 0
    assert len(clock.made) == len(clock.saved) == 30
    assert max(np.subtract(clock.saved, clock.made)) <= 5.0
    # A save every 3 s at most, however fast it goes.
    assert len(set(clock.saved)) <= 1 + clock.now / 3.0
    assert_same_result(tmp_path / "timed", tmp_path / "whole")


def test_a_long_evaluation_waits_for_no_save(
    each_step: list[Callable[[], None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, lambda: 0.01)
    each_step.append(clock.step)
    options = ["--steps", "16000", "--stop-at-return", "2.5"]  # more than 100 episodes of 3 steps
    assert main(["train", *CORRIDOR, *options, "--output", str(tmp_path / "run")]) == 0
    assert max(np.subtract(clock.saved, clock.made)) <= 5.0


# Resuming


@pytest.mark.parametrize("environment", [FROZEN_LAKE, ["CartPole-v1", *SMALL]], ids=lambda e: e[0])
def test_resumed_at_a_boundary_it_is_the_uninterrupted_run(
    environment: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = ["train", *environment, "--steps", "8000", "--output"]
    assert main([*train, str(tmp_path / "whole")]) == 0
    run = tmp_path / "parts"
    command = [*train, str(run)]
    for segments in (1, 2, 4):
        with monkeypatch.context() as patch:
            stop_after(patch, segments * UPDATES_PER_SEGMENT)
            assert main(command) == 0
        assert state_of(run) == "stopped"
        command = ["train", "--resume", str(run), "--quiet"]
    assert main(command) == 0
    assert "note" not in capsys.readouterr().err
    assert_same_result(run, tmp_path / "whole")


def test_an_abandoned_rollout_leaves_no_trace(
    each_step: list[Callable[[], None]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interrupted in the first rollout of a segment, a run is still at its boundary."""
    train = ["train", *CORRIDOR, "--steps", "4800", "--output"]
    assert main([*train, str(tmp_path / "whole")]) == 0
    run = tmp_path / "run"

    def interrupt() -> None:
        if run.exists() and RunFolder(run).read_progress().state == "running":
            os.kill(os.getpid(), signal.SIGTERM)

    each_step.append(interrupt)  # in the first step of each session
    assert main([*train, str(run)]) == 143
    each_step.clear()
    calls = []

    def interrupt_later() -> None:
        calls.append(1)
        if len(begun) == 2 and len(calls) % 7 == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    begun: list[int] = []
    reset = Player.reset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Player, "reset", lambda p, seed: (begun.append(seed), reset(p, seed)))
        each_step.append(interrupt_later)
        assert main(["train", "--resume", str(run), "--quiet"]) == 143
    assert len(RunFolder(run).read_metrics()) == UPDATES_PER_SEGMENT
    each_step.clear()
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert_same_result(run, tmp_path / "whole")


@pytest.mark.parametrize("updates", [1, 10, 24, 26])
def test_resumed_within_a_segment(
    updates: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says so, keeps every update, and later segments begin where they would have begun."""
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, updates)
        assert main(["train", *FROZEN_LAKE, "--steps", "8000", "--output", str(run)]) == 0
    before = result_of(run)[1]
    begun = []
    reset = Player.reset

    def reset_and_note(player: Player, seed: int) -> None:
        begun.append(len(made))
        reset(player, seed)

    made: list[int] = [0] * updates
    update = Trainer._update
    monkeypatch.setattr(Player, "reset", reset_and_note)
    monkeypatch.setattr(Trainer, "_update", lambda t: (update(t), made.append(0)))
    capsys.readouterr()
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "every update is kept, but the result is no longer bitwise the same" in err
    assert begun == [updates, *(n for n in (25, 50, 75, 100) if n > updates)]
    assert result_of(run)[1][: updates + 1] == before
    assert steps_on_disk(run) == [8000] * 3


def test_more_steps_change_the_learning_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert main(["train", *FROZEN_LAKE, "--steps", "1984", "--output", run]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", run, "--steps", "3968", "--quiet"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("scorefn: note: the learning rate ")
    assert err.count("\n") == 1
    assert " from 3.23 to 50, because it " in err
    assert " now 3,968 instead of 1,984" in err


def test_a_learning_rate_that_hardly_changes_is_no_news(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    options = ["--steps", "1000000000", "--quiet"]
    limit = ["--time-limit", "0.5"]
    assert main(["train", *FROZEN_LAKE, *options, *limit, "--output", run]) == 0
    options[1] = "1000000001"
    assert main(["train", "--resume", run, *options, *limit]) == 0
    assert "learning rate" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        (1, 16),
        (64, 64),
        (65, 80),
        (100, 100),
        (1000, 1000),
        (1001, 1004),
        (1021, 1024),
        (1025, 1040),
    ],
)
def test_number_of_steps(steps: int, taken: int, tmp_path: Path) -> None:
    """Whole steps of the 4 environments, and at least 4 of each in a rollout."""
    run = tmp_path / "run"
    assert main(["train", *FROZEN_LAKE, "--steps", str(steps), "--output", str(run)]) == 0
    assert steps_on_disk(run) == [taken] * 3


def test_a_run_that_was_killed_at_its_end_is_finished(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(run)
    (run / "learning_curve.png").unlink()
    config = folder.config.read_text()
    folder.config.write_text(config.replace('"finished"', '"running"'))
    message = error_of(capsys, "train", "--resume", str(run), "--steps", "1000")
    assert " its 1,000 steps; --steps N " in message
    assert main(["train", "--resume", str(run), "--quiet"]) == 0
    assert state_of(run) == "finished"
    assert folder.picture.exists()


def test_two_trainings_in_one_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(run).locked():
        message = error_of(capsys, "train", "--resume", str(run), "--steps", "9999")
        assert message == f"{run} is in use by another training"
        assert main(["evaluate", str(run), "--episodes", "2"]) == 0  # reading is fine
    assert main(["train", "--resume", str(run), "--steps", "2100", "--quiet"]) == 0


# Kills


@pytest.mark.parametrize("options", [["--every-write"], ["--kills", "20"]], ids=lambda o: o[0])
def test_kills(options: list[str]) -> None:
    """More of them in .ci/nightly."""
    command = [sys.executable, str(Path(__file__).with_name("kills.py")), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "no fault" in result.stdout


# A full disk


def no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("writes", range(11))
def test_a_disk_that_is_full_after_some_files(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each save replaces four files and then flushes the folder; a picture comes at the end."""
    run = tmp_path / "run"
    synced = []
    fsync = os.fsync

    def fsync_or_fail(descriptor: int) -> None:
        synced.append(0)
        (fsync if len(synced) <= writes + 1 else no_space)(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync_or_fail)
        loud = [option for option in FROZEN_LAKE if option != "--quiet"]
        assert main(["train", *loud, "--steps", "640", "--output", str(run)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("scorefn: error: cannot write ")
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert not list(run.glob(".*.part"))
    if writes < 5:  # the first save of all
        assert out == ""
    elif writes < 10:
        assert out.startswith("Finished after 640 steps in ")
        assert f"{640 if writes > 5 else 0} of 640 steps are saved in {run}" in out
    else:
        assert out.startswith("Finished after 640 steps in ")
        assert f"scorefn plot {run}" in err
    if writes < 9:
        assert main(["train", "--resume", str(run), "--quiet"]) == 0
    else:  # config.json says that it is finished
        assert main(["plot", str(run)]) == 0
    assert steps_on_disk(run) == [640] * 3
    assert {path.name for path in run.iterdir()} == FILES


@pytest.mark.parametrize("kilobytes", [1, 24, 64])
def test_a_small_disk(kilobytes: int, tmp_path: Path) -> None:
    """A real one, where one may mount it. What grows is metrics.csv, and a picture takes most."""
    script = f"""
mount -t tmpfs -o size={kilobytes}k none {tmp_path} || exit 77
{sys.executable} -m scorefn train {" ".join(FROZEN_LAKE)} --steps 16000 --output {tmp_path}/run
echo code $?
cp -r {tmp_path}/run {tmp_path}.copy
"""
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare")
    if result.returncode == 77 or "unshare failed" in result.stderr:
        pytest.skip("may not mount")
    assert "code 2\n" in result.stdout, result.stdout
    assert "scorefn: error: cannot " in result.stderr
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    copy = Path(f"{tmp_path}.copy")
    if (copy / "config.json").exists():
        assert main(["train", "--resume", str(copy), "--steps", "16640", "--quiet"]) == 0
        assert steps_on_disk(copy) == [16640] * 3


def test_a_folder_where_a_training_was_killed_at_once_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.json.0123abcd.part").write_text("half")
    train = ["train", *FROZEN_LAKE, "--steps", "64", "--output", str(tmp_path / "run")]
    assert main(train) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    with pytest.raises(CommandError, match="is not empty"):
        RunFolder.create(str(tmp_path / "run"), "x")
