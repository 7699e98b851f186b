"""Whether calls stay about as fast as on one thread while others use the CPUs.

    python tests/busy_machine.py                    # exit status 1 if a case is too slow
    python tests/busy_machine.py --function score_gradient --busy 2 --rounds 6
    python tests/busy_machine.py --idle             # the gain by threads, without other processes

A round starts processes that only loop, and a fresh process that calls each function at each size,
by turns with one thread and with the default number. It compares medians and means. A case that is
too slow in a round has two more tries, each beside fresh processes: what the system does with the
CPUs differs from one start to the next.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import scorefn
from _cases import ARGUMENTS, OBJECTIVES

Array = np.ndarray[Any, Any]

MOST_MEDIAN, MOST_MEAN = 1.3, 2.6  # times one thread: contract C10
TRIES = 3
# Samples and actions: a million logits as short and as longer rows, more than the caches hold, a
# call of a few tasks, and two long rows that the threads share.
SIZES = {
    "166666x6": (166_666, 6),
    "976x1024": (976, 1024),
    "16384x1024": (16_384, 1024),
    "4096x18": (4096, 18),
    "1x500000": (1, 500_000),
}
STATES = FEATURES = 8


class Times(NamedTuple):
    """Seconds of the calls."""

    one: list[float]
    default: list[float]

    def ratios(self) -> tuple[float, float]:
        """Of medians and of means, the default number of threads to one."""
        return (
            statistics.median(self.default) / statistics.median(self.one),
            statistics.fmean(self.default) / statistics.fmean(self.one),
        )


def inputs_for(samples: int, actions: int) -> dict[str, Array]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, dtype=np.float32)

    logits = normal(samples, actions)
    chosen = rng.integers(actions, size=samples)
    return {
        "logits": logits,
        "logits_q": logits[::-1],
        "actions": chosen,
        "weights": normal(samples),
        "old_log_prob": scorefn.log_prob(logits, chosen),
        "table": normal(STATES, actions),
        "states": rng.integers(STATES, size=samples),
        "features": normal(samples, FEATURES),
        "coef": normal(FEATURES, actions),
    }


def times_of(function: str, inputs: dict[str, Array], seconds: float) -> Times:
    """Calls with one thread and with the default, in three blocks each."""
    arguments = [inputs[name] for name in ARGUMENTS[function]]
    options: dict[str, Any] = {"rng": 1} if function == "sample" else {}
    call = getattr(scorefn, function)
    if function in (*OBJECTIVES, "log_softmax", "softmax", "score", "score_gradient"):
        options["out"] = np.empty_like(inputs["logits"])
    times = Times([], [])
    for _ in range(3):
        for num_threads, found in ((1, times.one), (None, times.default)):
            call(*arguments, num_threads=num_threads, **options)
            until = time.perf_counter() + seconds / 6
            while time.perf_counter() < until:
                start = time.perf_counter()
                call(*arguments, num_threads=num_threads, **options)
                found.append(time.perf_counter() - start)
    return times


def work() -> None:
    """The process that calls: a case a line comes in, its times go out."""
    known: dict[str, dict[str, Array]] = {}
    for line in sys.stdin:
        function, size, seconds = json.loads(line)
        if size not in known:
            known.clear()
            known[size] = inputs_for(*SIZES[size])
        print(json.dumps(times_of(function, known[size], seconds)), flush=True)


class Worker:
    """`work` in a process of its own, with OpenMP's own way to wait."""

    def __init__(self, *command: str) -> None:
        unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "SCOREFN_NUM_THREADS")
        self.process = subprocess.Popen(
            command or (sys.executable, __file__, "--work"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in unset},
            text=True,
        )

    def measure(self, function: str, size: str, seconds: float) -> Times:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps([function, size, seconds]), file=self.process.stdin, flush=True)
        return Times(*json.loads(self.process.stdout.readline()))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    loop = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(loop) for _ in range(count)]
    try:
        time.sleep(0.3)  # they have begun
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
