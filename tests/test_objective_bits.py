"""Objectives have the same bits on every instruction set, for any thread count: each example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

import scorefn
from _objectives import EXAMPLES

N = 4099  # several blocks, and a tile that is not full


def hash_of(step: Any) -> str:
    arrays = [np.asarray(x) for x in step if x is not None]
    return sha256(b"".join(x.tobytes() for x in arrays)).hexdigest()[:16]


def hashes(num_threads: int) -> dict[str, str]:
    found = {}
    for dtype in (np.float32, np.float64):
        for cols in (3, 18):
            rng = np.random.default_rng(cols)
            z, actions = rng.normal(size=(N, cols)).astype(dtype), rng.integers(cols, size=N)
            z[:, 0] *= dtype(30.0)  # ratios far from 1, and some that are infinite
            with scorefn.threads(1):
                log_prob = scorefn.log_prob(z[::-1].copy(), actions)
            for example in EXAMPLES:
                numbers = example.numbers(log_prob, np.random.default_rng(0), dtype)
                if "propensities" in numbers:
                    least = np.finfo(dtype).smallest_normal
                    numbers["propensities"] = np.maximum(numbers["propensities"], least)
                with scorefn.threads(num_threads):
                    step = example.objective.gradient(z, None, actions, **numbers)
                found[f"{example.objective!r} {z.dtype} {cols}"] = hash_of(step)
    return found


def test_any_thread_count_gives_the_same_bits() -> None:
    assert hashes(1) == hashes(2) == hashes(5)


@pytest.mark.slow
@pytest.mark.parametrize("isa", scorefn.show_config().available_isas)
def test_every_isa_gives_the_same_bits(isa: str) -> None:
    child = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "SCOREFN_ISA": isa},
        capture_output=True,
        text=True,
        timeout=600.0,
        check=True,
    )
    assert json.loads(child.stdout) == hashes(1)


if __name__ == "__main__":
    print(json.dumps(hashes(2)))
