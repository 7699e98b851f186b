"""AllAction: the mean of an objective over all actions."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from _cases import for_each
from scorefn import (
    AllAction,
    ClippedSurrogate,
    ExpectedReward,
    LinearPolicy,
    LogitsPolicy,
    NeuRD,
    RegretMatching,
    RegretPolicyGradient,
    TabularPolicy,
    testing,
)

K, N = 4, 7
OBJECTIVES = [ExpectedReward(), NeuRD(threshold=1.0), RegretMatching(), RegretPolicyGradient()]


def problem(kind: str, dtype: Any) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    q = rng.normal(size=(N, K))
    if kind == "logits":
        return LogitsPolicy(rng.normal(size=K).astype(dtype)), None, q
    if kind == "array":
        return rng.normal(size=(N, K)).astype(dtype), None, q
    if kind == "table":
        policy = TabularPolicy(rng.normal(size=(5, K)).astype(dtype))
        return policy, rng.integers(4, size=N), rng.normal(size=(5, K))
    policy = LinearPolicy(rng.normal(size=(3, K)).astype(dtype))
    return policy, rng.normal(size=(N, 3)).astype(dtype), q


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["logits", "array", "table", "linear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_a_mean_over_the_observations(kind: str, objective: Any, dtype: Any) -> None:
    policy, x, q = problem(kind, dtype)
    estimate = AllAction(objective, entropy_coef=0.2).estimate(policy, x, q)
    step = dataclasses.replace(objective, entropy_coef=0.2).gradient(policy, x, action_values=q)
    eps = float(np.finfo(dtype).eps)
    # The order of sums and of divisions by n changes some roundings.
    close = {"rtol": 64 * eps, "atol": 64 * eps}
    np.testing.assert_allclose(estimate.gradient, step.gradient / N, **close)
    assert estimate.objective == pytest.approx(step.objective / N, rel=64 * eps)
    assert estimate.gradient.dtype == dtype
    d = estimate.diagnostics
    assert d.num_samples == N
    assert d.entropy == pytest.approx(np.mean(step.entropy), rel=8 * eps)
    assert d.gradient_norm == pytest.approx(np.linalg.norm(estimate.gradient))
    np.testing.assert_array_equal(estimate.advantages, q)
    bare = AllAction(objective, 0.2, diagnostics=False).estimate(policy, x, q)
    np.testing.assert_array_equal(bare.gradient, estimate.gradient)
    assert np.isnan(bare.diagnostics.entropy)


@for_each(is_part=[False, True])
def test_values_of_each_observation_of_a_table(is_part: bool) -> None:
    policy, x, q = problem("table", np.float64)
    valid, of_samples = None, q[x]
    if is_part:
        valid = np.arange(N) % 3 > 0
        of_samples[~valid], x[~valid] = np.nan, -1
    estimate = AllAction(entropy_coef=0.2).estimate(
        policy, x, of_samples, valid=valid, per_sample=True
    )
    expected = AllAction(entropy_coef=0.2).estimate(policy, x, q, valid=valid)
    # Rows are added up in another order.
    np.testing.assert_allclose(estimate.gradient, expected.gradient, rtol=0, atol=1e-15)
    assert estimate.objective == pytest.approx(expected.objective, rel=1e-15)
    assert estimate.diagnostics.num_samples == expected.diagnostics.num_samples
    with pytest.raises(ValueError, match=r"action_values must have shape \(7, 4\), got \(5, 4\)"):
        AllAction().estimate(policy, x, q, valid=valid, per_sample=True)


@pytest.mark.parametrize("kind", ["logits", "table", "linear"])
def test_is_the_derivative_of_the_expected_reward(kind: str) -> None:
    policy, x, q = problem(kind, np.float64)
    values = q[x] if kind == "table" else q

    def objective(parameters: Any) -> float:
        policy.parameters[...] = parameters
        logits = np.broadcast_to(policy.logits(x), (N, K))
        p = testing.softmax(logits)
        return float(np.mean((p * values).sum(axis=1) + 0.2 * testing.entropy(logits)))

    parameters = policy.parameters.copy()
    expected = testing.central_difference(objective, parameters)
    policy.parameters[...] = parameters
    gradient = AllAction(entropy_coef=0.2).estimate(policy, x, q).gradient
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9)


def test_observations_that_do_not_count_and_forbidden_actions() -> None:
    policy, x, q = problem("linear", np.float64)
    valid, where = np.arange(N) % 3 > 0, np.arange(N)[:, np.newaxis] % K != np.arange(K)
    alone = AllAction().estimate(policy, x[valid], q[valid], where=where[valid])
    x[~valid], q[~valid], q[~where] = np.nan, np.nan, np.nan
    estimate = AllAction().estimate(policy, x, q, where=where, valid=valid)
    np.testing.assert_allclose(estimate.gradient, alone.gradient, rtol=1e-13)
    assert estimate.diagnostics.num_samples == 4
    assert estimate.diagnostics.entropy == pytest.approx(alone.diagnostics.entropy, rel=1e-14)


def test_rows_of_different_lengths() -> None:
    rng = np.random.default_rng(0)
    logits, q, offsets = rng.normal(size=9), rng.normal(size=9), [0, 2, 6, 9]
    estimate = AllAction().estimate(logits, None, q, offsets=offsets)
    rows = [
        AllAction().estimate(logits[np.newaxis, i:j], None, q[np.newaxis, i:j]).gradient[0]
        for i, j in itertools.pairwise(offsets)
    ]
    np.testing.assert_allclose(estimate.gradient, np.concatenate(rows) / 3, rtol=1e-14)
    assert estimate.diagnostics.num_samples == 3


def test_wrong_calls() -> None:
    policy, x, q = problem("linear", np.float64)
    with pytest.raises(TypeError, match="objective must be one of action values, such as"):
        AllAction(ClippedSurrogate())
    with pytest.raises(TypeError, match="objective must be one of action values, such as"):
        AllAction(ExpectedReward)
    with pytest.raises(ValueError, match=r"entropy_coef of the objective must be 0, as AllAction"):
        AllAction(ExpectedReward(entropy_coef=0.1))
    with pytest.raises(ValueError, match=r"kl_coef of the objective must be 0, as AllAction takes"):
        AllAction(ExpectedReward(kl_coef=0.1))
    with pytest.raises(ValueError, match=r"at least one observation that counts, got \(7,\)"):
        AllAction().estimate(policy, x, q, valid=np.zeros(N, np.bool_))
    with pytest.raises(ValueError, match=r"action_values must have shape \(7, 4\), got \(7, 3\)"):
        AllAction().estimate(policy, x, q[:, :3])
    q[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"gradient\[0, 0\] must be finite in float64, got nan: a"):
        AllAction().estimate(policy, x, q)
