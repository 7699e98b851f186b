"""References of the objectives: their values, gradients and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_real
from .._steps import ClippedSurrogateStep, WeightedLogProbStep
from . import rows

Float64 = NDArray[np.float64]


def policy_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> WeightedLogProbStep:
    """sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)  and its gradient (Williams 1992)."""
    z = rows.allowed(logits, where)
    a = rows.check_actions(actions, z)
    w = check_real("weights", weights, shape=z.shape[:-1])
    log_p, h = rows.log_prob(z, a), rows.entropy(z)
    with np.errstate(invalid="ignore"):
        objective = np.where(w == 0.0, 0.0, w * log_p).sum() + _entropy_bonus(h, entropy_coef)
    return WeightedLogProbStep(
        float(objective), rows.row_gradients(z, a, w, entropy_coef), log_p, h
    )


def clipped_surrogate(
    logits: ArrayLike,
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    *,
    clip_range: float = 0.2,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> ClippedSurrogateStep:
    """sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i)  and its gradient.

    r_i = pi_i(a_i) / exp(old_log_prob_i), clipped to [1 - clip_range, 1 + clip_range] (Schulman et
    al. 2017, "Proximal policy optimization algorithms", equation 7). As dr = r d log pi, the
    gradient of a row is that of log pi times r A, or 0 where the clipped arm is the smaller. An
    advantage of 0 adds 0, whatever the ratio.
    """
    z = rows.allowed(logits, where)
    a = rows.check_actions(actions, z)
    old = check_real("old_log_prob", old_log_prob, shape=z.shape[:-1])
    advantage = check_real("advantages", advantages, shape=z.shape[:-1])
    log_p, h = rows.log_prob(z, a), rows.entropy(z)
    low, high = 1.0 - clip_range, 1.0 + clip_range
    with np.errstate(invalid="ignore", over="ignore"):
        log_ratio = log_p - old
        ratio = np.exp(log_ratio)
        arm, clipped_arm = ratio * advantage, np.clip(ratio, low, high) * advantage
        terms = np.where(advantage == 0.0, 0.0, np.minimum(arm, clipped_arm))
        coefficients = np.where((advantage == 0.0) | (clipped_arm < arm), 0.0, arm)
        # (r - 1) - log r (Schulman 2020, "Approximating KL divergence"), which is inf where r is
        kl = np.where(ratio == np.inf, np.inf, np.expm1(log_ratio) - log_ratio)
        gradient = rows.row_gradients(z, a, coefficients, entropy_coef)
    return ClippedSurrogateStep(
        objective=float(terms.sum() + _entropy_bonus(h, entropy_coef)),
        gradient=gradient,
        log_prob=log_p,
        entropy=h,
        ratio=ratio,
        approx_kl=_mean(kl),
        clip_fraction=_mean((ratio < low) | (ratio > high)),
    )


def _entropy_bonus(h: Float64, entropy_coef: float) -> float:
    """A coefficient of 0 adds 0, even to the entropy of a row of NaN."""
    return 0.0 if entropy_coef == 0.0 else float(entropy_coef * h.sum())


def _mean(x: NDArray[Any]) -> float:
    return float(x.mean()) if x.size else np.nan
