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
the one with respect to the policy's parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_real, check_shape, to_array
from ._row_policy import FloatArray, Pass, Terms, entropy_bonus
from ._steps import ClippedSurrogateStep, WeightedLogProbStep

__all__ = [
    "ClippedSurrogate",
    "ClippedSurrogateStep",
    "CustomObjective",
    "CustomStep",
    "WeightedLogProb",
    "WeightedLogProbStep",
]


@dataclass(frozen=True)
class WeightedLogProb:
    """REINFORCE: sum_i w_i log pi(a_i | x_i) + entropy_coef sum_i H(pi(. | x_i)).

    Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning". The weights are returns, advantages, or importance ratios times either.

    Parameters
    ----------
    entropy_coef : float
        Weight of the policy's entropy in the objective.
    """

    entropy_coef: float = 0.0

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        weights: ArrayLike,
        where: ArrayLike | None = None,
    ) -> WeightedLogProbStep:
        """The objective's value and its gradient with respect to the policy's parameters.

        Parameters
        ----------
        policy : policy, or (..., num_actions) array of logits
        observations : what the policy takes; None for logits
        actions : (...) integer array
        weights : real array of the shape of the actions
        where : bool array, optional
            Allowed actions (True), as the policy takes it.

        Returns
        -------
        WeightedLogProbStep

        Raises
        ------
        TypeError, ValueError, IndexError
            As `scorefn.policy_gradient`.
        """
        terms = Terms("weighted_log_prob", (weights,), (), self.entropy_coef)
        done = _run(terms, policy, observations, actions, where)
        (objective,) = done.sums
        return WeightedLogProbStep(objective, done.gradient, done.log_prob, done.entropy)


@dataclass(frozen=True)
class ClippedSurrogate:
    """PPO's clipped surrogate: sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i).

    r_i = pi(a_i | x_i) / exp(old_log_prob_i), clipped to [1 - clip_range, 1 + clip_range] (Schulman
    et al. 2017, "Proximal policy optimization algorithms", equation 7).

    Parameters
    ----------
    clip_range : float
        At least 0.
    entropy_coef : float
        Weight of the policy's entropy in the objective.
    """

    clip_range: float = 0.2
    entropy_coef: float = 0.0

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        old_log_prob: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
    ) -> ClippedSurrogateStep:
        """The objective's value and its gradient with respect to the policy's parameters.

        Parameters
        ----------
        policy : policy, or (..., num_actions) array of logits
        observations : what the policy takes; None for logits
        actions : (...) integer array
        old_log_prob, advantages : real arrays of the shape of the actions
            The log-probability of each action when it was drawn, and its advantage.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.

        Returns
        -------
        ClippedSurrogateStep

        Raises
        ------
        TypeError, ValueError, IndexError
            As `scorefn.clipped_surrogate`.
        """
        numbers, options = (old_log_prob, advantages), (self.clip_range,)
        terms = Terms("clipped_surrogate", numbers, options, self.entropy_coef)
        done = _run(terms, policy, observations, actions, where)
        objective, kl, clipped = done.sums
        n = done.log_prob.size
        return ClippedSurrogateStep(
            objective=objective,
            gradient=done.gradient,
            log_prob=done.log_prob,
            entropy=done.entropy,
            ratio=done.rows[0],
            approx_kl=kl / n if n else np.nan,
            clip_fraction=clipped / n if n else np.nan,
        )


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
        weighted = WeightedLogProb(self.entropy_coef)
        step = weighted.gradient(policy, observations, actions, weights=w, where=where)
        bonus = entropy_bonus(self.entropy_coef, step.entropy, log_prob)
        objective = float(value.sum()) + bonus
        return CustomStep(objective, step.gradient, step.log_prob, step.entropy)


def _run(
    terms: Terms, policy: Any, observations: Any, actions: ArrayLike, where: ArrayLike | None
) -> Pass:
    """One pass of an objective over the samples of any policy."""
    if hasattr(policy, "objective_pass"):
        done: Pass = policy.objective_pass(terms, observations, actions, where)
        return done
    if not hasattr(policy, "adjoint"):  # an array of logits, which needs no adjoint
        return terms.of_logits(policy, actions, where)
    done = terms.of_logits(policy.logits(observations), actions, where)
    return done._replace(gradient=policy.adjoint(observations, done.gradient))


def _log_prob(
    policy: Any, observations: Any, actions: ArrayLike, where: ArrayLike | None
) -> NDArray[Any]:
    if hasattr(policy, "log_prob"):
        return np.asarray(policy.log_prob(observations, actions, where=where))
    logits = policy.logits(observations) if hasattr(policy, "logits") else policy
    return np.asarray(_core.log_prob(logits, actions, where=where))
