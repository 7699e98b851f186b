"""What all references compute of rows of float64 logits, once these are checked and masked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_indices, subscript

Float64 = NDArray[np.float64]


def allowed(
    logits: ArrayLike, where: ArrayLike | None, name: str = "logits", suffix: str = ""
) -> Float64:
    """-inf in every masked slot, and NaN throughout a row that holds NaN or +inf elsewhere."""
    z = np.asarray(logits, dtype=np.float64)
    if where is not None:
        mask = np.asarray(where)
        if mask.shape not in (z.shape, z.shape[-1:]):
            raise ValueError(f"where must have shape {z.shape} or {z.shape[-1:]}, got {mask.shape}")
        z = np.where(mask, z, -np.inf)
    empty = np.all(z == -np.inf, axis=-1)
    if np.any(empty):
        row = subscript(name, np.argwhere(empty)[0]) + suffix
        raise ValueError(f"{row} has no allowed action: every logit is -inf or masked")
    broken = np.any(np.isnan(z) | (z == np.inf), axis=-1, keepdims=True)
    return np.where(broken, np.nan, z)


def shift_and_rest(z: Float64) -> tuple[Float64, Float64]:
    """z - max z, and the sum of exp(z - max z) over all slots but that of the maximum.

    The maximum's own term is exactly 1, so log sum exp(z - max z) = log1p(rest): no digit of a
    small rest is lost, and log pi of a dominant action keeps its relative accuracy (Blanchard,
    Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions").
    """
    top = np.argmax(z, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a difference beyond the range is -inf, as it should round
        shifted = z - np.take_along_axis(z, top, axis=-1)
    terms = np.exp(shifted)
    np.put_along_axis(terms, top, 0.0, axis=-1)
    return shifted, terms.sum(axis=-1, keepdims=True)


def log_softmax(z: Float64) -> Float64:
    shifted, rest = shift_and_rest(z)
    return shifted - np.log1p(rest)


def softmax(z: Float64) -> Float64:
    shifted, rest = shift_and_rest(z)
    return np.exp(shifted) / (1.0 + rest)


def softmax_and_log(z: Float64) -> tuple[Float64, Float64]:
    shifted, rest = shift_and_rest(z)
    return np.exp(shifted) / (1.0 + rest), shifted - np.log1p(rest)


def check_actions(actions: ArrayLike, z: Float64) -> NDArray[np.integer[Any]]:
    return check_indices("actions", actions, z.shape[-1], "actions", shape=z.shape[:-1])


def log_prob(z: Float64, actions: NDArray[np.integer[Any]]) -> Float64:
    return np.take_along_axis(log_softmax(z), actions[..., None], axis=-1)[..., 0]


def entropy(z: Float64) -> Float64:
    return entropy_of(*softmax_and_log(z))


def entropy_of(p: Float64, log_p: Float64) -> Float64:
    return np.asarray(np.sum(-p * finite_where_positive(log_p, p), axis=-1))


def finite_where_positive(factor: Float64, p: Float64) -> Float64:
    """`factor`, but 0 where p is 0, so that 0 * log 0 = 0."""
    return np.where(p == 0.0, 0.0, factor)


def score(z: Float64, actions: NDArray[np.integer[Any]]) -> Float64:
    p = softmax(z)
    is_action = np.arange(z.shape[-1]) == actions[..., None]
    others = np.where(is_action, 0.0, p).sum(axis=-1, keepdims=True)
    s = np.where(is_action, others, -p)
    return np.where(z == -np.inf, 0.0, np.where(np.isnan(z), np.nan, s))


def entropy_gradient(z: Float64) -> Float64:
    """dH/dz_j = -pi_j (log pi_j + H)."""
    p, log_p = softmax_and_log(z)
    return -p * finite_where_positive(log_p + entropy_of(p, log_p)[..., None], p)


def row_gradients(
    z: Float64, actions: NDArray[np.integer[Any]], weights: Float64, entropy_coef: float
) -> Float64:
    """d/dz_i of  w_i log pi_i(a_i) + entropy_coef H(pi_i).  A weight of 0 gives 0, not 0 * NaN."""
    w = weights[..., None]
    with np.errstate(invalid="ignore"):
        gradient = np.where((w == 0.0) | (z == -np.inf), 0.0, w * score(z, actions))
    if entropy_coef != 0.0:
        gradient = gradient + entropy_coef * entropy_gradient(z)
    return gradient
