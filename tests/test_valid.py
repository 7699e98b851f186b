"""Rows that do not count (contract C11): they may hold anything and change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from _cases import for_each
from _functions import (
    ARGUMENTS,
    DTYPES,
    FUNCTIONS,
    GRADIENTS,
    NOT_OF_SAMPLES,
    OBJECTIVES,
    call,
    inputs_for,
    mask_for,
    same_bits,
    take_rows,
    written,
)

Array = NDArray[Any]

# Tiles in part, whole ones and several blocks; a row for each vector, and rows of several splits.
SHAPES = [(1, 3), (37, 2), (64, 1), (200, 18), (50, 129), (2500, 6), (5, 70_000)]
SHARES = {"none": 0.0, "some": 0.3, "most": 0.9, "all": 1.0}


def flags(rows: int, share: float) -> Array:
    """Of rows that count: a share of them does not."""
    valid = np.random.default_rng([3, rows]).random(rows) >= share
    return np.full(rows, share == 0.0) if share in (0.0, 1.0) else valid


def with_garbage(inputs: dict[str, Array], valid: Array) -> dict[str, Array]:
    """The same where rows count; elsewhere NaN, -inf, and indices that are out of range."""
    spoilt = {}
    for name, x in inputs.items():
        y = x.copy()
        if name not in NOT_OF_SAMPLES:
            y[~valid] = -100 if x.dtype.kind == "i" else -np.inf if name == "logits_q" else np.nan
        spoilt[name] = y
    return spoilt


def assert_rows(actual: Any, expected: Any, valid: Array) -> None:
    """Of each result with one entry per row: the expected ones, and 0 for the others."""
    if isinstance(expected, tuple):
        for a, e in zip(actual, expected, strict=True):
            assert_rows(a, e, valid)
    elif expected is None:
        assert actual is None
    elif isinstance(expected, float):
        # A sum of the same terms in another order, each of some units.
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)
    else:
        assert same_bits(actual[valid], expected)
        assert not actual[~valid].any()


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(share=SHARES)
def test_rows_that_do_not_count_change_nothing(
    function: str, dtype: Any, rows: int, cols: int, share: str
) -> None:
    inputs, valid = inputs_for(rows, cols, dtype), flags(rows, SHARES[share])
    result = call(function, with_garbage(inputs, valid), valid=valid)
    if function == "sample":  # draws depend on the row
        harmless = {**inputs, "logits": np.where(valid[:, None], inputs["logits"], 0)}
        drawn = call(function, harmless)
        assert_rows(result, type(drawn)(*(x[valid] for x in drawn)), valid)
        return
    expected = call(function, take_rows(inputs, valid))
    if function in ("tabular_gradient", "linear_gradient"):
        # float64 sums of terms of some units, in another order, of which there are `rows`.
        scale = np.finfo(dtype).eps * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(result, expected, rtol=0, atol=4 * scale * np.log2(rows + 2))
    else:
        assert_rows(result, expected, valid)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks_threads_and_strides(function: str) -> None:
    rows, cols = 300, 6
    inputs, valid = inputs_for(rows, cols, np.float32), flags(rows, 0.4)
    where = mask_for(function, inputs)
    if function != "tabular_gradient":
        where[~valid] = False  # no allowed action
    spoilt = with_garbage(inputs, valid)
    expected = call(function, spoilt, where=where, valid=valid)
    assert same_bits(call(function, spoilt, where=where, valid=valid, num_threads=3), expected)
    strided = np.repeat(valid, 3)[::3]
    assert same_bits(call(function, spoilt, where=where, valid=strided), expected)
    as_bytes = valid.astype(np.int8)
    assert same_bits(call(function, spoilt, where=where, valid=as_bytes), expected)


@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
@for_each(accumulate=[False, True], dtype=DTYPES)
def test_out_of_gradients(function: str, dtype: Any, accumulate: bool) -> None:
    inputs, valid = inputs_for(3000, 6, dtype), flags(3000, 0.3)
    spoilt = with_garbage(inputs, valid)
    gradient = np.asarray(written(call(function, spoilt, valid=valid)))
    out = np.full(gradient.shape, 7.0, dtype)
    call(function, spoilt, valid=valid, out=out, accumulate=accumulate)
    expected = np.full(gradient.shape, 7.0, dtype) + gradient if accumulate else gradient
    if function == "linear_gradient" and accumulate:
        # The sum and the array are added in double, and rounded once.
        np.testing.assert_array_max_ulp(out, expected, maxulp=1, dtype=dtype)
    else:
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("function", ["log_prob", "score", "score_gradient", "policy_gradient"])
def test_several_samples_per_row(function: str) -> None:
    rng = np.random.default_rng(0)
    logits, actions = rng.normal(size=(5, 4)), rng.integers(4, size=(5, 3))
    weights, valid = rng.normal(size=(5, 3)), rng.random((5, 3)) < 0.6
    valid[2] = False
    logits[2], actions[~valid] = np.nan, 99
    weights[~valid] = np.nan
    inputs = {"logits": logits, "actions": actions, "weights": weights}
    result = call(function, inputs, valid=valid)
    if function in ("log_prob", "score"):
        rows = np.nonzero(valid)[0]
        expected = call(function, {"logits": logits[rows], "actions": actions[valid]})
        assert_rows(result, expected, valid)
        return
    harmless = {
        "logits": np.where(np.isnan(logits), 0.0, logits),
        "actions": np.where(valid, actions, 0),
        "weights": np.where(valid, weights, 0.0),
    }
    expected = call(function, harmless)
    assert same_bits(written(result), written(expected))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_flags(function: str) -> None:
    inputs = inputs_for(6, 4, np.float64)
    for wrong, error, message in [
        (np.ones(5, dtype=bool), ValueError, r"valid must have shape \(6,\), got \(5,\)"),
        (np.ones((6, 4), dtype=bool), ValueError, r"valid must have shape \(6,\), got \(6, 4\)"),
        (np.ones(6), TypeError, "valid must be bool, or int8 or uint8 of 0 and 1, got float64"),
        (np.full(6, 2, np.int8), ValueError, r"valid\[0\] must be 0 or 1, got 2"),
    ]:
        with pytest.raises(error, match=message):
            call(function, inputs, valid=wrong)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_errors_are_of_rows_that_count(function: str) -> None:
    inputs = inputs_for(6, 4, np.float64)
    valid = np.array([True, False, True, True, True, True])
    if "actions" in ARGUMENTS[function]:
        inputs["actions"][[1, 4]] = 99
        with pytest.raises(IndexError, match=r"actions\[4\] = 99 is out of range"):
            call(function, inputs, valid=valid)
        inputs["actions"][[1, 4]] = 0
    if function not in ("tabular_gradient", "linear_gradient"):
        inputs["logits"][[1, 4]] = -np.inf
        with pytest.raises(ValueError, match=r"logits(_p)?\[4\] has no allowed action"):
            call(function, inputs, valid=valid)
