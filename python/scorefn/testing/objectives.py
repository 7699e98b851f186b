"""References of the objectives: a formula of arrays for each, and what all have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_real
from ..objectives import (
    ClippedSurrogate,
    ClippedSurrogateStep,
    WeightedLogProb,
    WeightedLogProbStep,
)
from . import rows
from .terms import entropy_bonus, expected_value, forward_kl, reverse_kl

Float64 = NDArray[np.float64]


class Values(NamedTuple):
    """What an objective makes of the log-probabilities of the samples' actions."""

    value: Float64
    derivative: Float64  # with respect to the log-probability
    writes: tuple[Float64, ...] = ()
    means: tuple[Float64, ...] = ()  # of which the step has the means


def weighted_log_prob(log_prob: Float64, weights: Float64) -> Values:
    """w log pi(a)  (Williams 1992). A weight of 0 adds 0, even to a log-probability of -inf."""
    return Values(np.where(weights == 0.0, 0.0, weights * log_prob), weights)


def clipped(
    log_prob: Float64, old_log_prob: Float64, advantages: Float64, clip_range: float
) -> Values:
    """min(r A, clip(r) A)  with r = pi(a) / pi_old(a)  (Schulman et al. 2017, equation 7).

    As dr = r d log pi, the derivative is r A, or 0 where the clipped arm is the smaller. An
    advantage of 0 adds 0, whatever the ratio.
    """
    low, high = 1.0 - clip_range, 1.0 + clip_range
    ratio, kl = ratio_and_kl(log_prob, old_log_prob)
    arm, clipped_arm = ratio * advantages, np.clip(ratio, low, high) * advantages
    is_zero = advantages == 0.0
    value = np.where(is_zero, 0.0, np.minimum(arm, clipped_arm))
    derivative = np.where(is_zero | (clipped_arm < arm), 0.0, arm)
    is_outside = np.where((ratio < low) | (ratio > high), 1.0, 0.0)
    return Values(value, derivative, (ratio,), (kl, is_outside))


def dual_clip(
    log_prob: Float64,
    old_log_prob: Float64,
    advantages: Float64,
    clip_range: float,
    dual_clip: float,
) -> Values:
    """`clipped`, but at least c A where A < 0, where the derivative is 0 (Ye et al. 2020, 5)."""
    values = clipped(log_prob, old_log_prob, advantages, clip_range)
    floor = np.where(advantages < 0.0, dual_clip * advantages, -np.inf)
    derivative = np.where(values.value < floor, 0.0, values.derivative)
    return values._replace(value=np.maximum(values.value, floor), derivative=derivative)


def squared_log_ratio(log_prob: Float64, weights: Float64, reference_log_prob: Float64) -> Values:
    """-w k2  with k2 = (log pi(a) - log ref(a))^2 / 2  (Schulman 2020)."""
    log_ratio = np.where(weights == 0.0, 0.0, log_prob - reference_log_prob)
    k2 = log_ratio**2 / 2.0
    return Values(-weights * k2, -weights * log_ratio, (), (k2,))


def ratio_and_kl(log_prob: Float64, old_log_prob: Float64) -> tuple[Float64, Float64]:
    """r = pi(a) / pi_old(a)  and  (r - 1) - log r  (Schulman 2020, "Approximating KL divergence").

    The second is inf where r is.
    """
    log_ratio = log_prob - old_log_prob
    ratio = np.exp(log_ratio)
    return ratio, np.where(ratio == np.inf, np.inf, np.expm1(log_ratio) - log_ratio)


FORMULAS: dict[str, Callable[..., Values]] = {
    "WeightedLogProb": weighted_log_prob,
    "ClippedSurrogate": clipped,
    "DualClip": dual_clip,
    "SquaredLogRatio": squared_log_ratio,
}


def objective_gradient(
    objective: Any,
    logits: ArrayLike,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    action_values: ArrayLike | None = None,
    **numbers: ArrayLike,
) -> Any:
    """The step of a declared objective on rows of logits, by its formula and those of its terms."""
    z = rows.allowed(logits, where)
    a = rows.check_actions(actions, z)
    log_p, h = rows.log_prob(z, a), rows.entropy(z)
    declared = objective.declaration
    reads = {n: check_real(n, x, shape=z.shape[:-1]) for n, x in numbers.items()}
    options = {option.name: getattr(objective, option.name) for option in declared.options}
    with np.errstate(invalid="ignore", over="ignore"):
        values = FORMULAS[declared.name](log_p, **reads, **options)
        value = values.value
        gradient = rows.row_gradients(z, a, values.derivative, 0.0)
        bonus, bonus_gradient = entropy_bonus(z, objective.entropy_coef)
        value, gradient = value + bonus, gradient + bonus_gradient
        results: dict[str, Float64] = {}
        if reference is not None:
            kl = reverse_kl if objective.kl_direction == "reverse" else forward_kl
            results["kl_divergence"], of_term, add = kl(z, reference, objective.kl_coef)
        elif action_values is not None:
            results["expected_value"], of_term, add = expected_value(z, action_values)
        if results:
            value, gradient = value + of_term, gradient + add
    means = (_mean(x) for x in values.means)
    return objective.step(float(value.sum()), gradient, log_p, h, *values.writes, *means, **results)


def policy_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> WeightedLogProbStep:
    """sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)  and its gradient (Williams 1992)."""
    step: WeightedLogProbStep = objective_gradient(
        WeightedLogProb(entropy_coef), logits, actions, weights=weights, where=where
    )
    return step


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
    """sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i)  and its gradient."""
    step: ClippedSurrogateStep = objective_gradient(
        ClippedSurrogate(clip_range, entropy_coef),
        logits,
        actions,
        old_log_prob=old_log_prob,
        advantages=advantages,
        where=where,
    )
    return step


def _mean(x: Float64) -> float:
    return float(x.mean()) if x.size else np.nan
