"""Print how many instructions a row function executes for every 64 bytes of float32 logits.

What keeps short rows from the speed of a copy. Counted by letting a process make the call one
instruction at a time (Linux, x86-64), so the numbers are exact, the same on every run, and need no
hardware counters; SCOREFN_ISA chooses the instruction set.

    python benchmarks/instructions.py score_gradient log_prob --cols 2 6 18 64 1024
"""

import argparse
import ctypes
import os
import signal
from collections.abc import Callable

import numpy as np

import scorefn

TRACE_ME, SINGLE_STEP, CONTINUE = 0, 9, 7  # requests of ptrace
ELEMENTS = (1 << 12, 1 << 13)

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def executed_by(call: Callable[[], object]) -> int:
    """Instructions between two signals, with the call in between."""
    child = os.fork()
    if child == 0:
        libc.ptrace(TRACE_ME, 0, None, None)
        call()  # what happens once only
        os.kill(os.getpid(), signal.SIGSTOP)
        call()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, 0)
    count, stopped = -1, signal.SIGTRAP
    while stopped == signal.SIGTRAP:
        count += 1
        if libc.ptrace(SINGLE_STEP, child, None, None) != 0:
            raise OSError(ctypes.get_errno(), "cannot trace a process")
        stopped = os.WSTOPSIG(os.waitpid(child, 0)[1])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return count


def call_of(function: str, cols: int, rows: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3.0, size=(rows, cols)).astype(np.float32)
    other = rng.normal(scale=3.0, size=(rows, cols)).astype(np.float32)
    actions, weights = rng.integers(cols, size=rows), rng.normal(size=rows).astype(np.float32)
    out, log_prob = np.empty_like(logits), rng.normal(size=rows).astype(np.float32) - 3
    arguments = {
        "kl_divergence": (logits, other),
        "log_prob": (logits, actions),
        "score": (logits, actions),
        "score_gradient": (logits, actions, weights),
        "policy_gradient": (logits, actions, weights),
        "clipped_surrogate": (logits, actions, log_prob, weights),
    }.get(function, (logits,))
    writes = function in ("log_softmax", "softmax", "score", "score_gradient")
    options = {"out": out} if writes else {"rng": 0} if function == "sample" else {}
    return lambda: getattr(scorefn, function)(*arguments, num_threads=1, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("functions", nargs="*", default=["score_gradient"])
    parser.add_argument("--cols", nargs="+", type=int, default=[2, 6, 18, 64, 128, 1024])
    options = parser.parse_args()
    print(" | ".join(["| K", *options.functions]) + " |")
    print("| ---: " * (len(options.functions) + 1) + "|")
    for cols in options.cols:
        cells = []
        for function in options.functions:
            rows = [max(1, elements // cols) for elements in ELEMENTS]
            few, many = (executed_by(call_of(function, cols, n)) for n in rows)
            cells.append(f"{(many - few) / ((rows[1] - rows[0]) * cols * 4 / 64):.0f}")
        print(" | ".join([f"| {cols}", *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
