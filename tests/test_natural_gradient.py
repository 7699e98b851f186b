"""Natural gradients: the pseudo-inverse of the dense Fisher matrix, and the exact trust region."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from _fisher import NAMES, Array, N, case, gradient_of, with_padding
from scorefn import (
    ExpectedReward,
    LinearPolicy,
    LogitsPolicy,
    NaturalGradient,
    TabularPolicy,
    testing,
)
from scorefn.estimators.conjugate_gradients import conjugate_gradients


@for_each(features=[3, 70], cols=[4, 18, 150], cached=[False, True])
def test_same_bits_for_any_number_of_threads(features: int, cols: int, cached: bool) -> None:
    rng = np.random.default_rng(4)
    policy = LinearPolicy(rng.normal(size=(features, cols)))
    x = rng.normal(size=(9_000 if cols < 100 else 1_000, features))
    natural = NaturalGradient(iterations=2, cache=cached)
    v = rng.normal(size=policy.parameters.shape)
    with scorefn.threads(1):
        expected = natural.direction(policy, x, v)
    with scorefn.threads(3):
        np.testing.assert_array_equal(natural.direction(policy, x, v), expected)


@for_each(
    name=NAMES,
    padded=[False, True],
    damping=[0.0, 0.1],
    dtype=[np.float32, np.float64],
)
def test_directions_are_those_of_the_dense_pseudo_inverse(
    name: str, padded: bool, damping: float, dtype: Any
) -> None:
    policy, x, options = case(name, dtype)
    if padded:
        x, options = with_padding(policy, x, options)
    g = gradient_of(policy, x, options)
    natural = NaturalGradient(damping, iterations=40, tolerance=1e-14, cache=False)
    result = natural.direction(policy, x, g, **options)
    cached = dataclasses.replace(natural, cache=True).direction(policy, x, g, **options)
    assert result.dtype == dtype
    exact = testing.natural_gradient(policy, x, g, damping=damping, **options)
    # The condition number of F is below 100 here, and that of a float32 gradient's rounding, too.
    close = 2000 * np.finfo(dtype).eps * np.abs(exact).max()
    np.testing.assert_allclose(result, exact, rtol=0, atol=close)
    np.testing.assert_allclose(cached, exact, rtol=0, atol=close)
    np.testing.assert_allclose(result.sum(axis=-1), 0.0, atol=close)
    if name.startswith("table"):
        assert padded == (not result[4].any())
        forbidden = ~policy.where if policy.where is not None else np.isneginf(policy.parameters)
        np.testing.assert_array_equal(result[forbidden], 0.0)
    wrong = testing.natural_gradient(policy, x, g, damping=damping + 0.01, **options)
    assert np.abs(wrong - exact).max() > close  # so the check can fail


@for_each(damping=[0.0, 0.3])
def test_one_feature_per_state_is_a_table(damping: float) -> None:
    """Conjugate gradients find what the closed form says."""
    policy, states, _ = case("table")
    policy.parameters[2, 1] = 0.5  # -inf times a feature of 0 is NaN
    g = gradient_of(policy, states, {})
    natural = NaturalGradient(damping=damping, iterations=60, tolerance=1e-15)
    linear = natural.direction(LinearPolicy(policy.parameters), np.eye(5)[states], g)
    # The error of conjugate gradients is that of the products times the condition number.
    np.testing.assert_allclose(linear, natural.direction(policy, states, g), rtol=1e-11, atol=1e-12)


def test_conjugate_gradients() -> None:
    """Exact after as many products as there are directions with a curvature."""
    rng = np.random.default_rng(6)
    half, b = rng.normal(size=(8, 3)), rng.normal(size=8)
    singular, calls = half @ half.T, 0

    def product(v: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.asarray(singular @ v)

    b = singular @ b
    x = conjugate_gradients(product, b, iterations=50, tolerance=1e-12)
    # The condition number of the three directions is below 100.
    np.testing.assert_allclose(x, np.linalg.pinv(singular, rcond=1e-10) @ b, rtol=0, atol=1e-12)
    assert calls <= 4
    steepest = conjugate_gradients(product, b, iterations=1, tolerance=0.0)
    np.testing.assert_allclose(steepest, (b @ b) / (b @ singular @ b) * b, rtol=1e-14)
    calls = 0
    np.testing.assert_array_equal(
        conjugate_gradients(product, b, iterations=9, tolerance=1.0), np.zeros(8)
    )
    assert calls == 0
    # In the null space there is no curvature, and no step.
    null = np.linalg.svd(singular)[0][:, -1]
    flat = conjugate_gradients(lambda v: 0.0 * v, null, iterations=5, tolerance=0.0)
    np.testing.assert_array_equal(flat, np.zeros(8))


@for_each(name=["logits", "table", "linear"])
def test_estimates_are_unbiased(name: str) -> None:
    """The direction is linear in the gradient: its mean over all outcomes is that of the exact one.

    The policy of the outcomes is known, so F is no estimate.
    """
    rng = np.random.default_rng(5)
    policy, x = {
        "logits": (LogitsPolicy(rng.normal(size=3)), None),
        "table": (TabularPolicy(rng.normal(size=(2, 3))), np.array([0, 1, 1])),
        "linear": (LinearPolicy(rng.normal(size=(2, 3))), rng.normal(size=(3, 2))),
    }[name]
    rewards, rows = rng.normal(size=(3, 3)), np.arange(3)
    p = np.broadcast_to(scorefn.softmax(policy.logits(x)), (3, 3))
    natural = NaturalGradient(damping=0.1, iterations=30, tolerance=1e-15)
    total, exact = np.zeros_like(policy.parameters), np.zeros_like(policy.parameters)
    for outcome in itertools.product(range(3), repeat=3):
        a = np.array(outcome)
        gradient = policy.gradient(x, a, rewards[rows, a] / 3)
        total += np.prod(p[rows, a]) * natural.direction(policy, x, gradient)
        exact += np.prod(p[rows, a]) * gradient
    expected = natural.direction(policy, x, exact)
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)
    assert np.abs(total - exact).max() > 1e-3  # the plain gradient is not it


def test_improbable_actions() -> None:
    """The natural gradient of expected values q is q less its mean, however small pi is."""
    q = np.array([3.0, -1.0, 2.0, 5.0])
    natural = NaturalGradient()
    for dtype in (np.float32, np.float64):
        policy = LogitsPolicy(np.array([0.0, -40.0, -80.0, -np.inf], dtype))
        g = ExpectedReward().gradient(policy, None, action_values=q).gradient
        direction = natural.direction(policy, None, g)
        # Entries of the gradient have relative errors of a few roundings.
        np.testing.assert_allclose(direction[:3], q[:3] - 4 / 3, rtol=16 * np.finfo(dtype).eps)
        assert direction[3] == 0.0
    policy = LogitsPolicy(np.array([0.0, -700.0, -720.0, -800.0]))  # of 0: below the least normal
    g = ExpectedReward().gradient(policy, None, action_values=q).gradient
    np.testing.assert_allclose(
        natural.direction(policy, None, g), [2.0, -2.0, 0.0, 0.0], rtol=1e-12, atol=0
    )
    damped = NaturalGradient(damping=0.5).direction(policy, None, g)
    assert np.isfinite(damped).all()
    # Quotients that overflow in the end: no NaN.
    steep = natural.direction(LogitsPolicy(np.array([0.0, -700.0])), None, [-1e200, 1e200])
    np.testing.assert_array_equal(steep, [-np.inf, np.inf])


@for_each(name=["logits", "table", "linear"], exponent=[1000, -1000])
def test_the_scale_of_the_gradient_changes_no_bit(name: str, exponent: int) -> None:
    policy, x, options = case(name)
    g = gradient_of(policy, x, options)
    natural = NaturalGradient(damping=0.01)
    scaled = natural.direction(policy, x, np.ldexp(g, exponent), **options)
    expected = np.ldexp(natural.direction(policy, x, g, **options), exponent)
    np.testing.assert_array_equal(scaled, expected)
    step, same = (natural.step(policy, x, s, **options) for s in (g, np.ldexp(g, exponent)))
    np.testing.assert_array_equal(step.change, same.change)


def mean_kl(policy: Any, new: Array, x: Any, options: dict[str, Any]) -> float:
    """KL(old || new), a mean over the observations that count."""
    counts = options.get("valid", np.full(N, True)) if x is not None else np.array(True)
    rows, others = policy.logits(x), type(policy)(new).logits(x)
    where = options.get("where")
    if isinstance(policy, TabularPolicy) and policy.where is not None:
        where = policy.where[x]
    kl = testing.kl_divergence(rows, others, where=where)
    return float(np.mean(kl[counts]))


@for_each(name=NAMES, dtype=[np.float32, np.float64], cache=[False, True])
def test_steps_end_within_the_exact_trust_region(name: str, dtype: Any, cache: bool) -> None:
    policy, x, options = case(name, dtype)
    before, g = policy.parameters.copy(), gradient_of(policy, x, options)
    natural = NaturalGradient(damping=1e-3, cache=cache)
    for max_kl in (1e-6, 0.01, 0.7):
        step = natural.step(policy, x, g, max_kl=max_kl, **options)
        np.testing.assert_array_equal(policy.parameters, before)
        assert step.accepted
        assert step.change.dtype == dtype
        exact = mean_kl(policy, before + step.change, x, options)
        # Up to the rounding of the logits, which are of order 1, in the dtype.
        assert step.kl_divergence == pytest.approx(exact, rel=1e-3 if dtype == np.float32 else 1e-9)
        assert 0.5 * max_kl < step.kl_divergence <= max_kl
        # One step less would have left the region, or there was none.
        first = step.change / dtype(0.8)
        if step.backtracks > 0:
            assert mean_kl(policy, before + first, x, options) > max_kl * (1 - 1e-5)


def test_steps_without_padding_are_the_same() -> None:
    policy, x, options = case("linear, masks")
    x, options = with_padding(policy, x, options)
    g, valid = gradient_of(policy, x, options), options["valid"]
    natural = NaturalGradient(damping=0.1)
    step = natural.step(policy, x, g, **options)
    same = natural.step(policy, x[valid], g, where=options["where"][valid])
    np.testing.assert_allclose(step.change, same.change, rtol=1e-12)
    assert step.kl_divergence == pytest.approx(same.kl_divergence, rel=1e-10)


def test_a_step_has_to_increase_the_objective() -> None:
    policy, x, options = case("table")
    g = gradient_of(policy, x, options)
    values = iter([1.0, 0.5, 1.0, np.nan, 1.5])
    seen = []

    def objective(of: Any) -> float:
        seen.append(of.parameters.copy())
        return next(values)

    free = NaturalGradient().step(policy, x, g)
    step = NaturalGradient().step(policy, x, g, objective=objective, backtracking_factor=0.5)
    assert (free.backtracks, step.backtracks) == (0, 3)
    np.testing.assert_allclose(step.change, free.change / 8, rtol=1e-12)
    np.testing.assert_array_equal(seen[0], policy.parameters)
    np.testing.assert_array_equal(seen[-1], policy.parameters + step.change)
    refused = NaturalGradient().step(policy, x, g, max_backtracks=2, objective=lambda _: 0.0)
    assert (refused.accepted, refused.backtracks, refused.kl_divergence) == (False, 2, 0.0)
    np.testing.assert_array_equal(refused.change, 0.0)


@for_each(name=["logits", "table", "linear"])
def test_without_a_gradient_there_is_no_step(name: str) -> None:
    policy, x, options = case(name)
    g = np.zeros_like(policy.parameters)
    np.testing.assert_array_equal(NaturalGradient().direction(policy, x, g, **options), 0.0)
    step = NaturalGradient().step(policy, x, g, **options)
    assert not step.accepted
    assert not step.change.any()


def test_nan_is_passed_on() -> None:
    for policy, x in (
        (LogitsPolicy(np.array([0.0, np.nan])), None),
        (LinearPolicy(np.array([[0.0, np.nan]])), np.ones((3, 1))),
    ):
        g = np.array([1.0, -1.0]).reshape(policy.parameters.shape)
        assert np.isnan(NaturalGradient().direction(policy, x, g)).all()
        assert not NaturalGradient().step(policy, x, g).accepted
    table = TabularPolicy(np.array([[0.0, np.nan], [0.0, 0.0]]))
    g = np.array([[1.0, -1.0], [1.0, -1.0]])
    result = NaturalGradient().direction(table, [0, 1], g)
    np.testing.assert_array_equal(np.isnan(result), [[True, True], [False, False]])
    np.testing.assert_array_equal(NaturalGradient().direction(table, [1], g), [[0, 0], [2, -2]])


def test_is_a_value() -> None:
    natural = NaturalGradient(0.1, 5, 1e-3, True)
    assert pickle.loads(pickle.dumps(natural)) == natural


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"damping": -1.0}, ValueError, r"damping must be at least 0, got -1\.0"),
        ({"iterations": 0}, ValueError, "iterations must be at least 1, got 0"),
        ({"iterations": 2.0}, TypeError, "iterations must be an int, got float"),
        ({"tolerance": np.nan}, ValueError, "tolerance must be finite, got nan"),
        ({"cache": 1}, TypeError, "cache must be a bool, got int"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NaturalGradient(**options)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"policy": np.zeros(4)}, TypeError, "policy must be a LogitsPolicy, Tab.*, got numpy.nd"),
        ({"gradient": np.zeros(4)}, ValueError, r"gradient must have shape \(5, 4\), got \(4,\)"),
        ({"gradient": np.full((5, 4), np.inf)}, ValueError, r"gradient\[0, 0\] must be finite"),
        ({"gradient": np.zeros((5, 4), complex)}, TypeError, "gradient must be real numbers"),
        ({"observations": [7]}, IndexError, r"states\[0\] = 7 is out of range for 5 states"),
        ({"observations": []}, ValueError, "observations must have at least one that counts"),
        ({"valid": np.zeros(N, bool)}, ValueError, "observations must have at least one that cou"),
        ({"valid": np.ones(3, bool)}, ValueError, r"valid must have shape \(12,\), got \(3,\)"),
        ({"where": np.ones(4, bool)}, TypeError, "where must be None"),
        ({"max_kl": 0.0}, ValueError, r"max_kl must be above 0, got 0\.0"),
        ({"backtracking_factor": 1}, ValueError, "backtracking_factor must be above 0 and below 1"),
        ({"max_backtracks": -1}, ValueError, "max_backtracks must be at least 0, got -1"),
    ],
)
def test_wrong_calls(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    policy, x, _ = case("table")
    good = {"policy": policy, "observations": x, "gradient": gradient_of(policy, x, {})}
    with pytest.raises(error, match=message):
        NaturalGradient().step(**{**good, **changes})
