"""The declared objectives for tests: numbers that they read, and where their derivatives jump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing
from scorefn.testing.objectives import FORMULAS

Array = NDArray[Any]


Numbers = dict[str, Array]


class Kink(NamedTuple):
    """A log-ratio at which the derivative jumps, for these advantages."""

    log_ratio: float
    advantage: float


class Example(NamedTuple):
    """An objective with options, and its kinks.

    What its derivative holds constant: `held` makes of the objective, the samples' log-
    probabilities and numbers an objective that has the same gradient, and whose value this is the
    gradient of.
    """

    objective: Any
    kinks: tuple[Kink, ...] = ()
    held: Callable[[Any, Array, Numbers], tuple[Any, Numbers]] = lambda o, _, numbers: (o, numbers)

    @property
    def name(self) -> str:
        return str(self.objective.declaration.name)

    def numbers(self, log_prob: Array, rng: np.random.Generator, dtype: Any) -> Numbers:
        """Numbers for samples of these log-probabilities, on all sides of the kinks but at none."""
        reads = self.objective.declaration.reads
        return {n.name: NUMBERS[n.name](log_prob, rng).astype(dtype) for n in reads}


def _old_log_prob(log_prob: Array, rng: np.random.Generator) -> Array:
    return log_prob + rng.choice([-1.5, -0.5, -0.1, 0.02, 0.1, 0.5, 1.5], size=log_prob.shape)


def _with_zeros(log_prob: Array, rng: np.random.Generator) -> Array:
    numbers = rng.normal(size=log_prob.shape)
    numbers.flat[::9] = 0.0
    return numbers


def _propensities(log_prob: Array, rng: np.random.Generator) -> Array:
    return np.minimum(np.exp(_old_log_prob(log_prob, rng)), 1.0)


# A number means the same in every objective, so one draw serves all.
NUMBERS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "weights": _with_zeros,
    "advantages": _with_zeros,
    "old_log_prob": _old_log_prob,
    "reference_log_prob": _old_log_prob,
    "propensities": _propensities,
}


def _coefficients_held(objective: Any, log_prob: Array, numbers: Numbers) -> tuple[Any, Numbers]:
    """CISPO's: REINFORCE with the weights c A."""
    weights = FORMULAS["CISPO"](log_prob, **numbers, clip_range=objective.clip_range).derivative
    return scorefn.WeightedLogProb(objective.entropy_coef), {"weights": weights}


def _value_of_derivative(objective: Any, _: Array, numbers: Numbers) -> tuple[Any, Numbers]:
    """The penalty whose value is that of the estimate that is differentiated."""
    return replace(objective, value=objective.derivative), numbers


def _weighting(name: str, **options: float) -> Any:
    return scorefn.ImportanceSampling(weighting=name, **options)


INF = float("inf")

EXAMPLES = [
    Example(scorefn.WeightedLogProb()),
    Example(scorefn.ClippedSurrogate(), (Kink(log(0.8), -1.0), Kink(log(1.2), 1.0))),
    Example(scorefn.ClippedSurrogate(clip_range=0.0), (Kink(0.0, -1.0), Kink(0.0, 1.0))),
    Example(
        scorefn.ClippedSurrogate(clip_range=(0.1, 0.28), dual_clip=2.0),
        (Kink(log(0.9), -1.0), Kink(log(1.28), 1.0), Kink(log(2.0), -1.0)),
    ),
    Example(scorefn.ClippedSurrogate(clip_range=(INF, 0.2)), (Kink(log(1.2), 1.0),)),
    Example(scorefn.ClippedSurrogate(clip_range=(0.2, INF)), (Kink(log(0.8), -1.0),)),
    Example(scorefn.KLPenalty(), held=_value_of_derivative),
    Example(scorefn.KLPenalty(value="k1", derivative="k3"), held=_value_of_derivative),
    Example(scorefn.KLPenalty(value="k2", derivative="k1"), held=_value_of_derivative),
    Example(scorefn.CISPO(), held=_coefficients_held),
    Example(
        scorefn.CISPO(clip_range=(0.2, 0.3)),
        (Kink(log(0.8), -1.0), Kink(log(1.3), 1.0)),
        _coefficients_held,
    ),
    Example(scorefn.SAPO()),
    Example(scorefn.SAPO(tau_pos=3.0, tau_neg=0.5)),
    Example(_weighting("plain")),
    Example(_weighting("clipped", max_weight=1.4), (Kink(log(1.4), -1.0), Kink(log(1.4), 1.0))),
    Example(_weighting("switch", max_weight=1.4), (Kink(log(1.4), -1.0), Kink(log(1.4), 1.0))),
    Example(_weighting("sub_gaussian", sub_gaussian_lambda=0.3)),
    Example(_weighting("optimistic_shrinkage", shrinkage_lambda=2.0)),
]
# The last one of each objective, where what is tested does not depend on options.
ONE_OF_EACH = list({example.name: example for example in EXAMPLES}.values())


class AllActionExample(NamedTuple):
    """An objective over all actions, and whether its gradient is that of its value."""

    objective: Any
    is_gradient: bool = True

    @property
    def matrix_name(self) -> str:
        return str(self.objective.declaration.matrix.name)

    def matrix(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
        x = rng.normal(scale=2.0, size=shape)
        if self.matrix_name == "action_values":
            return x.astype(dtype)
        log_prob = testing.log_softmax(x)
        return (np.exp(log_prob) if self.matrix_name == "targets" else log_prob).astype(dtype)


ALL_ACTION_EXAMPLES = [
    AllActionExample(scorefn.ExpectedReward()),
    AllActionExample(scorefn.CrossEntropy()),
    AllActionExample(scorefn.RegretMatching(), is_gradient=False),
    AllActionExample(scorefn.RegretPolicyGradient()),
    AllActionExample(scorefn.NeuRD(), is_gradient=False),
    AllActionExample(scorefn.NeuRD(threshold=0.3), is_gradient=False),
    AllActionExample(scorefn.NeuRD(threshold=INF), is_gradient=False),
    AllActionExample(scorefn.ReverseKL()),
    AllActionExample(scorefn.ForwardKL()),
]
