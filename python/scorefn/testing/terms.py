"""References of the terms over all actions of a row: value and gradient, of checked logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_real, check_shape, to_array
from . import rows
from .functions import kl_divergence

Float64 = NDArray[np.float64]
ValueAndGradient = tuple[Float64, Float64]


def entropy_bonus(z: Float64, coef: ArrayLike) -> ValueAndGradient:
    """c H(pi). A coefficient of 0 adds 0, even to the entropy of a row of NaN."""
    return weighted(coef, rows.entropy(z), rows.entropy_gradient(z), z)


def reverse_kl(
    z: Float64, reference: ArrayLike, coef: ArrayLike
) -> tuple[Float64, Float64, Float64]:
    """KL(pi || ref); -c times it; and the gradient of that, -c pi_j (log pi_j - log ref_j - KL)."""
    r = _reference(z, reference)
    kl, (p, log_p) = kl_divergence(z, r), rows.softmax_and_log(z)
    with np.errstate(invalid="ignore"):
        d = log_p - rows.log_softmax(r)
        gradient = -p * rows.finite_where_positive(d - kl[..., np.newaxis], p)
    return kl, *weighted(coef, -kl, gradient, z)


def forward_kl(
    z: Float64, reference: ArrayLike, coef: ArrayLike
) -> tuple[Float64, Float64, Float64]:
    """KL(ref || pi); -c times it; and the gradient of that, c (ref_j - pi_j)."""
    r = _reference(z, reference)
    kl = kl_divergence(r, z)
    gradient = np.where(z == -np.inf, 0.0, rows.softmax(r) - rows.softmax(z))
    return kl, *weighted(coef, -kl, gradient, z)


def expected_value(z: Float64, action_values: ArrayLike) -> tuple[Float64, Float64, Float64]:
    """sum_j pi_j q_j, twice; and its gradient, pi_j (q_j - sum_k pi_k q_k)."""
    q = to_array("action_values", action_values).astype(np.float64)
    check_shape("action_values", q, z.shape)
    p = rows.softmax(z)
    q = rows.finite_where_positive(q, p)
    value = (p * q).sum(axis=-1)
    return value, value, p * rows.finite_where_positive(q - value[..., np.newaxis], p)


def _reference(z: Float64, reference: ArrayLike) -> Float64:
    r = to_array("reference", reference).astype(np.float64)
    check_shape("reference", r, z.shape)
    return np.where(z == -np.inf, -np.inf, r)


def weighted(coef: ArrayLike, value: Float64, gradient: Float64, z: Float64) -> ValueAndGradient:
    """Both times the coefficient: a number, or one per row. 0 times anything is 0."""
    c = np.broadcast_to(check_real("coef", coef), value.shape)
    with np.errstate(invalid="ignore"):
        of_rows = np.where(c[..., np.newaxis] == 0.0, 0.0, c[..., np.newaxis] * gradient)
        return np.where(c == 0.0, 0.0, c * value), of_rows
