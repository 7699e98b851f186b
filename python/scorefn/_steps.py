"""What an objective and its gradient return: one step of training."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["ClippedSurrogateStep", "WeightedLogProbStep"]

_Array = NDArray[Any]


class WeightedLogProbStep(NamedTuple):
    """What `policy_gradient` and `WeightedLogProb.gradient` return.

    Attributes
    ----------
    objective : float
        sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i).
    gradient : array of the shape and dtype of the policy's parameters, or of the logits
        Of the objective, a sum over the samples: the ascent direction.
    log_prob : array of the shape of the actions
        log pi_i(a_i).
    entropy : array of the leading shape of the logits
        H(pi_i).
    """

    objective: float
    gradient: _Array
    log_prob: _Array
    entropy: _Array


class ClippedSurrogateStep(NamedTuple):
    """What `clipped_surrogate` and `ClippedSurrogate.gradient` return.

    Attributes
    ----------
    objective : float
        sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i).
    gradient : array of the shape and dtype of the policy's parameters, or of the logits
        Of the objective, a sum over the samples: the ascent direction.
    log_prob, ratio : arrays of the shape of the actions
        log pi_i(a_i) and r_i = pi_i(a_i) / exp(old_log_prob_i).
    entropy : array of the leading shape of the logits
        H(pi_i).
    approx_kl : float
        The mean of (r_i - 1) - log r_i over the samples. NaN if there are no samples.
    clip_fraction : float
        The share of the samples whose ratio is outside the clip range. NaN if there are no samples.
    """

    objective: float
    gradient: _Array
    log_prob: _Array
    entropy: _Array
    ratio: _Array
    approx_kl: float
    clip_fraction: float
