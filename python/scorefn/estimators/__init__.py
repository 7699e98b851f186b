"""Estimators of the gradient of an expected reward: credit + objective + policy.

``Reinforce().estimate(policy, observations, actions, rewards)`` gives an `Estimate`; a step of
gradient ascent is ``policy.parameters += learning_rate * estimate.gradient``.
"""

from .a2c import A2C
from .all_action import AllAction
from .estimate import Diagnostics, Estimate
from .fisher import fisher_vector_product
from .grpo import GRPO
from .natural_gradient import NaturalGradient, TrustRegionStep
from .off_policy import OffPolicy
from .ppo import PPO
from .reinforce import Reinforce
from .rloo import RLOO
from .squared_scores import coordinate_baseline_gradient, squared_score_norms, squared_score_sums
from .value_interval import ValueEstimate

__all__ = [
    "A2C",
    "GRPO",
    "PPO",
    "RLOO",
    "AllAction",
    "Diagnostics",
    "Estimate",
    "NaturalGradient",
    "OffPolicy",
    "Reinforce",
    "TrustRegionStep",
    "ValueEstimate",
    "coordinate_baseline_gradient",
    "fisher_vector_product",
    "squared_score_norms",
    "squared_score_sums",
]
