"""What other processes do meanwhile, and what that makes scorefn do."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import scorefn

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # of the columns: idle and waiting for a disk
_COLUMNS = 8  # those after them are part of others
# What other processes may use: the larger of a share of the CPUs, as far as scorefn leaves as many
# free, and of what the system itself uses on an idle machine.
MOST_OTHERS, MOST_OF_SYSTEM = 0.05, 0.1
MOST_ALONE = 0.05  # of scorefn's parallel regions


@dataclass(frozen=True)
class Load:
    """While something was measured."""

    seconds: float
    cpus: int  # that this process may use
    others: float | None  # CPU seconds of other processes; None if the system does not tell
    regions_shared: int  # scorefn's parallel regions that several threads worked on
    regions_alone: int  # those that it worked on alone, because the machine was busy


class LoadMeter:
    """Measures from its construction on."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), _busy(), time.process_time()
        self._config = scorefn.show_config()

    def read(self) -> Load:
        busy, config = _busy(), scorefn.show_config()
        others = None
        if busy is not None and self._busy is not None:
            # Both are rounded, in their own ways.
            others = max(0.0, busy - self._busy - (time.process_time() - self._own))
        return Load(
            time.perf_counter() - self._start,
            len(os.sched_getaffinity(0)),
            others,
            config.regions_shared - self._config.regions_shared,
            config.regions_alone - self._config.regions_alone,
        )


def doubts(loads: Sequence[Load], threads: int) -> list[str]:
    """Why the times of a run should not be believed."""
    known = [(load.others, load.seconds) for load in loads if load.others is not None]
    seconds = sum(duration for _, duration in known)
    others = sum(cpu_seconds for cpu_seconds, _ in known) / seconds if seconds > 0.0 else 0.0
    cpus = max((load.cpus for load in loads), default=0)
    alone = sum(load.regions_alone for load in loads)
    regions = alone + sum(load.regions_shared for load in loads)
    found = []
    if others > max(MOST_OF_SYSTEM, min(MOST_OTHERS * cpus, cpus - threads)):
        found.append(f"other processes used {others:.1f} of the {cpus} CPUs")
    if alone > MOST_ALONE * regions:
        found.append(f"scorefn worked alone in {alone / regions:.0%} of its parallel regions")
    return found


def _busy() -> float | None:
    """Seconds that the CPUs of this process have worked for anybody."""
    names = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    try:
        lines = [line.split() for line in _STAT.read_text(encoding="ascii").splitlines()]
        counts = [[int(text) for text in line[1:]] for line in lines if line and line[0] in names]
    except (OSError, ValueError):
        return None
    columns = [column for column in range(_COLUMNS) if column not in _IDLE]
    ticks = sum(count[column] for count in counts for column in columns if column < len(count))
    return ticks / os.sysconf("SC_CLK_TCK") if counts else None
