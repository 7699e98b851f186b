"""Whether calls stay about as fast as on one thread while other processes use the CPUs.

    python tests/busy_machine.py                    # exit status 1 if a case is too slow
    python tests/busy_machine.py --busy 2 --functions score_gradient,sample --rounds 6

A round starts processes that only loop, and a process that calls each function at each size, by
turns with one thread and with the default number. It compares medians and means. What the system
does with the CPUs differs from one start of these processes to the next. So there are several
rounds, and a case that is too slow in one has two more tries, each beside fresh processes, whose
times are added to those before.

Where PyTorch is installed, both libraries are then called by turns with two threads each. The 99th
percentile of each is compared with that of the same call alone, on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import scorefn
from _functions import ARGUMENTS, OBJECTIVES

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
BLOCKS, FEWEST = 6, 8  # blocks of a case, and the least number of calls in each
MOST_PERCENTILE = 2.0  # times the call alone, by turns with PyTorch
TURNS = ["166666x6", "976x1024"]
FEWEST_TURNS = 500  # so that a single slow call is not the 99th percentile


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
    """Calls with one thread and with the default, in blocks by turns.

    A call of some milliseconds is as long as what the system gives a process at a time. Its times
    fall into two groups, so that a median needs many of them.
    """
    arguments = [inputs[name] for name in ARGUMENTS[function]]
    options: dict[str, Any] = {"rng": 1} if function == "sample" else {}
    call = getattr(scorefn, function)
    if function in (*OBJECTIVES, "log_softmax", "softmax", "score", "score_gradient"):
        options["out"] = np.empty_like(inputs["logits"])
    times = Times([], [])
    for _ in range(BLOCKS):
        for num_threads, found in ((1, times.one), (None, times.default)):
            call(*arguments, num_threads=num_threads, **options)
            until, fewest = time.perf_counter() + seconds / (2 * BLOCKS), len(found) + FEWEST
            while time.perf_counter() < until or len(found) < fewest:
                start = time.perf_counter()
                call(*arguments, num_threads=num_threads, **options)
                found.append(time.perf_counter() - start)
    return times


def percentiles_by_turns(inputs: dict[str, Array], seconds: float) -> dict[str, list[float]]:
    """The 99th percentiles of a call of scorefn and one of PyTorch: alone, and by turns."""
    import torch

    torch.set_num_threads(2)
    arrays, logits = [inputs[name] for name in ARGUMENTS["score_gradient"]], inputs["logits"]
    out, tensor = np.empty_like(logits), torch.from_numpy(logits)
    calls: dict[str, Callable[[], Any]] = {
        "scorefn": lambda: scorefn.score_gradient(*arrays, out=out, num_threads=2),
        "PyTorch": lambda: torch.softmax(tensor, -1),
    }

    def run(names: Sequence[str]) -> dict[str, float]:
        times: dict[str, list[float]] = {name: [] for name in names}
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(times[names[0]]) < FEWEST_TURNS:
            for name in names:
                start = time.perf_counter()
                calls[name]()
                times[name].append(time.perf_counter() - start)
        return {name: float(np.quantile(found, 0.99)) for name, found in times.items()}

    alone = {name: run([name])[name] for name in calls}
    by_turns = run(list(calls))
    return {name: [alone[name], by_turns[name]] for name in calls}


def work() -> None:
    """The process that calls: a case a line comes in, its times go out."""
    known: dict[str, dict[str, Array]] = {}
    for line in sys.stdin:
        function, size, seconds = json.loads(line)
        if size not in known:
            known = {size: inputs_for(*SIZES[size])}
        if function == "turns":
            print(json.dumps(percentiles_by_turns(known[size], seconds)), flush=True)
        else:
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

    def measure(self, function: str, size: str, seconds: float) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([function, size, seconds]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

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


Case = tuple[str, str]  # a function and a size


def too_slow(
    cases: Iterable[Case], busy: int, seconds: float, known: dict[Case, Times]
) -> list[Case]:
    """Of these cases, by their times in this try and in those before it, which `known` has."""
    found = []
    with busy_processes(busy), Worker() as worker:
        for function, size in cases:
            times = known.setdefault((function, size), Times([], []))
            for all_times, new in zip(times, worker.measure(function, size, seconds), strict=True):
                all_times.extend(new)
            median, mean = times.ratios()
            is_slow = median > MOST_MEDIAN or mean > MOST_MEAN
            if is_slow:
                found.append((function, size))
            print(
                f"{busy} busy  {function:18} {size:11} {1e3 * statistics.median(times.one):7.3f} ms"
                f"  median {median:5.2f}  mean {mean:5.2f}{'  too slow' if is_slow else ''}",
                flush=True,
            )
    return found


def too_slow_by_turns(sizes: Iterable[str], seconds: float) -> list[str]:
    found = []
    with Worker() as worker:
        for size in sizes:
            for name, (alone, by_turns) in worker.measure("turns", size, seconds).items():
                ratio = by_turns / alone
                if ratio > MOST_PERCENTILE:
                    found.append(size)
                print(
                    f"turns   {name:18} {size:11} {1e3 * alone:7.3f} ms  p99 {ratio:5.2f}",
                    flush=True,
                )
    return found


def failing_every_time(
    cases: Sequence[Any], attempt: Callable[[Sequence[Any]], list[Any]]
) -> list[Any]:
    """The cases that are too slow in each of the tries."""
    for _ in range(TRIES):
        cases = attempt(list(dict.fromkeys(cases))) if cases else []
    return list(cases)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", default="1,2,3,4", help="numbers of busy processes")
    parser.add_argument("--functions", default=",".join(ARGUMENTS))
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--rounds", type=int, default=2, help="for each number of processes")
    parser.add_argument("--seconds", type=float, default=0.6, help="for a case in a round")
    arguments = parser.parse_args()
    sizes = arguments.sizes.split(",")
    cases = [(f, size) for size in sizes for f in arguments.functions.split(",")]
    slow: list[Any] = []
    for _ in range(arguments.rounds):
        for busy in map(int, arguments.busy.split(",")):
            known: dict[Case, Times] = {}
            slow += failing_every_time(
                cases, partial(too_slow, busy=busy, seconds=arguments.seconds, known=known)
            )
    if importlib.util.find_spec("torch"):
        turns = [size for size in TURNS if size in sizes]
        slow += failing_every_time(turns, partial(too_slow_by_turns, seconds=4 * arguments.seconds))
    for case in slow:
        print(f"too slow in {TRIES} tries: {case}")
    return 1 if slow else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        sys.exit(main())
