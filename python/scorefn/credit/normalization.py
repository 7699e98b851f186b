"""Advantages with mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import (
    check_axis,
    check_bool,
    check_finite,
    check_float,
    check_number,
    check_real_array,
)
from .._moments import Moments, of_valid
from .baselines import group_size


def normalize(
    advantages: ArrayLike,
    *,
    axis: int | None = None,
    eps: float = 1e-8,
    valid: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """(A - mean A) / (std A + eps), with the standard deviation of n - 1 (ddof = 1).

    The convention of Stable-Baselines3 and CleanRL; TRL has eps = 1e-4 and verl 1e-6.

    Parameters
    ----------
    advantages : array
        One number per sample.
    axis : int, optional
        The samples that are scaled together lie along this axis; None: all of them.
    eps : float
        At least 0. Keeps small differences small.
    valid : bool array shaped like advantages, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.

    Returns
    -------
    float64 array shaped like advantages
        Exactly 0 if the advantages are equal up to rounding; see Notes.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A number that is not finite, or fewer than two samples, which have no standard deviation.

    Notes
    -----
    Rounding errors must not be scaled up to 1. One rounding changes a number of size M by up to
    2^-53 M, so numbers that were equal before four roundings each lie within 4 * 2^-52 M. Samples
    whose largest and smallest advantage differ by no more than that count as equal, with M the
    largest absolute value among them. For float32 advantages the limit is 4 * 2^-23 M. The mean is
    computed in two passes, so its own rounding error is far smaller.

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.normalize([1.0, 2.0, 3.0]).round(4)
    array([-1.,  0.,  1.])
    >>> credit.normalize([0.3, 0.1 + 0.2, 0.3])
    array([0., 0., 0.])
    """
    given = check_real_array("advantages", advantages)
    eps = check_number("eps", eps)
    if eps < 0.0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    if valid is not None:
        counts = check_bool("valid", valid, shape=given.shape)
        check_axis(axis, given.shape)
        a = check_finite("advantages", np.where(counts, given, given.dtype.type(0)))
        return of_valid(lambda x: normalize(x, axis=-1, eps=eps), counts, axis, a)
    a = check_float("advantages", given)
    check_axis(axis, a.shape)
    group_size(a, axis, at_least=2)
    if a.size == 0:
        return a.astype(np.float64)
    moments = Moments("advantages", a, axis)
    return normalized(a, moments, moments.largest, axis, eps, rounding=rounding_of(given))


def normalized(
    advantages: NDArray[Any],
    moments: Moments,
    largest: NDArray[np.float64],
    axis: int | None,
    eps: float = 1e-8,
    *,
    rounding: float,
    in_place: bool = False,
) -> NDArray[np.float64]:
    """`normalize` for numbers that have been checked: a new array, or in place of the old one.

    `largest` is the largest absolute value of the advantages and of what they are differences of.
    That may be much larger, and so are the rounding errors then. `rounding` is `rounding_of` the
    caller's arrays.
    """
    n = group_size(advantages, axis, at_least=2)
    unit = moments.unit
    with np.errstate(all="ignore"):
        spread = moments.greatest / unit - moments.least / unit
        are_equal = spread <= 4.0 * rounding * (largest / unit)
        deviation = moments.root_sum_square / np.sqrt(n - 1)
        factors = np.where(are_equal, 0.0, 1.0 / (deviation + eps / unit))
    return moments.standardized(advantages, factors, in_place=in_place)


def rounding_of(*arrays: NDArray[Any] | None) -> float:
    """The coarsest machine epsilon of float32 and float64 arrays.

    Half precision does not count: four of its roundings are a difference that rewards may mean.
    """
    is_single = any(x is not None and x.dtype == np.float32 for x in arrays)
    return float(np.finfo(np.float32 if is_single else np.float64).eps)
