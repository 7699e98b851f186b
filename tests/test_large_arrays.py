"""More than 2^31 elements, in little memory, and shapes whose sizes overflow."""

from __future__ import annotations

import mmap
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from _functions import (
    ARGUMENTS,
    DTYPES,
    FUNCTIONS,
    GRADIENTS,
    OBJECTIVES,
    Array,
    call,
    inputs_for,
    mask_for,
    same_bits,
)

MANY = 2**31 + 17
INPUTS = [(f, name) for f in FUNCTIONS for name in [*dict.fromkeys(ARGUMENTS[f]), "where"]]


def repeated(value: Any, *shape: int, dtype: Any = np.float32) -> Array:
    """Of stride 0: it takes no memory, whatever its shape."""
    return np.broadcast_to(np.asarray(value, dtype=dtype), shape)


# --- Far apart ------------------------------------------------------------------------------------


MAP_NORESERVE = 0x4000  # mmap has the name since Python 3.13


def far_apart(a: Array, axis: int, sign: int = 1) -> Array:
    """In memory that is hardly touched, more than 2^31 elements from the first to the last."""
    step = 2**31 // (a.shape[axis] - 1) + 5
    strides = list(np.empty(a.shape, a.dtype).strides)
    strides[axis] = step * a.itemsize
    size = (a.shape[axis] - 1) * strides[axis] + a.nbytes
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    view = np.ndarray(a.shape, a.dtype, mmap.mmap(-1, size, flags=flags), strides=strides)
    view = view if sign > 0 else np.flip(view, axis)
    view[...] = a
    return view


@pytest.mark.parametrize(("function", "name"), INPUTS)
@for_each(dtype=DTYPES)
def test_input_far_apart(function: str, name: str, dtype: Any) -> None:
    inputs = inputs_for(3, 5, dtype)
    inputs["where"] = mask_for(function, inputs)
    expected = call(function, inputs, where=inputs["where"])
    for axis in range(inputs[name].ndim):
        for sign in (1, -1):
            far = {**inputs, name: far_apart(inputs[name], axis, sign)}
            assert same_bits(call(function, far, where=far["where"]), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(dtype=DTYPES, accumulate=[False, True])
def test_out_far_apart(function: str, dtype: Any, accumulate: bool) -> None:
    inputs = inputs_for(3, 5, dtype)
    options = {"accumulate": accumulate} if function in [*GRADIENTS, *OBJECTIVES] else {}
    fresh = call(function, inputs)
    starts = fresh if function == "sample" else (getattr(fresh, "gradient", fresh),)
    expected = tuple(np.ones_like(x) for x in starts)
    call(function, inputs, **options, out=expected if function == "sample" else expected[0])
    for axis in range(starts[0].ndim):
        outs = tuple(far_apart(np.ones_like(x), axis, -1) for x in starts)
        call(function, inputs, **options, out=outs if function == "sample" else outs[0])
        assert all(same_bits(x, e) for x, e in zip(outs, expected, strict=True))


# --- Many -----------------------------------------------------------------------------------------


@pytest.mark.large
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_samples_of_one_row(dtype: Any) -> None:
    """Their weights add up without an error, so they count as one sample of the sum."""
    logits = inputs_for(1, 5, dtype)["logits"][0]
    actions, weights = repeated(3, MANY, dtype=np.int8), repeated(0.5, MANY)
    result = scorefn.score_gradient(logits, actions, weights)
    assert same_bits(result, scorefn.score_gradient(logits, [3], [0.5 * MANY]))


@pytest.mark.large
def test_many_samples_of_a_table() -> None:
    """A small one: sorted into buckets (a large table), each sample takes 16 bytes."""
    table = inputs_for(1, 5, np.float32)["table"]
    samples = repeated(4, MANY, dtype=np.uint8), repeated(3, MANY, dtype=np.int16)
    result = scorefn.tabular_gradient(table, *samples, repeated(0.5, MANY))
    assert same_bits(result, scorefn.tabular_gradient(table, [4], [3], [0.5 * MANY]))


@pytest.mark.large
@pytest.mark.parametrize(
    "function", ["log_prob", "entropy", "logsumexp", "kl_divergence", "sample"]
)
def test_many_logits(function: str) -> None:
    cols = 2051
    rows = MANY // cols + 1
    row = inputs_for(1, cols, np.float32)
    inputs = {
        "logits": np.broadcast_to(row["logits"], (rows, cols)),
        "logits_q": np.broadcast_to(row["logits_q"], (rows, cols)),
        "actions": repeated(cols - 1, rows, dtype=np.uint16),
    }
    if function == "sample":
        drawn = call(function, inputs)
        each = scorefn.log_prob(np.repeat(row["logits"], cols, axis=0), np.arange(cols))
        assert same_bits(drawn.log_prob, each[drawn.actions])
        assert len(np.unique(drawn.actions)) > cols // 2
        return
    one = call(function, {**row, "actions": np.array([cols - 1])})
    result = call(function, inputs)
    assert result.shape == (rows,)
    assert same_bits(np.unique(result), one)


@pytest.mark.large
def test_many_features() -> None:
    """Each sample adds the same, so the sum is a multiple of one, up to the rounding of sums."""
    features = 1025
    rows = MANY // features + 1
    row = inputs_for(1, 2, np.float32, features=features)
    x = np.broadcast_to(row["features"], (rows, features))
    samples = repeated(1, rows, dtype=np.int8), repeated(0.5, rows)
    result = scorefn.linear_gradient(x, row["coef"], *samples)
    one = scorefn.linear_gradient(row["features"], row["coef"], [1], [0.5]).astype(np.float64)
    # a few roundings of float32 on either side, and of the additions, in float64
    assert np.allclose(result, rows * one, rtol=8 * np.finfo(np.float32).eps, atol=0.0)


# --- Too many -------------------------------------------------------------------------------------

MOST_ACTIONS = 2**40


@pytest.mark.parametrize("cols", [MOST_ACTIONS + 1, 2**58, 2**60])
def test_too_many_actions(cols: int) -> None:
    logits = repeated(0.0, 1, cols)
    message = f"logits must have at most {MOST_ACTIONS} actions, got {cols}"
    with pytest.raises(ValueError, match=message):
        scorefn.logsumexp(logits)
    with pytest.raises(ValueError, match=message):
        scorefn.entropy(logits, where=repeated(True, cols, dtype=bool))
    with pytest.raises(ValueError, match=message.replace("logits", "logits_p")):
        scorefn.kl_divergence(logits, logits)
    with pytest.raises(ValueError, match=message):
        scorefn.log_prob(logits, [3])
    with pytest.raises(ValueError, match=message):
        scorefn.sample(logits)
    for features in (np.empty((2, 0), np.float32), np.empty((0, 0), np.float32)):
        samples = np.zeros(len(features), int), np.ones(len(features))
        with pytest.raises(ValueError, match=f"coef must have at most {MOST_ACTIONS} actions"):
            scorefn.linear_gradient(features, np.empty((0, cols), np.float32), *samples)


@pytest.mark.parametrize("num_samples", [2**60 + 1, 2**63 - 1, 2**63, 2**70])
@for_each(rows=[1, 2, 3, 1000])
def test_too_many_draws(rows: int, num_samples: int) -> None:
    most = (2**63 - 1) // 8 // rows
    message = (
        f"num_samples must be at most {most} for logits with leading shape \\({rows},\\), "
        f"got {num_samples}"
    )
    with pytest.raises(ValueError, match=message):
        scorefn.sample(np.zeros((rows, 3)), num_samples=num_samples)
    with pytest.raises(MemoryError):
        scorefn.sample(np.zeros((rows, 3)), num_samples=most)


def test_too_many_sums() -> None:
    """As many as the samples, of which this are all that an array may have."""
    number = 2**61 - 1
    samples = repeated(3, number, dtype=np.int8), repeated(0.5, number)
    with pytest.raises(MemoryError):
        scorefn.score_gradient(np.zeros(17_000), *samples)
    with pytest.raises(MemoryError):
        scorefn.tabular_gradient(
            np.zeros((2, 17_000)), repeated(1, number, dtype=np.int8), *samples
        )


@pytest.mark.parametrize("shape", [(0, 2**60), (2**20, 0, 2**30), (2**60, 0, 1)])
def test_no_rows_of_any_length(shape: tuple[int, ...]) -> None:
    """NumPy has such arrays, as they have no elements."""
    logits = np.empty(shape, np.float32)
    if shape[-1] > MOST_ACTIONS:
        with pytest.raises(ValueError, match=f"at most {MOST_ACTIONS} actions"):
            scorefn.softmax(logits)
        return
    assert scorefn.softmax(logits).shape == shape
    assert scorefn.logsumexp(logits).shape == shape[:-1]


LITTLE_MEMORY = """
import resource
import numpy as np, scorefn
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
small = np.random.default_rng(0).normal(size=(7, 9))
expected = scorefn.softmax(small)
for cols in (2**28, 2**33, 2**40):
    for dtype in (np.float32, np.float64):
        row = np.broadcast_to(np.zeros((), dtype), (1, cols))
        calls = [
            lambda: scorefn.logsumexp(row),
            lambda: scorefn.sample(row),
            lambda: scorefn.softmax(row),
            lambda: scorefn.kl_divergence(row, row, num_threads=2),
            lambda: scorefn.score_gradient(row[0], [1], [1.0]),
        ]
        for call in calls:
            try:
                call()
            except MemoryError:
                assert np.array_equal(scorefn.softmax(small), expected)
            else:
                raise AssertionError(f"{cols} actions, no MemoryError")
"""


@pytest.mark.slow
def test_rows_too_long_for_the_memory() -> None:
    """An error, and the next call is right. A process of its own has a limit to reach."""
    command = [sys.executable, "-c", LITTLE_MEMORY]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
