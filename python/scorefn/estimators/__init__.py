"""Estimators of the gradient of an expected reward: credit + objective + policy.

``Reinforce().estimate(policy, observations, actions, rewards)`` gives an `Estimate`; a step of
gradient ascent is ``policy.parameters += learning_rate * estimate.gradient``.
"""

from .a2c import A2C
from .estimate import Diagnostics, Estimate
from .fisher import fisher_vector_product
from .natural_gradient import NaturalGradient, TrustRegionStep
from .ppo import PPO
from .reinforce import Reinforce
from .sequences import GRPO, RLOO
from .squared_scores import coordinate_baseline_gradient, squared_score_norms, squared_score_sums

__all__ = [
    "A2C",
    "GRPO",
    "PPO",
    "RLOO",
    "Diagnostics",
    "Estimate",
    "NaturalGradient",
    "Reinforce",
    "TrustRegionStep",
    "coordinate_baseline_gradient",
    "fisher_vector_product",
    "squared_score_norms",
    "squared_score_sums",
]
