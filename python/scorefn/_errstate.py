"""NumPy's floating-point errors: a setting of the caller, for the caller's own code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def without_float_errors(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function that runs no code of the caller, with overflow, underflow and NaN as results."""

    @functools.wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return run


@without_float_errors
def divided(x: NDArray[Any], n: int) -> NDArray[Any]:
    """x / n; x itself for n = 1."""
    quotient: NDArray[Any] = x if n == 1 else x / n
    return quotient


@without_float_errors
def product(x: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """x y."""
    return np.asarray(x * y, np.float64)
