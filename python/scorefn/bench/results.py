"""The results of a run, and their file: a JSON object with the environment and a row a workload."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from scorefn._command.errors import CommandError, describe_exception
from scorefn._command.output import replacing
from scorefn.bench.load import Load
from scorefn.bench.solutions import OURS, PEER_NAMES
from scorefn.bench.timing import Timing
from scorefn.bench.workload import Workload

FORMAT_VERSION = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What decides which rows there are and what they say."""

    dtype: str
    threads: int
    quick: bool
    filters: tuple[str, ...]
    peers: tuple[str, ...]


@dataclass(frozen=True)
class Measurement:
    """Of one solution; its answer was right."""

    timing: Timing
    ulp: float  # the largest error
    memory: int | None  # bytes by which a call makes the process grow; None if nobody looked

    @property
    def seconds(self) -> float:
        return self.timing.seconds


@dataclass(frozen=True)
class Row:
    work: Workload
    bytes_moved: int
    bandwidth: float  # of a copy at the same time, bytes a second
    measured: dict[str, Measurement]
    failed: dict[str, str]  # the reasons
    load: Load  # of the machine during all of these measurements

    @property
    def ours(self) -> Measurement | None:
        return self.measured.get(OURS)

    @property
    def peers(self) -> dict[str, Measurement]:
        return {name: value for name, value in self.measured.items() if name != OURS}

    @property
    def roofline(self) -> float:
        """Seconds that it takes to move the bytes."""
        return self.bytes_moved / self.bandwidth

    def takes_part(self, name: str) -> bool:
        return name in self.measured or name in self.failed

    def speedup(self, peer: str) -> float:
        """How many times as long as scorefn the peer takes; NaN if one of them has no time."""
        ours, other = self.ours, self.measured.get(peer)
        return other.seconds / ours.seconds if ours and other else float("nan")

    def losses(self) -> dict[str, float]:
        """The peers that are faster."""
        ratios = {name: self.speedup(name) for name in self.peers}
        return {name: ratio for name, ratio in ratios.items() if ratio < 1.0}


@dataclass
class Results:
    environment: dict[str, Any]
    settings: Settings
    missing: list[str]  # peers that are not installed
    rows: list[Row] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of the peers that take part."""
        return [name for name in PEER_NAMES if any(row.takes_part(name) for row in self.rows)]

    def write(self, path: Path) -> None:
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        for row, value in zip(self.rows, content["rows"], strict=True):
            value["name"] = row.work.name  # for the human reader
        with replacing(path) as part:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Of a file, or of the folder of a run."""
    file = path / "results.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file} is damaged: {describe_exception(error)}") from error
    try:
        return _parse(content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = describe_exception(error)
        raise CommandError(f"{file} is not the results of a benchmark: {reason}") from error


def _parse(content: Any) -> Results:
    if content["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format_version is not {FORMAT_VERSION}")
    settings = content["settings"]
    for name in ("filters", "peers"):
        settings[name] = tuple(str(text) for text in settings[name])
    rows = [
        Row(
            _typed(Workload, row["work"]),
            int(row["bytes_moved"]),
            _positive(row["bandwidth"]),
            {name: _parse_measurement(value) for name, value in row["measured"].items()},
            {name: str(reason) for name, reason in row["failed"].items()},
            _parse_load(row["load"]),
        )
        for row in content["rows"]
    ]
    missing = [str(name) for name in content["missing"]]
    return Results(dict(content["environment"]), _typed(Settings, settings), missing, rows)


def _parse_measurement(value: Any) -> Measurement:
    timing, memory = _typed(Timing, value["timing"]), value["memory"]
    _positive(timing.seconds)
    return Measurement(timing, float(value["ulp"]), None if memory is None else int(memory))


def _parse_load(value: Any) -> Load:
    load = _typed(Load, value)
    return load if load.others is None else replace(load, others=float(load.others))


def _positive(value: Any) -> float:
    number = float(value)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{value!r} is no positive number")
    return number


def _typed(cls: type[T], values: dict[str, Any]) -> T:
    """cls(**values), if the plain ones of its fields are of the types that they should be."""
    types = get_type_hints(cls)
    for name, value in values.items():
        expected = types.get(name)
        is_wrong = expected in (bool, int, str) and type(value) is not expected
        if is_wrong or (expected is float and type(value) not in (int, float)):
            raise ValueError(f"{name} = {value!r} is not valid")
    return cls(**values)
