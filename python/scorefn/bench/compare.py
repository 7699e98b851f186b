"""What changed between two runs: how many times as long each workload takes now."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from scorefn.bench import text
from scorefn.bench.results import Measurement, Results
from scorefn.bench.tables import Cell, Table
from scorefn.cli.errors import CommandError

LEAST_CHANGE = 0.05  # relative: less than that is never called a change
QUARTILE_RANGES = 1.5  # of old and new together, in which a change may be noise


@dataclass(frozen=True)
class Change:
    name: str
    old: float
    new: float
    noise: float  # relative, by which the ratio may be off

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def is_real(self) -> bool:
        return abs(math.log(self.ratio)) > max(LEAST_CHANGE, self.noise)


def changes(old: Results, new: Results) -> list[Change]:
    """Of scorefn, in the rows that both have; what became slower most comes first."""
    before = {row.work: row.ours for row in old.rows}
    found = []
    for row in new.rows:
        was, now = before.get(row.work), row.ours
        if was is not None and now is not None:
            noise = QUARTILE_RANGES * math.hypot(_spread(was), _spread(now))
            found.append(Change(row.work.name, was.seconds, now.seconds, noise))
    return sorted(found, key=lambda change: -change.ratio)


def _spread(measurement: Measurement) -> float:
    timing = measurement.timing
    return (timing.high - timing.low) / timing.seconds


def compare(old: Results, new: Results) -> tuple[Table, list[str]]:
    """The real changes, and what one has to know of the others and of the machine."""
    if old.settings.dtype != new.settings.dtype:
        raise CommandError(f"cannot compare {old.settings.dtype} with {new.settings.dtype}")
    found = changes(old, new)
    if not found:
        raise CommandError("cannot compare: the two runs have no workload in common")
    real = [change for change in found if change.is_real]
    cells = [
        [
            Cell(change.name),
            Cell(text.duration(change.old)),
            Cell(text.duration(change.new)),
            Cell(text.ratio(change.ratio), stands_out=change.ratio > 1.0),
            Cell(f"±{change.noise:.0%}"),
        ]
        for change in real
    ]
    table = Table("What changed", ["workload", "old", "new", "new / old", "noise"], cells)
    slower = sum(change.ratio > 1.0 for change in real)
    notes = [
        f"{slower} slower, {len(real) - slower} faster, {len(found) - len(real)} within the noise; "
        f"all together {text.ratio(_mean([change.ratio for change in found]))}",
        *_machine(old, new),
    ]
    return table, notes


def _machine(old: Results, new: Results) -> list[str]:
    """By how much the machine itself differs: in what it is, in copying, in the peers' times."""
    notes = []
    for name in ("cpu", "isa", "threads"):
        was, now = old.environment.get(name), new.environment.get(name)
        if was != now:
            notes.append(f"{name}: was {was}, is {now}")
    was, now = (statistics.median(row.bandwidth for row in run.rows) for run in (old, new))
    notes.append(f"a copy takes {text.ratio(was / now)} the time")
    before = {row.work: row.peers for row in old.rows}
    ratios = [
        peer.seconds / before[row.work][name].seconds
        for row in new.rows
        for name, peer in row.peers.items()
        if name in before.get(row.work, {})
    ]
    if ratios:
        notes.append(f"the peers take {text.ratio(_mean(ratios))} the time")
    return notes


def _mean(ratios: list[float]) -> float:
    return statistics.geometric_mean(ratios)
