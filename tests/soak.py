"""A long run of every function: ``python tests/soak.py --minutes 10 --seed 1``.

Each step is one call with random arguments, made by this thread, by several at once or in a fork.
Its result must have the bits that one thread gives for plain arrays, and every tenth must be near
the reference, too. Resident memory, open files and threads must not grow, and no step may hang. A
step depends on the seed and its number alone: ``--first N`` begins with step N.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import scorefn
from _cases import ARGUMENTS, GRADIENTS, OBJECTIVES, Array, call, inputs_for, mask_for, same_bits
from test_functions import NUMERIC, assert_near
from test_objectives import ASSERT_NEAR

SECONDS_TO_HANG = 120
SECONDS_BETWEEN_LINES = 5.0
# What caches and the fragments of the heap may take after a run's first quarter or first minute.
MOST_GROWTH = 16 * 2**20
SECONDS_TO_SETTLE = 60.0
MOST_THREADS = 5
SIGNED_AND_UNSIGNED = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64]

# What may come in half precision, which gives the bits of float32.
HALF = ["logits", "logits_q", "table", "features", "coef"]

# --- One step -------------------------------------------------------------------------------------


def plain(x: Array, rng: np.random.Generator) -> Array:
    return x


def strided(x: Array, rng: np.random.Generator) -> Array:
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def backwards(x: Array, rng: np.random.Generator) -> Array:
    flipped = (slice(None, None, -1),) * x.ndim
    return np.asfortranarray(x[flipped])[flipped]


def byte_swapped(x: Array, rng: np.random.Generator) -> Array:
    return x.astype(x.dtype.newbyteorder())


def unaligned(x: Array, rng: np.random.Generator) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def read_only(x: Array, rng: np.random.Generator) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = [plain, plain, strided, backwards, byte_swapped, unaligned, read_only]


@dataclass
class Step:
    function: str
    inputs: dict[str, Array]
    options: dict[str, Any]
    num_threads: int | None
    is_half: bool
    rng: np.random.Generator

    @classmethod
    def of(cls, seed: int, number: int) -> Step:
        rng = np.random.default_rng([seed, number])
        function = str(rng.choice(list(ARGUMENTS)))
        dtype = [np.float32, np.float64][rng.integers(2)]
        cols = int(np.exp(rng.uniform(0.0, np.log(5_000))))
        rows = int(np.exp(rng.uniform(0.0, np.log(200_000 // cols))))
        seed = int(rng.integers(2**31))
        sizes = {"states": int(rng.integers(1, 300)), "features": int(rng.integers(1, 40))}
        inputs = inputs_for(rows, cols, dtype, seed=seed, **sizes)
        options: dict[str, Any] = {}
        if rng.random() < 0.3:
            options["where"] = mask_for(function, inputs, seed=seed)
        if function in (*GRADIENTS, *OBJECTIVES) and rng.random() < 0.5:
            options["entropy_coef"] = float(rng.normal())
        if function == "sample":
            options["rng"] = int(rng.integers(2**60))
        num_threads = [None, 1, 2, 3, MOST_THREADS][rng.integers(5)]
        is_half = dtype is np.float32 and rng.random() < 0.2
        if is_half:
            for name in HALF:
                inputs[name] = inputs[name].astype(np.float16).astype(np.float32)
        return cls(function, inputs, options, num_threads, is_half, rng)

    def __str__(self) -> str:
        shapes = {name: self.inputs[name].shape for name in ARGUMENTS[self.function]}
        return f"{self.function}{shapes}, {self.inputs['logits'].dtype}, {self.options.keys()}"

    def laid_out(self) -> dict[str, Array]:
        """The same numbers in other layouts and types of integers."""
        inputs = {}
        for name in ARGUMENTS[self.function]:
            x = self.inputs[name]
            if x.dtype.kind == "i":
                fitting = [t for t in SIGNED_AND_UNSIGNED if np.iinfo(t).max >= x.max()]
                x = x.astype(fitting[self.rng.integers(len(fitting))])
            elif self.is_half and name in HALF:
                x = x.astype(np.float16)
            inputs[name] = LAYOUTS[self.rng.integers(len(LAYOUTS))](x, self.rng)
        return inputs

    def expected(self) -> Any:
        return call(self.function, self.inputs, num_threads=1, **self.options)

    def check(self, inputs: dict[str, Array], expected: Any) -> None:
        options = {**self.options, "num_threads": self.num_threads}
        assert same_bits(call(self.function, inputs, **options), expected), "other bits"

    def check_out(self, inputs: dict[str, Array], expected: Any) -> None:
        if self.function != "sample":
            expected = getattr(expected, "gradient", expected)
            out = np.full_like(expected, 7)
            options = {**self.options, "num_threads": self.num_threads}
            call(self.function, inputs, out=out, **options)
            assert same_bits(out, expected), "other bits in out"

    def check_reference(self, expected: Any) -> None:
        where, entropy_coef = self.options.get("where"), self.options.get("entropy_coef", 0.0)
        if self.function in NUMERIC:
            assert_near(self.function, self.inputs, **self.options)
        elif self.function in OBJECTIVES:
            if where is not None:  # a forbidden action has no log-probability to compare
                self.inputs["actions"] = where.argmax(axis=-1)
            ASSERT_NEAR[self.function](self.inputs, entropy_coef=entropy_coef, where=where)
        else:
            log_prob = scorefn.log_prob(self.inputs["logits"], expected.actions, where=where)
            assert same_bits(log_prob, expected.log_probs), "other log-probabilities"
            assert (log_prob > -np.inf).all(), "a forbidden action"

    def check_error(self) -> None:
        """An action out of range is an error that writes nothing."""
        z = self.inputs["logits"]
        actions, out = self.inputs["actions"].copy(), np.full_like(z, 7)
        actions[self.rng.integers(len(actions))] = z.shape[-1]
        try:
            scorefn.score(z, actions, out=out, num_threads=self.num_threads)
        except IndexError:
            assert (out == 7).all(), "written in spite of an error"
        else:
            raise AssertionError("no error")


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


def run_step(step: Step, number: int) -> str:
    """Checks all of it; returns how it was called."""
    expected, inputs = step.expected(), step.laid_out()

    def check() -> None:
        step.check(inputs, expected)
        step.check_out(inputs, expected)

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
    LIBC.malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def count(folder: str) -> int:
    return len(os.listdir(f"/proc/self/{folder}"))


class Watch:
    """Memory against what it was when the run had settled; open files and threads."""

    def __init__(self) -> None:
        self.first = self.peak = resident()
        self.fds = count("fd")
        # The threads that OpenMP keeps for this one, and the watchdog.
        self.threads = count("task") + max(MOST_THREADS, scorefn.get_num_threads())

    def look(self, *, settled: bool) -> list[str]:
        """What has grown."""
        gc.collect()
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
    watch = Watch()
    problems: list[str] = []
    while not problems and (now := time.monotonic()) < end:
        faulthandler.dump_traceback_later(SECONDS_TO_HANG, exit=True)
        step = Step.of(seed, number)
        try:
            ways[run_step(step, number)] += 1
        except Exception as failure:
            sys.excepthook(*sys.exc_info())
            problems.append(f"step {number}: {step}: {failure}")
        functions[step.function] += 1
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
