"""Arrays that make up the state of an object: to be saved, and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ._check import check_finite, to_array

Arrays = dict[str, NDArray[Any]]


def check_saved(saved: Mapping[str, Any], expected: Arrays) -> Arrays:
    """Saved arrays with the names, shapes and dtypes of the expected ones, and finite."""
    names = set(saved)
    if names != set(expected):
        got = ", ".join(sorted(map(str, names))) or "none"
        raise ValueError(f"saved arrays must be {', '.join(sorted(expected))}, got {got}")
    checked = {}
    for name, wanted in expected.items():
        array = to_array(name, saved[name])
        if (array.shape, array.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"{name} must be {wanted.dtype} of shape {wanted.shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
        checked[name] = check_finite(name, array)
    return checked
