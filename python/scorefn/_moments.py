"""Mean, spread and extremes of samples: all of them, or groups along an axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._check import check_finite
from ._errstate import without_float_errors


class Moments:
    """Those of each group of samples, found in one pass.

    Parameters
    ----------
    name : str
        What the numbers are called in an error.
    x : float32 or float64 array
        Not empty.
    axis : int, optional
        The samples of a group lie along this axis; None: all of them are one group.

    Attributes
    ----------
    unit, root_sum_square, least, greatest : (groups, 1) float64 arrays
        The root of the sum of the squared deviations from the mean is in units of `unit`, a power
        of 2. It is 1 unless squares overflow or underflow.

    Raises
    ------
    ValueError
        A number that is not finite.
    """

    def __init__(self, name: str, x: NDArray[Any], axis: int | None = None) -> None:
        self._axis = axis
        self._shape = x.shape if axis is None else np.moveaxis(x, axis, -1).shape
        self._table = _core.moments(self._groups(x))
        if not np.isfinite(self._table).all():
            check_finite(name, x)
        columns = np.split(self._table, self._table.shape[1], axis=1)
        self.unit, self._pivot, self._mean, self.root_sum_square, self.least, self.greatest = (
            columns
        )

    @property
    def largest(self) -> NDArray[np.float64]:
        """The largest absolute value, (groups, 1)."""
        return np.maximum(self.greatest, -self.least)

    @without_float_errors
    def mean(self) -> float:
        """The mean of a single group."""
        return float((self._pivot + self._mean).item() * self.unit.item())

    @without_float_errors
    def standard_deviation(self) -> float:
        """That of n - 1 for a single group; NaN if it has one sample."""
        n = int(np.prod(self._shape))
        if n < 2:
            return np.nan
        return float(self.root_sum_square.item() / np.sqrt(n - 1) * self.unit.item())

    def standardized(
        self, x: NDArray[Any], factors: NDArray[np.float64], *, in_place: bool = False
    ) -> NDArray[np.float64]:
        """(x - mean) / unit * factors for these numbers, exactly 0 where the factor is 0.

        In place: x is float64, and its memory becomes that of the result if it can.
        """
        groups = self._groups(x)
        out = groups if in_place else None
        result = _core.standardize(groups, self._table, factors, out=out).reshape(self._shape)
        return result if self._axis is None else np.moveaxis(result, -1, self._axis)

    def _groups(self, x: NDArray[Any]) -> NDArray[Any]:
        if self._axis is None:
            return x.reshape(1, -1)
        return np.moveaxis(x, self._axis, -1).reshape(-1, self._shape[-1])


@without_float_errors
def norm(x: NDArray[Any]) -> float:
    """The Euclidean norm, in units of a power of 2: squares may not exist."""
    largest = float(np.abs(x).max(initial=0.0))
    unit = math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1000))
    return float(np.linalg.norm(x.astype(np.float64) / unit) * unit)


@without_float_errors
def effective_sample_size(weights: NDArray[Any]) -> float:
    """(sum w)^2 / sum w^2, from their mean and the squares of their deviations from it."""
    _, pivot, rest, root_sum_square, *_ = _core.moments(weights.reshape(1, -1))[0]
    squares_of_mean = weights.size * (pivot + rest) ** 2
    return float(weights.size * squares_of_mean / (squares_of_mean + root_sum_square**2))
