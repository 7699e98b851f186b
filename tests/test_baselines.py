"""Weighted means, constants and averages over time: references, biases, bad input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorefn import testing
from scorefn.credit import MovingAverage, advantages
from scorefn.testing import Bandit, exact_expectation

Array = NDArray[Any]

# Bounds the rounding of some tens of float64 operations on numbers of size 1 to 10.
CLOSE = {"rtol": 1e-13, "atol": 1e-13}
LOGITS, REWARD = np.array([0.3, -0.5, 1.0]), np.array([2.0, -1.0, 0.5])
EXACT = Bandit(LOGITS, REWARD).gradient()


def expected_gradient(advantages_of: Callable[[Array], Array], n: int) -> Array:
    """That of the mean over n samples of A_i score_i."""
    return exact_expectation(
        lambda s: s.policy.gradient(None, s.actions, advantages_of(s.actions) / n),
        Bandit(LOGITS, REWARD, n),
    )


# --- weighted means ------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    masked=st.booleans(),
    axis=st.sampled_from([None, 0, 1]),
    folds=st.sampled_from([None, 2, 3, 100]),
)
def test_weighted_mean(seed: int, masked: bool, axis: int | None, folds: int | None) -> None:
    rng = np.random.default_rng(seed)
    rewards, weights = rng.normal(size=(4, 5)), rng.integers(3, size=(4, 5))
    valid = rng.random((4, 5)) < 0.7 if masked else None
    grouping = {"axis": axis} if seed % 2 else {"groups": rng.integers(5, size=(4, 5))}
    singleton = ("zero", "raw")[seed // 2 % 2]
    options: Any = {**grouping, "valid": valid, "singleton": singleton, "folds": folds}
    expected = testing.advantages(rewards, "weighted_mean", weights=weights, **options)
    if valid is not None:
        rewards = np.where(valid, rewards, np.nan)
        weights = np.where(valid, weights, -1)
    result = advantages(rewards, "weighted_mean", weights=weights, **options)
    np.testing.assert_allclose(result, expected, **CLOSE)


@pytest.mark.parametrize("folds", [None, 2, 3])
def test_a_group_has_the_bits_that_it_has_alone(folds: int | None) -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 7, 8, 9, 17, 128, 129, 1000):
        rewards, weights = rng.normal(size=(2, 5, size))
        options: Any = {"weights": np.abs(weights), "folds": folds}
        together = advantages(rewards, "weighted_mean", axis=1, **options)
        for i in range(5):
            options["weights"] = np.abs(weights[i])
            alone = advantages(rewards[i], "weighted_mean", **options)
            assert alone.tobytes() == together[i].tobytes()


def test_opo() -> None:
    """sum len r / sum len of each group, as in verl; a group of one sample keeps its reward."""
    prompts, lengths = np.array([0, 1, 0, 1, 2, 0]), np.array([3, 9, 1, 2, 4, 8])
    rewards = np.array([1.0, 0.0, 0.5, 1.0, 0.25, 0.0])
    expected = rewards.copy()
    for prompt in (0, 1):
        of = prompts == prompt
        expected[of] -= (lengths[of] * rewards[of]).sum() / lengths[of].sum()
    result = advantages(rewards, "weighted_mean", weights=lengths, groups=prompts, singleton="raw")
    np.testing.assert_allclose(result, expected, **CLOSE)


def test_equal_weights_are_the_mean() -> None:
    rewards = np.random.default_rng(0).normal(size=20)
    expected = advantages(rewards, "mean")
    for weight in (0.0, 1.0, 5e-324, 1e308):
        result = advantages(rewards, "weighted_mean", weights=np.full(20, weight))
        np.testing.assert_allclose(result, expected, **CLOSE)


def test_digits_of_weighted_means() -> None:
    weights = [1.0, 1.0, 2.0]
    for shift, scale in ((2.0**40, 1.0), (0.0, 5e307), (0.0, 1e-310)):
        x = shift + np.array([0.0, 2.0, 3.0]) * scale
        expected = np.array([-2.0, 0.0, 1.0]) * scale
        with np.errstate(all="raise"):
            result = advantages(x, "weighted_mean", weights=weights)
        # A subnormal number has fewer digits.
        np.testing.assert_allclose(result, expected, rtol=1e-14, atol=5e-323)
    for constant in (0.1, 1e308, 1 / 3):
        result = advantages([constant] * 3, "weighted_mean", weights=[0.1, 0.7, 1e-20])
        np.testing.assert_array_equal(result, 0.0)


def test_bias_of_weighted_means() -> None:
    """Weights that no action changes shrink each sample's part by its share of the weights."""
    weights = np.array([1.0, 2.0, 5.0])
    result = expected_gradient(lambda a: advantages(REWARD[a], "weighted_mean", weights=weights), 3)
    np.testing.assert_allclose(result, EXACT * 2 / 3, rtol=1e-12)
    # Weights that depend on the actions, such as lengths, have a bias of order 1 / n.
    biases = [
        np.abs(
            expected_gradient(lambda a: advantages(REWARD[a], "weighted_mean", weights=1 + a), n)
            - EXACT
        ).max()
        for n in (3, 6)
    ]
    assert 0.4 < biases[1] / biases[0] < 0.6


def test_folds_keep_weighted_means_unbiased() -> None:
    """Weights and rewards of the other folds say nothing of the sample's own action."""
    n = 5
    for weights_of in (lambda a: 1.0 + a, lambda a: (a == 1).astype(float)):
        for folds in (2, 3, n):
            result = expected_gradient(
                lambda a, w=weights_of, k=folds: advantages(
                    REWARD[a], "weighted_mean", weights=w(a), folds=k
                ),
                n,
            )
            np.testing.assert_allclose(result, EXACT, rtol=1e-12)
        biased = expected_gradient(
            lambda a, w=weights_of: advantages(REWARD[a], "weighted_mean", weights=w(a)), n
        )
        assert np.abs(biased - EXACT).max() > 0.01


def test_folds_of_one_sample_leave_it_out() -> None:
    rewards = np.random.default_rng(0).normal(size=9)
    expected = advantages(rewards, "leave_one_out")
    result = advantages(rewards, "weighted_mean", weights=np.full(9, 3.0), folds=9)
    np.testing.assert_allclose(result, expected, **CLOSE)
    # Beside a fold of large weight the others keep their digits.
    weights = np.array([1e200, 1.0, 3.0])
    result = advantages([5.0, 2.0, 6.0], "weighted_mean", weights=weights, folds=3)
    np.testing.assert_allclose(result, [0.0, -3.0, 1.0], **CLOSE)


# --- values --------------------------------------------------------------------------------------


def test_constants() -> None:
    rewards = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert advantages(rewards, "values", values=0.5).tolist() == [[0.5, 1.5], [2.5, 3.5]]
    valid = np.array([[True, False], [True, True]])
    result = advantages(rewards, "values", values=0.5, valid=valid)
    assert result.tolist() == [[0.5, 0.0], [2.5, 3.5]]
    for constant in (-3.0, 0.5):
        result = expected_gradient(
            lambda a, c=constant: advantages(REWARD[a], "values", values=c), 3
        )
        np.testing.assert_allclose(result, EXACT, rtol=1e-12)


def test_greedy_rewards() -> None:
    """ReMax: what the greedy action would have got is the same for all samples, so no bias."""
    greedy = REWARD[np.argmax(LOGITS)]
    result = expected_gradient(lambda a: advantages(REWARD[a], "values", values=greedy), 3)
    np.testing.assert_allclose(result, EXACT, rtol=1e-12)


# --- moving averages -----------------------------------------------------------------------------


def test_moving_average() -> None:
    average, expected = MovingAverage(decay=0.75), 0.0
    rng = np.random.default_rng(0)
    for _ in range(5):
        rewards = rng.normal(size=(3, 2))
        expected = 0.75 * expected + 0.25 * rewards.mean()
        np.testing.assert_allclose(average.update(rewards), expected, **CLOSE)
        assert average.value == average.update([])
    valid = [True, False, True]
    assert MovingAverage(0.5).update([1.0, np.nan, 3.0], valid=valid) == 1.0
    assert MovingAverage(0.5).update([np.nan], valid=[False]) == 0.0
    assert MovingAverage(0.5, 1e308).update([1e308, 1.5e308]) > 1e308


def test_moving_average_is_saved() -> None:
    average = MovingAverage(decay=0.9, value=2.0)
    average.update(np.array([0.1, 0.2]))
    saved = json.loads(json.dumps(dataclasses.asdict(average)))
    assert MovingAverage(**saved) == average


def test_expectation_with_a_moving_average() -> None:
    """The value of earlier batches is unbiased; with this batch in it, a share is lost."""

    def before(a: Array) -> Array:
        average = MovingAverage(0.8, 0.3)
        result = advantages(REWARD[a], "values", values=average.value)
        average.update(REWARD[a])
        return result

    def storchastic(a: Array) -> Array:
        average = MovingAverage(0.8, 0.3)
        return advantages(REWARD[a], "values", values=average.update(REWARD[a]))

    np.testing.assert_allclose(expected_gradient(before, 4), EXACT, rtol=1e-12)
    np.testing.assert_allclose(expected_gradient(storchastic, 4), EXACT * (1 - 0.2 / 4), rtol=1e-12)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: advantages([1.0, 2.0], "weighted_mean"),
            ValueError,
            "weights must be given for baseline='weighted_mean'",
        ),
        (
            lambda: advantages([1.0, 2.0], "mean", weights=[1, 1]),
            ValueError,
            "weights must be left out for baseline='mean'",
        ),
        (
            lambda: advantages([1.0, 2.0], "weighted_mean", weights=[1, -1]),
            ValueError,
            r"weights\[1\] must be at least 0, got -1.0",
        ),
        (
            lambda: advantages([1.0, 2.0], "weighted_mean", weights=[1, np.inf]),
            ValueError,
            r"weights\[1\] must be finite, got inf",
        ),
        (
            lambda: advantages([1.0, 2.0], "weighted_mean", weights=1.0),
            ValueError,
            r"weights must have shape \(2,\), got \(\)",
        ),
        (
            lambda: advantages([1.0, 2.0], "mean", folds=2),
            ValueError,
            "folds must be left out for baseline='mean'",
        ),
        (
            lambda: advantages([1.0, 2.0], "weighted_mean", weights=[1, 1], folds=1),
            ValueError,
            "folds must be at least 2, got 1",
        ),
        (
            lambda: advantages([1.0, 2.0], "weighted_mean", weights=[1, 1], folds=2.0),
            TypeError,
            "folds must be an int, got float",
        ),
        (
            lambda: advantages([1.0], "weighted_mean", weights=[1], folds=2),
            ValueError,
            "number of samples to compare must be at least 2, got 1",
        ),
        (
            lambda: advantages([1.0, 2.0], "values", values=np.nan),
            ValueError,
            r"values\[0\] must be finite, got nan",
        ),
        (lambda: MovingAverage(1.5), ValueError, "decay must be from 0 to 1, got 1.5"),
        (lambda: MovingAverage(0.5, np.inf), ValueError, "value must be finite, got inf"),
        (lambda: MovingAverage("a"), TypeError, "decay must be a real number, got str"),
    ],
)
def test_bad_input(call: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_failed_update_changes_nothing() -> None:
    average = MovingAverage(0.5, 3.0)
    with pytest.raises(ValueError, match=r"rewards\[1\] must be finite, got nan"):
        average.update([1.0, np.nan])
    with pytest.raises(ValueError, match=r"valid must have shape \(1,\), got \(2,\)"):
        average.update([1.0], valid=[True, True])
    assert average.value == 3.0
