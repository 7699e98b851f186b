"""The method of conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_EPS = np.finfo(np.float64).eps


def inner(a: Float64, b: Float64) -> float:
    """Their inner product, whose bits do not depend on the threads of a BLAS."""
    return float(np.sum(a * b))


def conjugate_gradients(
    product: Callable[[Float64], Float64], b: Float64, *, iterations: int, tolerance: float
) -> Float64:
    """x with A x = b, for a positive semi-definite A (Hestenes & Stiefel 1952).

    Starts from 0, so x stays in the range of A if b is there: it tends to A^+ b. Ends after so many
    products, or where the norm of the residual is at most `tolerance` times that of b, or where the
    next direction has no curvature but rounding.
    """
    x, residual, direction = np.zeros_like(b), b, b
    square = inner(residual, residual)
    bound, most_curved = tolerance**2 * square, 0.0
    for _ in range(iterations):
        if square <= bound:
            break
        product_of_direction = product(direction)
        curvature = inner(direction, product_of_direction)
        length = inner(direction, direction)
        if curvature <= _EPS * most_curved * length:
            break
        most_curved = max(most_curved, curvature / length)
        step = square / curvature
        x = x + step * direction
        residual = residual - step * product_of_direction
        last, square = square, inner(residual, residual)
        direction = residual + (square / last) * direction
    return x
