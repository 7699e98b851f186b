"""How well values predict returns."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_finite, check_real
from .._errstate import without_float_errors
from .._groups import check_samples
from .._moments import Moments
from .normalization import equal_up_to_rounding, rounding_of


@without_float_errors
def explained_variance(
    values: ArrayLike, returns: ArrayLike, *, valid: ArrayLike | None = None
) -> float:
    """1 - Var(returns - values) / Var(returns).

    Parameters
    ----------
    values : array
        What a critic predicted.
    returns : array shaped like values
        What came: advantages + values, say.
    valid : bool array shaped like values, optional
        Steps that count (True); by default all do. The others may hold anything.

    Returns
    -------
    float
        1 for a perfect critic, 0 for a constant one, negative for one that does harm. NaN if the
        returns are equal up to the rounding of returns and values, or there is one: see the Notes
        of `normalize`.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A wrong shape, no step that counts, or a number that is not finite.

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.explained_variance([1.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    0.6666666666666667
    """
    given, counts = check_samples("values", values, valid)
    v = check_finite("values", check_real("values", given))
    got, _ = check_samples("returns", returns, valid, shape=given.shape)
    y = check_finite("returns", check_real("returns", got))
    if counts is not None:
        v, y = v[counts], y[counts]
    if y.size == 0:
        raise ValueError("returns must have a step that counts, got none")
    # Halves, as a difference of finite numbers need not be finite.
    of_returns, of_rest = Moments("returns", 0.5 * y), Moments("returns", 0.5 * y - 0.5 * v)
    return explained_share(of_returns, of_rest, rounding_of(given, got))


@without_float_errors
def explained_share(of_returns: Moments, of_rest: Moments, rounding: float) -> float:
    """`explained_variance` from the moments of the returns, and of the returns minus the values."""
    # Values are no larger than twice the larger one of these.
    largest = np.maximum(of_returns.largest, of_rest.largest)
    if equal_up_to_rounding(of_returns, largest, rounding).item():
        return math.nan
    root = of_rest.root_sum_square / of_returns.root_sum_square
    return 1.0 - float((root * (of_rest.unit / of_returns.unit)).item()) ** 2
