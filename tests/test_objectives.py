"""policy_gradient and clipped_surrogate: values, gradients and statistics of one pass."""

from __future__ import annotations

from typing import Any

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
    take_rows,
)
from scorefn import testing
from scorefn.testing import central_difference

INF, NAN = np.inf, np.nan
EPS64 = float(np.finfo(np.float64).eps)
ROWS = 37  # more than two tiles of 16, the last one not full
COLS = [1, 2, 5, 18, 40, 100]
ROW_MEMBERS = {
    "policy_gradient": ("gradient", "log_prob", "entropy"),
    "clipped_surrogate": ("gradient", "log_prob", "entropy", "ratio"),
}
BOUNDS = [0.8, 1.2]  # of the ratio, by default


def mask_of_allowed(inputs: dict[str, Array]) -> Array:
    """One that leaves every row the action it took, so that the objective is finite."""
    where = mask_for("score", inputs)
    where[np.arange(len(where)), inputs["actions"]] = True
    return where


def rows_of(function: str, result: Any) -> tuple[Array, ...]:
    return tuple(getattr(result, name) for name in ROW_MEMBERS[function])


# --- The gradient is the derivative ---------------------------------------------------------------

SAMPLES = 9
# Central differences with a step h = 2^-17: h^2 / 6 J''' is below 1e-9, as the third derivative of
# a row's r A + c H with r A below 10 and |c| below 2 is less than 100; the rounding of J, a sum of
# terms up to 50, adds 1e-14 / h = 2e-9.
DIFFERENCE = 3e-9


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7, -1.5])
@for_each(cols=COLS[:-1], masked=[False, True])
def test_gradient_is_the_central_difference(function, cols, entropy_coef, masked):
    inputs = inputs_for(SAMPLES, cols, np.float64)
    inputs["weights"] = np.array([1.5, -2.0, 0.0, 0.5, 1.0, -0.25, 3.0, -1.0, 2.0])
    where = mask_of_allowed(inputs) if masked else None
    options = {"entropy_coef": entropy_coef, "where": where}
    # Ratios in and beyond the clip range on both sides, none of them within a step of a bound.
    log_ratio = np.array([0.1, -0.1, 1.0, 0.5, -0.5, -0.5, 0.0, 0.5, -0.05])
    log_prob = scorefn.log_prob(inputs["logits"], inputs["actions"], where=where)
    inputs["old_log_prob"] = log_prob - log_ratio
    difference = central_difference(
        lambda z: call(function, {**inputs, "logits": z}, **options).objective, inputs["logits"]
    )
    gradient = call(function, inputs, **options).gradient
    np.testing.assert_allclose(gradient, difference, rtol=0.0, atol=DIFFERENCE)
    if function == "clipped_surrogate" and entropy_coef == 0.0:
        assert (gradient[[2, 3, 5]] == 0.0).all()  # no advantage; clipped from above; from below


# Sums of up to 100 terms below 3, each with errors of a few 1e-16.
EXACT = {"rtol": 0.0, "atol": 1e-12}


@pytest.mark.parametrize("cols", COLS)
def test_expectation_of_policy_gradient_over_all_actions(cols):
    """sum_a pi(a) f(a) d log pi(a) / dz_j = pi_j (f_j - sum_a pi_a f_a)."""
    rng = np.random.default_rng(cols)
    z, f, actions = rng.normal(size=cols), rng.normal(size=cols), np.arange(cols)
    p = testing.softmax(z)
    gradients = scorefn.policy_gradient(np.tile(z, (cols, 1)), actions, p * f).gradient
    np.testing.assert_allclose(gradients.sum(axis=0), p * (f - p @ f), **EXACT)


@for_each(cols=COLS, clip_range=[0.0, 0.2, 0.5])
def test_expectation_of_clipped_surrogate_over_all_actions(cols, clip_range):
    """d/dz of sum_a min(pi_a A_a, clip(pi_a / old_a) old_a A_a), the expectation under the old
    policy: pi_j (c_j - sum_a pi_a c_a), where c_a is A_a, or 0 where its arm is clipped."""
    rng = np.random.default_rng(cols)
    z, advantages, actions = rng.normal(size=cols), rng.normal(size=cols), np.arange(cols)
    old_z = z + 0.5 * rng.normal(size=cols)
    p, old = testing.softmax(z), testing.softmax(old_z)
    logits = np.tile(z, (cols, 1))
    result = scorefn.clipped_surrogate(
        logits, actions, np.log(old), advantages, clip_range=clip_range
    )
    bound = old * np.where(advantages > 0.0, 1.0 + clip_range, 1.0 - clip_range)
    is_clipped = np.where(advantages > 0.0, p > bound, p < bound)
    c = np.where(is_clipped, 0.0, advantages)
    np.testing.assert_allclose(old @ result.gradient, p * (c - p @ c), **EXACT)

    weighted = scorefn.clipped_surrogate(
        logits, actions, np.log(old), old * advantages, clip_range=clip_range
    )
    expectation = np.where(is_clipped, bound * advantages, p * advantages).sum()
    np.testing.assert_allclose(weighted.objective, expectation, **EXACT)
    np.testing.assert_allclose(weighted.gradient.sum(axis=0), p * (c - p @ c), **EXACT)


# --- Identities of PPO ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
@for_each(cols=LENGTHS, clip_range=[0.0, 0.2])
def test_the_first_step_is_that_of_reinforce(cols, dtype, clip_range, entropy_coef):
    """Before the policy has moved the ratio is 1 to the bit, and nothing is clipped."""
    inputs = inputs_for(ROWS, cols, dtype)
    options = {"entropy_coef": entropy_coef}
    for where in (None, mask_for("score", inputs)):
        drawn = scorefn.sample(inputs["logits"], rng=1, where=where)
        inputs["actions"], inputs["old_log_prob"] = drawn.actions, drawn.log_prob
        result = call("clipped_surrogate", inputs, clip_range=clip_range, where=where, **options)
        assert same_bits(result.ratio, np.ones(ROWS, dtype))
        assert (result.approx_kl, result.clip_fraction) == (0.0, 0.0)
        reinforce = call("policy_gradient", inputs, where=where, **options)
        assert same_bits(result.gradient, reinforce.gradient)
        assert same_bits(result.gradient, call("score_gradient", inputs, where=where, **options))
        bonus = entropy_coef * result.entropy.astype(np.float64)
        terms = inputs["weights"].astype(np.float64) + bonus
        # Each addition in float64 rounds once.
        error = 2 * ROWS * EPS64 * np.abs(terms).sum()
        assert abs(result.objective - terms.sum()) <= error


@for_each(cols=[2, 18, 100], dtype=DTYPES)
def test_without_clipping_the_objective_is_linear_in_the_advantages(cols, dtype):
    """Bit by bit: a wide clip range clips nothing, and -A gives -J."""
    inputs = inputs_for(ROWS, cols, dtype)
    result = call("clipped_surrogate", inputs, clip_range=1e30)
    negative = call("clipped_surrogate", {**inputs, "weights": -inputs["weights"]}, clip_range=1e30)
    assert np.array_equal(negative.gradient, -result.gradient)
    assert negative.objective == -result.objective
    assert result.clip_fraction == negative.clip_fraction == 0.0
    assert result.approx_kl == negative.approx_kl > 0.0


# --- Bounds, infinities and NaN -------------------------------------------------------------------


@pytest.mark.parametrize("old", [-1.0, -0.7, -0.5, -0.3, -0.75])
def test_a_ratio_at_a_bound_is_not_clipped_and_one_beyond_it_is(old):
    """The bounds 1 - eps and 1 + eps are exact here: r - 1 is, for r from 1/2 to 2."""
    ratio = float(scorefn.clipped_surrogate([0.0, 0.0], 0, old, 1.0).ratio)
    assert 0.5 < ratio < 2.0
    inside = np.nextafter(ratio, 1.0)
    for advantage in (1.5, -1.5):
        unclipped = scorefn.score_gradient([[0.0, 0.0]], [0], [ratio * advantage])[0]
        at = scorefn.clipped_surrogate([0.0, 0.0], 0, old, advantage, clip_range=abs(ratio - 1.0))
        assert at.clip_fraction == 0.0
        assert at.objective == ratio * advantage
        assert same_bits(at.gradient, unclipped)
        beyond = scorefn.clipped_surrogate(
            [0.0, 0.0], 0, old, advantage, clip_range=abs(inside - 1.0)
        )
        assert beyond.clip_fraction == 1.0
        is_smaller = (advantage > 0.0) == (ratio > 1.0)
        assert beyond.objective == (inside if is_smaller else ratio) * advantage
        assert same_bits(beyond.gradient, np.zeros(2) if is_smaller else unclipped)


@for_each(cols=LENGTHS, dtype=DTYPES)
def test_an_advantage_of_0_adds_exactly_0(cols, dtype):
    """Whatever the ratio: infinite, 0, NaN, or that of a row of NaN."""
    inputs = inputs_for(ROWS, cols, dtype)
    inputs["weights"][:] = 1.5
    rows = [1, 5, 9, 16, 21, 36]
    inputs["weights"][rows] = 0.0
    expected = call("clipped_surrogate", inputs)
    spoiled = {**inputs, "logits": inputs["logits"].copy()}
    spoiled["old_log_prob"] = inputs["old_log_prob"].copy()
    spoiled["old_log_prob"][rows[:3]] = [-INF, INF, NAN]
    spoiled["logits"][rows[3:5]] = np.array([NAN, INF])[:, None]
    if cols > 1:  # a forbidden action, whose ratio is inf / inf
        spoiled["logits"][36, inputs["actions"][36]] = -INF
        spoiled["old_log_prob"][36] = -INF
    result = call("clipped_surrogate", spoiled)
    assert same_bits(result.gradient, expected.gradient)
    assert (result.gradient[rows] == 0.0).all()
    assert result.objective == expected.objective
    assert result.ratio[1] == INF
    assert result.ratio[5] == 0.0
    assert np.isnan(result.ratio[[9, 16, 21]]).all()
    assert np.isnan(result.approx_kl)

    expected = call("policy_gradient", inputs)
    result = call("policy_gradient", spoiled)
    assert same_bits(result.gradient, expected.gradient)
    assert result.objective == expected.objective


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.5])
@for_each(cols=LENGTHS, dtype=DTYPES, bad=[NAN, INF])
def test_a_bad_row_is_nan_and_harms_no_other(function, cols, dtype, bad, entropy_coef):
    clean = inputs_for(ROWS, cols, dtype)
    clean["weights"][:] = 1.5
    bad_rows = [0, 7, 16, 36]
    inputs = {**clean, "logits": clean["logits"].copy()}
    for row, slot in zip(bad_rows, [0, cols // 2, cols - 1, cols // 3], strict=True):
        inputs["logits"][row, slot] = bad
    good = np.setdiff1d(np.arange(ROWS), bad_rows)
    result = call(function, inputs, entropy_coef=entropy_coef)
    expected = call(function, clean, entropy_coef=entropy_coef)
    for x, y in zip(rows_of(function, result), rows_of(function, expected), strict=True):
        assert np.isnan(x[bad_rows]).all()
        assert same_bits(x[good], y[good])
    assert np.isnan(result.objective)
    if function == "clipped_surrogate":
        assert np.isnan(result.approx_kl)
        ratio = result.ratio[good].astype(np.float64)  # none is within a rounding of a bound
        assert result.clip_fraction == ((ratio < 0.8) | (ratio > 1.2)).sum() / ROWS


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forbidden_action(dtype):
    """Its log-prob is -inf and its ratio 0, where nothing but its own logit could move it."""
    logits = np.array([[0.0, -INF, 1.0], [0.5, 1.0, 0.0]], dtype)
    actions = [1, 1]
    for a in (2.0, -2.0):
        old = np.log([0.25, 0.5]).astype(dtype)
        result = scorefn.clipped_surrogate(logits, actions, old, [a, 0.0])
        assert result.log_prob[0] == -INF
        assert result.ratio[0] == 0.0
        assert same_bits(np.abs(result.gradient), np.zeros((2, 3), dtype))
        assert result.objective == min(0.0, 0.8 * a)
        assert result.approx_kl == INF
        result = scorefn.policy_gradient(logits, actions, [a, 0.0])
        assert result.objective == -INF * a
        expected = a * np.array([-testing.softmax(logits[0])[0], 0.0])
        # A softmax within four ULP, and one product.
        np.testing.assert_allclose(
            result.gradient[0, :2], expected, rtol=5.0 * np.finfo(dtype).eps, atol=0.0
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("old", [-200.0, -1e4, -INF])
def test_huge_ratios(dtype, old):
    """Clipped where the advantage is positive, and as large as they are where it is negative."""
    logits = np.zeros((1, 3), dtype)
    result = scorefn.clipped_surrogate(logits, [0], [old], [2.0])
    assert same_bits(result.gradient, np.zeros((1, 3), dtype))
    assert result.objective == 1.2 * 2.0
    assert result.clip_fraction == 1.0
    result = scorefn.clipped_surrogate(logits, [0], [old], [-2.0])
    assert result.clip_fraction == 1.0
    if old == -200.0 and dtype == np.float64:
        assert np.isfinite(result.gradient).all()
        assert same_bits(result.gradient, scorefn.score_gradient(logits, [0], -2.0 * result.ratio))
    else:
        assert result.ratio[0] == INF
        assert result.gradient.tolist() == [[-INF, INF, INF]]
    if old == -200.0:  # in float64, whatever the dtype of the logits
        # log 1/3 is within four ULP of 2^-23 each, which are relative errors of the ratio.
        assert result.objective == pytest.approx(-2.0 / 3.0 * np.exp(200.0), rel=4 * 2.0**-23)
    else:
        assert result.objective == -INF


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("old", [-1e4, -INF])
def test_approx_kl_of_an_infinite_ratio_is_infinite(dtype, old):
    """(r - 1) - log r grows without bound, and is not inf - inf."""
    result = scorefn.clipped_surrogate(np.zeros((2, 3), dtype), [0, 1], [old, -1.0], [0.0, 1.0])
    assert result.approx_kl == INF


# --- Shapes, out and accumulate -------------------------------------------------------------------


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows(function, dtype):
    for entropy_coef in (0.0, 0.5):
        result = call(function, inputs_for(0, 5, dtype), entropy_coef=entropy_coef)
        assert result.objective == 0.0
        assert result.gradient.shape == (0, 5)
        for x in rows_of(function, result):
            assert x.dtype == dtype
            assert len(x) == 0
        if function == "clipped_surrogate":
            assert np.isnan([result.approx_kl, result.clip_fraction]).all()
    reference = call(function, inputs_for(0, 5, dtype), module=testing)
    for x, y in zip(result, reference, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("function", OBJECTIVES)
@for_each(cols=[1, 3, 18, 100], dtype=DTYPES)
def test_a_single_row(function, cols, dtype):
    """Logits of shape (num_actions,) and numbers for the rest: as a batch of one row."""
    inputs = inputs_for(1, cols, dtype)
    batch = call(function, inputs)
    result = call(function, take_rows(inputs, 0))
    assert result.objective == batch.objective
    assert result.gradient.shape == (cols,)
    for x, y in zip(rows_of(function, result), rows_of(function, batch), strict=True):
        assert same_bits(x, y[0])
    for x in rows_of(function, result)[1:]:
        assert type(x) is dtype
    if function == "clipped_surrogate":
        assert result.approx_kl == batch.approx_kl
        assert result.clip_fraction == batch.clip_fraction


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("cols", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
def test_out_and_accumulate(function, cols, dtype, entropy_coef):
    inputs = inputs_for(ROWS, cols, dtype)
    options = {"entropy_coef": entropy_coef}
    fresh = call(function, inputs, **options)
    out = np.full_like(fresh.gradient, 123.0)
    result = call(function, inputs, out=out, **options)
    assert result.gradient is out
    assert same_bits(result, fresh)

    in_place = {**inputs, "logits": inputs["logits"].copy()}
    result = call(function, in_place, out=in_place["logits"], **options)
    assert result.gradient is in_place["logits"]
    assert same_bits(result, fresh)

    start = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
    out = start.copy()
    result = call(function, inputs, out=out, accumulate=True, **options)
    assert result.gradient is out
    assert same_bits(result._replace(gradient=fresh.gradient), fresh)
    # The gradient and the sum, each rounded once.
    ulp = np.spacing(np.maximum(np.abs(start), np.abs(fresh.gradient)).astype(dtype))
    assert (np.abs(out - (start + fresh.gradient)) <= 2.0 * ulp).all()


# --- The same bits --------------------------------------------------------------------------------
# For instruction sets, threads and strides see test_reproducibility.py.


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@for_each(cols=LENGTHS, dtype=DTYPES)
def test_a_row_has_the_same_bits_in_every_place_of_a_batch(function, cols, dtype, entropy_coef):
    inputs = inputs_for(ROWS, cols, dtype)
    options = {"entropy_coef": entropy_coef}
    batch = rows_of(function, call(function, inputs, **options))
    for start in range(17):
        for part in (slice(start, start + 1), slice(start, start + 9)):
            rows = rows_of(function, call(function, take_rows(inputs, part), **options))
            assert same_bits(rows, tuple(x[part] for x in batch))


@pytest.mark.parametrize("function", OBJECTIVES)
def test_threads_do_not_change_what_is_accumulated(function):
    inputs = inputs_for(20_000, 7, np.float32)
    results = []
    for num_threads in (1, 2, 3, 5):
        out = np.full_like(inputs["logits"], 0.1)
        options = {"out": out, "accumulate": True, "num_threads": num_threads}
        results.append(call(function, inputs, entropy_coef=0.1, **options))
    assert all(same_bits(result, results[0]) for result in results)


@pytest.mark.parametrize("function", OBJECTIVES)
def test_sums_over_many_rows_keep_their_digits(function):
    """float32 sums of 200000 terms would be off by 1e-5."""
    inputs = inputs_for(200_000, 2, np.float32)
    result = call(function, inputs)
    weights = inputs["weights"].astype(np.float64)
    if function == "policy_gradient":
        terms = weights * result.log_prob
        # The terms are exact in float64, and each addition rounds once.
        error = len(terms) * EPS64 * np.abs(terms).sum()
    else:
        ratio = result.ratio.astype(np.float64)
        terms = np.minimum(ratio * weights, np.clip(ratio, *BOUNDS) * weights)
        # These ratios have been rounded to float32, those in the sum have not: independent errors
        # of half an ULP at most, of whose sum this is six standard deviations or more.
        error = 6.0 * np.sqrt(len(terms)) * 2.0**-24 * np.abs(terms).max()
    assert abs(result.objective - terms.sum()) <= error
