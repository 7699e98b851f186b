"""The folder of a run.

    config.json         settings, versions and how far it came
    policy.npz          the policy, for scorefn.load_policy
    metrics.csv         one row an update
    learning_curve.png  the metrics as a picture
    checkpoint.npz      what --resume needs

A save writes the checkpoint first, then the rest. The checkpoint holds the rows that metrics.csv
has not got yet, so a kill at any moment loses nothing of what was saved.
Reading a file never executes anything; a damaged one is a `CommandError`. But evaluate and --resume
import the modules that config.json names, because these register the environment.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scorefn import LinearPolicy, TabularPolicy, load_policy
from scorefn._command.errors import CommandError, describe_exception
from scorefn._command.output import create_folder, replacing, writing
from scorefn._files import read_arrays
from scorefn.train.metrics import MetricsRow, read_metrics
from scorefn.train.models import PlayablePolicy
from scorefn.train.settings import TrainSettings
from scorefn.train.state import Arrays

FORMAT_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a run came."""

    state: str  # running (or killed), or how the last session ended
    steps: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        return self.state in ("finished", "solved")

    @staticmethod
    def from_json(values: object) -> Progress:
        if not isinstance(values, dict) or set(values) != {"state", "steps", "seconds"}:
            raise CommandError("progress is not an object of state, steps and seconds")
        progress = Progress(**values)
        if not isinstance(progress.state, str) or type(progress.steps) is not int:
            raise CommandError("progress has a state or steps that cannot be")
        return progress


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.policy = path / "policy.npz"
        self.metrics = path / "metrics.csv"
        self.picture = path / "learning_curve.png"
        self.checkpoint = path / "checkpoint.npz"

    @staticmethod
    def create(output: str | None, name: str) -> RunFolder:
        """The folder `output`, new or empty; without it the first free runs/NAME-1, -2, ..."""
        return RunFolder(create_folder(output, name))

    @staticmethod
    def open(path: str) -> RunFolder:
        folder = RunFolder(Path(path))
        try:
            is_run = folder.config.is_file()
        except OSError as error:  # a name too long, or a folder that may not be looked into
            raise CommandError(f"cannot read {path}: {error.strerror or error}") from error
        if not is_run:
            raise CommandError(f"{path} is not a run folder: it has no config.json")
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains in this folder meanwhile, on this machine at least.

        The lock is the kernel's, so that nothing is left of it after a kill.
        """
        with _open_folder(self.path) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CommandError(f"{self.path} is in use by another training") from error
            except OSError:  # a file system without locks
                pass
            yield

    def flush(self) -> None:
        """Have the replaced files survive a power loss."""
        with writing(self.path), _open_folder(self.path) as descriptor:
            os.fsync(descriptor)

    def write_config(self, settings: TrainSettings, progress: Progress) -> None:
        content = {
            "format_version": FORMAT_VERSION,
            "settings": settings.to_json(),
            "progress": asdict(progress),
            "versions": _versions(),
        }
        with replacing(self.config) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def read_settings(self) -> TrainSettings:
        return _reading(
            self.config, lambda: TrainSettings.from_json(self._read_config().get("settings"))
        )

    def read_progress(self) -> Progress:
        return _reading(
            self.config, lambda: Progress.from_json(self._read_config().get("progress"))
        )

    def _read_config(self) -> dict[str, Any]:
        content = json.loads(self.config.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
            raise CommandError(f"format_version is not {FORMAT_VERSION}")
        return content

    def write_policy(self, policy: PlayablePolicy) -> None:
        with writing(self.policy):
            policy.save(self.policy)

    def read_policy(self) -> PlayablePolicy:
        def read() -> PlayablePolicy:
            policy = load_policy(self.policy)
            if not isinstance(policy, LinearPolicy | TabularPolicy):
                raise CommandError("not the policy of a training run")
            if not np.isfinite(policy.parameters).all():
                raise CommandError("the parameters hold a number that is not finite")
            return policy

        return _reading(self.policy, read)

    def write_metrics(self, text: str) -> None:
        with replacing(self.metrics) as part:
            part.write_text(text, encoding="utf-8", newline="")

    def read_metrics(self) -> list[MetricsRow]:
        def read() -> list[MetricsRow]:
            return read_metrics(self.metrics.read_text(encoding="utf-8"))

        return _reading(self.metrics, read)

    def write_checkpoint(self, arrays: Arrays) -> None:
        with replacing(self.checkpoint) as part, part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle

    def read_checkpoint(self) -> Arrays:
        return _reading(self.checkpoint, lambda: read_arrays(self.checkpoint))


def _reading(path: Path, read: Callable[[], T]) -> T:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device may have no end
        raise CommandError(f"cannot read {path}: not a file")
    try:
        return read()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # damage shows in many ways: zip, zlib, header, UTF-8, memory, ...
        message = describe_exception(error)
        if not message.startswith(str(path)):  # as load_policy's do
            message = f"{path} is damaged: {message}"
        raise CommandError(message) from error


@contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _versions() -> dict[str, str]:
    import platform

    import gymnasium

    import scorefn

    return {
        "scorefn": scorefn.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gymnasium": gymnasium.__version__,
    }
