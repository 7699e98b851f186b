"""Makes a thread work alone, as it does on a busy machine."""

from __future__ import annotations

import os

import numpy as np

import scorefn
from scorefn import _core


def regions_alone() -> int:
    return _core.region_counts()[1]


def back_off() -> None:
    """Of so many threads, some do not get a CPU in time; the calling thread then works alone."""
    logits = np.zeros((1000, 1000), dtype=np.float32)
    _core.share_again()
    before = regions_alone()
    while regions_alone() == before:
        scorefn.softmax(logits, num_threads=16 * len(os.sched_getaffinity(0)))
