"""References of the functions of rows of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_shape
from . import rows
from .ragged import takes_offsets

Float64 = NDArray[np.float64]


@takes_offsets("logits")
def log_softmax(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """log pi_j = z_j - log sum_k exp z_k."""
    z, mask = _axis_last(logits, axis, where)
    return np.moveaxis(rows.log_softmax(rows.allowed(z, mask)), -1, axis)


@takes_offsets("logits")
def softmax(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """pi_j = exp z_j / sum_k exp z_k."""
    z, mask = _axis_last(logits, axis, where)
    return np.moveaxis(rows.softmax(rows.allowed(z, mask)), -1, axis)


@takes_offsets("logits")
def logsumexp(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """log sum_k exp z_k = max z + log1p(the other terms)."""
    z = rows.allowed(*_axis_last(logits, axis, where))
    _, rest = rows.shift_and_rest(z)
    return np.asarray(np.max(z, axis=-1) + np.log1p(rest[..., 0]))


def _axis_last(
    logits: ArrayLike, axis: int, where: ArrayLike | None
) -> tuple[Float64, NDArray[Any] | None]:
    z = np.asarray(logits, dtype=np.float64)
    if where is None:
        return np.moveaxis(z, axis, -1), None
    mask = np.asarray(where)
    return np.moveaxis(z, axis, -1), np.moveaxis(mask, axis, -1) if mask.ndim == z.ndim else mask


@takes_offsets("logits")
def log_prob(logits: ArrayLike, actions: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """log pi_i(a_i)."""
    z = rows.allowed(logits, where)
    return rows.log_prob(z, rows.check_actions(actions, z))


@takes_offsets("logits")
def entropy(logits: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """H(pi) = -sum_j pi_j log pi_j, with 0 log 0 = 0."""
    return rows.entropy(rows.allowed(logits, where))


@takes_offsets("logits_p", "logits_q")
def kl_divergence(
    logits_p: ArrayLike, logits_q: ArrayLike, *, where: ArrayLike | None = None
) -> Float64:
    """KL(p || q) = sum_j p_j d_j with d_j = log p_j - log q_j; +inf if p_j > 0 and q_j = 0.

    Added up as sum_j (p_j d_j - p_j + q_j), which is the same as both sum to 1, but has no negative
    terms: nothing cancels where p is near q.
    """
    z_p, z_q = rows.allowed(logits_p, where, "logits_p"), rows.allowed(logits_q, where, "logits_q")
    check_shape("logits_q", z_q, z_p.shape)
    (p, log_p), (q, log_q) = rows.softmax_and_log(z_p), rows.softmax_and_log(z_q)
    with np.errstate(invalid="ignore", over="ignore"):  # in slots and branches that are not chosen
        d = log_p - log_q
        near, far = p * (d + np.expm1(-d)), p * d - p + q
    terms = np.where(p == 0.0, q, np.where(np.abs(d) < 0.5, near, far))
    return np.asarray(terms.sum(axis=-1))
