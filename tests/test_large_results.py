"""Results of 16 MiB and more, which are written past the caches a line of 64 bytes at a time."""

from typing import Any

import numpy as np
import pytest

from _functions import DTYPES, LENGTHS, call, inputs_for, same_bits, take_rows

pytestmark = pytest.mark.slow

COLS = [n for n in LENGTHS if n in (2, 3, 18, 33, 129, 4099)]


@pytest.mark.parametrize("function", ["log_softmax", "softmax", "score_gradient"])
@pytest.mark.parametrize("cols", COLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_results_have_the_bits_of_small_ones(function: str, cols: int, dtype: Any) -> None:
    """Wherever in a line they begin and end; and nothing beside them is written."""
    rows = (2**24 // np.dtype(dtype).itemsize) // cols + 19
    inputs = inputs_for(rows, cols, dtype)
    parts = [slice(i, i + rows // 3) for i in range(0, rows, rows // 3)]
    expected = np.concatenate([call(function, take_rows(inputs, part)) for part in parts])
    for first, num_threads in ((0, 1), (1, 2), (7, 1)):
        memory = np.full(expected.size + 16, 77, dtype)
        out = memory[first:][: expected.size].reshape(expected.shape)
        assert same_bits(call(function, inputs, out=out, num_threads=num_threads), expected)
        assert (memory[:first] == 77).all()
        assert (memory[first + expected.size :] == 77).all()
