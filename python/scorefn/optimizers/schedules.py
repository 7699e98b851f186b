"""Learning rates as functions of the number of steps taken before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._check import check_int, check_number
from .._parameters import Parameters


@dataclass(frozen=True)
class Constant(Parameters):
    """value, at every step.

    Parameters
    ----------
    value : float
        At least 0.
    """

    value: float

    def __post_init__(self) -> None:
        check_number("value", self.value, at_least=0)

    def __call__(self, step: int) -> float:
        return float(self.value)


@dataclass(frozen=True)
class LinearDecay(Parameters):
    """initial + (final - initial) step / num_steps, and then final.

    Parameters
    ----------
    initial, final : float
        At least 0.
    num_steps : int
        At least 1.

    Examples
    --------
    >>> from scorefn.optimizers import LinearDecay
    >>> [LinearDecay(1.0, num_steps=4)(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    initial: float
    num_steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        check_decay(self)

    def __call__(self, step: int) -> float:
        done = min(step / self.num_steps, 1.0)
        return float((1.0 - done) * self.initial + done * self.final)


@dataclass(frozen=True)
class CosineDecay(Parameters):
    """final + (initial - final) (1 + cos(pi step / num_steps)) / 2, and then final.

    Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", without
    restarts.

    Parameters
    ----------
    initial, final : float
        At least 0.
    num_steps : int
        At least 1.

    Examples
    --------
    >>> from scorefn.optimizers import CosineDecay
    >>> [round(CosineDecay(1.0, num_steps=4)(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    initial: float
    num_steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        check_decay(self)

    def __call__(self, step: int) -> float:
        done = (1.0 - math.cos(math.pi * min(step / self.num_steps, 1.0))) / 2.0
        return float((1.0 - done) * self.initial + done * self.final)


def check_decay(schedule: LinearDecay | CosineDecay) -> None:
    check_number("initial", schedule.initial, at_least=0)
    check_number("final", schedule.final, at_least=0)
    check_int("num_steps", schedule.num_steps, at_least=1)


LearningRate = float | Callable[[int], float]


def check_learning_rate(learning_rate: Any) -> None:
    if not callable(learning_rate):
        check_number("learning_rate", learning_rate, at_least=0)


def learning_rate_at(learning_rate: Any, step: int) -> float:
    """The one of a step; a function may give anything."""
    if callable(learning_rate):
        return check_number(f"learning_rate({step})", learning_rate(step), at_least=0)
    return float(learning_rate)
