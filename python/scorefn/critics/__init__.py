"""Critics: estimates of the expected return from an observation, learned from returns.

A critic's values are the ``values`` and ``next_values`` of `scorefn.gae` and of the estimators. It
learns from ``returns = advantages + values`` after the estimate, so that the values which the
estimate used do not depend on its own rewards.

`TabularCritic` and `LinearCritic` average over the past, with less and less weight on a sample as
newer ones arrive, because the policy that they judge changes. They have no learning rate to tune,
and take all samples of a rollout at once. A value function that learns from the minibatches of the
policy, as in Stable-Baselines3, needs only the gradient of `value_loss`:

>>> import numpy as np, scorefn
>>> features = np.random.default_rng(0).normal(size=(100, 3))
>>> returns = features @ [1.0, -2.0, 0.5]
>>> coef, adam = np.zeros(3), scorefn.optimizers.Adam(learning_rate=0.1)
>>> for _ in range(300):
...     loss, gradient = scorefn.critics.value_loss(features @ coef, returns)
...     adam.step(coef, features.T @ gradient)
>>> coef.round(2)
array([ 1. , -2. ,  0.5])
"""

from .linear import LinearCritic
from .tabular import TabularCritic
from .value_loss import ValueLoss, value_loss

__all__ = ["LinearCritic", "TabularCritic", "ValueLoss", "value_loss"]
