"""Measures the constants that share out the work: ``python benchmarks/calibrate.py``.

The C++ library is built once for each value of a constant, which takes about two minutes, and
calibrate.cpp is linked with each. All of them then run side by side, a turn each for every size, so
that whatever else the machine does meets them alike; what counts is the median over the turns.

    calibrate.py --constant block_bytes --values 4096 8192 16384
    calibrate.py --constant longest_short_row --folder builds  # builds once, for many runs
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUNING = ROOT / "cpp" / "src" / "kernels" / "tuning.hpp"
FUNCTIONS = ["score_gradient", "log_softmax", "log_prob"]


@dataclass(frozen=True)
class Constant:
    """One that a macro of tuning.hpp overrides."""

    values: tuple[int, ...]
    cols: tuple[int, ...]  # none: those between the values
    threads: int
    entries: tuple[int, ...] = (1 << 20,)  # of float32: what a turn works through, in whole rows

    def cols_for(self, values: list[int]) -> list[int]:
        """The lengths of rows to measure."""
        if self.cols:
            return list(self.cols)
        # Two thresholds differ only for rows that are longer than one, and not than the other.
        pairs = itertools.pairwise(values)
        return sorted({k for a, b in pairs for k in (a + 1, (a + b) // 2, b)}) or values


CORES = len(os.sched_getaffinity(0))
CONSTANTS = {
    "longest_short_row": Constant((32, 64, 128, 256), (), 1),
    "block_bytes": Constant(
        (1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15), (4, 18, 64, 1000, 10000), 1
    ),
    "elements_per_task": Constant(
        (1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17), (4, 64, 1000), CORES
    ),
    "shortest_shared_row": Constant(
        (1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18), (), CORES, entries=(1,)
    ),
    "least_nontemporal_bytes": Constant(
        (1 << 23, 1 << 24, 1 << 25, 1 << 26, 1 << 27),
        (64,),
        CORES,
        entries=tuple(1 << n for n in range(20, 26)),
    ),
}


def macro_of(name: str) -> str:
    return f"SCOREFN_{name.upper()}"


def committed_value(name: str) -> int:
    text = TUNING.read_text()
    match = re.search(rf"^#define {macro_of(name)} \(?(\d+)(?: << (\d+)\))?$", text, re.MULTILINE)
    assert match, f"no {macro_of(name)} in {TUNING}"
    return int(match[1]) << int(match[2] or 0)


def run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{result.stdout}{result.stderr}\nfailed: {' '.join(map(str, command))}")


def build(folder: Path, name: str, value: int, isa: str, jobs: int) -> Path:
    """The timing program, linked with a library that has this value."""
    folder = folder / f"{name}-{value}"
    print(f"building {macro_of(name)}={value}", flush=True)
    run(
        *("cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
        f"-DCMAKE_CXX_FLAGS=-D{macro_of(name)}={value}",
        f"-DSCOREFN_ONLY_ISAS={isa}",
    )
    run("cmake", "--build", folder, "--target", "scorefn_core", "--parallel", str(jobs))
    program = folder / "calibrate"
    run(
        *(os.environ.get("CXX", "c++"), "-std=c++17", "-O2", "-fopenmp"),
        *("-I", ROOT / "cpp" / "include", ROOT / "benchmarks" / "calibrate.cpp"),
        *(folder / "cpp" / "libscorefn_core.a", "-o", program),
    )
    return program


class Candidate:
    """The timing program with one value, waiting for its turns."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Candidate:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate()  # the end of its input ends it

    def turn(self, function: str, rows: int, cols: int, threads: int) -> tuple[float, str]:
        """Nanoseconds a row, and the hash of the result."""
        # Threads that have worked wait busily for a while, on cores that are now another's.
        time.sleep(0.01 if threads > 1 else 0.0)
        assert self.process.stdin
        assert self.process.stdout
        print(function, rows, cols, threads, 3, file=self.process.stdin, flush=True)
        nanoseconds, bits = self.process.stdout.readline().split()
        return int(nanoseconds) / rows, bits


def measure(candidates: dict[int, Candidate], constant: Constant, rounds: int) -> None:
    """Prints a line for each function and length of rows, and one for all of them."""
    values = list(candidates)
    ratios: dict[int, list[float]] = {value: [] for value in values}
    same_bits = True
    print(f"\nns a row, float32, threads: {constant.threads}; median of {rounds} turns\n")
    print(
        f"{'function':16}{'rows':>9}{'K':>7}"
        + "".join(f"{value:>11}" for value in values)
        + "   best"
    )
    for function in FUNCTIONS:
        for entries, cols in itertools.product(constant.entries, constant.cols_for(values)):
            rows = math.ceil(entries / cols)
            times: dict[int, list[float]] = {value: [] for value in values}
            hashes = set()
            for i in range(rounds):
                for value in values[i % len(values) :] + values[: i % len(values)]:
                    seconds, bits = candidates[value].turn(function, rows, cols, constant.threads)
                    times[value].append(seconds)
                    hashes.add(bits)
            same_bits &= len(hashes) == 1
            median = {value: statistics.median(times[value]) for value in values}
            best = min(median, key=median.__getitem__)
            for value in values:
                ratios[value].append(median[value] / median[best])
            cells = "".join(f"{median[value]:11.2f}" for value in values)
            print(f"{function:16}{rows:9}{cols:7}{cells}   {best}", flush=True)
    mean = {value: statistics.geometric_mean(ratios[value]) for value in values}
    print(f"{'over the best':32}" + "".join(f"{mean[value]:11.3f}" for value in values), end="")
    print(f"   {min(mean, key=mean.__getitem__)}")
    print(f"bits of the results: {'the same' if same_bits else 'NOT the same'} for all values")


def calibrate(name: str, values: list[int], folder: Path, rounds: int, isa: str, jobs: int) -> None:
    constant, committed = CONSTANTS[name], committed_value(name)
    values = sorted({*values, committed})
    programs = {value: build(folder, name, value, isa, jobs) for value in values}
    with contextlib.ExitStack() as stack:
        candidates = {v: stack.enter_context(Candidate(p)) for v, p in programs.items()}
        measure(candidates, constant, rounds)
    print(f"committed: {macro_of(name)} = {committed}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--constant", choices=CONSTANTS, help="only this one")
    parser.add_argument(
        "--values", type=int, nargs="+", help="of --constant; the committed one is always measured"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer turns; half and twice the committed value"
    )
    parser.add_argument("--folder", type=Path, help="where to keep what is built")
    parser.add_argument("--isa", default="", help="builds for this instruction set alone: quicker")
    parser.add_argument("--jobs", type=int, default=CORES, help="compilers at a time")
    args = parser.parse_args()
    if args.values and not args.constant:
        parser.error("--values needs --constant")
    if args.values and min(args.values) < 1:
        parser.error("--values must be at least 1")

    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in [args.constant] if args.constant else CONSTANTS:
            values = list(args.values or CONSTANTS[name].values)
            if args.quick and not args.values:
                committed = committed_value(name)
                values = [committed // 2, committed * 2]
            calibrate(name, values, folder, 5 if args.quick else 31, args.isa, args.jobs)


if __name__ == "__main__":
    main()
