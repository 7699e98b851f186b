"""OffPolicy: its values, gradients, arguments and diagnostics."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from _logs import METHODS, MODELS, OPTIONS, Log, estimator
from scorefn import LinearPolicy, LogitsPolicy, OffPolicy, TabularPolicy, testing

# Sums of some ten terms of about 1 in float64, by two implementations.
ROUNDING = 1e-13


def reference(method: str, log: Log, logits: Any) -> float:
    arguments = {name: x for name, x in log.arguments().items() if name != "observations"}
    return testing.off_policy_value(method, logits, **arguments, **OPTIONS.get(method, {}))


@pytest.mark.parametrize("method", METHODS)
def test_value_is_the_formula_and_gradient_its_derivative(method: str) -> None:
    log = Log()
    off_policy = estimator(method)
    expected = reference(method, log, log.logits)
    estimate = off_policy.estimate(log.logits, **log.arguments())
    assert estimate.objective == pytest.approx(expected, abs=ROUNDING)
    assert off_policy.value(log.logits, **log.arguments()).value == pytest.approx(
        expected, abs=ROUNDING
    )
    difference = testing.central_difference(
        lambda z: reference(method, log, z), log.logits, step=1e-5
    )
    # Truncation of the third order and rounding of central differences with this step.
    np.testing.assert_allclose(estimate.gradient, difference, atol=1e-9)
    assert np.abs(difference).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_policy_has_the_gradient_of_its_logits(method: str) -> None:
    log, rng = Log(n=9, num_actions=3), np.random.default_rng(1)
    off_policy = estimator(method, entropy_coef=0.1)
    arguments = {name: x for name, x in log.arguments().items() if name != "observations"}

    def check(policy: Any, observations: Any, pull_back: Any) -> None:
        logits = np.broadcast_to(policy.logits(observations), (9, 3))
        expected = off_policy.estimate(logits, None, **arguments)
        got = off_policy.estimate(policy, observations, **arguments)
        assert got.objective == pytest.approx(expected.objective, abs=ROUNDING)
        np.testing.assert_allclose(got.gradient, pull_back(expected.gradient), atol=ROUNDING)
        np.testing.assert_allclose(got.advantages, expected.advantages, atol=ROUNDING)
        for name, x in vars(expected.diagnostics).items():
            if name != "gradient_norm":
                assert getattr(got.diagnostics, name) == pytest.approx(x, nan_ok=True), name
        of_value = off_policy.value(policy, observations, **arguments)
        bonus = 0.1 * expected.diagnostics.entropy
        assert of_value.value == pytest.approx(expected.objective - bonus, abs=ROUNDING)

    x = rng.normal(size=(9, 4))
    check(LinearPolicy(rng.normal(size=(4, 3))), x, lambda g: x.T @ g)
    check(LogitsPolicy(rng.normal(size=3)), None, lambda g: g.sum(axis=0))
    states = rng.integers(5, size=9)
    one_hot = np.eye(5)[states]
    check(TabularPolicy(rng.normal(size=(5, 3))), states, lambda g: one_hot.T @ g)


@pytest.mark.parametrize("method", METHODS)
def test_samples_may_have_any_shape(method: str) -> None:
    log, off_policy = Log(n=6, num_actions=3), estimator(method)
    expected = off_policy.estimate(log.logits, **log.arguments())
    arguments = {
        name: None if x is None else x.reshape(2, 3, *x.shape[1:])
        for name, x in log.arguments().items()
    }
    logits = log.logits.reshape(2, 3, 3)
    got = off_policy.estimate(logits, **arguments)
    np.testing.assert_array_equal(got.gradient, expected.gradient.reshape(2, 3, 3))
    np.testing.assert_array_equal(got.advantages, expected.advantages.reshape(2, 3))
    value = off_policy.value(log.logits, **log.arguments(), interval="bootstrap", rng=0)
    again = off_policy.value(logits, **arguments, interval="bootstrap", rng=0)
    assert (again.value, again.low, again.high) == (value.value, value.low, value.high)


class OnlyLogits:
    def logits(self, observations: Any) -> Any:
        return observations


def test_evaluation_needs_no_more_than_logits() -> None:
    log = Log()
    arguments = {**log.arguments(), "observations": log.logits}
    result = OffPolicy("dr").value(OnlyLogits(), **arguments)
    assert result.low == OffPolicy("dr").value(log.logits, **log.arguments()).low


@pytest.mark.parametrize("method", METHODS)
def test_samples_that_do_not_count(method: str) -> None:
    log = Log()
    keep = np.array([0, 2, 3, 6])
    short = {k: None if x is None else x[keep] for k, x in log.arguments().items()}
    expected = estimator(method).estimate(log.logits[keep], **short)
    valid = np.zeros(7, bool)
    valid[keep] = True
    for x in (log.logits, log.rewards, log.propensities, log.action_values):
        x[~valid] = np.nan
    log.actions[~valid] = -100
    got = estimator(method).estimate(log.logits, **log.arguments(), valid=valid)
    assert got.objective == pytest.approx(expected.objective, abs=ROUNDING)
    np.testing.assert_allclose(got.gradient[keep], expected.gradient, atol=ROUNDING)
    np.testing.assert_array_equal(got.gradient[~valid], 0.0)
    np.testing.assert_array_equal(got.advantages[~valid], 0.0)
    assert got.diagnostics.num_samples == 4
    values = estimator(method).value(log.logits, **log.arguments(), valid=valid)
    again = estimator(method).value(log.logits[keep], **short)
    assert (values.value, values.low) == pytest.approx((again.value, again.low), abs=ROUNDING)


@pytest.mark.parametrize("method", METHODS)
def test_actions_that_the_policy_cannot_take(method: str) -> None:
    """They have weight 0, and the model may know nothing of them."""
    log = Log()
    where = np.ones((7, 4), bool)
    where[np.arange(7)[:3], log.actions[:3]] = False
    expected_logits = np.where(where, log.logits, -np.inf)
    expected = reference(method, log, expected_logits)
    log.action_values[~where] = np.nan
    for policy, mask in ((log.logits, where), (expected_logits, None)):
        got = estimator(method).estimate(policy, **log.arguments(), where=mask)
        assert got.objective == pytest.approx(expected, abs=ROUNDING)
        assert np.isfinite(got.gradient).all()
        result = estimator(method).value(policy, **log.arguments(), where=mask)
        assert result.value == pytest.approx(expected, abs=ROUNDING)
    where[:] = True
    if method in MODELS:
        with pytest.raises(ValueError, match=r"action_values.* must be finite"):
            estimator(method).estimate(log.logits, **log.arguments())
        with pytest.raises(ValueError, match=r"action_values.* must be finite"):
            estimator(method).value(log.logits, **log.arguments())


@pytest.mark.parametrize("method", METHODS)
def test_single_precision(method: str) -> None:
    log = Log()
    expected = estimator(method).estimate(log.logits, **log.arguments())
    got = estimator(method).estimate(log.logits.astype(np.float32), **log.arguments())
    assert got.gradient.dtype == np.float32
    # Some roundings of numbers of about 1 to float32.
    assert got.objective == pytest.approx(expected.objective, abs=2e-6)
    np.testing.assert_allclose(got.gradient, expected.gradient, atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_huge_rewards(method: str) -> None:
    log = Log()
    once = estimator(method)
    small = once.value(log.logits, **log.arguments(), interval="bootstrap", rng=0)
    gradient = once.estimate(log.logits, **log.arguments()).gradient
    log.rewards, log.action_values = log.rewards * 1e300, log.action_values * 1e300
    large = once.value(log.logits, **log.arguments(), interval="bootstrap", rng=0)
    for name in ("value", "standard_error", "low", "high"):
        assert getattr(large, name) / 1e300 == pytest.approx(getattr(small, name)), name
    step = once.estimate(log.logits, **log.arguments())
    np.testing.assert_allclose(step.gradient / 1e300, gradient, rtol=1e-9, atol=1e-12)


def test_self_normalised_weights_cannot_overflow() -> None:
    """Ratios of 1e300 and more, and of 1e-300 and less: the value is a mean of two rewards."""
    logits = np.array([[0.0, 0.0], [0.0, 0.0], [-500.0, 500.0]])
    for propensities in (np.array([1e-308, 1e-308, 1.0]), np.array([1.0, 1.0, 1.0])):
        shifted = (
            np.array([[-800.0, 0.0]] * 2 + [[-2000.0, 0.0]]) if propensities[0] == 1 else logits
        )
        result = OffPolicy("snips").value(
            shifted, None, [0, 0, 0], [1.0, 3.0, 1e9], propensities=propensities
        )
        assert result.value == pytest.approx(2.0)
        step = OffPolicy("snips").estimate(
            shifted, None, [0, 0, 0], [1.0, 3.0, 1e9], propensities=propensities
        )
        np.testing.assert_allclose(step.gradient[:, 0] > 0.0, [False, True, False])


def test_diagnostics() -> None:
    policy, actions = LogitsPolicy(np.log([0.5, 0.25, 0.25])), np.array([0, 1, 2, 0])
    rewards, propensities = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.125, 0.25, 0.25])
    arguments = (policy, None, actions, rewards)
    of = OffPolicy("clipped", max_weight=1.5)  # ratios 1, 2, 1, 2; weights 1, 1.5, 1, 1.5
    for got in (
        of.estimate(*arguments, propensities=propensities).diagnostics,
        of.value(*arguments, propensities=propensities).diagnostics,
    ):
        assert got.clip_fraction == 0.5
        assert got.mean_weight == pytest.approx(1.25)
        assert got.largest_weight == 1.5
        assert got.effective_sample_size == pytest.approx(5.0**2 / 6.5)
        assert (got.num_samples, got.mean_reward, got.advantage_mean) == (4, 2.5, 2.5)
    got = OffPolicy("snips").estimate(*arguments, propensities=propensities)
    assert np.isnan(got.diagnostics.clip_fraction)
    assert got.diagnostics.mean_weight == pytest.approx(1.5)
    np.testing.assert_allclose(got.advantages, rewards - (1 + 4 + 3 + 8) / 6)
    of = OffPolicy("dm").estimate(*arguments, action_values=np.ones((4, 3)))
    assert np.isnan(of.diagnostics.effective_sample_size)
    np.testing.assert_array_equal(of.advantages, 0.0)


def test_a_ratio_at_the_cap_is_not_above_it() -> None:
    policy, actions = LogitsPolicy(np.array([0.3, 0.1])), np.array([0, 1, 1])
    log = (policy, None, actions, np.array([1.0, 5.0, 2.0]))
    propensities = np.exp(policy.log_prob(None, actions)) / 2.0
    for off_policy in (OffPolicy("switch", max_weight=2.0), OffPolicy("dr", max_weight=2.0)):
        options = {"propensities": propensities, "action_values": np.zeros((3, 2))}
        step, value = off_policy.estimate(*log, **options), off_policy.value(*log, **options)
        assert step.diagnostics.clip_fraction == value.diagnostics.clip_fraction == 0.0
        assert step.objective == pytest.approx(16.0 / 3.0)
        assert value.value == pytest.approx(16.0 / 3.0)


def test_pickle() -> None:
    off_policy = estimator("switch")
    assert pickle.loads(pickle.dumps(off_policy)) == off_policy
    result = off_policy.value(Log().logits, **Log().arguments())
    assert pickle.loads(pickle.dumps(result)).low == result.low


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"actions": np.full(7, 4)}, IndexError, r"actions\[0\] = 4 is out of range for 4 actions"),
        ({"rewards": np.ones((7, 1))}, ValueError, r"rewards must have shape \(7,\), got \(7, 1\)"),
        ({"rewards": np.full(7, np.inf)}, ValueError, r"rewards\[0\] must be finite, got inf"),
        ({"rewards": np.full(7, "a")}, TypeError, "rewards must be real numbers"),
        ({"propensities": None}, ValueError, "propensities must be given for method='dr'"),
        (
            {"propensities": np.zeros(7)},
            ValueError,
            r"propensities\[0\] must be in",
        ),
        (
            {"propensities": np.full(7, np.nan)},
            ValueError,
            r"propensities\[0\] must be in",
        ),
        ({"propensities": np.full(7, 1.5)}, ValueError, r"propensities\[0\] must be in"),
        ({"propensities": np.ones(6)}, ValueError, r"propensities must have shape \(7,\)"),
        ({"action_values": None}, ValueError, "action_values must be given for method='dr'"),
        (
            {"action_values": np.ones((7, 3))},
            ValueError,
            r"action_values must have shape \(7, 4\), got \(7, 3\)",
        ),
        (
            {"action_values": np.ones(4)},
            ValueError,
            r"action_values must have shape \(7, 4\), got \(4,\)",
        ),
        ({"valid": np.zeros(7, bool)}, ValueError, "actions must have at least one sample that"),
        ({"policy": np.ones(4)}, ValueError, r"policy must have shape \(7, num_actions\)"),
        ({"policy": None}, TypeError, "policy must"),
        ({"where": np.zeros((7, 4), bool)}, ValueError, "no allowed action"),
    ],
)
def test_wrong_calls(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"policy": Log().logits, **Log().arguments(), **changed}
    for method in (OffPolicy("dr").estimate, OffPolicy("dr").value):
        with pytest.raises(error, match=message):
            method(**arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"interval": "exact"}, ValueError, "interval must be one of normal, bootstrap"),
        ({"confidence": 1.0}, ValueError, r"confidence must be in \(0, 1\), got 1.0"),
        ({"num_resamples": 0}, ValueError, "num_resamples must be at least 1, got 0"),
        ({"interval": "bootstrap", "rng": "x"}, TypeError, "rng must be None, an int seed or a n"),
        ({"valid": np.arange(7) == 2}, ValueError, "that count must be at least 2, got 1"),
    ],
)
def test_wrong_intervals(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        OffPolicy("dr").value(Log().logits, **Log().arguments(), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: OffPolicy("doubly"), "method must be one of ips, clipped"),  # type: ignore[arg-type]
        (lambda: OffPolicy("ips", max_weight=2.0), "max_weight must be left out for method='ips'"),
        (lambda: OffPolicy("dr", max_weight=0.0), "max_weight must be greater than 0"),
        (lambda: OffPolicy("dros", shrinkage_lambda=np.nan), "shrinkage_lambda must be"),
        (lambda: OffPolicy("dm", entropy_coef=np.inf), "entropy_coef must be finite, got inf"),
    ],
)
def test_wrong_options(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_no_action_of_the_log_is_possible() -> None:
    log = Log()
    log.logits[np.arange(7), log.actions] = -np.inf
    for method in (OffPolicy("sndr").estimate, OffPolicy("sndr").value):
        with pytest.raises(ValueError, match="actions must have one that the policy can take"):
            method(log.logits, **log.arguments())
    assert OffPolicy("ips").value(log.logits, **log.arguments()).value == 0.0


def test_values_beyond_the_range() -> None:
    log = Log()
    log.rewards[4], log.propensities[4], log.logits[4] = 1e308, 1e-3, 0.0
    with pytest.raises(ValueError, match=r"w\(r\) \* advantages\[4\] must be finite, got inf"):
        OffPolicy("ips").value(log.logits, **log.arguments())
    result = OffPolicy("snips").value(log.logits, **log.arguments())
    assert 1e307 < result.value <= 1e308
    log.rewards[4], log.propensities[4] = 0.0, 1e-310  # an infinite ratio
    assert np.isfinite(OffPolicy("ips").value(log.logits, **log.arguments()).value)


def test_logits_that_are_not_finite() -> None:
    log = Log()
    log.logits[2] = np.nan
    for method in ("ips", "snips"):
        with pytest.raises(ValueError, match=r"log pi of actions\[2\] must be a number, got nan"):
            OffPolicy(method).value(log.logits, **log.arguments())


@pytest.mark.parametrize("propensity", [1e-200, 1.0])
def test_the_effective_sample_size_of_weights_of_any_size(propensity: float) -> None:
    """The squares of large weights overflow; their quotients do not."""
    log: dict[str, Any] = {"rewards": [0.0, 0.0], "propensities": [propensity] * 2}
    policy = LogitsPolicy(np.array([0.0, np.log(3.0)]))
    d = OffPolicy("ips").estimate(policy, None, [0, 1], **log).diagnostics
    assert d.effective_sample_size == pytest.approx(1.0 / (0.25**2 + 0.75**2), rel=1e-14)
    assert d.largest_weight == pytest.approx(0.75 / propensity, rel=1e-14)
    assert d.mean_weight == pytest.approx(0.5 / propensity, rel=1e-14)
