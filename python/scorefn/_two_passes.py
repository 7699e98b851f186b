"""An objective in two passes: of log-probabilities, then the gradient with its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._errstate import without_float_errors
from ._objective_pass import check_not_ragged
from ._row_policy import RowPolicy


def log_probs(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    where: ArrayLike | None,
    valid: ArrayLike | None,
    offsets: ArrayLike | None,
) -> NDArray[Any]:
    """log pi(a_i | x_i), a block of samples at a time where the policy is linear."""
    if isinstance(policy, RowPolicy):
        check_not_ragged(policy, offsets)
        return np.asarray(policy.log_prob(observations, actions, where=where, valid=valid))
    logits = policy.logits(observations) if hasattr(policy, "logits") else policy
    return np.asarray(_core.log_prob(logits, actions, where=where, valid=valid, offsets=offsets))


def second_pass(
    weighted_log_prob: Any,
    value: float,
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    *,
    derivatives: NDArray[Any],
    valid: ArrayLike | None,
    matrix: dict[str, Any],
    statistics: bool,
    **rows: Any,
) -> tuple[float, Any]:
    """The value of the first pass with the terms over all actions; the step with the gradient."""
    has_bonus = bool(np.any(np.not_equal(weighted_log_prob.entropy_coef, 0)))
    has_terms = has_bonus or any(x is not None for x in matrix.values())
    step = weighted_log_prob.gradient(
        policy,
        observations,
        actions,
        weights=derivatives,
        valid=valid,
        statistics=statistics or has_terms,
        **rows,
        **matrix,
    )
    if has_terms:
        value += _value_of_terms(weighted_log_prob, step, valid)
    return value, step


@without_float_errors
def _value_of_terms(objective: Any, step: Any, valid: ArrayLike | None) -> float:
    """What the terms over all actions add to the objective whose step this is."""
    shape = step.log_prob.shape
    counts = np.broadcast_to(True, shape) if valid is None else np.asarray(valid, dtype=bool)
    sum_of_terms = _weighted_sum(objective.entropy_coef, step.entropy, counts)
    if step.kl_divergence is not None:
        sum_of_terms -= _weighted_sum(objective.kl_coef, step.kl_divergence, counts)
    if step.expected_value is not None:
        sum_of_terms += _weighted_sum(1.0, step.expected_value, counts)
    return sum_of_terms


def _weighted_sum(coef: Any, values: NDArray[Any], counts: NDArray[np.bool_]) -> float:
    """sum_i c_i x_i over the samples that count, which may share a value; c_i = 0 adds 0."""
    if np.ndim(coef) == 0 and coef == 0:
        return 0.0
    x = np.asarray(values, dtype=np.float64)
    x = np.broadcast_to(x if x.ndim in (0, counts.ndim) else x[..., np.newaxis], counts.shape)
    return float(np.sum(np.where(np.equal(coef, 0) | ~counts, 0.0, coef * x)))
