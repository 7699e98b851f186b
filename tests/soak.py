"""A long run of every function: ``python tests/soak.py --minutes 10 --seed 1``.

Each step is one call of a function or an estimator with random arguments, made by this thread, by
several at once or in a fork. Its result must have the bits that one thread gives for plain arrays,
and every tenth must be near the reference, too. Resident memory, open files and threads must not
grow, and no step may hang. A step depends on the seed and its number alone: ``--first N`` begins
with step N.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import scorefn
from _soak_steps import FUNCTIONS, MOST_THREADS, random_step

SECONDS_TO_HANG = 120
SECONDS_BETWEEN_LINES = 5.0
# What caches and the fragments of the heap may take after a run's first quarter or first minute.
MOST_GROWTH = 16 * 2**20
SECONDS_TO_SETTLE = 60.0


# --- One step -------------------------------------------------------------------------------------


def in_threads(check: Any) -> None:
    failures = []

    def body() -> None:
        try:
            check()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=body) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def in_fork(check: Any) -> None:
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS_TO_HANG // 2)
        try:
            check()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, f"the child ended with {code}"


def in_fork_during_a_call(check: Any) -> None:
    logits, ended = np.zeros((3_000, 100)), threading.Event()

    def call_on_and_on() -> None:
        while not ended.is_set():
            scorefn.softmax(logits, num_threads=2)

    caller = threading.Thread(target=call_on_and_on)
    caller.start()
    try:
        in_fork(check)
    finally:
        ended.set()
        caller.join()


def run_step(step: Any, number: int) -> str:
    """Checks all of it; returns how it was called."""
    expected, inputs = step.expected(), step.laid_out()
    check = partial(step.check, inputs, expected)
    ways = {"threads": in_threads, "fork": in_fork, "fork in flight": in_fork_during_a_call}
    way = str(step.rng.choice(["plain", *ways], p=[0.76, 0.14, 0.06, 0.04]))
    if way == "plain":
        check()
    else:
        ways[way](check)
    if number % 10 == 0:
        step.check_reference(expected)
        step.check_error()
    return way


# --- What may not grow ----------------------------------------------------------------------------


# glibc would keep what was freed for itself, and a leak could not be told from that.
LIBC = ctypes.CDLL(None)
M_MMAP_THRESHOLD = -3


def resident() -> int:
    gc.collect()
    LIBC.malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def count(folder: str) -> int:
    return len(os.listdir(f"/proc/self/{folder}"))


def multiply() -> None:
    """NumPy's BLAS keeps memory for as many threads as have ever called it at once."""
    for dtype in (np.float32, np.float64):
        features, coef = np.ones((20_000, 40), dtype), np.ones((40, 1_000), dtype)
        for _ in range(5):
            features @ coef


class Watch:
    """Memory against what it was when the run had settled; open files and threads."""

    def __init__(self) -> None:
        self.first = self.peak = resident()
        self.fds = count("fd")
        # The threads that OpenMP keeps for this one, and the watchdog.
        self.threads = count("task") + max(MOST_THREADS, scorefn.get_num_threads())

    def look(self, *, settled: bool) -> list[str]:
        """What has grown."""
        if not settled:
            self.peak = max(self.peak, resident())
        problems = []
        growth = resident() - self.peak
        if growth > MOST_GROWTH:
            problems.append(f"resident memory grew by {growth >> 20} MiB")
        if count("fd") > self.fds:
            problems.append(f"{count('fd')} open files after {self.fds}")
        until = time.monotonic() + 10.0  # threads that have ended may be listed for a while
        while count("task") > self.threads and time.monotonic() < until:
            time.sleep(0.01)
        if count("task") > self.threads:
            problems.append(f"{count('task')} threads, more than {self.threads}")
        return problems

    def __str__(self) -> str:
        memory = f"{resident() >> 20} MiB (at first {self.first >> 20})"
        return f"{memory}, {count('fd')} files, {count('task')} threads"


def soak(minutes: float, seed: int, first: int = 0) -> int:
    """The exit code."""
    begin = time.monotonic()
    end = begin + 60.0 * minutes
    settled = begin + max(0.25 * (end - begin), SECONDS_TO_SETTLE)
    next_line, number = begin + SECONDS_BETWEEN_LINES, first
    functions: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    LIBC.mallopt(M_MMAP_THRESHOLD, 64 * 1024)
    in_threads(multiply)
    watch = Watch()
    problems: list[str] = []
    while not problems and (now := time.monotonic()) < end:
        faulthandler.dump_traceback_later(SECONDS_TO_HANG, exit=True)
        step = random_step(seed, number, FUNCTIONS)
        try:
            ways[run_step(step, number)] += 1
        except Exception as failure:
            sys.excepthook(*sys.exc_info())
            problems.append(f"step {number}: {step}: {failure}")
        functions[step.name] += 1
        del step  # up to 100 MB of arrays, which are no growth
        number += 1
        if now > next_line:
            problems += watch.look(settled=now > settled)
            print(f"{now - begin:6.0f} s, step {number}: {watch}", flush=True)
            next_line = now + SECONDS_BETWEEN_LINES
    faulthandler.cancel_dump_traceback_later()
    problems += watch.look(settled=time.monotonic() > settled)
    print(f"seed {seed}: {functions.total()} steps from {first}: {watch}")
    print(f"{', '.join(f'{name} {n}' for name, n in sorted(functions.items()))}")
    print(f"{', '.join(f'{name} {n}' for name, n in sorted(ways.items()))}")
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    warnings.simplefilter("error")
    # What Python says of a fork in a process with threads is what is tested here.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first step")
    options = parser.parse_args()
    sys.exit(soak(options.minutes, options.seed, options.first))
