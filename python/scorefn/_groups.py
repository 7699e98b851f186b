"""Groups of samples that are compared with each other: along an axis, or of the same id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import check_axis, check_bool, check_integers, check_real_array, check_shape


def check_samples(
    name: str,
    samples: ArrayLike,
    valid: ArrayLike | None,
    *,
    shape: tuple[int, ...] | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The samples, with 0 for those that do not count, and which ones count; None: all do."""
    given = check_real_array(name, samples, shape=shape)
    if valid is None:
        return given, None
    counts = check_bool("valid", valid, shape=given.shape)
    return np.where(counts, given, given.dtype.type(0)), counts


def check_groups(
    groups: ArrayLike | None, axis: int | None, shape: tuple[int, ...]
) -> NDArray[np.integer[Any]] | None:
    """The ids of the samples' groups; None if the groups lie along the axis."""
    check_axis(axis, shape)
    if groups is None:
        return None
    if axis is not None:
        raise ValueError(f"axis must be left out if groups is given, got {axis}")
    ids = check_integers("groups", groups)
    check_shape("groups", ids, shape)
    return ids


def by_group(
    f: Callable[..., NDArray[np.float64]],
    ids: NDArray[np.integer[Any]] | None,
    axis: int | None,
    valid: NDArray[np.bool_] | None,
    *arrays: NDArray[Any],
    at_least: int,
) -> NDArray[np.float64]:
    """f(*arrays) of the samples that count, group by group; 0 for the others.

    f takes groups of one size, a group per row, so those of a size go together.
    """
    shape = arrays[0].shape
    labels = (_ids_along(axis, shape) if ids is None else ids).reshape(-1)
    chosen = None if valid is None else np.flatnonzero(valid)
    if chosen is not None:
        labels = labels[chosen]
    order = None if np.all(labels[1:] >= labels[:-1]) else _order(labels)
    if order is not None:
        labels = labels[order]
    begins = np.ones(labels.size, dtype=np.bool_)
    np.not_equal(labels[1:], labels[:-1], out=begins[1:])
    starts = np.flatnonzero(begins)
    sizes = np.diff(starts, append=labels.size)
    if np.any(sizes < at_least):
        first = int(np.argmax(sizes < at_least))
        group = "" if ids is None else f" in group {labels[starts[first]]}"
        raise ValueError(
            f"number of samples to compare must be at least {at_least}, got {sizes[first]}{group}"
        )
    by_size = np.argsort(sizes, kind="stable")
    starts, sizes = starts[by_size], sizes[by_size]
    ends = np.cumsum(sizes)
    samples = np.repeat(starts - (ends - sizes), sizes) + np.arange(labels.size)
    if order is not None:
        samples = order[samples]
    if chosen is not None:
        samples = chosen[samples]
    of_samples = [x.reshape(-1)[samples] for x in arrays]
    computed = np.empty(samples.size)
    first = 0
    for size in np.unique(sizes):
        last = int(ends[np.searchsorted(sizes, size, side="right") - 1])
        rows = (x[first:last].reshape(-1, size) for x in of_samples)
        computed[first:last] = f(*rows).reshape(-1)
        first = last
    result = np.zeros(arrays[0].size)
    result[samples] = computed
    return result.reshape(shape)


def _ids_along(axis: int | None, shape: tuple[int, ...]) -> NDArray[np.integer[Any]]:
    if axis is None:
        return np.zeros(shape, dtype=np.int64)
    others = np.delete(shape, axis)
    ids = np.arange(np.prod(others, dtype=np.int64)).reshape(others)
    return np.broadcast_to(np.expand_dims(ids, axis), shape)


def _order(labels: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """The indices that sort the labels, equal ones as they stand.

    A radix sort, because NumPy has one for 16 bits alone, and its other sorts take several times
    as long.
    """
    least = int(labels.min())
    keys = labels.astype(np.uint64) - np.uint64(least % 2**64)  # wraps around to the difference
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(16, (int(labels.max()) - least).bit_length(), 16):
        digits = (keys >> np.uint64(shift)).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order
