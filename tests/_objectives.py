"""The declared objectives for tests: numbers that they read, and where their derivatives jump."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import scorefn

Array = NDArray[Any]


class Kink(NamedTuple):
    """A log-ratio at which the derivative jumps, for these advantages."""

    log_ratio: float
    advantage: float


class Example(NamedTuple):
    """An objective with options, and its kinks."""

    objective: Any
    kinks: tuple[Kink, ...] = ()

    @property
    def name(self) -> str:
        return str(self.objective.declaration.name)

    def numbers(self, log_prob: Array, rng: np.random.Generator, dtype: Any) -> dict[str, Array]:
        """Numbers for samples of these log-probabilities, on all sides of the kinks but at none."""
        reads = self.objective.declaration.reads
        return {n.name: NUMBERS[n.name](log_prob, rng).astype(dtype) for n in reads}


def _old_log_prob(log_prob: Array, rng: np.random.Generator) -> Array:
    return log_prob + rng.choice([-1.5, -0.5, -0.1, 0.02, 0.1, 0.5, 1.5], size=log_prob.shape)


def _with_zeros(log_prob: Array, rng: np.random.Generator) -> Array:
    numbers = rng.normal(size=log_prob.shape)
    numbers.flat[::9] = 0.0
    return numbers


# A number means the same in every objective, so one draw serves all.
NUMBERS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "weights": _with_zeros,
    "advantages": _with_zeros,
    "old_log_prob": _old_log_prob,
    "reference_log_prob": _old_log_prob,
}

LOW, HIGH = float(np.log(0.8)), float(np.log(1.2))
CLIP_KINKS = (Kink(LOW, -1.0), Kink(HIGH, 1.0))

EXAMPLES = [
    Example(scorefn.WeightedLogProb()),
    Example(scorefn.ClippedSurrogate(), CLIP_KINKS),
    Example(scorefn.ClippedSurrogate(clip_range=0.0), (Kink(0.0, -1.0), Kink(0.0, 1.0))),
    Example(scorefn.DualClip(dual_clip=2.0), (*CLIP_KINKS, Kink(float(np.log(2.0)), -1.0))),
    Example(scorefn.SquaredLogRatio()),
]
