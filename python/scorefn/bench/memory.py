"""How much memory a call takes for a while, by what Linux counts of this process."""

from __future__ import annotations

import re
from pathlib import Path

from scorefn.bench.problem import Solve
from scorefn.bench.timing import seconds_of

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"


def peak_memory(solve: Solve) -> tuple[int | None, float]:
    """Bytes by which the process grows during the call at most, and the seconds that it takes.

    What is allocated beforehand does not count; None where Linux tells nothing. Exact to a MiB.
    """
    try:
        _CLEAR.write_text(_CLEAR_PEAK)
        before = _bytes("VmRSS")
    except OSError:
        return None, seconds_of(solve)
    seconds = seconds_of(solve)
    return max(0, _bytes("VmHWM") - before), seconds


def _bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} has no {name}")
    return int(found[1]) * 1024
