"""Returns of samples that count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite
from .._groups import check_samples


def check_returns(
    returns: ArrayLike, valid: ArrayLike | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """One finite number per sample, flat, 0 where it does not count; and which do."""
    given, counts = check_samples("returns", returns, valid, shape=shape)
    r = check_finite("returns", given).astype(np.float64, copy=False).reshape(-1)
    return r, np.ones(r.size, np.bool_) if counts is None else counts.reshape(-1)


def unit_of(x: NDArray[Any]) -> float:
    """A power of 2 by which numbers can be divided, exactly, so that their sums are finite."""
    largest = float(np.abs(x).max(initial=0.0))
    return math.ldexp(1.0, max(math.frexp(largest)[1], 1) - 1) if largest > 1e200 else 1.0
