"""Kills trainings with SIGKILL: nothing on disk ever gets older, and whatever is there can go on.

``python tests/kills.py --kills 200 --seed 1`` kills at random moments, first runs and resumed ones.
``python tests/kills.py --every-write`` kills right before and right after each file is replaced.
The process imports everything once and forks the trainings. It ends with 1 at the first fault.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from _runs import FROZEN_LAKE
from scorefn.cli import main
from scorefn.train import session
from scorefn.train.models import PlayablePolicy
from scorefn.train.play import Episodes
from scorefn.train.run_folder import RunFolder
from scorefn.train.train import _make
from scorefn.train.trainer import Trainer

FILES = ("checkpoint", "metrics", "policy", "config")
LONGEST = 0.25  # seconds until a kill: a start takes about a tenth of it, a save a fifth


def digest(policy: PlayablePolicy) -> str:
    return hashlib.sha256(policy.parameters.tobytes()).hexdigest()


class Run:
    """A run that is killed again and again, and what has been seen of it."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        self.log = path.with_suffix(".log")  # which policy has been written after which step
        self.log.touch()
        self.seen = dict.fromkeys(FILES, -1)

    def command(self) -> list[str]:
        if self.folder.config.exists():
            return ["train", "--resume", str(self.folder.path), "--quiet"]
        return ["train", *FROZEN_LAKE, "--steps", "100000000", "--output", str(self.folder.path)]

    def start(self, before: Callable[[], None]) -> int:
        """The process id of a training that saves as often as it can."""
        child = os.fork()
        if child != 0:
            return child
        os.dup2(os.open(self.folder.path.with_suffix(".out"), os.O_CREAT | os.O_RDWR), 1)
        os.dup2(1, 2)
        session.SECONDS_BETWEEN_SAVES = 0.0
        write = RunFolder.write_policy

        def write_and_tell(folder: RunFolder, policy: PlayablePolicy) -> None:
            steps = int(folder.read_checkpoint()["counts"][1])
            with self.log.open("a") as log:
                log.write(f"{digest(policy)} {steps}\n")
            write(folder, policy)

        RunFolder.write_policy = write_and_tell  # type: ignore[method-assign]
        before()
        os._exit(main(self.command()))

    def wait(self, child: int) -> None:
        status = os.waitpid(child, 0)[1]
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            output = self.folder.path.with_suffix(".out").read_text()
            raise AssertionError(f"the training ended by itself: {status}\n{output}")

    def steps(self) -> dict[str, int]:
        """How far each file came; -1 if it is not there."""
        folder = self.folder
        logged = dict(line.split() for line in self.log.read_text().splitlines())
        read: dict[str, Callable[[], int]] = {
            "checkpoint": lambda: int(folder.read_checkpoint()["counts"][1]),
            "metrics": lambda: ([0] + [row.steps for row in folder.read_metrics()])[-1],
            "policy": lambda: int(logged[digest(folder.read_policy())]),
            "config": lambda: int(json.loads(folder.config.read_text())["progress"]["steps"]),
        }
        return {name: read[name]() if getattr(folder, name).exists() else -1 for name in FILES}

    def check(self) -> None:
        steps = self.steps()
        for name in FILES:
            assert steps[name] >= self.seen[name], (name, self.seen, steps)
        assert (
            steps["checkpoint"] == max(steps["checkpoint"], *steps.values())
            or max(steps.values()) == 0
        ), steps
        self.seen = steps
        if self.folder.checkpoint.exists():
            self.resume()

    def resume(self) -> None:
        """As ``--resume`` does it, in this process."""
        settings = self.folder.read_settings()
        envs = _make(settings, settings.num_envs)

        def evaluate(*_: object) -> Episodes:
            raise AssertionError

        trainer = Trainer(settings, envs, evaluate)
        metrics = self.folder.read_metrics() if self.folder.metrics.exists() else []
        trainer.resume(self.folder.read_checkpoint(), metrics)
        assert trainer.steps == self.seen["checkpoint"]
        assert [row.update for row in trainer.metrics] == list(range(1, trainer.updates + 1))
        envs.close()

    def is_cut(self) -> bool:
        """Whether the kill came in the middle of a save."""
        parts = self.folder.path.exists() and any(self.folder.path.glob(".*.part"))
        return bool(parts) or len(set(self.seen.values())) > 1


def kill_at_random(work: Path, kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = Run(work / "0")
    runs, resumed, cut, begun = 1, 0, 0, time.monotonic()
    for number in range(kills):
        if rng.random() < 0.2:
            run, runs = Run(work / str(number)), runs + 1
        resumed += run.folder.config.exists()
        child = run.start(lambda: None)
        time.sleep(rng.uniform(0.0, LONGEST))
        os.kill(child, signal.SIGKILL)
        run.wait(child)
        run.check()
        cut += run.is_cut()
    seconds = time.monotonic() - begun
    print(f"{kills} kills of {runs} runs, {resumed} of them resumed, {cut} in the middle of a save")
    print(f"{seconds:.0f} s, no fault")


def die_at_write(number: int, *, after: bool) -> None:
    """From now on, the process kills itself when it replaces so many files more than one."""
    replace = os.replace
    left = [number]

    def replace_and_die(source: Path, target: Path) -> None:
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    os.replace = replace_and_die  # type: ignore[assignment]


def kill_at_every_write(work: Path) -> None:
    """First runs and resumed ones: each of the first twelve files, before and after."""
    for after, number in itertools.product((False, True), range(12)):
        run = Run(work / f"{after}-{number}")
        for wanted in (number, number, 0):
            run.wait(run.start(functools.partial(die_at_write, wanted, after=after)))
            run.check()
    print("no fault")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--every-write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        try:
            if arguments.every_write:
                kill_at_every_write(Path(work))
            else:
                kill_at_random(Path(work), arguments.kills, arguments.seed)
        except AssertionError as error:
            sys.exit(f"fault: {error}")
