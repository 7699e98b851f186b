"""The lab: true gradients by differences, expectations and variances by hand, bad problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scorefn import LinearPolicy, LogitsPolicy, Reinforce, TabularPolicy, testing
from scorefn.testing import (
    Bandit,
    Episodes,
    Samples,
    exact_expectation,
    sampled_moments,
    variance,
)
from scorefn.testing.lab import moments

Array = NDArray[Any]
K = 3
# Some hundred terms of size 1, each with a few roundings.
EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}


class Cold:
    """A policy of one's own: a table at half the temperature."""

    def __init__(self, table: Array) -> None:
        self.parameters = table

    def logits(self, states: Array) -> Array:
        return np.asarray(2.0 * self.parameters[states])

    def adjoint(self, states: Array, rows: Array) -> Array:
        gradient = np.zeros_like(self.parameters)
        np.add.at(gradient, states, 2.0 * rows)
        return gradient


def bandits(num_samples: int = 2) -> dict[str, Bandit]:
    rng = np.random.default_rng(0)
    table, features = rng.normal(size=(2, K)), rng.normal(size=(2, 4))
    rewards, mask = rng.normal(size=(2, K)), np.array([[True, True, False], [False, True, True]])
    with_inf = table.copy()
    with_inf[1, 0] = -np.inf
    masked_table = TabularPolicy(table, where=mask)
    linear = LinearPolicy(rng.normal(size=(4, K)))
    n: dict[str, Any] = {"num_samples": num_samples}
    return {
        "logits": Bandit(table[0], rewards[0], **n),
        "logits, contexts": Bandit(table[0], rewards, **n, probabilities=[0.25, 0.75]),
        "logits, mask": Bandit(table[0], rewards[0], **n, where=mask[0]),
        "table": Bandit(table, rewards, **n, probabilities=[0.9, 0.1]),
        "table, mask": Bandit(masked_table, rewards, **n),
        "table, -inf": Bandit(with_inf, rewards, **n),
        "table, noise": Bandit(table, rewards, **n, noise=[-1.0, 0.0, 4.0]),
        "linear": Bandit(linear, rewards, **n, observations=features, fixed_observations=True),
        "linear, mask": Bandit(linear, rewards, **n, observations=features, where=mask),
        "own": Bandit(Cold(table), rewards, **n, observations=np.array([1, 0])),
    }


def difference_of_objective(problem: Any, **options: Any) -> Array:
    """Central differences, whose errors are below 1e-9 for values near 1."""
    parameters = problem.policy.parameters.copy()

    def objective(theta: Array) -> float:
        problem.policy.parameters[...] = theta
        return float(problem.objective(**options))

    result = testing.central_difference(objective, parameters)
    problem.policy.parameters[...] = parameters
    return result


def score_function(samples: Samples) -> Array:
    """1/n sum_i w_i r_i score_i in plain NumPy, with w = pi / propensity."""
    policy, x = samples.policy, samples.observations
    p = testing.softmax(np.where(mask_of(samples), policy.logits(x), -np.inf))
    p = np.broadcast_to(p, (len(samples.actions), K))
    rows = np.eye(K)[samples.actions] - p
    ratios = p[np.arange(len(p)), samples.actions] / samples.propensities
    rows *= (ratios * samples.rewards / len(p))[:, np.newaxis]
    if isinstance(policy, LogitsPolicy):
        return np.asarray(rows.sum(axis=0))
    if isinstance(policy, LinearPolicy):
        return np.asarray(x).T @ rows
    return Cold.adjoint(policy, x, rows) / (1 if isinstance(policy, Cold) else 2)  # type: ignore


def mask_of(samples: Samples) -> Any:
    where = getattr(samples.policy, "where", None)
    if where is not None:
        return where[samples.observations]
    return True if samples.where is None else samples.where


# --- bandits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bandits())
def test_the_gradient_is_the_derivative_of_the_objective(name: str) -> None:
    problem = bandits()[name]
    for entropy_coef in (0.0, 0.3):
        expected = difference_of_objective(problem, entropy_coef=entropy_coef)
        result = problem.gradient(entropy_coef=entropy_coef)
        np.testing.assert_allclose(result, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", bandits())
def test_expectations_over_all_outcomes(name: str) -> None:
    problem = bandits()[name]
    assert exact_expectation(lambda s: 1.0, problem) == pytest.approx(1.0, abs=1e-15)
    reward = exact_expectation(lambda s: s.rewards.mean(), problem)
    assert reward == pytest.approx(problem.objective(), abs=1e-14)
    result = exact_expectation(score_function, problem)
    np.testing.assert_allclose(result, problem.gradient(), **EXACT)
    # A wrong estimator is seen.
    wrong = exact_expectation(lambda s: score_function(s) * s.rewards.max(), problem)
    assert np.abs(wrong - problem.gradient()).max() > 0.01


@pytest.mark.parametrize("name", [n for n in bandits() if n != "own"])
def test_estimators_are_called_with_what_they_take(name: str) -> None:
    problem = bandits()[name]
    result = exact_expectation(Reinforce("leave_one_out", entropy_coef=0.2), problem)
    np.testing.assert_allclose(result, problem.gradient(entropy_coef=0.2), **EXACT)


def test_logged_actions() -> None:
    propensities = [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]
    rewards = [[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]]
    problem = Bandit(np.zeros((2, K)), rewards, 2, propensities=propensities)
    result = exact_expectation(score_function, problem)
    np.testing.assert_allclose(result, problem.gradient(), **EXACT)
    on_policy = exact_expectation(lambda s: Reinforce().estimate(*arguments(s)), problem)
    assert np.abs(on_policy - problem.gradient()).max() > 0.01

    class Weighted:
        def estimate(self, policy: Any, *samples: Any, propensities: Array) -> Array:
            assert propensities.shape == (2,)
            return score_function(
                Samples(policy, *samples, contexts=samples[0], logged=propensities)
            )

    result = exact_expectation(Weighted(), problem)
    np.testing.assert_allclose(result, problem.gradient(), **EXACT)


def arguments(samples: Samples) -> tuple[Any, ...]:
    return samples.policy, samples.observations, samples.actions, samples.rewards


def test_fixed_observations_come_in_turn() -> None:
    problem = Bandit(np.zeros((2, 2)), [[1.0, 0.0], [0.0, 5.0]], 5, fixed_observations=True)
    contexts = exact_expectation(lambda s: s.contexts, problem)
    assert contexts.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    # Three of five samples are of context 0, where the gradient is +-1/4.
    np.testing.assert_allclose(problem.gradient()[0], [0.25 * 3 / 5, -0.25 * 3 / 5], **EXACT)
    np.testing.assert_allclose(exact_expectation(Reinforce(), problem), problem.gradient(), **EXACT)


# --- variances -----------------------------------------------------------------------------------


def test_the_variance_of_one_sample_and_of_the_mean_of_several() -> None:
    one = Bandit([0.3, -0.5, 1.0], [2.0, -1.0, 0.5], noise=[-1.0, 1.0])
    p = testing.softmax([0.3, -0.5, 1.0])
    scores = np.eye(K) - p
    # The noise adds 1 to E[r^2].
    second = (p * (np.square([2.0, -1.0, 0.5]) + 1.0)) @ scores**2
    expected = second - one.gradient() ** 2
    np.testing.assert_allclose(variance(Reinforce(), one), expected, **EXACT)
    three = Bandit([0.3, -0.5, 1.0], [2.0, -1.0, 0.5], 3, noise=[-1.0, 1.0])
    np.testing.assert_allclose(variance(Reinforce(), three), expected / 3, **EXACT)


def test_the_variance_of_a_constant_is_zero_whatever_its_size() -> None:
    problem = bandits()["logits"]
    for size in (1e-100, 0.1, 1e100):
        # The mean is off by a rounding, whose square this bounds.
        assert variance(lambda s, c=size: c, problem) <= (4e-16 * size) ** 2


def test_large_and_non_finite_estimates() -> None:
    problem = Bandit([0.0, -400.0], [0.0, 1e170])  # whose square alone would overflow
    result = variance(lambda s: s.rewards, problem)
    np.testing.assert_allclose(result, 1e170 * np.exp(-400.0) * 1e170, rtol=1e-12)
    fair = Bandit([0.0, 0.0], [0.0, 1.0])
    assert exact_expectation(lambda s: np.where(s.rewards > 0, np.inf, 1.0), fair) == [np.inf]
    assert np.isnan(exact_expectation(lambda s: np.where(s.rewards > 0, np.inf, -np.inf), fair))
    assert np.isnan(variance(lambda s: np.where(s.rewards > 0, np.nan, 1.0), fair))
    huge = Bandit([0.0, 0.0], [-1.7e308, 1.7e308], 2)
    assert exact_expectation(lambda s: s.rewards, huge).tolist() == [0.0, 0.0]
    assert variance(lambda s: s.rewards, huge).tolist() == [np.inf, np.inf]


def test_terms_are_summed_without_rounding() -> None:
    """Beside 2.5e15 a quarter is lost in any other sum."""
    values = np.array([1e16, 1.0, -1e16, 0.0])
    problem = Bandit(np.zeros(4), np.zeros(4))
    assert exact_expectation(lambda s: values[s.actions], problem) == 0.25


def test_the_error_of_a_sampled_variance_is_that_of_its_formula() -> None:
    """Var(s^2) = (m4 - s^4 (n - 3) / (n - 1)) / n, where (n - 3) / (n - 1) is 1/2 for n = 5."""
    drawn: list[float] = []

    def estimator(samples: Any) -> float:
        drawn.append(float(samples.rewards[0]))
        return drawn[-1]

    problem = Bandit(np.zeros(3), [0.0, 1.0, 5.0])
    moments = sampled_moments(estimator, problem, num_estimates=5, rng=1)
    x = np.array(drawn)
    s2, m4 = x.var(ddof=1), np.mean((x - x.mean()) ** 4)
    assert moments.variance == pytest.approx(s2, rel=1e-14)
    assert moments.variance_error == pytest.approx(np.sqrt((m4 - s2**2 / 2) / 5), rel=1e-14)


def test_impossible_outcomes_are_left_out() -> None:
    problem = Bandit([0.0, -np.inf, 0.0], [1.0, 2.0, 3.0], 2)
    seen = []
    exact_expectation(lambda s: seen.append(tuple(s.actions)) or 0.0, problem)  # type: ignore
    assert seen == [(0, 0), (0, 2), (2, 0), (2, 2)]


def test_an_estimator_may_reuse_its_memory() -> None:
    problem, out = bandits()["table"], np.empty((2, K))

    def into_out(s: Samples) -> Any:
        return s.policy.gradient(s.observations, s.actions, s.rewards / 2, out=out)

    expected = exact_expectation(Reinforce(), problem)
    np.testing.assert_allclose(exact_expectation(into_out, problem), expected, **EXACT)


def test_float32_policies() -> None:
    problem = Bandit(np.zeros(K, np.float32), [1.0, 2.0, 4.0], 2)
    result = exact_expectation(Reinforce("leave_one_out"), problem)
    assert result.dtype == np.float64
    # float32 gradients.
    np.testing.assert_allclose(result, problem.gradient(), rtol=1e-6)


def test_sampled_moments_agree_with_exact_ones() -> None:
    problem, estimator = bandits()["table, noise"], Reinforce("leave_one_out")
    result = sampled_moments(estimator, problem, num_estimates=1000, rng=0)
    again = sampled_moments(estimator, problem, num_estimates=1000, rng=np.random.default_rng(0))
    for name in result._fields:
        np.testing.assert_array_equal(getattr(result, name), getattr(again, name))
    # With this seed; four standard errors are exceeded once in 16 000 numbers.
    away = np.abs(result.expectation - problem.gradient()) / result.expectation_error
    assert away.max() < 4.0
    away = np.abs(result.variance - variance(estimator, problem)) / result.variance_error
    assert away.max() < 4.0
    # The errors are those of means of 1000 numbers; a tenth of them is some four of their own.
    errors = np.sqrt(variance(estimator, problem) / 1000)
    np.testing.assert_allclose(result.expectation_error, errors, rtol=0.1)


# --- bad input -----------------------------------------------------------------------------------

TABLE = np.zeros((2, K))
MOVES = np.zeros((2, K, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Bandit("softmax", [1.0]),
            TypeError,
            r"policy must have the methods of a policy, or be an array of logits .*, got str",
        ),
        (lambda: Bandit(np.zeros((1, 1, 1)), [1.0]), TypeError, "got numpy.ndarray"),
        (lambda: Bandit([0.0, 0.0], [1.0]), ValueError, r"rewards must have shape \(2,\), got"),
        (lambda: Bandit(TABLE, [1.0] * 3), ValueError, r"shape \(2, 3\), got \(3,\)"),
        (lambda: Bandit([0.0], [np.nan]), ValueError, r"rewards\[0\] must be finite, got nan"),
        (lambda: Bandit([0.0], [1.0], 0), ValueError, "num_samples must be at least 1, got 0"),
        (
            lambda: Bandit(LinearPolicy(TABLE), TABLE),
            ValueError,
            "observations must be given for a LinearPolicy, got None",
        ),
        (
            lambda: Bandit(TABLE, TABLE, probabilities=[0.5, 0.6]),
            ValueError,
            r"probabilities must be probabilities that sum to 1, got \[0.5, 0.6\]",
        ),
        (
            lambda: Bandit(TABLE, TABLE, probabilities=[1.0, 0.0], fixed_observations=True),
            ValueError,
            "probabilities must be left out if fixed_observations is True",
        ),
        (
            lambda: Bandit(TABLE, TABLE, propensities=[[0.5, 0.5, 0.0], [1.5, -0.5, 0.0]]),
            ValueError,
            r"propensities\[1\] must be probabilities that sum to 1, got \[1.5, -0.5, 0.0\]",
        ),
        (lambda: Bandit([0.0], [1.0], noise=[]), ValueError, r"noise must have shape \(R,\)"),
        (
            lambda: Bandit(TABLE, TABLE, where=[True, False, True]),
            TypeError,
            "where must be None for a TabularPolicy, whose mask is its own",
        ),
        (
            lambda: Bandit(TABLE[0], TABLE[0], where=[True, False]),
            ValueError,
            r"where must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: exact_expectation(Reinforce(), Bandit(TABLE, TABLE, 20)),
            ValueError,
            "number of outcomes must be at most 1000000, got 3656158440062976: take fewer samples",
        ),
        (
            lambda: exact_expectation(Reinforce, Bandit(TABLE, TABLE)),
            TypeError,
            "estimator must be an object with the method estimate, .*, got the class Reinforce",
        ),
        (
            lambda: variance("mean", Bandit(TABLE, TABLE)),
            TypeError,
            "or a function of the samples, got str",
        ),
        (
            lambda: exact_expectation(lambda s: np.zeros(s.actions[0]), Bandit(TABLE, TABLE)),
            ValueError,
            r"estimate must have shape \(0,\), got \(1,\)",
        ),
        (
            lambda: exact_expectation(lambda s: None, Bandit(TABLE, TABLE)),
            TypeError,
            "estimate must be real numbers, got object",
        ),
        (
            lambda: sampled_moments(Reinforce(), Bandit(TABLE, TABLE), num_estimates=1),
            ValueError,
            "num_estimates must be at least 2, got 1",
        ),
        (
            lambda: Episodes(TABLE, TABLE, MOVES + 0.6, 1),
            ValueError,
            r"transitions\[0, 0\] must be probabilities that sum to at most 1, got \[0.6, 0.6\]",
        ),
        (
            lambda: Episodes(TABLE, TABLE, MOVES[:1], 1),
            ValueError,
            r"transitions must have shape \(2, 3, 2\), got \(1, 3, 2\)",
        ),
        (
            lambda: Episodes(TABLE, TABLE, MOVES + 0.5, 9),
            ValueError,
            "number of different episodes must be at most 100000, got",
        ),
        (
            lambda: Episodes(TABLE, TABLE, MOVES, 1, initial=[0.5, 0.4]),
            ValueError,
            "initial must be probabilities that sum to 1",
        ),
        (
            lambda: Episodes(TABLE, TABLE, MOVES, 1, discount=1.1),
            ValueError,
            "discount must be from 0 to 1, got 1.1",
        ),
    ],
)
def test_bad_input(call: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_the_limit_is_of_possible_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "_MOST_OUTCOMES", 4)
    exact_expectation(Reinforce(), Bandit([0.0, -np.inf, 0.0], [1.0, 2.0, 3.0], 2))
    with pytest.raises(ValueError, match="number of outcomes must be at most 4, got 9"):
        exact_expectation(Reinforce(), Bandit([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], 2))
