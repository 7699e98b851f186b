"""Reinforce of groups, weights and samples that do not count: what `scorefn.credit` gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from _cases import for_each
from scorefn import LogitsPolicy, Reinforce, TabularPolicy, credit, testing
from scorefn.estimators import squared_score_norms

K = 3
# A sum of at most 81 outcomes, each with a few roundings of numbers near 1.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "weighted_mean", "values"])
@for_each(normalize=[False, True], singleton=["zero", "raw"], masked=[False, True])
def test_advantages_are_those_of_credit(
    baseline: Any, normalize: bool, singleton: Any, masked: bool
) -> None:
    rng = np.random.default_rng(0)
    policy, n = TabularPolicy(rng.normal(size=(4, K))), 15
    states, groups = rng.integers(4, size=n), rng.integers(5, size=n) * 1000 - 7
    actions, _ = policy.sample(states, rng=1)
    rewards, valid = rng.normal(size=n), None
    given: dict[str, Any] = {}
    if baseline == "weighted_mean":
        given["weights"] = rng.random(n)
    if baseline == "values":
        given["values"] = rng.normal(size=n)
    if masked:
        valid = rng.random(n) < 0.7
        for x in (rewards, *given.values()):
            x[~valid] = np.nan
        actions[~valid], states[~valid] = -100, 10**9
    options = {"groups": groups, "valid": valid}
    reinforce = Reinforce(baseline, 0.1, normalize, singleton=singleton)
    estimate = reinforce.estimate(policy, states, actions, rewards, **given, **options)
    raw = credit.advantages(rewards, baseline, singleton=singleton, **given, **options)
    expected = credit.normalize(raw, singleton=singleton, **options) if normalize else raw
    np.testing.assert_allclose(estimate.advantages, expected, **EXACT)

    counts = np.ones(n, np.bool_) if valid is None else valid
    gradient = policy.gradient(
        states[counts], actions[counts], expected[counts], entropy_coef=0.1
    ) / np.count_nonzero(counts)
    np.testing.assert_allclose(estimate.gradient, gradient, **EXACT)
    d = estimate.diagnostics
    assert d.num_samples == np.count_nonzero(counts)
    assert d.mean_reward == pytest.approx(rewards[counts].mean(), rel=1e-13)
    assert d.advantage_mean == pytest.approx(raw[counts].mean(), abs=1e-14)
    assert d.advantage_std == pytest.approx(raw[counts].std(ddof=1), rel=1e-13)
    assert d.entropy == pytest.approx(policy.entropy(states[counts]).mean(), rel=1e-13)
    assert estimate.objective == pytest.approx(d.mean_reward + 0.1 * d.entropy, rel=1e-13)


def expected_gradient(reinforce: Reinforce, n: int, **options: Any) -> tuple[Any, Any]:
    """By enumeration of n actions of a bandit; and the true one."""
    policy = LogitsPolicy(np.array([0.3, -0.4, 0.1]))
    r, p = np.array([1.0, 3.0, -2.0]), testing.softmax(policy.parameters)
    total: Any = 0.0
    for outcome in itertools.product(range(K), repeat=n):
        a = np.array(outcome)
        given = dict(options)
        if reinforce.baseline == "weighted_mean":
            given["weights"] = squared_score_norms(policy, None, a)
        total += p[a].prod() * reinforce.estimate(policy, None, a, r[a], **given).gradient
    return total, p * (r - p @ r)


@for_each(folds=[2, 3])
def test_baselines_of_least_variance_of_other_folds_are_unbiased(folds: int) -> None:
    expected, truth = expected_gradient(Reinforce("weighted_mean", folds=folds), 3)
    np.testing.assert_allclose(expected, truth, **EXACT)
    biased, _ = expected_gradient(Reinforce("weighted_mean"), 3)
    assert np.abs(biased - truth).max() > 1e-3  # the check can fail


def test_means_of_the_others_of_a_group_are_unbiased() -> None:
    reinforce = Reinforce("leave_one_out")
    expected, truth = expected_gradient(reinforce, 4, groups=[5, 9, 9, 5])
    np.testing.assert_allclose(expected, truth, **EXACT)
    valid = np.array([True, False, True, True])
    expected, truth = expected_gradient(reinforce, 4, groups=[5, 5, 5, 5], valid=valid)
    np.testing.assert_allclose(expected, truth, **EXACT)
    # A group of one sample that gets 0 is missing from a mean over four.
    reinforce = Reinforce("leave_one_out", singleton="zero")
    expected, truth = expected_gradient(reinforce, 4, groups=[5, 5, 5, 9])
    np.testing.assert_allclose(expected, 0.75 * truth, **EXACT)


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
def test_equal_rewards_of_a_group_have_no_gradient(baseline: Any) -> None:
    rewards = 123456789.1 + np.array([0.0, 1.5e-8, 0.0, 0.0])
    values = np.full(4, 123456000.3) if baseline == "values" else None
    reinforce = Reinforce(baseline, normalize_advantages=True)
    estimate = reinforce.estimate(
        LogitsPolicy(np.zeros(K)), None, [0, 1, 2, 1], rewards, values=values, groups=[1, 1, 2, 2]
    )
    np.testing.assert_array_equal(estimate.gradient, 0.0)


@for_each(groups=[None, [1, 1, 1, 1], [1, 1, 2, 2]], swapped=[False, True])
def test_advantages_that_are_rounding_errors_of_the_values(groups: Any, swapped: bool) -> None:
    """Of values in float32, and of values that are far larger than the rewards."""
    r = np.array([0.1, 0.3, 0.7, 0.9])
    large = 1e9 + 0.1 + np.array([0.0, 1.2e-7, 0.0, 1.2e-7])
    for rewards, values in ((r, r.astype(np.float32)), (np.ones(4), large)):
        if swapped:
            rewards, values = values, rewards
        reinforce = Reinforce("values", normalize_advantages=True)
        estimate = reinforce.estimate(
            LogitsPolicy(np.zeros(K)), None, [0, 1, 2, 1], rewards, values=values, groups=groups
        )
        np.testing.assert_array_equal(estimate.advantages, 0.0)


@for_each(normalize=[False, True], baseline=["none", "mean", "values"])
def test_without_diagnostics(normalize: bool, baseline: Any) -> None:
    rng = np.random.default_rng(0)
    policy = TabularPolicy(rng.normal(size=(4, K)))
    states = rng.integers(4, size=20)
    actions, _ = policy.sample(states, rng=1)
    samples = (policy, states, actions, rng.normal(size=20))
    values = 0.5 if baseline == "values" else None
    for entropy_coef in (0.0, 0.1):
        options = (baseline, entropy_coef, normalize)
        full = Reinforce(*options).estimate(*samples, values=values)
        bare = Reinforce(*options, diagnostics=False).estimate(*samples, values=values)
        np.testing.assert_array_equal(bare.gradient, full.gradient)
        assert bare.objective == full.objective
        numbers = dict(bare.diagnostics.__dict__)
        assert numbers.pop("num_samples") == 20
        assert np.isnan(list(numbers.values())).all()
