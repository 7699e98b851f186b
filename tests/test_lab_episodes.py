"""Episodes of the lab: their true gradients, all that they may be, and estimators of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from scorefn import A2C, TabularPolicy, testing
from scorefn.testing import Episodes, Steps, exact_expectation

Array = NDArray[Any]
# Some hundred terms of size 1, each with a few roundings.
EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}


def episodes(num_episodes: int = 1, num_steps: int = 3, **options: Any) -> Episodes:
    """Two states, whose second one may end the episode."""
    rng = np.random.default_rng(1)
    transitions = rng.dirichlet(np.ones(2), size=(2, 2))
    transitions[1] *= options.pop("goes_on", 0.5)
    table, rewards = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    arguments = {"initial": [0.7, 0.3], "values": rng.normal(size=2), **options}
    return Episodes(table, rewards, transitions, num_steps, num_episodes, **arguments)


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_the_gradient_of_episodes(discount: float) -> None:
    problem = episodes(discount=discount)
    table = problem.policy.parameters.copy()

    def objective(theta: Array) -> float:
        problem.policy.parameters[...] = theta
        return problem.objective()

    difference = testing.central_difference(objective, table)
    problem.policy.parameters[...] = table
    # Central differences, whose errors are below 1e-9 for values near 1.
    np.testing.assert_allclose(problem.gradient(), difference, rtol=1e-8, atol=1e-9)
    gammas = discount ** np.arange(3)

    def of_episode(steps: Steps) -> Array:
        """The return of the whole episode, times the score of all its actions."""
        weights = np.where(steps.valid, gammas @ steps.rewards, 0.0)
        return steps.policy.gradient(steps.states, steps.actions, weights, valid=steps.valid)

    assert exact_expectation(lambda s: 1.0, problem) == pytest.approx(1.0, abs=1e-15)
    objective = exact_expectation(lambda s: gammas @ s.rewards, problem)
    assert objective == pytest.approx(problem.objective(), abs=1e-14)
    np.testing.assert_allclose(exact_expectation(of_episode, problem), problem.gradient(), **EXACT)


def test_steps_after_the_end() -> None:
    problem = episodes(2, num_steps=2)
    lengths = exact_expectation(lambda s: s.valid.sum(axis=0), problem)
    assert lengths[0] == lengths[1]
    assert 1.0 < lengths[0] < 2.0

    def check(s: Steps) -> float:
        assert s.observations is not None
        for x in (s.observations, s.states, s.actions, s.rewards, s.values, s.next_values):
            assert x.shape == (2, 2)
            assert not x[~s.valid].any()
        assert (s.terminated.sum(axis=0) == 1).all()
        assert not (s.terminated & ~s.valid).any()
        assert not s.truncated.any()
        assert not s.next_values[s.terminated].any()
        return float(s.returns.sum())

    assert exact_expectation(check, problem) == pytest.approx(2 * problem.objective())


def test_a2c() -> None:
    """Without bias if every episode has T steps, nothing is discounted, and lambda is 1."""
    problem = episodes(goes_on=1.0)
    result = 3 * exact_expectation(A2C(discount=1.0), problem)
    np.testing.assert_allclose(result, problem.gradient(), **EXACT)
    for biased in (A2C(discount=0.5), A2C(discount=1.0, gae_lambda=0.0)):
        result = 3 * exact_expectation(biased, problem)
        assert np.abs(result - problem.gradient()).max() > 0.01


def test_a_sequence_has_one_row_of_logits_for_each_position() -> None:
    """The policy sees the position, the reward depends on the token before."""
    transitions = np.zeros((3, 2, 3))
    transitions[0, [0, 1], [1, 2]] = 1.0
    rewards = [[0.0, 0.0], [1.0, 4.0], [2.0, -1.0]]
    problem = Episodes(
        TabularPolicy(np.zeros((2, 2))), rewards, transitions, 2, 2, observations=[0, 1, 1]
    )

    def rloo(steps: Steps) -> Any:
        x = steps.observations
        assert x is not None
        return scorefn.RLOO().estimate(steps.policy, x.T, steps.actions.T, steps.returns)

    np.testing.assert_allclose(exact_expectation(rloo, problem), problem.gradient(), **EXACT)


def test_what_rounding_leaves_of_a_sum_of_1_is_no_end() -> None:
    probabilities = np.array([0.6, 0.3, 0.1])
    assert probabilities.sum() < 1.0
    transitions = np.broadcast_to(probabilities, (3, 1, 3))
    (draws,) = Episodes(np.zeros((3, 1)), np.zeros((3, 1)), transitions, num_steps=2).draws()
    assert draws.size == 9
