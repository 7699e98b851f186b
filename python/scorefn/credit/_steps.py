"""The arrays of a scan over time: one shape, one dtype, an axis of time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_axis, check_bool, check_real_array, type_name

Flags = NDArray[np.bool_] | None


def checked_numbers(**arrays: ArrayLike | None) -> list[Any]:
    """The arrays, of the shape of the first one, with one dtype: that of a scan's result."""
    numbers: list[Any] = []
    for name, values in arrays.items():
        shape = numbers[0].shape if numbers else None
        numbers.append(None if values is None else check_real_array(name, values, shape=shape))
    if not numbers[0].shape:
        name = next(iter(arrays))
        raise ValueError(f"{name} must have an axis of time, got shape ()")
    are_single = all(x.dtype.kind not in "iu" and x.itemsize <= 4 for x in numbers if x is not None)
    dtype = np.float32 if are_single else np.float64
    with np.errstate(all="ignore"):
        return [None if x is None else x.astype(dtype, copy=False) for x in numbers]


def checked_steps(
    shape: tuple[int, ...],
    terminated: ArrayLike | None,
    truncated: ArrayLike | None,
    valid: ArrayLike | None,
    axis: int,
) -> tuple[Flags, Flags, Flags, int]:
    """The flags, and the axis counted from 0."""

    def checked(name: str, x: ArrayLike | None) -> Flags:
        return None if x is None else check_bool(name, x, shape=shape)

    if axis is None:
        raise TypeError(f"axis must be an int, got {type_name(axis)}")
    check_axis(axis, shape)
    return (
        checked("terminated", terminated),
        checked("truncated", truncated),
        checked("valid", valid),
        int(axis) % len(shape),
    )
