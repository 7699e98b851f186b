"""References of the objectives over all actions: a formula of arrays for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._all_actions import AllActionStep
from .._check import check_shape, to_array
from . import rows
from .ragged import takes_offsets
from .terms import entropy_bonus, forward_kl, reverse_kl, weighted

Float64 = NDArray[np.float64]


class Row(NamedTuple):
    """The value of each row, and its gradient with respect to the logits."""

    value: Float64
    gradient: Float64


def expected_reward(z: Float64, q: Float64) -> Row:
    """sum_a pi_a q_a  and  pi_a (q_a - v)  with  v = sum_a pi_a q_a  (Sutton et al. 1999)."""
    return Row(_mean(z, q), _of_constants(z, q))


def cross_entropy(z: Float64, targets: Float64) -> Row:
    """sum_a tau_a log pi_a  and  tau_a - pi_a sum_b tau_b."""
    log_p = rows.log_softmax(z)
    tau = np.where(z == -np.inf, 0.0, targets)
    value = np.sum(tau * rows.finite_where_positive(log_p, tau), axis=-1)
    return Row(value, tau - rows.softmax(z) * tau.sum(axis=-1, keepdims=True))


def regret_matching(z: Float64, q: Float64) -> Row:
    """sum_a pi_a r_a  and, with constant r,  pi_a (r_a - sum_b pi_b r_b)  (Srinivasan et al. 2018).

    The regrets are  r_a = max(0, q_a - v).
    """
    r = _regrets(z, q)
    return Row(_mean(z, r), _of_constants(z, r))


def regret_policy_gradient(z: Float64, q: Float64) -> Row:
    """-sum_a r_a,  whose gradient is that of  n v  for n regrets above 0."""
    r = _regrets(z, q)
    n = np.sum(r > 0.0, axis=-1, keepdims=True)
    return Row(-r.sum(axis=-1), n * _of_constants(z, q))


def neurd(z: Float64, q: Float64, threshold: float) -> Row:
    """sum_a y_a A_a  and, with constant A,  A_a - mean of A  (Hennes et al. 2020).

    y = z - mean of z, over the allowed actions;  A = q - v,  or 0 where it pushes y further beyond
    the threshold.
    """
    is_allowed = z != -np.inf
    n = np.sum(is_allowed, axis=-1, keepdims=True)

    def mean(x: Float64) -> Float64:
        return np.asarray(np.sum(np.where(is_allowed, x, 0.0), axis=-1, keepdims=True) / n)

    y = z - mean(z)
    a = q - _mean(z, q)[..., np.newaxis]
    a = np.where(y > -threshold, np.minimum(a, 0.0), 0.0) + np.where(
        y < threshold, np.maximum(a, 0.0), 0.0
    )
    value = np.sum(np.where(is_allowed, y * a, 0.0), axis=-1)
    return Row(value, np.where(is_allowed, a - mean(a), 0.0))


FORMULAS: dict[str, Callable[..., Row]] = {
    "ExpectedReward": expected_reward,
    "CrossEntropy": cross_entropy,
    "RegretMatching": regret_matching,
    "RegretPolicyGradient": regret_policy_gradient,
    "NeuRD": neurd,
}
PENALTIES = {"ReverseKL": reverse_kl, "ForwardKL": forward_kl}


@takes_offsets("logits", "reference", "action_values", "targets")
def all_action_gradient(
    objective: Any,
    logits: ArrayLike,
    *,
    weights: ArrayLike = 1.0,
    where: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    **matrix: ArrayLike,
) -> AllActionStep:
    """The step of an objective over all actions on rows of logits."""
    z = rows.allowed(logits, where)
    declared, h = objective.declaration, rows.entropy(z)
    options = {} if declared.option is None else {declared.option.name: objective.threshold}
    with np.errstate(invalid="ignore"):
        if declared.name in PENALTIES:
            assert reference is not None
            value, of_rows, gradient = PENALTIES[declared.name](z, reference, weights)
            reference = None
        else:
            (x,) = (to_array(name, of).astype(np.float64) for name, of in matrix.items())
            check_shape(declared.matrix.name, x, z.shape)
            value, gradient = FORMULAS[declared.name](z, np.where(z == -np.inf, 0.0, x), **options)
            of_rows, gradient = weighted(weights, value, gradient, z)
        bonus, of_bonus = entropy_bonus(z, objective.entropy_coef)
        objective_of_rows, gradient = of_rows + bonus, gradient + of_bonus
        kl = None
        if reference is not None:
            penalty = reverse_kl if objective.kl_direction == "reverse" else forward_kl
            kl, of_kl, of_penalty = penalty(z, reference, objective.kl_coef)
            objective_of_rows, gradient = objective_of_rows + of_kl, gradient + of_penalty
    return AllActionStep(float(objective_of_rows.sum()), gradient, value, h, kl)


def _mean(z: Float64, x: Float64) -> Float64:
    p = rows.softmax(z)
    return np.asarray(np.sum(p * rows.finite_where_positive(x, p), axis=-1))


def _of_constants(z: Float64, f: Float64) -> Float64:
    """d/dz of  sum_a pi_a f_a  with constant f."""
    p = rows.softmax(z)
    return p * rows.finite_where_positive(f - _mean(z, f)[..., np.newaxis], p)


def _regrets(z: Float64, q: Float64) -> Float64:
    advantages = q - _mean(z, q)[..., np.newaxis]
    return np.where(z == -np.inf, 0.0, np.maximum(advantages, 0.0))
