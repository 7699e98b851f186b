"""The errors of policy_gradient and clipped_surrogate, whose bounds are worked out row by row."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import scorefn
from _cases import for_each
from _functions import (
    DTYPES,
    LENGTHS,
    OBJECTIVES,
    Array,
    call,
    inputs_for,
    mask_for,
    same_bits,
)
from scorefn import testing

EPS64 = float(np.finfo(np.float64).eps)
ROWS = 37  # more than two tiles of 16, the last one not full
BOUNDS = [0.8, 1.2]  # of the ratio, by default


def mask_of_allowed(inputs: dict[str, Array]) -> Array:
    """One that leaves every row the action it took, so that the objective is finite."""
    where = mask_for("score", inputs)
    where[np.arange(len(where)), inputs["actions"]] = True
    return where


def clipped_coefficients(ratio: Array, advantages: Array, clip_range: float = 0.2) -> Array:
    """What the gradient multiplies the score with: r A, or 0 where the clipped arm is smaller."""
    a = advantages.astype(np.float64)
    is_clipped = np.where(a > 0.0, ratio > 1.0 + clip_range, ratio < 1.0 - clip_range)
    return np.where(is_clipped | (a == 0.0), 0.0, ratio * a)


class Errors:
    """What the errors of both implementations may add up to, row by row.

    Of the logits' dtype four ULP of every probability, log-probability and entropy, and half an ULP
    for rounding a weight, an advantage or an old log-probability to it. The reference adds what its
    own rounding of z - max z costs, |z - max z| ULP of float64.
    """

    def __init__(self, inputs: dict[str, Array], entropy_coef: float, where: Array | None) -> None:
        z, self.actions, self.where = inputs["logits"], inputs["actions"], where
        self.z, self.entropy_coef = z, abs(entropy_coef)
        self.eps = float(np.finfo(z.dtype).eps)
        self.p = testing.softmax(z, where=where)
        self.log_p = np.where(self.p > 0.0, testing.log_softmax(z, where=where), 0.0)
        widest = np.abs(self.log_p).max(axis=-1, initial=0.0)
        self.relative = 4.0 * self.eps + (4.0 + 2.0 * widest) * EPS64
        self.of_log_prob = self.relative * np.abs(testing.log_prob(z, self.actions, where=where))
        self.terms_of_entropy = (self.p * np.abs(self.log_p)).sum(axis=-1)

    def of_sum(self, terms: Array, errors: Array) -> float:
        """Of a sum of terms and the entropy bonus: theirs, and a rounding for each addition."""
        bonus = self.entropy_coef * self.terms_of_entropy
        added = len(terms) * EPS64 * (np.abs(terms) + bonus)
        return float((errors + self.relative * bonus + added).sum())

    def of_gradient(self, coefficients: Array, errors: Array) -> Array:
        """Of a gradient whose coefficients have these errors."""
        h = self.terms_of_entropy[:, None]
        size = np.abs(testing.score(self.z, self.actions, where=self.where))
        scale = np.abs(coefficients)[:, None] * size
        scale += self.entropy_coef * self.p * (np.abs(self.log_p) + h)
        return self.relative[:, None] * scale + errors[:, None] * size


def assert_near(actual: Any, expected: Any, error: Any) -> None:
    assert np.shape(actual) == np.shape(expected)
    smallest = np.finfo(np.asarray(actual).dtype).smallest_subnormal
    assert (np.abs(np.asarray(actual, np.float64) - expected) <= error + smallest).all()


def assert_policy_gradient_is_near(
    inputs: dict[str, Array], *, entropy_coef: float = 0.0, where: Array | None = None
) -> None:
    options: dict[str, Any] = {"entropy_coef": entropy_coef, "where": where}
    actual = call("policy_gradient", inputs, **options)
    expected = call("policy_gradient", inputs, module=testing, **options)
    assert type(actual) is type(expected) is scorefn.WeightedLogProbStep
    assert type(actual.objective) is float
    # Their accuracy is tested where they have functions of their own.
    assert same_bits(actual.gradient, call("score_gradient", inputs, **options))
    assert same_bits(actual.log_prob, call("log_prob", inputs, where=where))
    assert same_bits(actual.entropy, call("entropy", inputs, where=where))
    errors = Errors(inputs, entropy_coef, where)
    w = np.abs(inputs["weights"].astype(np.float64))
    terms = w * np.abs(expected.log_prob)
    of_terms = w * errors.of_log_prob + errors.eps * terms
    assert_near(actual.objective, expected.objective, errors.of_sum(terms, of_terms))


def assert_clipped_surrogate_is_near(
    inputs: dict[str, Array], *, entropy_coef: float = 0.0, where: Array | None = None
) -> None:
    options: dict[str, Any] = {"entropy_coef": entropy_coef, "where": where}
    actual = call("clipped_surrogate", inputs, **options)
    expected = call("clipped_surrogate", inputs, module=testing, **options)
    assert type(actual) is type(expected) is scorefn.ClippedSurrogateStep
    for x in (actual.objective, actual.approx_kl, actual.clip_fraction):
        assert type(x) is float
    assert same_bits(actual.log_prob, call("log_prob", inputs, where=where))
    assert same_bits(actual.entropy, call("entropy", inputs, where=where))

    errors = Errors(inputs, entropy_coef, where)
    eps, old = errors.eps, np.abs(inputs["old_log_prob"].astype(np.float64))
    a = np.abs(inputs["weights"].astype(np.float64))
    # The ratio is as wrong as its logarithm, then rounded: first exp to float64, then to its dtype.
    of_log_ratio = errors.of_log_prob + 0.5 * eps * old + 4.0 * EPS64
    of_ratio = expected.ratio * (1.01 * of_log_ratio + eps)
    assert_near(actual.ratio, expected.ratio, of_ratio)
    assert actual.ratio.dtype == inputs["logits"].dtype

    coefficients = clipped_coefficients(expected.ratio, inputs["weights"])
    of_terms = a * of_ratio + eps * a * expected.ratio
    terms = a * np.maximum(expected.ratio, 1.0)
    assert_near(actual.objective, expected.objective, errors.of_sum(terms, of_terms))
    # At a bound, that error decides which arm is taken.
    at_bound = (np.abs(expected.ratio[:, None] - BOUNDS) <= of_ratio[:, None]).any(axis=-1)
    error = errors.of_gradient(coefficients, of_terms)
    error[at_bound] = np.inf
    assert_near(actual.gradient, expected.gradient, error)
    share = at_bound.sum() / max(len(old), 1)
    assert_near(actual.clip_fraction, expected.clip_fraction, share + EPS64)
    # The derivative of (r - 1) - log r with respect to log r is r - 1, the second one r. The
    # reference subtracts log r from expm1(log r).
    log_ratio = np.abs(np.log(expected.ratio))
    of_kl = np.abs(expected.ratio - 1.0) * of_log_ratio + expected.ratio * of_log_ratio**2
    of_kl += 4.0 * EPS64 * (expected.ratio + log_ratio)
    assert_near(actual.approx_kl, expected.approx_kl, of_kl.mean())


ASSERT_NEAR = {
    "policy_gradient": assert_policy_gradient_is_near,
    "clipped_surrogate": assert_clipped_surrogate_is_near,
}


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7, -2.0])
@for_each(cols=LENGTHS)
def test_agrees_with_the_reference(function, cols, dtype, entropy_coef):
    for rows in (1, 16, 37, 600):
        if rows * cols <= 37 * 4099:
            inputs = inputs_for(rows, cols, dtype)
            ASSERT_NEAR[function](inputs, entropy_coef=entropy_coef)
    inputs = inputs_for(ROWS, cols, dtype)
    where = mask_of_allowed(inputs)
    ASSERT_NEAR[function](inputs, entropy_coef=entropy_coef, where=where)
    result = call(function, inputs, entropy_coef=entropy_coef, where=where)
    assert (result.gradient[~where] == 0.0).all()


@pytest.mark.parametrize("function", OBJECTIVES)
@for_each(
    cols=[2, 18, 100], dtype=DTYPES, weight_dtype=[np.float32, np.float64, np.int8, np.uint16]
)
def test_factors_of_any_dtype_agree_with_the_reference(function, cols, dtype, weight_dtype):
    inputs = inputs_for(ROWS, cols, dtype)
    inputs["weights"] = np.abs(3.0 * inputs["weights"]).astype(weight_dtype)
    if np.dtype(weight_dtype).kind == "f":
        inputs["old_log_prob"] = inputs["old_log_prob"].astype(weight_dtype)
    ASSERT_NEAR[function](inputs)


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@for_each(cols=LENGTHS, clip_range=[0.0, 0.05, 0.2, 1.0, 3.0])
def test_clipped_gradient_has_the_bits_of_the_score_gradient(cols, clip_range, entropy_coef):
    """Its weights are the float64 ratios times the advantages, each product rounded once."""
    inputs = inputs_for(ROWS, cols, np.float64)
    result = call("clipped_surrogate", inputs, clip_range=clip_range, entropy_coef=entropy_coef)
    weights = clipped_coefficients(result.ratio, inputs["weights"], clip_range)
    expected = call("score_gradient", {**inputs, "weights": weights}, entropy_coef=entropy_coef)
    assert same_bits(result.gradient, expected)
    is_clipped = (result.ratio < 1.0 - clip_range) | (result.ratio > 1.0 + clip_range)
    assert result.clip_fraction == is_clipped.sum() / ROWS


# Differences of log-probabilities around 0 and 1/2, where the formula changes, and far from it.
LOG_RATIOS = [1e-300, 1e-9, 1e-4, 0.1, 0.4999, 0.5, 0.5001, 0.7, 3.0, 40.0, 700.0]


@pytest.mark.parametrize("difference", [sign * x for x in LOG_RATIOS for sign in (1.0, -1.0)])
def test_ratio_and_approx_kl_have_all_their_digits(difference):
    """No digit of (r - 1) - log r is lost where r is near 1."""
    log_prob = float(scorefn.log_prob([0.0, 0.0], 0))
    old = log_prob - difference
    result = scorefn.clipped_surrogate([0.0, 0.0], 0, old, 1.0)
    with mpmath.workdps(60):
        x = mpmath.mpf(log_prob) - mpmath.mpf(old)
        ratio = mpmath.exp(x)
        kl = mpmath.expm1(x) - x if x else mpmath.mpf(0)
    # Near 0 the difference is exact; elsewhere its rounding is half an ULP of it, which is the
    # relative error of the ratio.
    assert testing.ulp_error(result.ratio, ratio) <= 4.0 + abs(difference)
    assert testing.ulp_error(np.float64(result.approx_kl), kl) <= 16.0 + abs(difference)
