"""Squared scores and the baselines made of them: references, exact expectations and variances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scorefn import LinearPolicy, LogitsPolicy, TabularPolicy, softmax, testing
from scorefn.credit import advantages
from scorefn.estimators import (
    coordinate_baseline_gradient,
    squared_score_norms,
    squared_score_sums,
)
from scorefn.estimators import score_sums as module

Array = NDArray[Any]
N, K = 12, 4


def cases(dtype: Any = np.float64) -> dict[str, tuple[Any, Any, Array, dict[str, Any]]]:
    """Policy, observations, actions and masks; three of the samples do not count."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, K)).astype(dtype)
    features, states = rng.normal(size=(N, 3)).astype(dtype), rng.integers(5, size=N)
    actions = rng.integers(1, K, size=N)
    mask = np.array([False, True, True, True])
    masks = np.ones((N, K), bool)
    masks[::2, 0] = False
    several = rng.integers(1, K, size=(N, 3))
    own_mask = TabularPolicy(table, where=np.tile(mask, (5, 1)))
    return {
        "logits": (LogitsPolicy(table[0]), None, actions, {}),
        "logits, mask, shape": (LogitsPolicy(table[0]), None, several, {"where": mask}),
        "table": (TabularPolicy(table), states, actions, {}),
        "table, uint8": (own_mask, states.astype(np.uint8), actions.astype(np.uint8), {}),
        "table, several": (TabularPolicy(table), states, several, {}),
        "linear": (LinearPolicy(table[:3]), features, actions, {}),
        "linear, mask": (LinearPolicy(table[:3]), features, actions, {"where": mask}),
        "linear, masks": (LinearPolicy(table[:3]), features, several, {"where": masks}),
    }


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reference(name: str, masked: bool, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ENTRIES", 3 * K)  # several blocks
    policy, x, actions, options = cases(dtype)[name]
    rng = np.random.default_rng(1)
    weights = rng.normal(size=actions.shape)
    # A few roundings of the policy's dtype.
    close = {"rtol": 64 * np.finfo(dtype).eps, "atol": 16 * np.finfo(dtype).eps}
    spoilt = (x, actions, weights)
    if masked:
        valid = rng.random(actions.shape) < 0.7
        valid.flat[0] = False
        options = {**options, "valid": valid}
        spoilt = (
            x,
            np.where(valid, actions, 99).astype(actions.dtype),
            np.where(valid, weights, np.nan),
        )
        if isinstance(policy, LinearPolicy) and valid.ndim == 1:
            spoilt = (np.where(valid[:, None], x, np.nan), *spoilt[1:])
        elif isinstance(policy, TabularPolicy) and valid.ndim == 1:
            spoilt = (np.where(valid, x, 77), *spoilt[1:])
    norms = squared_score_norms(policy, *spoilt[:2], **options)
    assert norms.dtype == np.float64
    expected = testing.squared_score_norms(policy, x, actions, **options)
    np.testing.assert_allclose(norms, expected, **close)
    sums = squared_score_sums(policy, *spoilt, **options)
    assert sums.shape == policy.parameters.shape
    expected = testing.squared_score_sums(policy, x, actions, weights, **options)
    np.testing.assert_allclose(sums, expected, **close)
    for folds in (2, 5, 100):
        result = coordinate_baseline_gradient(policy, *spoilt, folds=folds, **options)
        expected = testing.coordinate_baseline_gradient(
            policy, x, actions, weights, folds=folds, **options
        )
        # A baseline is a quotient, whose denominator may be small.
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=2e4 * close["atol"])


def test_closed_forms() -> None:
    """E||s||^2 = 1 - sum pi^2, E[s_j^2] = pi_j (1 - pi_j), and E[f s_j^2], of a row of logits."""
    policy, f = LogitsPolicy(np.array([0.3, -0.5, 1.0])), np.array([2.0, -1.0, 0.5])
    p, actions = softmax(policy.parameters), np.arange(3)
    norms = squared_score_norms(policy, None, actions)
    np.testing.assert_allclose(p @ norms, 1 - p @ p, rtol=1e-14)
    squares = squared_score_sums(policy, None, actions, p)
    np.testing.assert_allclose(squares, p * (1 - p), rtol=1e-14)
    weighted = squared_score_sums(policy, None, actions, p * f)
    np.testing.assert_allclose(weighted, p * f * (1 - 2 * p) + p**2 * (p @ f), rtol=1e-14)


def test_variances_are_the_smallest() -> None:
    """Of one sample, exactly: any other constant has more variance."""
    policy, f = LogitsPolicy(np.array([0.3, -0.5, 1.0])), np.array([2.0, -1.0, 0.5])
    p, actions = softmax(policy.parameters), np.arange(3)
    problem = testing.Bandit(policy, f)

    def variances(b: Any) -> Array:
        def estimate(s: testing.Samples) -> Array:
            scores = testing.score(policy.parameters[np.newaxis], s.actions)
            return np.asarray((s.rewards - b) * scores[0])

        return testing.variance(estimate, problem)

    weights = p * squared_score_norms(policy, None, actions)
    constant = f[0] - advantages(f, "weighted_mean", weights=weights)[0]
    best = variances(constant).sum()
    own = squared_score_sums(policy, None, actions, p * f) / squared_score_sums(
        policy, None, actions, p
    )
    for change in (-0.01, 0.01):
        assert variances(constant + change).sum() > best
        assert (variances(own + change) > variances(own)).all()
    assert variances(own).sum() < best < variances(p @ f).sum()


@pytest.mark.parametrize("kind", ["logits", "table", "linear"])
@pytest.mark.parametrize("folds", [2, 3, 4])
def test_expectations(kind: str, folds: int) -> None:
    rng = np.random.default_rng(3)
    reward = rng.normal(size=(4, 3))
    policy, x = {
        "logits": (LogitsPolicy(rng.normal(size=3)), None),
        "table": (TabularPolicy(rng.normal(size=(2, 3))), np.array([0, 1, 1, 0])),
        "linear": (LinearPolicy(rng.normal(size=(2, 3))), rng.normal(size=(4, 2))),
    }[kind]
    problem = testing.Bandit(policy, reward, 4, observations=x, fixed_observations=True)
    exact = problem.gradient()

    def expected(gradient: Callable[[Array, Array], Array]) -> Array:
        return testing.exact_expectation(lambda s: gradient(s.actions, s.rewards), problem)

    result = expected(lambda a, r: coordinate_baseline_gradient(policy, x, a, r, folds=folds))
    # Bounds the rounding of 81 terms.
    np.testing.assert_allclose(result, exact, atol=1e-13)

    def scalar(a: Array, r: Array, folds: int | None = folds) -> Array:
        norms = squared_score_norms(policy, x, a)
        weights = advantages(r, "weighted_mean", weights=norms, folds=folds)
        return policy.gradient(x, a, weights) / 4

    np.testing.assert_allclose(expected(scalar), exact, atol=1e-13)
    # The test sees a bias: baselines that were fitted to all samples.
    assert np.abs(expected(lambda a, r: scalar(a, r, None)) - exact).max() > 0.01

    def fitted_to_all(a: Array, r: Array) -> Array:
        one = np.ones(4)
        b = squared_score_sums(policy, x, a, r) / squared_score_sums(policy, x, a, one)
        return (policy.gradient(x, a, r) - b * policy.gradient(x, a, one)) / 4

    assert np.abs(expected(fitted_to_all) - exact).max() > 0.01


def test_large_rewards() -> None:
    """A shift changes nothing, and squares of rewards are never formed."""
    policy, x, actions, _ = cases()["table"]
    rewards = np.random.default_rng(0).integers(0, 5, size=N).astype(float)
    result = coordinate_baseline_gradient(policy, x, actions, rewards)
    with np.errstate(all="raise"):
        shifted = coordinate_baseline_gradient(policy, x, actions, rewards + 2.0**40)
        large = coordinate_baseline_gradient(policy, x, actions, rewards * 2.0**1000)
    np.testing.assert_allclose(shifted, result, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(large, result * 2.0**1000, rtol=1e-14)


@pytest.mark.parametrize("name", cases())
def test_no_samples(name: str) -> None:
    policy, x, actions, options = cases()[name]
    options = {**options, "valid": np.zeros(actions.shape, bool)}
    assert not squared_score_norms(policy, x, actions, **options).any()
    assert not squared_score_sums(policy, x, actions, np.ones(actions.shape), **options).any()
    with pytest.raises(ValueError, match="number of samples must be at least 2, got 0"):
        coordinate_baseline_gradient(policy, x, actions, np.ones(actions.shape), **options)


def test_certain_actions() -> None:
    """One action alone has score 0; a nearly certain one keeps the digits of 1 - pi."""
    alone = TabularPolicy(np.zeros((2, 1)))
    assert squared_score_norms(alone, [0, 1], [0, 0]).tolist() == [0.0, 0.0]
    result = coordinate_baseline_gradient(alone, [0, 1], [0, 0], [1.0, 5.0])
    assert result.tolist() == [[0.0], [0.0]]
    nearly = LogitsPolicy(np.array([50.0, 0.0]))
    norms = squared_score_norms(nearly, None, [0, 1])
    # Two squares of 1 / (1 + e^50), or of 1 minus that: a few roundings.
    np.testing.assert_allclose(norms, [2 * np.exp(-100.0), 2.0], rtol=1e-13)
    sums = squared_score_sums(nearly, None, [0, 0, 0], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(sums, np.full(2, 0.6 * np.exp(-100.0)), rtol=1e-13)


def test_policies_whose_unvisited_states_hold_anything() -> None:
    table = np.array([[0.0, 1.0], [np.nan, np.inf], [2.0, 0.0]])
    where = np.array([[True, True], [False, False], [True, True]])
    policy = TabularPolicy(table, where=where)
    assert np.isfinite(squared_score_norms(policy, [0, 2], [0, 1])).all()
    sums = squared_score_sums(policy, [0, 2], [0, 1], [1.0, 1.0])
    assert not sums[1].any()
    assert sums[[0, 2]].all()
    with pytest.raises(ValueError, match=r"\[1\] has no allowed action"):
        squared_score_norms(policy, [0, 1], [0, 1])


def test_rows_without_an_allowed_action_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ENTRIES", 2 * K)
    policy, x, actions, options = cases()["linear, masks"]
    options["where"][[3, 7]] = False
    valid = np.ones(actions.shape, bool)
    valid[3] = False
    with pytest.raises(ValueError, match=r"\[7\] has no allowed action"):
        squared_score_norms(policy, x, actions, valid=valid, **options)


class Stranger:
    parameters = np.zeros(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda policy, x, a: squared_score_norms(Stranger(), x, a),  # type: ignore[arg-type]
            TypeError,
            "policy must be a LogitsPolicy, TabularPolicy or LinearPolicy, got",
        ),
        (
            lambda policy, x, a: squared_score_norms(policy, x, a + 0.5),
            TypeError,
            "actions must be integers, got float64",
        ),
        (
            lambda policy, x, a: squared_score_norms(policy, x, a + 3),
            IndexError,
            r"actions\[\d+\] = \d is out of range for 4 actions",
        ),
        (
            lambda policy, x, a: squared_score_norms(policy, x + 3, a),
            IndexError,
            r"states\[\d+\] = \d is out of range for 5 states",
        ),
        (
            lambda policy, x, a: squared_score_norms(policy, x, a[:5]),
            ValueError,
            r"actions must have shape \(12,\) or \(12, num_samples\), got \(5,\)",
        ),
        (
            lambda policy, x, a: squared_score_norms(policy, x, a, where=np.ones(4, bool)),
            TypeError,
            "where must be None, as the mask of a table is the policy's own",
        ),
        (
            lambda policy, x, a: squared_score_sums(policy, x, a, np.ones(3)),
            ValueError,
            r"weights must have shape \(12,\), got \(3,\)",
        ),
        (
            lambda policy, x, a: squared_score_sums(policy, x, a, np.full(12, np.nan)),
            ValueError,
            r"weights\[0\] must be finite, got nan",
        ),
        (
            lambda policy, x, a: coordinate_baseline_gradient(policy, x, a, a, folds=1),
            ValueError,
            "folds must be at least 2, got 1",
        ),
        (
            lambda policy, x, a: coordinate_baseline_gradient(policy, x[:1], a[:1], [1.0]),
            ValueError,
            "number of samples must be at least 2, got 1",
        ),
        (
            lambda policy, x, a: coordinate_baseline_gradient(
                policy, x, a, np.where(a == a, np.inf, 0)
            ),
            ValueError,
            r"rewards\[0\] must be finite, got inf",
        ),
    ],
)
def test_bad_input(call: Callable[..., Any], error: Any, message: str) -> None:
    policy, x, actions, _ = cases()["table"]
    with pytest.raises(error, match=message):
        call(policy, x, actions)
