"""Many small cases in one test."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def case(name: object) -> Iterator[None]:
    """The message of an error inside begins with this name."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(f"{name}: {error}") from error


def for_each(**values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Calls a test with every combination of these values. A failure names its combination.

    Use it in place of pytest.mark.parametrize where a case takes about a millisecond or less, which
    is what pytest itself needs for a test.
    """
    combinations = list(itertools.product(*values.values()))

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def test_each(**arguments: Any) -> None:
            for combination in combinations:
                with case(", ".join(map(_name, values, combination))):
                    test(**arguments, **dict(zip(values, combination, strict=True)))

        signature = inspect.signature(test)
        others = [p for name, p in signature.parameters.items() if name not in values]
        test_each.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return test_each

    return decorate


def _name(parameter: str, value: Any) -> str:
    return f"{parameter}={getattr(value, '__name__', None) or repr(value)}"
