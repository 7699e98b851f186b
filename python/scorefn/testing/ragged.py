"""Ragged rows for every reference: padded to the longest row, with the padding masked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Result = TypeVar("Result")


def takes_offsets(*flat: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """A reference that takes ``offsets=``; `flat` are the logits and what is shaped like them."""

    def decorate(reference: Callable[..., Result]) -> Callable[..., Result]:
        signature = inspect.signature(reference)
        rest = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]

        @functools.wraps(reference)
        def of_rows(*arguments: Any, offsets: ArrayLike | None = None, **options: Any) -> Any:
            if offsets is None:
                return reference(*arguments, **options)
            given = signature.bind(*arguments, **options).arguments
            for name in rest:
                given.update(given.pop(name, {}))
            is_there = _is_there(np.asarray(offsets))
            where = given.pop("where", None)
            given["where"] = is_there if where is None else _padded(where, is_there)
            for name in flat:
                if given.get(name) is not None:
                    given[name] = _padded(given[name], is_there)
            result: Any = reference(**given)
            if hasattr(result, "gradient"):
                return result._replace(gradient=result.gradient[is_there])
            is_flat = isinstance(result, np.ndarray) and result.ndim == 2
            return result[is_there] if is_flat else result

        offsets_parameter = inspect.Parameter(
            "offsets", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="ArrayLike | None"
        )
        parameters = list(signature.parameters.values())
        parameters.insert(len(parameters) - len(rest), offsets_parameter)
        of_rows.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return of_rows

    return decorate


def _is_there(offsets: NDArray[Any]) -> NDArray[np.bool_]:
    """For each row and place up to the longest row's, whether the row has it."""
    lengths = np.diff(offsets)
    return np.arange(max(lengths, default=1)) < lengths[:, np.newaxis]


def _padded(flat: ArrayLike, is_there: NDArray[np.bool_]) -> NDArray[Any]:
    values = np.asarray(flat)
    padded = np.zeros(is_there.shape, values.dtype)
    padded[is_there] = values
    return padded
