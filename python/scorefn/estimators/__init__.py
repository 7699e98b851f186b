"""Estimators of the gradient of an expected reward: credit + objective + policy.

``Reinforce().estimate(policy, observations, actions, rewards)`` gives an `Estimate`; a step of
gradient ascent is ``policy.parameters += learning_rate * estimate.gradient``.
"""

from .estimate import Diagnostics, Estimate
from .ppo import PPO
from .reinforce import Reinforce
from .sequences import GRPO, RLOO

__all__ = ["GRPO", "PPO", "RLOO", "Diagnostics", "Estimate", "Reinforce"]
