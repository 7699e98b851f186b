"""A program of test_concurrent_mutation.py: calls while another thread changes their arrays.

python tests/_mutation.py FUNCTION SECONDS
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import scorefn
from _functions import ARGUMENTS, Array, call, inputs_for, mask_for

# (samples, actions, dtype of indices, dtype of real numbers)
SIZES: list[tuple[int, int, Any, Any]] = [
    (4099, 6, np.int64, np.float32),
    (1500, 40, np.int8, np.float64),
    (67, 3000, np.int32, np.float32),
]


class Changing:
    """An array that is at times what it was, and at times holds other values."""

    # Not ctypes.memmove, during which no other thread runs.
    memmove = ctypes.CDLL(None).memmove
    memmove.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

    def __init__(self, array: Array) -> None:
        self.array = array.view(np.uint8) if array.dtype == bool else array
        self.contents = [self.array.copy()]
        for value in self.others():
            some = self.array.copy()
            some.reshape(-1)[1::3] = value
            self.contents += [some, np.full_like(self.array, value)]

    def others(self) -> list[Any]:
        if self.array.dtype == np.uint8:
            return [0, 2, 255]
        if self.array.dtype.kind == "i":
            limits = np.iinfo(self.array.dtype)
            return [-1, 100, limits.max // 3, limits.max, limits.min]
        return [np.nan, np.inf, -np.inf, -1e30, 1e30, 0.0]

    def change(self, step: int) -> None:
        content = self.contents[step % len(self.contents)]
        self.memmove(self.array.ctypes.data, content.ctypes.data, content.nbytes)


@contextmanager
def in_another_thread(step: Any) -> Iterator[None]:
    """Calls step(0), step(1), ... until the block ends."""
    end = threading.Event()

    def run() -> None:
        number = 0
        while not end.is_set():
            step(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def outcome(function: str, inputs: dict[str, Array], options: dict[str, Any]) -> str:
    try:
        call(function, inputs, **options)
    except (IndexError, ValueError, RuntimeError) as error:
        return type(error).__name__
    return "answer"


def all_arrays_change(function: str, seconds: float) -> set[str]:
    outcomes = set()
    for rows, cols, integer, real in SIZES:
        inputs = inputs_for(rows, cols, real, states=37)
        for name in ("actions", "states"):
            inputs[name] = np.minimum(inputs[name], 100).astype(integer)
        result = call(function, inputs)
        out = result if function == "sample" else getattr(result, "gradient", result)
        where = mask_for(function, inputs)
        changing = [Changing(inputs[name]) for name in ARGUMENTS[function]] + [Changing(where)]
        draws = {"num_samples": 5} if function == "sample" else {}

        def change(step: int, changing: list[Changing] = changing) -> None:
            for number, x in enumerate(changing):
                x.change(step // (number + 1))  # in ever other combinations

        end = time.monotonic() + seconds / len(SIZES)
        with in_another_thread(change):
            tries = 0
            while tries < 8 or time.monotonic() < end:
                options: dict[str, Any] = {"num_threads": 1 + tries % 3}
                options |= {"out": out} if tries % 2 else draws
                options |= {"where": where} if tries % 4 < 2 else {}
                outcomes.add(outcome(function, inputs, options))
                tries += 1
    return outcomes


def a_row_gets_an_allowed_action(cols: int, seconds: float) -> set[str]:
    """While actions are drawn from it."""
    outcomes = set()
    inputs = {"logits": np.full((1, cols), -np.inf, dtype=np.float32)}
    contents = [inputs["logits"].copy(), np.full_like(inputs["logits"], -1e30)]

    def change(step: int) -> None:
        time.sleep(0.001)
        inputs["logits"][...] = contents[step % 2]

    end = time.monotonic() + seconds
    with in_another_thread(change):
        while time.monotonic() < end:
            outcomes.add(outcome("sample", inputs, {"num_samples": 300, "num_threads": 1}))
    return outcomes


def main() -> None:
    function, seconds = sys.argv[1], float(sys.argv[2])
    scorefn.set_num_threads(2)
    outcomes = all_arrays_change(function, seconds)
    if function == "sample":
        for cols in (20, 200, 100_000):
            outcomes |= a_row_gets_an_allowed_action(cols, seconds)
    print(*sorted(outcomes))


if __name__ == "__main__":
    main()
