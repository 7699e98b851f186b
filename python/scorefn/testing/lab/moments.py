"""Expectations and variances of estimators: exact, by enumeration, or sampled."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._check import check_int, check_real, check_rng, check_shape, got_name

Float64 = NDArray[np.float64]

_MOST_OUTCOMES = 1_000_000


class Problem(Protocol):
    """Independent samples, each of which has finitely many possible values.

    `Bandit` and `Episodes` are problems; one of your own needs these methods alone.
    """

    def draws(self) -> list[Float64]:
        """For each sample, the probability of each of its values."""

    def samples(self, chosen: ArrayLike) -> Any:
        """The samples whose values have these numbers: what a function is called with.

        For estimators with the method ``estimate`` they have the method ``estimate_by(estimator)``,
        which calls it.
        """


class ExactMoments(NamedTuple):
    """Expectation and variance of an estimator.

    Attributes
    ----------
    expectation, variance : float64 arrays
        As `exact_expectation` and `variance` return them.
    """

    expectation: Float64
    variance: Float64


class SampledMoments(NamedTuple):
    """Expectation and variance of an estimator, with their standard errors.

    Attributes
    ----------
    expectation, expectation_error : float64 arrays
        Mean of the estimates, and its standard error.
    variance, variance_error : float64 arrays
        Unbiased sample variance of each entry of an estimate, and its standard error.
    """

    expectation: Float64
    expectation_error: Float64
    variance: Float64
    variance_error: Float64


def exact_expectation(estimator: Any, problem: Problem) -> Float64:
    """E[estimate] over all that can be sampled from a problem.

    The terms are summed without rounding (``math.fsum``): the error is a few roundings of each of
    them, however many there are.

    Parameters
    ----------
    estimator : object or callable
        An object with the method ``estimate``, such as ``Reinforce("mean")``, or a function of the
        samples. It returns an `Estimate`, whose gradient counts, or an array of any shape. What it
        draws itself is not enumerated.
    problem : Bandit, Episodes or another `Problem`

    Returns
    -------
    float64 array
        Shaped like the estimates.

    Raises
    ------
    TypeError, ValueError
        Not an estimator, estimates that differ in shape, or a problem with more than 1 000 000
        outcomes.

    Examples
    --------
    >>> from scorefn import Reinforce
    >>> from scorefn.testing import Bandit, exact_expectation
    >>> problem = Bandit([0.0, 0.0], rewards=[3.0, 1.0], num_samples=2)
    >>> exact_expectation(Reinforce("mean"), problem), problem.gradient()
    (array([ 0.25, -0.25]), array([ 0.5, -0.5]))
    """
    probabilities, estimates = _outcomes(estimator, problem)
    return _expectation(probabilities, estimates)


def variance(estimator: Any, problem: Problem) -> Float64:
    """E[(estimate - E[estimate])^2], entry by entry, over all that can be sampled from a problem.

    Parameters
    ----------
    estimator, problem
        As for `exact_expectation`.

    Returns
    -------
    float64 array
        Shaped like the estimates. Its sum is the trace of the covariance matrix,
        E[||estimate - E[estimate]||^2].

    Raises
    ------
    TypeError, ValueError
        As for `exact_expectation`.

    Examples
    --------
    A baseline lowers the variance:

    >>> from scorefn import Reinforce
    >>> from scorefn.testing import Bandit, variance
    >>> problem = Bandit([0.0, 0.0], rewards=[3.0, 1.0], num_samples=2)
    >>> variance(Reinforce(), problem), variance(Reinforce("leave_one_out"), problem)
    (array([0.5, 0.5]), array([0.25, 0.25]))
    """
    return exact_moments(estimator, problem).variance


def exact_moments(estimator: Any, problem: Problem) -> ExactMoments:
    """`exact_expectation` and `variance` in one enumeration.

    Parameters
    ----------
    estimator, problem
        As for `exact_expectation`.

    Returns
    -------
    ExactMoments

    Raises
    ------
    TypeError, ValueError
        As for `exact_expectation`.

    Examples
    --------
    >>> from scorefn import Reinforce
    >>> from scorefn.testing import Bandit, exact_moments
    >>> exact_moments(Reinforce(), Bandit([0.0, 0.0], rewards=[3.0, 1.0]))
    ExactMoments(expectation=array([ 0.5, -0.5]), variance=array([1., 1.]))
    """
    probabilities, estimates = _outcomes(estimator, problem)
    mean = _expectation(probabilities, estimates)
    with np.errstate(all="ignore"):
        deviations = estimates - mean
    return ExactMoments(mean, _expectation(probabilities, deviations, deviations))


def sampled_moments(
    estimator: Any,
    problem: Problem,
    *,
    num_estimates: int = 10_000,
    rng: int | np.random.Generator | None = None,
) -> SampledMoments:
    """Expectation and variance from outcomes that are drawn, for a problem with too many of them.

    Parameters
    ----------
    estimator, problem
        As for `exact_expectation`; any number of outcomes.
    num_estimates : int
        How many to draw, at least 2.
    rng : int or Generator, optional

    Returns
    -------
    SampledMoments

    Raises
    ------
    TypeError, ValueError
        As for `exact_expectation`.

    Examples
    --------
    >>> from scorefn import Reinforce
    >>> from scorefn.testing import Bandit, sampled_moments
    >>> problem = Bandit([0.0, 0.0], rewards=[3.0, 1.0], num_samples=100)
    >>> moments = sampled_moments(Reinforce("leave_one_out"), problem, num_estimates=100, rng=0)
    >>> bool((abs(moments.expectation - [0.5, -0.5]) < 4 * moments.expectation_error).all())
    True
    """
    n = check_int("num_estimates", num_estimates, at_least=2)
    generator = check_rng(rng)
    chosen = np.stack(
        [generator.choice(p.size, size=n, p=p / p.sum()) for p in problem.draws()], axis=-1
    )
    x = _stack([_estimate(estimator, problem.samples(row)) for row in chosen])
    mean = x.mean(axis=0)
    s2, m4 = x.var(axis=0, ddof=1), ((x - mean) ** 4).mean(axis=0)
    # Var(s^2) = (m4 - s^4 (n - 3) / (n - 1)) / n; rounding may make a small one negative.
    of_variance = np.maximum(m4 - s2**2 * (n - 3) / (n - 1), 0.0) / n
    return SampledMoments(mean, np.sqrt(s2 / n), s2, np.sqrt(of_variance))


def _outcomes(estimator: Any, problem: Problem) -> tuple[Float64, Float64]:
    """The probability of each outcome that is possible, and the estimate from it."""
    draws = problem.draws()
    possible = [np.flatnonzero(p) for p in draws]
    n = math.prod(len(values) for values in possible)
    if n > _MOST_OUTCOMES:
        raise ValueError(
            f"number of outcomes must be at most {_MOST_OUTCOMES}, got {n}: take fewer samples, or "
            "sampled_moments"
        )
    probabilities, estimates = np.empty(n), []
    for i, chosen in enumerate(itertools.product(*possible)):
        probabilities[i] = math.prod(p[k] for p, k in zip(draws, chosen, strict=True))
        estimates.append(_estimate(estimator, problem.samples(chosen)))
    return probabilities, _stack(estimates)


def _estimate(estimator: Any, samples: Any) -> Float64:
    is_object = hasattr(estimator, "estimate") and not isinstance(estimator, type)
    if not is_object and (isinstance(estimator, type) or not callable(estimator)):
        raise TypeError(
            "estimator must be an object with the method estimate, such as Reinforce(), or a "
            f"function of the samples, got {got_name(estimator)}"
        )
    result = samples.estimate_by(estimator) if is_object else estimator(samples)
    # A copy, as an estimator may write each estimate to the same memory.
    return np.array(check_real("estimate", getattr(result, "gradient", result)))


def _stack(estimates: list[Float64]) -> Float64:
    for x in estimates:
        check_shape("estimate", x, estimates[0].shape)
    return np.stack(estimates)


def _expectation(probabilities: Float64, *factors: Float64) -> Float64:
    """sum_i p_i x_i y_i ... over the outcomes i, entry by entry."""
    shape = factors[0].shape
    with np.errstate(all="ignore"):
        terms = probabilities.reshape(-1, *[1] * (len(shape) - 1))
        for x in factors:  # one by one, as a square may overflow where its part does not
            terms = terms * x
        columns = terms.reshape(shape[0], -1).T
        return np.array([_exact_sum(column) for column in columns]).reshape(shape[1:])


def _exact_sum(x: Float64) -> float:
    try:
        return math.fsum(x)
    except (OverflowError, ValueError):  # a sum that is infinite or NaN
        return float(np.sum(x))
