"""Checks of arguments, shared by the Python modules. An error says the name, what it got, what it
expects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def subscript(name: str, index: Iterable[int]) -> str:
    """ "actions[1, 3]"; the bare name for a scalar."""
    inside = ", ".join(str(int(i)) for i in index)
    return f"{name}[{inside}]" if inside else name


def check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def check_indices(
    name: str, values: ArrayLike, size: int, noun: str, *, shape: tuple[int, ...] | None = None
) -> NDArray[np.integer[Any]]:
    """An integer array with 0 <= values < size."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} has dtype {array.dtype}, expected an integer dtype")
    if shape is not None:
        check_shape(name, array, shape)
    if array.size and (array.min() < 0 or array.max() >= size):
        index = np.argwhere((array < 0) | (array >= size))[0]
        raise IndexError(
            f"{subscript(name, index)} = {array[tuple(index)]} is out of range for {size} {noun}"
        )
    return array


def check_real(
    name: str, values: ArrayLike, *, shape: tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """A float64 array from float or integer numbers; its values may be anything."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} has dtype {array.dtype}, expected float or integer numbers")
    if shape is not None:
        check_shape(name, array, shape)
    return array.astype(np.float64)


def check_finite(name: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(array).all():
        index = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{subscript(name, index)} = {array[tuple(index)]}, expected a finite number"
        )
    return array


def check_bool(name: str, values: ArrayLike, *, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.dtype != np.bool_:
        raise TypeError(f"{name} has dtype {array.dtype}, expected bool")
    check_shape(name, array, shape)
    return array


def check_fraction(name: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} = {value}, expected a number in [0, 1]")
    return float(value)
