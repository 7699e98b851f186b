"""Standard errors of a gradient, of each parameter: how far it may be from its expectation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._errstate import without_float_errors
from .score_sums import AnyPolicy, Float64
from .squared_scores import squared_gradient_sums


@without_float_errors
def standard_errors(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    weights: NDArray[np.float64],
    entropy_coef: float,
    gradient: NDArray[Any],
    divisor: int,
    **rows: Any,
) -> Float64:
    """sqrt((n sum_i g_i^2 - (sum_i g_i)^2) / (n - 1)) / divisor of each entry; NaN for one sample.

    g_i = w_i d log pi(a_i | x_i) + c dH(pi(. | x_i)) is what sample i adds to the gradient; those
    that do not count have the weight 0. 0 where the g_i are equal up to the rounding of their sums.
    """
    valid = rows["valid"]
    n = weights.size if valid is None else int(np.count_nonzero(valid))
    if n == 1:
        return np.full(gradient.shape, np.nan)
    largest = max(float(np.abs(weights).max()), abs(entropy_coef))
    if largest == 0.0:
        return np.zeros(gradient.shape)
    unit = math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1000))
    squares = n * squared_gradient_sums(
        policy, observations, actions, weights / unit, entropy_coef=entropy_coef / unit, **rows
    )
    difference = squares - np.square(gradient.astype(np.float64) / unit)
    is_rounding = difference <= rounding_of_equal_samples(n, gradient.dtype) * squares
    return np.where(is_rounding, 0.0, np.sqrt(difference / (n - 1)) * unit / divisor)


def rounding_of_equal_samples(n: int, dtype: Any) -> float:
    """The largest relative difference of n sum_i g_i^2 and (sum_i g_i)^2 if all g_i are equal.

    Each g_i and their sum have some roundings in their dtype, sums over the samples n in float64.
    """
    return float(8.0 * np.finfo(dtype).eps + n * np.finfo(np.float64).eps)


def derivatives(
    objective: Any, log_prob: NDArray[Any], counts: NDArray[np.bool_], **numbers: Any
) -> Float64:
    """d objective / d log pi(a_i), one for each sample that counts, 0 for the others.

    A policy of two actions with the same log pi(a_i) has the gradient w_i (1 - pi(a_i)). Where
    pi(a_i) is 1, the score is 0 and w_i does not matter.
    """
    log_p = np.where(counts, log_prob, 0.0).astype(np.float64).reshape(-1)
    matters = (log_p < 0.0) & (log_p > -np.inf)
    log_p[~matters] = -1.0
    rest = -np.expm1(log_p)
    with np.errstate(all="ignore"):
        logits = np.stack([log_p, np.log(rest)], axis=-1)
        gradient = objective.gradient(
            logits,
            None,
            np.zeros(log_p.size, np.int8),
            valid=matters,
            statistics=False,
            **{name: np.reshape(x, -1) for name, x in numbers.items()},
        ).gradient
        w = np.where(matters, gradient[:, 0] / rest, 0.0)
    return np.asarray(w.reshape(counts.shape))
