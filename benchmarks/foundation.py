"""Times and errors of scorefn beside those of NumPy and PyTorch, as Markdown tables.

    python benchmarks/foundation.py [--elements N] [--rounds N]

Within a round every solution has its turn, so that all meet the same state of the machine; what is
printed is the median over the rounds. ``copyto`` is NumPy's copy of the same logits: the least that
reading them and writing a result of their size can take in one thread. The errors are the largest,
in units in the last place of the exact result. Run it on an idle machine: a thread that waits for
its turn makes all others wait.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import scorefn
from workloads import Workload, foundation, torch

SOLUTIONS = ("copyto", "scorefn", "NumPy", "PyTorch", "PyTorch by hand")
SHORTEST = 2e-3  # seconds: faster calls are repeated to make up one measurement


def seconds(solve: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        solve()
    return (time.perf_counter() - start) / calls


def medians(work: Workload, rounds: int) -> dict[str, float]:
    calls = {
        name: max(1, round(SHORTEST / min(seconds(solve, 1) for _ in range(3))))
        for name, solve in work.solutions.items()
    }
    times: dict[str, list[float]] = {name: [] for name in work.solutions}
    for _ in range(rounds):
        for name, solve in work.solutions.items():
            times[name].append(seconds(solve, calls[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def measured(work: Workload, rounds: int) -> list[str]:
    """A row of the table: each cell has the time and the largest error."""
    times = medians(work, rounds)

    def cell(name: str) -> str:
        if name not in times:
            return ""
        is_tiny = work.elements < 1000
        text = f"{times[name] * 1e6:.2f} µs" if is_tiny else f"{times[name] * 1e3:.1f} ms"
        if name == "copyto":
            return text
        ulp = work.error(work.solutions[name]())
        ratio = f", {times[name] / times['scorefn']:.1f}x" if name != "scorefn" else ""
        return f"{text}{ratio}, {ulp:.3g} ULP"

    over_copy = f"{times['scorefn'] / times['copyto']:.2f}" if "copyto" in times else ""
    per_element = f"{times['scorefn'] / work.elements * 1e9:.2f}"
    return [work.name, *(cell(name) for name in SOLUTIONS), over_copy, per_element]


def print_row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=16_000_000, help="size of the logits")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="workloads whose name has this in it")
    args = parser.parse_args()

    print(scorefn.show_config())
    print(f"torch               {torch.__version__ if torch else 'not installed'}")
    print(f"load average        {os.getloadavg()[0]:.1f}\n")
    print_row(["task", *SOLUTIONS, "scorefn / copyto", "ns / element"])
    print_row(["---"] * (len(SOLUTIONS) + 3))
    for work in foundation(args.elements):
        if args.only in work.name:
            print_row(measured(work, args.rounds))


if __name__ == "__main__":
    main()
