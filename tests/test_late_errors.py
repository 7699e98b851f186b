"""Errors far into a batch: beyond the first vector, tile or block that is looked at in one go.

test_wrong_calls.py has what is said about each; here it is that none is overlooked, that it is the
first that is named, and that nothing has been written by then.
"""

from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from _functions import ARGUMENTS, DTYPES, INDICES, OBJECTIVES, Array, call, inputs_for

INDEXED = [(function, name) for function, names in INDICES.items() for name in names]
# Whole vectors of 8 integers, one less and one more; several tiles of 16 rows.
LENGTHS = [7, 8, 9, 16, 17, 41]


def out_for(function: str, inputs: dict[str, Array]) -> Any:
    """What the function could write to, filled with something that no function computes."""
    result = call(function, inputs)
    if function in OBJECTIVES:
        return np.full_like(result.gradient, 77.0)
    if function == "sample":
        return tuple(np.full_like(array, 77) for array in result)
    return np.full_like(result, 77.0)


def is_untouched(out: Any) -> bool:
    return all((array == 77).all() for array in (out if isinstance(out, tuple) else (out,)))


@pytest.mark.parametrize(("function", "name"), INDEXED)
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint64])
@for_each(length=LENGTHS)
def test_an_index_out_of_range_at_any_place(function, name, length, dtype):
    inputs = inputs_for(length, 5, np.float32)
    bound = 6 if name == "states" else 5
    good = inputs[name].astype(dtype)
    outs = [out_for(function, inputs), None]
    values = [bound, bound + 1, np.iinfo(dtype).max, *([] if dtype is np.uint64 else [-1])]
    for place in range(length):
        bad = good.copy()
        for value in values:
            bad[place] = value
            wide = np.repeat(bad, 2)
            for indices in (bad, wide[::2]):
                for out in outs:
                    with pytest.raises(IndexError) as error:
                        call(function, {**inputs, name: indices}, out=out)
                    assert str(error.value).startswith(f"{name}[{place}] = {value} is out of range")
    assert is_untouched(outs[0])


@pytest.mark.parametrize("num_threads", [1, 4])
def test_the_first_of_many_indices_out_of_range_is_named(num_threads):
    """Threads look for them in ranges of 65536, in any order."""
    length = 20 * 65536
    logits = np.broadcast_to(np.zeros(3, np.float32), (length, 3))
    actions = np.zeros(length, np.int64)
    for first in (131_000, 65_536, 65_535, 3):
        actions[first] = actions[first + 1 :: 30_000] = 9
        for _ in range(5):
            with pytest.raises(IndexError, match=rf"^actions\[{first}\] = 9 "):
                scorefn.log_prob(logits, actions, num_threads=num_threads)


@pytest.mark.parametrize("function", [f for f in ARGUMENTS if "logits" in ARGUMENTS[f]])
@pytest.mark.parametrize("dtype", DTYPES)
@for_each(cols=[1, 2, 3, 5, 8, 33, 200])
def test_a_row_without_an_allowed_action_at_any_place(function, cols, dtype):
    for rows in (1, 3, 16, 41):
        inputs = inputs_for(rows, cols, dtype)
        if function == "score_gradient" and rows == 1:
            continue
        out = out_for(function, inputs)
        for row in {0, rows // 2, rows - 1}:
            masks = np.ones((rows, cols), bool)
            masks[row] = False
            spoiled = np.where(masks, inputs["logits"], -np.inf).astype(dtype)
            for logits, where in ((spoiled, None), (inputs["logits"], masks)):
                with pytest.raises(ValueError, match=rf"\[{row}\] has no allowed action") as error:
                    call(function, {**inputs, "logits": logits}, where=where, out=out)
                assert type(error.value) is ValueError
        assert is_untouched(out)
