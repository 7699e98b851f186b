"""Folds: what is fitted to some of the samples is used for the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fold_starts(n: int, folds: int) -> NDArray[np.integer[Any]]:
    """Where the folds of n samples begin: in their order, the first ones larger by one if need be.

    There are at most n of them.
    """
    count = min(int(folds), n)
    fold = np.arange(count)
    return fold * (n // count) + np.minimum(fold, n % count)


def sums_of_others(sums: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """For each fold the sum over the others, from the sums of each along the axis.

    What lies before and what lies behind it are added. The total minus its own sum would cancel.
    """
    x = np.moveaxis(sums, axis, 0)
    result = np.zeros(x.shape)
    np.cumsum(x[:-1], axis=0, out=result[1:])
    result[:-1] += np.cumsum(x[:0:-1], axis=0)[::-1]
    return np.moveaxis(result, 0, axis)
