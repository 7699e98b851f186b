"""How far results are from exact values, and gradients without formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_shape

Float64 = NDArray[np.float64]


def ulp_error(actual: ArrayLike, exact: ArrayLike) -> Float64:
    """Distance from `actual` to `exact`, in units in the last place of `exact`, entry by entry.

    Parameters
    ----------
    actual : float32 or float64 array
    exact : array of the same shape
        The true values, with more digits than `actual` has: float64 for float32, mpmath numbers for
        float64. They are first rounded to the dtype of `actual`.

    Returns
    -------
    float64 array
        0 where both are the same infinity or both NaN, inf where only one of them is non-finite.
    """
    a = np.asarray(actual)
    with np.errstate(all="ignore"):
        e = np.asarray(exact).astype(a.dtype)
        check_shape("exact", e, a.shape)
        distance = np.abs(a.astype(np.float64) - e.astype(np.float64)) / np.spacing(np.abs(e))
        same = (a == e) | (np.isnan(a) & np.isnan(e))
        return np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))


def central_difference(
    function: Callable[[Float64], Any], x: ArrayLike, *, step: float = 2.0**-17
) -> Float64:
    """(f(x + h e_j) - f(x - h e_j)) / 2h for each entry j: the gradient of a scalar function.

    The truncation error is h^2 / 6 times the third derivative and the rounding error about
    1e-16 |f| / h: with the default step both are near 1e-11 for values and derivatives near 1.
    """
    point = np.array(x, dtype=np.float64)
    gradient = np.empty_like(point)
    for j in np.ndindex(point.shape):
        center = point[j]
        point[j] = center + step
        above = float(function(point))
        point[j] = center - step
        below = float(function(point))
        point[j] = center
        gradient[j] = (above - below) / (2.0 * step)
    return gradient
