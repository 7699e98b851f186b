"""Reinforce on logits alone: an array of them, or a policy of one's own with two methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from _cases import for_each
from scorefn import A2C, LinearPolicy, Reinforce, testing

INF = np.inf
N, F, K = 6, 2, 6


class Own:
    """The logits of a `LinearPolicy`, and their adjoint."""

    def __init__(self, coef: Any) -> None:
        self.coef = np.asarray(coef, np.float64)

    def logits(self, x: Any) -> Any:
        return x @ self.coef

    def adjoint(self, x: Any, g: Any) -> Any:
        return x.reshape(-1, F).T @ g.reshape(-1, g.shape[-1])


def samples(num_samples: int | None) -> tuple[LinearPolicy, Any, Any, Any]:
    rng = np.random.default_rng(0)
    policy, x = LinearPolicy(rng.normal(size=(F, K))), rng.normal(size=(N, F))
    actions, _ = policy.sample(x, num_samples=num_samples, rng=1)
    return policy, x, actions, rng.normal(size=actions.shape)


@for_each(
    num_samples=[None, 4],
    entropy_coef=[0.0, 0.3],
    is_part=[False, True],
    is_masked=[False, True],
    diagnostics=[False, True],
)
def test_is_that_of_the_librarys_policy(
    num_samples: int | None,
    entropy_coef: float,
    is_part: bool,
    is_masked: bool,
    diagnostics: bool,
) -> None:
    policy, x, actions, rewards = samples(num_samples)
    rows: dict[str, Any] = {}
    if is_part:
        rows["valid"] = np.arange(actions.size).reshape(actions.shape) % 5 > 0
        actions, rewards = (
            np.where(rows["valid"], a, w) for a, w in [(actions, -9), (rewards, INF)]
        )
    if is_masked:
        drawn = (actions.reshape(N, -1, 1) == np.arange(K)).any(axis=1)
        rows["where"] = drawn | (np.arange(N) % 2 == 0)[:, np.newaxis]
        assert not rows["where"].all()
    reinforce = Reinforce("mean", entropy_coef, diagnostics=diagnostics)
    expected = reinforce.estimate(policy, x, actions, rewards, **rows)
    of_own = reinforce.estimate(Own(policy.parameters), x, actions, rewards, **rows)
    of_array = reinforce.estimate(x @ policy.parameters, None, actions, rewards, **rows)
    # The products are summed in another order: some roundings of numbers near 1.
    np.testing.assert_allclose(of_own.gradient, expected.gradient, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(x.T @ of_array.gradient, expected.gradient, rtol=1e-13, atol=1e-15)
    for estimate in (of_own, of_array):
        assert estimate.objective == pytest.approx(expected.objective, rel=1e-14)
        np.testing.assert_array_equal(estimate.advantages, expected.advantages)
        d, known = estimate.diagnostics, expected.diagnostics
        assert d.num_samples == known.num_samples
        assert d.entropy == pytest.approx(known.entropy, rel=1e-14, nan_ok=True)
        assert np.isnan(d.gradient_standard_error)  # what each sample adds is not known


def test_is_unbiased() -> None:
    x = np.array([[1.0, 0.5], [1.0, -2.0]])
    problem = testing.Bandit(
        Own([[0.3, -0.5, 1.0], [0.2, 0.1, 0.0]]),
        [[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]],
        num_samples=2,
        observations=x,
    )
    # Sums of 36 outcomes with a few roundings of numbers near 1.
    expected = testing.exact_expectation(Reinforce("leave_one_out", 0.1), problem)
    np.testing.assert_allclose(expected, problem.gradient(entropy_coef=0.1), rtol=0, atol=1e-14)
    biased = testing.exact_expectation(Reinforce("mean", 0.1), problem)
    assert abs(biased - problem.gradient(entropy_coef=0.1)).max() > 0.01


@pytest.mark.parametrize(
    ("policy", "observations", "error", "message"),
    [
        (None, None, TypeError, "policy must be a policy or an array of logits, got NoneType"),
        (LinearPolicy, None, TypeError, "array of logits, got the class LinearPolicy"),
        (np.zeros((2, 3)), [0, 1], TypeError, "observations must be None for an array of logits"),
        (np.zeros((3, 3)), None, ValueError, r"actions must have shape \(3,\), got \(2,\)"),
        ([[0.0, -INF, 0.0]] * 2, None, ValueError, r"actions\[1\] = 1 has probability 0"),
    ],
)
def test_what_it_cannot_take(
    policy: Any, observations: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Reinforce().estimate(policy, observations, [0, 1], [1.0, 2.0])


def test_standard_errors_need_a_policy_of_the_library() -> None:
    with pytest.raises(TypeError, match=r"policy must be .*LinearPolicy, got numpy\.ndarray"):
        Reinforce(standard_error=True).estimate(np.zeros((2, 3)), None, [0, 1], [1.0, 2.0])


@for_each(policy=[Own(np.zeros((F, 3))), LinearPolicy(np.zeros((F, 3)))])
def test_a2c_refuses_actions_that_the_policy_cannot_take(policy: Any) -> None:
    """As where sampling and learning have different masks."""
    zeros, never = np.zeros(2), np.zeros(2, np.bool_)
    where = np.array([[True, False, True], [True, True, True]])

    def estimate(rewards: list[float], **options: bool) -> Any:
        return A2C(0.0, **options).estimate(
            policy,
            np.ones((2, F)),
            [1, 1],
            rewards,
            zeros,
            zeros,
            terminated=never,
            truncated=never,
            where=where,
        )

    for diagnostics in (True, False):
        with pytest.raises(ValueError, match=r"actions\[0\] = 1 has probability 0"):
            estimate([1.0, 1.0], diagnostics=diagnostics)
        # A sample that adds nothing is exempt.
        assert np.isfinite(estimate([0.0, 1.0], diagnostics=diagnostics).objective)
