"""What the objectives return."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["ClippedSurrogate", "PolicyGradient"]

_Array = NDArray[Any]


class PolicyGradient(NamedTuple):
    """What `policy_gradient` returns.

    Attributes
    ----------
    objective : float
        sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i).
    gradient : array of the shape and dtype of the logits
        Of the objective, with respect to the logits.
    log_prob, entropy : arrays of the leading shape of the logits
        log pi_i(a_i) and H(pi_i).
    """

    objective: float
    gradient: _Array
    log_prob: _Array
    entropy: _Array


class ClippedSurrogate(NamedTuple):
    """What `clipped_surrogate` returns.

    Attributes
    ----------
    objective : float
        sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i).
    gradient : array of the shape and dtype of the logits
        Of the objective, with respect to the logits.
    log_prob, entropy, ratio : arrays of the leading shape of the logits
        log pi_i(a_i), H(pi_i) and r_i = pi_i(a_i) / exp(old_log_prob_i).
    approx_kl : float
        The mean of (r_i - 1) - log r_i. NaN of no rows.
    clip_fraction : float
        The share of the rows whose ratio is outside of the clip range. NaN of no rows.
    """

    objective: float
    gradient: _Array
    log_prob: _Array
    entropy: _Array
    ratio: _Array
    approx_kl: float
    clip_fraction: float
