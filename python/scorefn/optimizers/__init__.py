"""Optimizers of parameters: ``optimizer.step(policy.parameters, estimate.gradient)`` in place.

All ascend: gradients of scorefn point uphill. An optimizer belongs to one array of parameters, and
its state has the dtype of that. A policy and a value function take two optimizers.

>>> import numpy as np, scorefn
>>> from scorefn.optimizers import Adam, LinearDecay, clip_by_norm
>>> policy = scorefn.LogitsPolicy(np.zeros(3))
>>> adam = Adam(learning_rate=LinearDecay(0.2, num_steps=100))
>>> for step in range(100):
...     actions, _ = policy.sample(num_samples=100, rng=step)
...     estimate = scorefn.Reinforce("mean").estimate(policy, None, actions, 1.0 * (actions == 2))
...     adam.step(policy.parameters, clip_by_norm(estimate.gradient, 0.5))
>>> bool(scorefn.softmax(policy.parameters)[2] > 0.99)
True
"""

from .adam import Adam
from .clipping import clip_by_norm
from .schedules import Constant, CosineDecay, LinearDecay
from .sgd import SGD

__all__ = ["SGD", "Adam", "Constant", "CosineDecay", "LinearDecay", "clip_by_norm"]
