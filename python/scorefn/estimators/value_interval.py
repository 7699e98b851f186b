"""The value of a policy with its standard error and a confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._check import check_number, check_rng
from .._errstate import without_float_errors
from .._moments import Moments
from .estimate import Diagnostics

Float64 = NDArray[np.float64]
Interval = Literal["normal", "bootstrap"]
Rng = int | np.random.Generator | np.random.RandomState | None


@dataclass(frozen=True)
class ValueEstimate:
    """An estimate of a policy's expected reward.

    Attributes
    ----------
    value : float
    standard_error : float
        The estimated standard deviation of `value`. That of a ratio of sums is by the delta method.
    low, high : float
        The confidence interval.
    diagnostics : Diagnostics
        Of the importance weights. `entropy` and what concerns a gradient are NaN.
    """

    value: float
    standard_error: float
    low: float
    high: float
    diagnostics: Diagnostics


class Terms(NamedTuple):
    """One number per sample each: the value is  mean_i x_i + sum_i u_i a_i / sum_i u_i.

    Without weights u it is the mean of x alone.
    """

    x: Float64
    weights: Float64 | None = None
    advantages: Float64 | None = None

    def linearized(self) -> Float64:
        """Numbers whose mean is the value, and whose standard error is that of the value.

        x_i + V + n u_i (a_i - V) / sum u  with the ratio of sums V (Owen 2013, "Monte Carlo theory,
        methods and examples", chapter 9.2).
        """
        if self.weights is None or self.advantages is None:
            return self.x
        w = self.weights / self.weights.sum()
        v = float(np.sum(w * self.advantages))
        return np.asarray(self.x + v + w.size * w * (self.advantages - v))

    def resampled(self, draws: NDArray[np.integer]) -> float:
        """The value of these samples, by their indices. NaN if all their weights are 0."""
        value = float(np.mean(self.x[draws]))
        if self.weights is None or self.advantages is None:
            return value
        w = self.weights[draws]
        total = float(w.sum())
        if total == 0.0:
            return math.nan
        return value + float(np.sum(w * self.advantages[draws])) / total


def check_confidence(confidence: float) -> float:
    number = check_number("confidence", confidence)
    if not 0.0 < number < 1.0:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    return number


@without_float_errors
def value_estimate(
    terms: Terms,
    diagnostics: Diagnostics,
    *,
    interval: Interval,
    confidence: float,
    num_resamples: int,
    rng: Rng,
) -> ValueEstimate:
    moments = Moments("estimated rewards", terms.linearized())
    value = moments.mean()
    standard_error = moments.standard_deviation() / math.sqrt(terms.x.size)
    if interval == "normal":
        reach = -NormalDist().inv_cdf((1.0 - confidence) / 2.0) * standard_error
        return ValueEstimate(value, standard_error, value - reach, value + reach, diagnostics)
    # In units of a power of 2: a sum of values may overflow.
    unit = moments.unit.item()
    advantages = None if terms.advantages is None else terms.advantages / unit
    scaled = Terms(terms.x / unit, terms.weights, advantages)
    values = _bootstrap(scaled, num_resamples, rng) * unit
    low, high = np.quantile(values, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return ValueEstimate(value, standard_error, float(low), float(high), diagnostics)


def _bootstrap(terms: Terms, num_resamples: int, rng: Rng) -> Float64:
    """The values of so many samples drawn with replacement; those without a value are left out."""
    n = terms.x.size
    if isinstance(rng, np.random.RandomState):
        draws = (rng.randint(0, n, size=n) for _ in range(num_resamples))
    else:
        generator = check_rng(rng)
        draws = (generator.integers(0, n, size=n) for _ in range(num_resamples))
    values = np.array([terms.resampled(draw) for draw in draws])
    return np.asarray(values[~np.isnan(values)])
