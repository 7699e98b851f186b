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
from .ragged import takes_offsets
from .segments import LOG_PROBS, of_decisions
from .terms import entropy_bonus, expected_value, forward_kl, reverse_kl

Float64 = NDArray[np.float64]
Range = float | tuple[float, float]  # low and high; a number is both


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
    log_prob: Float64,
    old_log_prob: Float64,
    advantages: Float64,
    clip_range: Range = 0.2,
    dual_clip: float = np.inf,
) -> Values:
    """min(r A, clip(r) A)  with r = pi(a) / pi_old(a)  (Schulman et al. 2017, equation 7).

    As dr = r d log pi, the derivative is r A, or 0 where the clipped arm is the smaller. Where
    A < 0, the value is at least dual_clip A, and the derivative 0 where it is (Ye et al. 2020,
    equation 5). An advantage of 0 adds 0, whatever the ratio.
    """
    ratio, kl = ratio_and_kl(log_prob, old_log_prob)
    clipped_ratio, is_outside = clip(ratio, clip_range)
    arm, clipped_arm = ratio * advantages, clipped_ratio * advantages
    is_zero = advantages == 0.0
    value = np.where(is_zero, 0.0, np.minimum(arm, clipped_arm))
    derivative = np.where(is_zero | (clipped_arm < arm), 0.0, arm)
    is_floor = (advantages < 0.0) & (value < dual_clip * advantages)
    value = np.where(is_floor, dual_clip * advantages, value)
    derivative = np.where(is_floor, 0.0, derivative)
    return Values(value, derivative, (ratio,), (kl, is_outside))


def clip(ratio: Float64, clip_range: Range) -> tuple[Float64, Float64]:
    """The ratio in [1 - low, 1 + high], and 1 where it lies outside, else 0."""
    low, high = clip_range if isinstance(clip_range, tuple) else (clip_range, clip_range)
    is_outside = (ratio < 1.0 - low) | (ratio > 1.0 + high)
    return np.clip(ratio, 1.0 - low, 1.0 + high), np.where(is_outside, 1.0, 0.0)


def cispo(
    log_prob: Float64,
    old_log_prob: Float64,
    advantages: Float64,
    clip_range: Range = (np.inf, 4.0),
) -> Values:
    """c A log pi(a)  with c = clip(r) held constant, so that the derivative is c A  (MiniMax 2025).

    Where c A is 0 the value is 0, even of a log-probability of -inf.
    """
    ratio, kl = ratio_and_kl(log_prob, old_log_prob)
    clipped_ratio, is_outside = clip(ratio, clip_range)
    weight = np.where(advantages == 0.0, 0.0, clipped_ratio * advantages)
    value = np.where(weight == 0.0, 0.0, weight * log_prob)
    return Values(value, weight, (ratio,), (kl, is_outside))


def sapo(
    log_prob: Float64,
    old_log_prob: Float64,
    advantages: Float64,
    tau_pos: float = 1.0,
    tau_neg: float = 1.05,
) -> Values:
    """(4 / tau) s A  with s = sigmoid(tau (r - 1)); the derivative is 4 s (1 - s) r A  (Gao 2025).

    tau is tau_pos where A > 0, else tau_neg. An infinite ratio has the derivative 0.
    """
    ratio, kl = ratio_and_kl(log_prob, old_log_prob)
    tau = np.where(advantages > 0.0, tau_pos, tau_neg)
    x = tau * (ratio - 1.0)
    s, rest = 1.0 / (1.0 + np.exp(-x)), 1.0 / (1.0 + np.exp(x))
    is_zero = advantages == 0.0
    value = np.where(is_zero, 0.0, 4.0 / tau * s * advantages)
    slope = np.where(rest == 0.0, 0.0, 4.0 * s * rest * ratio)
    return Values(value, np.where(is_zero, 0.0, slope * advantages), (ratio,), (kl,))


def kl_penalty(
    log_prob: Float64,
    weights: Float64,
    reference_log_prob: Float64,
    value: str = "k3",
    derivative: str = "k2",
) -> Values:
    """-w k(x)  with x = log pi(a) - log ref(a), and k' of the same or another k  (Schulman 2020).

    k1 = x, k2 = x^2 / 2, k3 = exp(-x) - 1 + x. A weight of 0 adds 0, whatever x.
    """
    x = np.where(weights == 0.0, 0.0, log_prob - reference_log_prob)
    _, k3 = ratio_and_kl(-x, np.zeros_like(x))
    k = {"k1": x, "k2": x**2 / 2.0, "k3": k3}[value]
    slope = {"k1": np.ones_like(x), "k2": x, "k3": -np.expm1(-x)}[derivative]
    return Values(-weights * k, -weights * slope, (), (k,))


def importance_sampling(
    log_prob: Float64,
    propensities: Float64,
    advantages: Float64,
    weighting: str = "plain",
    max_weight: float = np.inf,
    sub_gaussian_lambda: float = 0.001,
    shrinkage_lambda: float = 1e4,
) -> Values:
    """w(r) A  with r = pi(a) / propensity, and its derivative w'(r) r A  (Open Bandit Pipeline)."""
    r, cap, g, s = (
        np.exp(log_prob) / propensities,
        max_weight,
        sub_gaussian_lambda,
        shrinkage_lambda,
    )
    if weighting == "plain":
        w, slope = r, np.ones_like(r)
    elif weighting == "clipped":
        w, slope = np.minimum(r, cap), np.where(r > cap, 0.0, 1.0)
    elif weighting == "switch":
        w, slope = np.where(r > cap, 0.0, r), np.where(r > cap, 0.0, 1.0)
    elif weighting == "sub_gaussian":
        w, slope = r / (1.0 - g + g * r), (1.0 - g) / (1.0 - g + g * r) ** 2
    else:
        w, slope = r / (r**2 / s + 1.0), (1.0 - r**2 / s) / (r**2 / s + 1.0) ** 2
    is_zero = advantages == 0.0
    value, derivative = w * advantages, slope * r * advantages
    return Values(
        np.where(is_zero, 0.0, value), np.where(is_zero, 0.0, derivative), (r,), (w, w**2)
    )


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
    "KLPenalty": kl_penalty,
    "CISPO": cispo,
    "SAPO": sapo,
    "ImportanceSampling": importance_sampling,
}


@takes_offsets("logits", "reference", "action_values")
def objective_gradient(
    objective: Any,
    logits: ArrayLike,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    segments: Any = None,
    reference: ArrayLike | None = None,
    action_values: ArrayLike | None = None,
    **numbers: ArrayLike,
) -> Any:
    """The step of a declared objective on rows of logits, by its formula and those of its terms.

    `segments`: a `scorefn.Segments`, of rows that are one decision.
    """
    z = rows.allowed(logits, where)
    a = rows.check_actions(actions, z)
    log_p, h = rows.log_prob(z, a), rows.entropy(z)
    declared = objective.declaration
    of_segments = None if segments is None else (len(segments.offsets) - 1,)
    reads = {
        name: check_real(
            name, x, shape=log_p.shape if of_segments is None or name in LOG_PROBS else of_segments
        )
        for name, x in numbers.items()
    }
    options = {option.name: getattr(objective, option.name) for option in declared.options}
    with np.errstate(invalid="ignore", over="ignore"):
        if segments is None:
            values = FORMULAS[declared.name](log_p, **reads, **options)
        else:
            values = of_decisions(FORMULAS[declared.name], log_p, reads, options, segments)
        total = float(values.value.sum())
        gradient = rows.row_gradients(z, a, values.derivative, 0.0)
        bonus, bonus_gradient = entropy_bonus(z, objective.entropy_coef)
        total, gradient = total + float(np.sum(bonus)), gradient + bonus_gradient
        results: dict[str, Float64] = {}
        if reference is not None:
            kl = reverse_kl if objective.kl_direction == "reverse" else forward_kl
            results["kl_divergence"], of_term, add = kl(z, reference, objective.kl_coef)
        elif action_values is not None:
            results["expected_value"], of_term, add = expected_value(z, action_values)
        if results:
            total, gradient = total + float(of_term.sum()), gradient + add
    means = (_mean(x) for x in values.means)
    return objective.step(total, gradient, log_p, h, *values.writes, *means, **results)


@takes_offsets("logits")
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


@takes_offsets("logits")
def clipped_surrogate(
    logits: ArrayLike,
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    *,
    clip_range: Range = 0.2,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> ClippedSurrogateStep:
    """sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i)  and its gradient."""
    step: ClippedSurrogateStep = objective_gradient(
        ClippedSurrogate(clip_range, entropy_coef=entropy_coef),
        logits,
        actions,
        old_log_prob=old_log_prob,
        advantages=advantages,
        where=where,
    )
    return step


def _mean(x: Float64) -> float:
    return float(x.mean()) if x.size else np.nan
