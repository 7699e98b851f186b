"""What the core declares of its objectives."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _core
from ._check import to_number


class Number(NamedTuple):
    """One number per sample that an objective reads or writes, or a mean over the samples."""

    name: str
    doc: str


class Option(NamedTuple):
    """An option: a number, a pair (low, high) that a number may stand for, or one of some names."""

    name: str
    doc: str
    standard: tuple[float, float]  # low and high; of a name, its place among the choices
    least: float
    most: float
    is_open: bool  # without `least` itself
    domain: str  # in words
    is_pair: bool
    choices: tuple[str, ...]

    @property
    def default(self) -> Any:
        if self.choices:
            return self.choices[int(self.standard[0])]
        return self.standard[0] if self.standard[0] == self.standard[1] else self.standard

    @property
    def kind(self) -> str:
        """Its type, as a docstring says it."""
        if self.choices:
            return _one_of(self._quoted_choices())
        return "float or (low, high)" if self.is_pair else "float"

    @property
    def annotation(self) -> str:
        if self.choices:
            return f"Literal[{', '.join(self._quoted_choices())}]"
        return "float | tuple[float, float]" if self.is_pair else "float"

    def _quoted_choices(self) -> list[str]:
        return [f'"{choice}"' for choice in self.choices]

    def check(self, value: Any) -> Any:
        """The value, a pair as a tuple."""
        if self.choices:
            if value not in self.choices:
                expected = _one_of([repr(choice) for choice in self.choices])
                raise ValueError(f"{self.name} must be {expected}, got {value!r}")
            return value
        if self.is_pair and isinstance(value, tuple | list) and len(value) == 2:
            return self._check_number(value[0]), self._check_number(value[1])
        return self._check_number(value)

    def _check_number(self, value: Any) -> Any:
        number = to_number(
            self.name, value, "a real number" + " or a pair (low, high)" * self.is_pair
        )
        is_above = number > self.least if self.is_open else number >= self.least
        if not (is_above and number <= self.most):
            raise ValueError(f"{self.name} must be {self.domain}, got {value!r}")
        return value

    def to_core(self, value: Any) -> Any:
        return self.choices.index(value) if self.choices else value


def _one_of(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class Declaration(NamedTuple):
    """What cpp/include/scorefn/objective_list.hpp says of an objective."""

    name: str
    summary: str
    details: str
    reads: tuple[Number, ...]
    options: tuple[Option, ...]
    writes: tuple[Number, ...]
    means: tuple[Number, ...]


def _declarations() -> list[Declaration]:
    return [
        Declaration(
            name,
            summary,
            details,
            tuple(Number(*n) for n in reads),
            tuple(Option(*o) for o in options),
            tuple(Number(*n) for n in writes),
            tuple(Number(*n) for n in means),
        )
        for name, summary, details, reads, options, writes, means in _core.objective_declarations()
    ]


DECLARATIONS = _declarations()
