"""Timing the solutions of a workload in turn, so that all meet the same state of the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scorefn.bench.problem import Solve

LONGEST = 3.0  # seconds of all measurements of a solution, unless a single one takes longer


@dataclass(frozen=True)
class Budget:
    seconds: float  # for each solution, as long as that is enough for `fewest` measurements
    fewest: int
    most: int
    shortest: float  # seconds of one measurement: faster calls are repeated to fill it


FULL = Budget(seconds=0.3, fewest=3, most=21, shortest=3e-3)
QUICK = Budget(seconds=0.03, fewest=3, most=9, shortest=1e-3)


@dataclass(frozen=True)
class Timing:
    """Seconds of a call: the median and the quartiles of the measurements."""

    seconds: float
    low: float
    high: float
    measurements: int


def seconds_of(solve: Solve, calls: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        solve()
    return (time.perf_counter() - start) / calls


def time_in_turn(
    solves: Mapping[str, Solve],
    budget: Budget,
    *,
    first: Mapping[str, float] | None = None,
    between_rounds: Callable[[], None] = lambda: None,
) -> dict[str, Timing]:
    """Each has its turn in each round; the slow ones sit out some, evenly spread.

    `first` has the seconds of a call that was made before, to count if it is long enough.
    """
    once = dict(first) if first else {name: seconds_of(solve) for name, solve in solves.items()}
    times: dict[str, list[float]] = {}
    calls, wanted = {}, {}
    for name, solve in solves.items():
        times[name] = [once[name]] if once[name] >= budget.shortest else []
        if not times[name]:  # a first call is a slow one
            once[name] = seconds_of(solve, max(1, min(10, int(budget.shortest / once[name]))))
        calls[name] = max(1, math.ceil(budget.shortest / once[name]))
        affordable = int(budget.seconds / (once[name] * calls[name]))
        fewest = min(budget.fewest, max(1, int(LONGEST / once[name])))
        wanted[name] = min(max(affordable, fewest), budget.most) - len(times[name])

    rounds = max(wanted.values(), default=0)
    for i in range(rounds):
        between_rounds()
        for name, solve in solves.items():
            if (i + 1) * wanted[name] // rounds > i * wanted[name] // rounds:
                if calls[name] > 1:
                    solve()  # wakes its threads and fetches its arrays
                times[name].append(seconds_of(solve, calls[name]))
    return {name: _timing(values) for name, values in times.items()}


def _timing(values: list[float]) -> Timing:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    return Timing(float(median), float(low), float(high), len(values))
