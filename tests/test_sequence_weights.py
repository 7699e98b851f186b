"""Weights of tokens against the means that they stand for, and their bad input."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import scorefn
from scorefn import testing
from scorefn.credit import Reduction, sequence_weights

LENGTHS = np.array([3, 1, 0, 5, 2])
VALID = np.arange(5) < LENGTHS[:, None]
MOST = {"constant": {"max_length": 5}}


def test_means() -> None:
    """Weighted sums of the tokens are NumPy's means over tokens and sequences."""
    tokens = np.random.default_rng(0).normal(size=VALID.shape)
    of_sequences = [row[counts] for row, counts in zip(tokens, VALID, strict=True) if counts.any()]
    for reduction, expected in {
        "sequence_mean": np.mean([np.mean(x) for x in of_sequences]),
        "token_mean": np.mean(tokens[VALID]),
        "constant": np.mean([np.sum(x) / 5 for x in of_sequences]),
        "sum": np.sum(tokens[VALID]),
    }.items():
        weights = sequence_weights(LENGTHS, reduction, **MOST.get(reduction, {}))
        # Bounds the rounding of a sum of 11 numbers of size 1.
        np.testing.assert_allclose(
            (weights[:, None] * tokens)[VALID].sum(), expected, rtol=1e-14, err_msg=reduction
        )


@pytest.mark.parametrize("reduction", get_args(Reduction))
@pytest.mark.parametrize("count_empty", [False, True])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_reference(reduction: Any, count_empty: bool, dtype: Any) -> None:
    options: Any = {**MOST.get(reduction, {}), "count_empty": count_empty}
    for shape in ((5,), (5, 1), (1, 5)):
        lengths = LENGTHS.astype(dtype).reshape(shape)
        weights = sequence_weights(lengths, reduction, **options)
        expected = testing.sequence_weights(lengths, reduction, **options)
        assert weights.dtype == np.float64
        assert weights.tobytes() == expected.tobytes()
        assert weights.shape == shape


def test_sums_do_not_wrap_around() -> None:
    lengths = np.full(3, 200, np.uint8)
    assert sequence_weights(lengths, "token_mean").tolist() == [1 / 600] * 3
    assert sequence_weights(lengths, "sequence_mean").tolist() == [1 / 600] * 3


def test_empty_sequences() -> None:
    """They have weight 0, and are in no mean unless one asks for that."""
    assert sequence_weights([1, 0], "sequence_mean").tolist() == [1.0, 0.0]
    assert sequence_weights([1, 0], "sequence_mean", count_empty=True).tolist() == [0.5, 0.0]
    for reduction in get_args(Reduction):
        for lengths in ([], [0, 0]):
            weights = sequence_weights(lengths, reduction, **MOST.get(reduction, {}))
            assert weights.tolist() == [0.0] * len(lengths)
    with np.errstate(all="raise"):
        sequence_weights([1, 0], "constant", max_length=5e-324)


def test_packed_and_padded_tokens_have_one_gradient() -> None:
    rng = np.random.default_rng(0)
    logits, actions = rng.normal(size=(5, 5, 4)), rng.integers(4, size=(5, 5))
    weights = sequence_weights(LENGTHS, "sequence_mean")
    padded = scorefn.score_gradient(logits, actions, weights[:, None] * VALID, valid=VALID)
    packed = scorefn.score_gradient(logits[VALID], actions[VALID], np.repeat(weights, LENGTHS))
    assert padded[VALID].tobytes() == packed.tobytes()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1.0], "sum"), {}, TypeError, "lengths must be integers, got float64"),
        (([True], "sum"), {}, TypeError, "lengths must be integers, got bool"),
        (([1, -2], "sum"), {}, ValueError, r"lengths\[1\] must be at least 0, got -2"),
        (
            ([1], "mean"),
            {},
            ValueError,
            "reduction must be one of sequence_mean, token_mean, constant, sum, got 'mean'",
        ),
        (([1], None), {}, TypeError, "reduction must be a str, got NoneType"),
        (
            ([1], "constant"),
            {},
            ValueError,
            "max_length must be given for reduction='constant'",
        ),
        (
            ([1], "sum"),
            {"max_length": 2},
            ValueError,
            "max_length must be left out for reduction='sum'",
        ),
        (([1], "constant"), {"max_length": 0}, ValueError, "max_length must be larger than 0"),
        (
            ([1], "constant"),
            {"max_length": np.nan},
            ValueError,
            "max_length must be finite, got nan",
        ),
        (
            ([1], "sum"),
            {"count_empty": 1},
            TypeError,
            "count_empty must be a bool, got int",
        ),
    ],
)
def test_bad_input(arguments: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        sequence_weights(*arguments, **options)
