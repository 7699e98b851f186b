"""What changed between two runs: how many times as long each workload takes now."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from scorefn._command.errors import CommandError
from scorefn.bench import text
from scorefn.bench.environment import warning
from scorefn.bench.results import Measurement, Results, Row, Settings
from scorefn.bench.tables import Cell, Table
from scorefn.bench.workload import Workload

LEAST_CHANGE = 0.05  # relative: less than that is never called a change
QUARTILE_RANGES = 1.5  # of old and new together, in which a change may be noise


@dataclass(frozen=True)
class Change:
    name: str
    old: float
    new: float
    noise: float  # relative, by which the ratio may be off
    peers: float  # the peers' times, new over old: the machine's part in the change; NaN if none

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def is_real(self) -> bool:
        """By more than noise, and not because all the machine was faster or slower then."""
        own = self.ratio if math.isnan(self.peers) else self.ratio / self.peers
        return all(abs(math.log(r)) > max(LEAST_CHANGE, self.noise) for r in (self.ratio, own))


def check_comparable(old: Results, settings: Settings, workloads: Iterable[Workload]) -> None:
    """Before anything is measured."""
    if old.settings.dtype != settings.dtype:
        raise CommandError(
            f"--compare: that run has dtype {old.settings.dtype}, expected {settings.dtype}"
        )
    if not {row.work for row in old.rows} & set(workloads):
        raise CommandError("--compare: the two runs have no workload in common")


def changes(old: Results, new: Results) -> list[Change]:
    """Of scorefn, in the rows that both have; what became slower most comes first."""
    before = {row.work: row for row in old.rows}
    found = []
    for row in new.rows:
        earlier = before.get(row.work)
        was, now = earlier and earlier.ours, row.ours
        if earlier and was and now:
            noise = QUARTILE_RANGES * math.hypot(_spread(was), _spread(now))
            peers = _mean(_ratios(earlier, row))
            found.append(Change(row.work.name, was.seconds, now.seconds, noise, peers))
    return sorted(found, key=lambda change: -change.ratio)


def _ratios(old: Row, new: Row) -> list[float]:
    """The peers' times, new over old."""
    return [
        peer.seconds / old.peers[name].seconds
        for name, peer in new.peers.items()
        if name in old.peers
    ]


def _spread(measurement: Measurement) -> float:
    timing = measurement.timing
    return (timing.high - timing.low) / timing.seconds


def compare(old: Results, new: Results) -> tuple[Table, list[str]]:
    """The real changes, and what one has to know of the others and of the machine."""
    found = changes(old, new)
    if not found:
        return Table("Changes", [], []), ["the runs have no workload in common"]
    real = [change for change in found if change.is_real]
    cells = [
        [
            Cell(change.name),
            Cell(text.duration(change.old)),
            Cell(text.duration(change.new)),
            Cell(text.ratio(change.ratio), stands_out=change.ratio > 1.0),
            Cell("" if math.isnan(change.peers) else text.ratio(change.peers)),
            Cell(f"±{change.noise:.0%}"),
        ]
        for change in real
    ]
    table = Table("Changes", ["workload", "old", "new", "new / old", "others", "noise"], cells)
    slower = sum(change.ratio > 1.0 for change in real)
    notes = [
        f"{slower} slower, {len(real) - slower} faster, {len(found) - len(real)} within the noise; "
        f"geometric mean {text.ratio(_mean([change.ratio for change in found]))}",
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
    for name, run in (("old", old), ("new", new)):
        if doubt := warning(run):
            notes.append(f"the {name} run: {doubt}")
    was, now = (statistics.median(row.bandwidth for row in run.rows) for run in (old, new))
    notes.append(f"memory copy: {text.ratio(was / now)} the time")
    before = {row.work: row for row in old.rows}
    ratios = [r for row in new.rows if row.work in before for r in _ratios(before[row.work], row)]
    if ratios:
        notes.append(f"other libraries: {text.ratio(_mean(ratios))} the time")
    return notes


def _mean(ratios: list[float]) -> float:
    return statistics.geometric_mean(ratios) if ratios else math.nan
