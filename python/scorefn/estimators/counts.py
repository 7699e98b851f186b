"""Which samples count, as a mask with a flag for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_bool


def counts_of(valid: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which samples count; all of them if `valid` is None."""
    return (
        np.broadcast_to(True, shape) if valid is None else check_bool("valid", valid, shape=shape)
    )


def num_counting(counts: NDArray[np.bool_]) -> int:
    """How many count."""
    return counts.size if all_count(counts) else int(np.count_nonzero(counts))


def counting(x: NDArray[Any], counts: NDArray[np.bool_]) -> NDArray[Any]:
    """Those that count, without a copy if all do."""
    return x if all_count(counts) else x[counts]


def all_count(counts: NDArray[np.bool_]) -> bool:
    """Whether it is seen at once that all do, as in what `counts_of` gives without `valid`."""
    return counts.strides == (0,) * counts.ndim and bool(counts.flat[:1].all())
