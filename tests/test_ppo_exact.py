"""PPO's expected gradient, exactly: the first update is REINFORCE, and each option's bias shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scorefn import CISPO, PPO, SAPO, ClippedSurrogate, softmax
from scorefn.credit import advantages
from scorefn.testing import Bandit, exact_expectation

LOGITS = np.array([[0.3, -0.5, 1.0], [-0.2, 0.4, 0.0]])
REWARDS = np.array([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])
PROBLEM = Bandit(LOGITS, REWARDS, 3, probabilities=[0.3, 0.7])
OLD = softmax(LOGITS)
# A sum of some hundred outcomes, each with a few roundings of numbers near 1.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def gradient(samples: Any, ppo: PPO, baseline: Any = "leave_one_out", shift: float = 0.0) -> Any:
    """Of the samples of one policy, where the old one was a little different by `shift`."""
    old = samples.policy.log_prob(samples.observations, samples.actions)
    old = old + shift * (samples.actions == 0)
    a = advantages(samples.rewards, baseline)
    estimate = ppo.estimate(
        samples.policy, samples.observations, samples.actions, a, old_log_prob=old
    )
    return estimate.gradient


@pytest.mark.parametrize("objective", [ClippedSurrogate(), CISPO(), SAPO(tau_pos=1.0, tau_neg=2.0)])
def test_the_first_update_is_unbiased(objective: Any) -> None:
    """The ratios are 1, inside of every clip, and the derivative of each value by log pi is A."""
    ppo = PPO(objective, entropy_coef=0.2, normalize_advantages=False)
    expected = exact_expectation(lambda s: gradient(s, ppo), PROBLEM)
    np.testing.assert_allclose(expected, PROBLEM.gradient(entropy_coef=0.2), **EXACT)


def test_ratios_without_a_clip_correct_for_the_old_policy() -> None:
    """Importance sampling: samples of an old policy, the gradient of another one."""
    new = LOGITS + np.array([0.4, 0.0, -0.3])
    logged = Bandit(new, REWARDS, 2, probabilities=[0.3, 0.7], propensities=OLD)
    ppo = PPO(ClippedSurrogate(clip_range=np.inf), normalize_advantages=False)

    def of_log(s: Any, ppo: PPO = ppo) -> Any:
        return ppo.estimate(
            s.policy, s.observations, s.actions, s.rewards, old_log_prob=np.log(s.propensities)
        ).gradient

    np.testing.assert_allclose(exact_expectation(of_log, logged), logged.gradient(), **EXACT)
    clipped = PPO(ClippedSurrogate(clip_range=0.1), normalize_advantages=False)
    biased = exact_expectation(lambda s: of_log(s, clipped), logged)
    assert np.abs(biased - logged.gradient()).max() > 1e-2  # the check can fail


def test_what_biases_the_first_update() -> None:
    """Advantages over the mean shrink it by exactly (n - 1) / n; others have no formula."""
    ppo = PPO(normalize_advantages=False)
    problem = Bandit(LOGITS, REWARDS, 3, probabilities=[0.3, 0.7])
    expected = exact_expectation(lambda s: gradient(s, ppo, "mean"), problem)
    np.testing.assert_allclose(expected, problem.gradient() * 2 / 3, **EXACT)
    for biased in (
        lambda s: gradient(s, PPO(), "mean"),
        lambda s: gradient(s, ppo, shift=0.1),
    ):
        ratios = exact_expectation(biased, problem) / problem.gradient()
        assert np.ptp(ratios) > 1e-3
