"""An objective of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_real, check_shape, to_array
from ._objective_pass import FloatArray, Terms, objective_pass


class CustomStep(NamedTuple):
    """What `CustomObjective.gradient` returns.

    Attributes
    ----------
    objective : float
        The sum of the values + entropy_coef sum_i H(pi_i).
    gradient : array of the shape and dtype of the policy's parameters, or of the logits
    log_prob, entropy : arrays of the shape of the actions, and of the observations
    """

    objective: float
    gradient: FloatArray
    log_prob: FloatArray
    entropy: FloatArray


@dataclass(frozen=True)
class CustomObjective:
    """An objective of your own: a function of the log-probabilities of the samples' actions.

    Parameters
    ----------
    function : callable
        ``function(log_prob, **numbers) -> (value, derivative)``, three arrays of one shape: the
        value of each sample, and its derivative with respect to log_prob. The numbers are the
        keyword arguments of `gradient`.
    entropy_coef : float
        Weight of the policy's entropy in the objective.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> def squared(log_prob, target):
    ...     return -((log_prob - target) ** 2), -2.0 * (log_prob - target)
    >>> objective = scorefn.CustomObjective(squared)
    >>> policy = scorefn.LogitsPolicy(np.zeros(2))
    >>> step = objective.gradient(policy, None, [0], target=np.array([0.0]))
    >>> step.gradient.round(3)
    array([ 0.693, -0.693])
    """

    function: Callable[..., tuple[ArrayLike, ArrayLike]]
    entropy_coef: float = 0.0

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        **numbers: Any,
    ) -> CustomStep:
        """The objective's value and its gradient; see `ClippedSurrogate.gradient`."""
        log_prob = _log_prob(policy, observations, actions, where)
        values, derivatives = self.function(log_prob, **numbers)
        value = check_real("value", values, shape=log_prob.shape)
        w = to_array("derivative", derivatives)
        check_shape("derivative", w, log_prob.shape)
        terms = Terms("WeightedLogProb", (w,), (), self.entropy_coef)
        done = objective_pass(policy, terms, observations, actions, where)
        objective = float(value.sum()) + self._entropy_bonus(done.entropy, log_prob.size)
        return CustomStep(objective, done.gradient, done.log_prob, done.entropy)

    def _entropy_bonus(self, entropy: FloatArray, samples: int) -> float:
        """Several samples may share one entropy."""
        if self.entropy_coef == 0.0 or samples == 0:
            return 0.0
        per_entropy = samples // entropy.size
        return self.entropy_coef * per_entropy * float(np.sum(entropy, dtype=np.float64))


def _log_prob(
    policy: Any, observations: Any, actions: ArrayLike, where: ArrayLike | None
) -> NDArray[Any]:
    if hasattr(policy, "log_prob"):
        return np.asarray(policy.log_prob(observations, actions, where=where))
    logits = policy.logits(observations) if hasattr(policy, "logits") else policy
    return np.asarray(_core.log_prob(logits, actions, where=where))
