"""OffPolicy over all logs that there can be: its bias, and how often its intervals are right."""

from __future__ import annotations

import itertools
from math import comb
from typing import Any

import numpy as np
import pytest

import scorefn
from _logs import METHODS, MODELS, Array, estimator, weight
from scorefn import LogitsPolicy, OffPolicy, TabularPolicy

STATES = np.array([0, 1])  # one sample each
LINEAR = [m for m in METHODS if m not in ("snips", "sndr")]


class Problem:
    """Two states, three actions, and each reward is one of two numbers with equal probability."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.policy = TabularPolicy(rng.normal(size=(2, 3)))
        self.pi = scorefn.softmax(self.policy.parameters)
        self.mu = scorefn.softmax(rng.normal(size=(2, 3)))
        self.rewards = rng.normal(size=(2, 3, 2))
        self.action_values = rng.normal(size=(2, 3))
        self.mean_reward = self.rewards.mean(axis=2)

    @property
    def value(self) -> float:
        return float((self.pi * self.mean_reward).sum(axis=1).mean())

    @property
    def gradient(self) -> Array:
        centred = self.mean_reward - (self.pi * self.mean_reward).sum(axis=1, keepdims=True)
        return self.pi * centred / 2.0

    def expected(
        self, off_policy: OffPolicy, propensities: Array | None = None
    ) -> tuple[float, Array]:
        """Of the value and of the gradient, over all actions and rewards."""
        value, gradient = 0.0, np.zeros((2, 3))
        told = self.mu if propensities is None else propensities
        for a in itertools.product(range(3), repeat=2):
            for outcome in itertools.product(range(2), repeat=2):
                rows, actions = np.arange(2), np.array(a)
                step = off_policy.estimate(
                    self.policy,
                    STATES,
                    actions,
                    self.rewards[rows, actions, outcome],
                    propensities=told[rows, actions],
                    action_values=self.action_values,
                )
                probability = self.mu[rows, actions].prod() / 4.0
                value += probability * step.objective
                gradient += probability * step.gradient
        return value, gradient

    def bias(self, method: str) -> float:
        """As the docstring of `OffPolicy` has it."""
        q = self.action_values if method in MODELS else np.zeros((2, 3))
        if method == "dm":
            return float((self.pi * (q - self.mean_reward)).sum(axis=1).mean())
        r = self.pi / self.mu
        change = self.mu * (weight(method, r) - r) * (self.mean_reward - q)
        return float(change.sum(axis=1).mean())


@pytest.mark.parametrize("method", LINEAR)
def test_bias_is_the_documented_one(method: str) -> None:
    problem = Problem()
    value, _ = problem.expected(estimator(method))
    bias = problem.bias(method)
    # 36 sums of a few terms near 1, in float64.
    assert value - problem.value == pytest.approx(bias, abs=1e-14)
    assert (abs(bias) < 1e-14) == (method == "ips")


@pytest.mark.parametrize("method", ["ips", "dr", "dm"])
def test_unbiased(method: Any) -> None:
    """Without a cap, and with the true rewards as the model of "dm"."""
    problem = Problem()
    if method == "dm":
        problem.action_values = problem.mean_reward
    value, gradient = problem.expected(OffPolicy(method))
    assert value == pytest.approx(problem.value, abs=1e-12)
    np.testing.assert_allclose(gradient, problem.gradient, atol=1e-12)


@pytest.mark.parametrize("method", ["ips", "dr"])
def test_wrong_propensities_are_seen(method: Any) -> None:
    """The check above fails for them."""
    problem = Problem()
    value, gradient = problem.expected(OffPolicy(method), np.full((2, 3), 1.0 / 3.0))
    assert abs(value - problem.value) > 1e-2
    assert np.abs(gradient - problem.gradient).max() > 1e-3


@pytest.mark.parametrize("method", ["snips", "sndr"])
def test_self_normalised_bias_vanishes_as_documented(method: Any) -> None:
    """By all counts of two actions: the bias times n tends to -E[r^2 (d - E[r d])]."""
    policy, mu = LogitsPolicy(np.array([0.0, 1.0])), np.array([0.6, 0.4])
    rewards, q = np.array([1.0, 3.0]), np.array([0.5, 1.0])
    pi = scorefn.softmax(policy.parameters)
    r, d = pi / mu, rewards - (q if method == "sndr" else 0.0)
    expected = -float((mu * r**2 * (d - pi @ d)).sum())
    errors = []
    for n in (30, 60):
        bias = -float(pi @ rewards)
        for count in range(n + 1):
            actions = np.repeat([1, 0], [count, n - count])
            step = OffPolicy(method).estimate(
                policy,
                None,
                actions,
                rewards[actions],
                propensities=mu[actions],
                action_values=np.tile(q, (n, 1)),
            )
            bias += comb(n, count) * mu[1] ** count * mu[0] ** (n - count) * step.objective
        errors.append(abs(n * bias - expected))
    assert errors[1] < 0.6 * errors[0]  # the next term is of order 1 / n^2
    assert errors[1] < 0.05 * abs(expected)


# --- intervals ----------------------------------------------------------------------------------


def simulated(seed: int, n: int = 200) -> tuple[Any, Any, float]:
    """A policy with observations, a log, and the policy's value for these observations."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    logits = x @ np.array([[1.0, 0.0, -1.0], [0.5, -0.5, 0.0]])
    pi, mu = scorefn.softmax(logits), scorefn.softmax(0.5 * logits)
    means = np.tanh(x @ np.array([[0.5, 1.0, -0.5], [1.0, 0.0, 0.5]]))
    actions = scorefn.sample(np.log(mu), rng=rng).actions
    rows = np.arange(n)
    log = {
        "actions": actions,
        "rewards": means[rows, actions] + 0.3 * rng.normal(size=n),
        "propensities": mu[rows, actions],
        "action_values": means + 0.2,
    }
    return logits, log, float((pi * means).sum(axis=1).mean())


def test_standard_errors_are_those_of_the_formulas() -> None:
    logits, log, _ = simulated(0)
    r = np.exp(scorefn.log_prob(logits, log["actions"])) / log["propensities"]
    ips = OffPolicy("ips").value(logits, None, **log)
    terms = r * log["rewards"]
    assert ips.standard_error == pytest.approx(terms.std(ddof=1) / np.sqrt(200))
    assert ips.high - ips.value == pytest.approx(1.959963984540054 * ips.standard_error)
    snips = OffPolicy("snips").value(logits, None, **log, confidence=0.5)
    residuals = r * (log["rewards"] - snips.value) / r.mean()
    assert snips.standard_error == pytest.approx(residuals.std(ddof=1) / np.sqrt(200))
    assert snips.high - snips.value == pytest.approx(0.6744897501960817 * snips.standard_error)


def test_the_bootstrap_draws_samples() -> None:
    logits, log, _ = simulated(0)
    r = np.exp(scorefn.log_prob(logits, log["actions"])) / log["propensities"]
    terms = r * log["rewards"]
    options: dict[str, Any] = {"interval": "bootstrap", "num_resamples": 200, "confidence": 0.8}
    for method, at in (
        ("ips", lambda draw: terms[draw].mean()),
        ("snips", lambda draw: terms[draw].sum() / r[draw].sum()),
    ):
        for rng, draws in (
            (7, np.random.default_rng(7).integers(0, 200, size=(200, 200))),
            (np.random.RandomState(7), np.random.RandomState(7).choice(200, size=(200, 200))),
        ):
            got = OffPolicy(method).value(logits, None, **log, **options, rng=rng)
            expected = np.percentile([at(draw) for draw in draws], [10, 90])
            np.testing.assert_allclose([got.low, got.high], expected, rtol=1e-12)


def test_resamples_without_weights_are_left_out() -> None:
    logits = np.full((3, 2), -np.inf)
    logits[[0, 1, 2], [0, 1, 1]] = 0.0
    log = {"actions": [0, 0, 0], "rewards": [2.0, 5.0, 7.0], "propensities": [0.5] * 3}
    got = OffPolicy("snips").value(logits, None, **log, interval="bootstrap", rng=0)
    assert (got.value, got.low, got.high) == (2.0, 2.0, 2.0)


@pytest.mark.slow
def test_coverage() -> None:
    """Of 1000 logs: 95 % of the intervals have the policy's value.

    The standard deviation of that share is 0.7 %. The bounds are four of them away.
    """
    _, _, truth = simulated(1000, n=300_000)
    logs = [simulated(seed) for seed in range(1000)]
    for method in ("ips", "snips", "dr", "sndr"):
        off_policy, covered = OffPolicy(method), 0
        for logits, log, _ in logs:
            result = off_policy.value(logits, None, **log)
            covered += result.low <= truth <= result.high
        assert 0.922 < covered / 1000 < 0.978, (method, covered)
