"""Objectives: what a policy is trained to maximise. Any objective works on any policy.

>>> import numpy as np, scorefn
>>> policy = scorefn.LinearPolicy(np.zeros((2, 3)))
>>> x = np.array([[1.0, 0.0], [0.0, 2.0]])
>>> old = policy.log_prob(x, [0, 1])
>>> ppo = scorefn.ClippedSurrogate(clip_range=0.2)
>>> step = ppo.gradient(policy, x, [0, 1], old_log_prob=old, advantages=[1.0, -1.0])
>>> step.gradient.round(3)
array([[ 0.667, -0.333, -0.333],
       [ 0.667, -1.333,  0.667]])

The policy is a `LogitsPolicy`, `TabularPolicy` or `LinearPolicy`, an array of logits with a row for
each sample, or any object with two methods: ``logits(observations)``, shape (..., num_actions), and
``adjoint(observations, logits_gradient)``, which takes the gradient with respect to these logits to
the one with respect to the policy's parameters. The gradient of a sample that does not count is 0,
so its observation must be finite for such a policy: 0 times NaN is NaN.
"""

from __future__ import annotations

from ._all_actions import ALL_ACTION_CLASSES, AllActionStep
from ._custom_objective import CustomObjective, CustomStep
from ._objective import CLASSES
from ._segments import Segments

__all__ = ["AllActionStep", "CustomObjective", "CustomStep", "Segments"]

# objectives.pyi, which `python -m scorefn._stub` prints, says the same to type checkers.
for _class in CLASSES.values():
    for _made in (_class, _class.step):
        globals()[_made.__name__] = _made
        __all__ += [_made.__name__]
globals().update(ALL_ACTION_CLASSES)
__all__ += ALL_ACTION_CLASSES
