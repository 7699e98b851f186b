"""What a checkpoint is made of: named arrays, and objects that show theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn._command.errors import CommandError

Arrays = dict[str, NDArray[Any]]


def prefixed(prefix: str, arrays: Arrays) -> Arrays:
    return {f"{prefix}_{name}": array for name, array in arrays.items()}


def restore(live: Arrays, saved: Mapping[str, NDArray[Any]]) -> None:
    """Fill the live arrays from saved ones, which anyone may have edited."""
    for name, array in live.items():
        if name not in saved:
            raise CommandError(f"no entry '{name}'")
        source = saved[name]
        if source.shape != array.shape or source.dtype != array.dtype:
            raise CommandError(
                f"{name} is {source.dtype} {source.shape}, expected {array.dtype} {array.shape}"
            )
        if not np.isfinite(source).all():
            raise CommandError(f"{name} holds a number that is not finite")
    for name, array in live.items():
        array[...] = saved[name]
