"""Advantages with mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_choice, check_finite, check_float, check_number, type_name
from .._errstate import without_float_errors
from .._groups import by_group, check_groups, check_samples
from .._moments import Moments
from .baselines import Singleton, group_size


def normalize(
    advantages: ArrayLike,
    *,
    axis: int | None = None,
    groups: ArrayLike | None = None,
    eps: float = 1e-8,
    ddof: int = 1,
    valid: ArrayLike | None = None,
    singleton: Singleton = "error",
) -> NDArray[np.float64]:
    """(A - mean A) / (std A + eps), with the standard deviation of n - ddof.

    The defaults are the convention of Stable-Baselines3 and CleanRL. GRPO normalises the rewards of
    each group: TRL has ``eps=1e-4, singleton="zero"``, and verl ``eps=1e-6, singleton="raw"``.

    Parameters
    ----------
    advantages : array
        One number per sample.
    axis : int, optional
        The samples that are scaled together lie along this axis; None: all of them.
    groups : integer array shaped like advantages, optional
        Instead of an axis: samples with the same id are scaled together. Groups may differ in size,
        and their samples may lie anywhere.
    eps : float
        At least 0. Keeps small differences small.
    ddof : {1, 0}
        1 divides the sum of squares by n - 1, as PyTorch does; 0 divides it by n, as NumPy does.
    valid : bool array shaped like advantages, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.
    singleton : {"error", "zero", "raw"}
        What a group of one sample gets. ``"error"``: a ValueError for ddof = 1, because the
        standard deviation is undefined, and 0 for ddof = 0. ``"zero"``: 0. ``"raw"``: A / (1 +
        eps).

    Returns
    -------
    float64 array shaped like advantages
        Exactly 0 if the advantages are equal up to rounding; see Notes.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A number that is not finite, a wrong shape, an option outside its domain, `axis` and
        `groups` together, or too few samples for a standard deviation (see `singleton`).

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
    >>> credit.normalize([1.0, 9.0, 3.0], groups=[5, 8, 5], singleton="zero").round(4)
    array([-0.7071,  0.    ,  0.7071])
    """
    given, counts = check_samples("advantages", advantages, valid)
    eps = check_number("eps", eps, at_least=0)
    if isinstance(ddof, bool) or not isinstance(ddof, int | np.integer):
        raise TypeError(f"ddof must be an int, got {type_name(ddof)}")
    if ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 or 1, got {ddof}")
    check_choice("singleton", singleton, get_args(Singleton))
    ids = check_groups(groups, axis, given.shape)
    a = check_float("advantages", given)
    rounding = rounding_of(given)

    def of_groups(x: NDArray[Any], axis: int | None = -1) -> NDArray[np.float64]:
        moments = Moments("advantages", x, axis)
        return normalized(
            x, moments, moments.largest, axis, eps, ddof, singleton, rounding=rounding
        )

    if ids is not None or counts is not None:
        check_finite("advantages", a)
        at_least = _fewest(ddof, singleton)
        return by_group(of_groups, ids, axis, counts, a, at_least=at_least)
    group_size(a, axis, at_least=_fewest(ddof, singleton))
    return of_groups(a, axis) if a.size else a.astype(np.float64)


def _fewest(ddof: int, singleton: Singleton) -> int:
    """The fewest samples that a group may have."""
    return 1 + ddof if singleton == "error" else 1


def normalized(
    advantages: NDArray[Any],
    moments: Moments,
    largest: NDArray[np.float64],
    axis: int | None,
    eps: float = 1e-8,
    ddof: int = 1,
    singleton: Singleton = "error",
    *,
    rounding: float,
    in_place: bool = False,
) -> NDArray[np.float64]:
    """`normalize` for numbers that have been checked: a new array, or in place of the old one.

    `largest` is the largest absolute value of the advantages and of what they are differences of.
    That may be much larger, and so are the rounding errors then. `rounding` is `rounding_of` the
    caller's arrays.
    """
    n = group_size(advantages, axis, at_least=_fewest(ddof, singleton))
    if n == 1 and singleton == "raw":
        return np.asarray(np.divide(advantages, 1.0 + eps, dtype=np.float64))
    unit = moments.unit
    with np.errstate(all="ignore"):
        are_equal = equal_up_to_rounding(moments, largest, rounding)
        deviation = moments.root_sum_square / np.sqrt(max(n - ddof, 1))
        factors = np.where(are_equal, 0.0, 1.0 / (deviation + eps / unit))
    return moments.standardized(advantages, factors, in_place=in_place)


@without_float_errors
def equal_up_to_rounding(
    moments: Moments, largest: NDArray[np.float64], rounding: float
) -> NDArray[np.bool_]:
    """Whether the numbers of each group may differ by their rounding errors alone."""
    unit = moments.unit
    spread = moments.greatest / unit - moments.least / unit
    return np.asarray(spread <= 4.0 * rounding * (largest / unit))


def rounding_of(*arrays: NDArray[Any] | None) -> float:
    """The coarsest machine epsilon of float32 and float64 arrays.

    Half precision does not count: four of its roundings are a difference that rewards may mean.
    """
    is_single = any(x is not None and x.dtype == np.float32 for x in arrays)
    return float(np.finfo(np.float32 if is_single else np.float64).eps)
