"""References of the gradients of sum_i w_i log pi_i(a_i), for each kind of policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_indices, check_real
from . import rows
from .ragged import takes_offsets

Float64 = NDArray[np.float64]


@takes_offsets("logits")
def score(logits: ArrayLike, actions: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """d log pi(a) / dz = onehot(a) - pi, where 1 - pi_a is summed as the other probabilities."""
    z = rows.allowed(logits, where)
    return rows.score(z, rows.check_actions(actions, z))


@takes_offsets("logits")
def score_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """d/dlogits of  sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)  (Williams 1992).

    Logits of shape (num_actions,): one row shared by all samples; the gradient is summed over them.
    """
    z = rows.allowed(logits, where)
    is_shared = z.ndim == 1
    if is_shared:
        z = np.broadcast_to(z, (*np.shape(actions), *z.shape))
    a = rows.check_actions(actions, z)
    w = check_real("weights", weights, shape=z.shape[:-1])
    gradient = rows.row_gradients(z, a, w, entropy_coef)
    return np.asarray(gradient.reshape(-1, z.shape[-1]).sum(axis=0)) if is_shared else gradient


def tabular_gradient(
    table: ArrayLike,
    states: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """`score_gradient` with logits_i = table[states_i], the rows added up by state."""
    table = np.asarray(table, dtype=np.float64)
    s = check_indices("states", states, len(table), "states")
    z = np.zeros_like(table)  # an unvisited state may hold anything, even no allowed action
    for state in np.unique(s):
        mask = None if where is None else np.broadcast_to(np.asarray(where), table.shape)[state]
        z[state] = rows.allowed(table[state], mask, f"table[{state}]")
    a = rows.check_actions(actions, z[s])
    w = check_real("weights", weights, shape=s.shape)
    gradient = np.zeros_like(table)
    np.add.at(gradient, s, rows.row_gradients(z[s], a, w, entropy_coef))
    return gradient


def linear_gradient(
    features: ArrayLike,
    coef: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """`score_gradient` with logits = features @ coef, carried back as features^T @ rows."""
    x = np.asarray(features, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # makes its own row NaN, and no other
        z = rows.allowed(x @ np.asarray(coef, dtype=np.float64), where, "features", " @ coef")
        a = rows.check_actions(actions, z)
        w = check_real("weights", weights, shape=z.shape[:-1])
        gradient = rows.row_gradients(z, a, w, entropy_coef)
        counts = (w != 0.0) | (entropy_coef != 0.0)  # 0 * inf would come back as NaN
        return np.asarray(x[counts].T @ gradient[counts])
