"""scorefn info"""

from __future__ import annotations

import time

import numpy as np

import scorefn

SECONDS = 0.25  # some slices of time that the system gives a thread


def info() -> scorefn.Config:
    """The configuration, after enough calls to see whether threads pay at the moment."""
    logits = np.zeros((1024, 1024), dtype=np.float32)
    probabilities = np.empty_like(logits)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        scorefn.softmax(logits, out=probabilities)
    return scorefn.show_config()
