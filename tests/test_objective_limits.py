"""The formulas of the declared objectives at their limits: many digits, infinities, zeros, NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _objectives import EXAMPLES, Example
from scorefn import CISPO, SAPO, ClippedSurrogate, ImportanceSampling, KLPenalty, testing
from test_joint import every_objective

Array = NDArray[Any]
INF, NAN = np.inf, np.nan
HALF = float(scorefn.log_prob([0.0, 0.0], 0))  # log 1/2


def of_numbers(objective: Any, z: Array, old: Array, factor: float) -> Any:
    numbers = {
        "old_log_prob": old,
        "reference_log_prob": old,
        "propensities": np.clip(np.exp(old), np.finfo(old.dtype).smallest_subnormal, 1.0),
        "advantages": np.array([factor]),
        "weights": np.array([factor]),
    }
    reads = [number.name for number in objective.declaration.reads]
    return objective.gradient(z, None, [0] * len(z), **{name: numbers[name] for name in reads})


# --- Many digits ----------------------------------------------------------------------------------

Exact = Callable[[Any, Any, Any, Any], tuple[Any, Any]]  # of objective, x = log r, A and log pi(a)


def _clip(r: Any, clip_range: tuple[float, float]) -> Any:
    return min(max(r, 1 - mpf(clip_range[0])), 1 + mpf(clip_range[1]))


def _cispo(o: Any, x: Any, a: Any, log_prob: Any) -> tuple[Any, Any]:
    c = _clip(mpmath.exp(x), o.clip_range)
    return c * a * log_prob, c * a


def _sapo(o: Any, x: Any, a: Any, log_prob: Any) -> tuple[Any, Any]:
    r, tau = mpmath.exp(x), mpf(o.tau_pos if a > 0 else o.tau_neg)
    u = mpmath.exp(-tau * (r - 1))
    return 4 / tau * a / (1 + u), 4 * u / (1 + u) ** 2 * r * a


def _kl(o: Any, x: Any, w: Any, log_prob: Any) -> tuple[Any, Any]:
    k = {"k1": x, "k2": x**2 / 2, "k3": mpmath.expm1(-x) + x}
    slope = {"k1": mpf(1), "k2": x, "k3": -mpmath.expm1(-x)}
    return -w * k[o.value], -w * slope[o.derivative]


def _sampling(o: Any, x: Any, a: Any, log_prob: Any) -> tuple[Any, Any]:
    def weight(r: Any) -> Any:
        cap, g, s = o.max_weight, mpf(o.sub_gaussian_lambda), mpf(o.shrinkage_lambda)
        return {
            "plain": r,
            "clipped": min(r, cap),
            "switch": r if r <= cap else mpf(0),
            "sub_gaussian": r / (1 - g + g * r),
            "optimistic_shrinkage": s * r / (r**2 + s),
        }[o.weighting]

    r = mpmath.exp(x)
    return weight(r) * a, mpmath.diff(weight, r, h=r * mpf(10) ** -30) * r * a


EXACT: dict[str, Exact] = {
    "CISPO": _cispo,
    "SAPO": _sapo,
    "KLPenalty": _kl,
    "ImportanceSampling": _sampling,
}
KL_PENALTIES = [
    KLPenalty(value=value, derivative=derivative)
    for value in ("k1", "k2", "k3")
    for derivative in ("k1", "k2", "k3")
]
OBJECTIVES = [
    *KL_PENALTIES,
    *(e.objective for e in EXAMPLES if e.name in EXACT and not isinstance(e.objective, KLPenalty)),
]
# Around 0 and 2, where formulas change, and far from there.
SIZES = [1e-300, 1e-12, 1e-5, 0.01, 0.1, 0.5, 0.7, 1.99, 2.01, 3.0, 12.0, 80.0]
LOG_RATIOS = [sign * size for size in SIZES for sign in (1.0, -1.0)]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@for_each(
    x=[sign * size for size in SIZES for sign in (1.0, -1.0)],
    factor=[3.0, -2.0],
    dtype=[np.float32, np.float64],
)
def test_values_and_derivatives_have_all_their_digits(
    dtype: Any, objective: Any, x: float, factor: float
) -> None:
    is_sampling = isinstance(objective, ImportanceSampling)
    # Of an unlikely action where r < 1, as no propensity is more than 1.
    z = np.array([(0.0, 0.0) if x > 0.0 else (0.0, -x + 1.0)], dtype)
    log_prob = scorefn.log_prob(z, [0])
    old = log_prob - dtype(x)
    step = of_numbers(objective, z, old, factor)
    with mpmath.workdps(80):
        log_p, log_old = mpf(float(log_prob[0])), mpf(float(old[0]))
        log_ratio = log_p - (mpmath.log(mpf(float(np.exp(old)[0]))) if is_sampling else log_old)
        exact = EXACT[objective.declaration.name](objective, log_ratio, mpf(factor), log_p)
        value, derivative = (float(number) for number in exact)
        r = float(mpmath.exp(log_ratio))
    # A ratio has the rounding of its logarithm, and some ULP of its own; a formula doubles that.
    # What the gate is a function of, tau (r - 1), has that of tau r.
    error = 2.0 * (8.0 + abs(x) + float(np.abs(log_prob[0]))) * float(np.finfo(dtype).eps)
    if isinstance(objective, SAPO):
        error *= 1.0 + max(objective.tau_pos, objective.tau_neg) * r
    # Of a gate that is closed, or of the square of a tiny log-ratio.
    underflow = float(np.finfo(dtype).tiny) * 1e3
    assert abs(step.objective - value) <= error * abs(value) + underflow
    got = step.gradient[0, 0] / testing.score(z, [0])[0, 0]
    # This weight's derivative is a difference of numbers up to r.
    cancelled = r if is_sampling and objective.weighting == "optimistic_shrinkage" else 0.0
    assert abs(got - derivative) <= error * (abs(derivative) + 2.0 * cancelled) + underflow


# --- Infinite ratios, and none --------------------------------------------------------------------

IMPOSSIBLE = (-INF, 0.0)  # logits that forbid action 0


def case(
    objective: Any, value: float, derivative: float, *, old: float = -1.0, logits: Any = (0.0, 0.0)
) -> Any:
    """For an advantage of 2."""
    return pytest.param(objective, logits, old, value, derivative)


def closed(tau: float) -> float:
    """The gate of SAPO at a ratio of 0."""
    return float(4.0 / tau / (1.0 + np.exp(tau)))


@pytest.mark.parametrize(
    ("objective", "logits", "old", "value", "derivative"),
    [
        case(ClippedSurrogate(), 2.4, 0.0, old=-INF),
        case(ClippedSurrogate(clip_range=INF), INF, INF, old=-INF),
        case(ClippedSurrogate(clip_range=(INF, 0.2)), 0.0, 0.0, logits=IMPOSSIBLE),
        case(CISPO(), 10.0 * HALF, 10.0, old=-INF),
        case(CISPO(), 0.0, 0.0, logits=IMPOSSIBLE),
        case(CISPO(clip_range=0.25), -INF, 1.5, logits=IMPOSSIBLE),
        case(SAPO(tau_pos=0.5), 16.0, 0.0, old=-INF),
        case(SAPO(tau_pos=0.5), 2.0 * closed(0.5), 0.0, logits=IMPOSSIBLE),
        case(KLPenalty(value="k1", derivative="k1"), -INF, -2.0, old=-INF),
        case(KLPenalty(value="k1", derivative="k1"), INF, -2.0, logits=IMPOSSIBLE),
        case(KLPenalty(value="k2", derivative="k2"), -INF, -INF, old=-INF),
        case(KLPenalty(value="k2", derivative="k2"), -INF, INF, logits=IMPOSSIBLE),
        case(KLPenalty(derivative="k3"), -INF, -2.0, old=-INF),
        case(KLPenalty(derivative="k3"), -INF, INF, logits=IMPOSSIBLE),
        *(
            case(e.objective, 0.0, 0.0, logits=IMPOSSIBLE)
            for e in EXAMPLES
            if e.name == "ImportanceSampling"
        ),
        case(ImportanceSampling(weighting="sub_gaussian", sub_gaussian_lambda=1.0), 0.0, 0.0,
             logits=IMPOSSIBLE),
        # A propensity of 5e-324: the ratio is infinite in float64.
        case(ImportanceSampling(), INF, INF, old=-INF),
        case(ImportanceSampling(weighting="clipped", max_weight=3.0), 6.0, 0.0, old=-INF),
        case(ImportanceSampling(weighting="switch", max_weight=3.0), 0.0, 0.0, old=-INF),
        case(ImportanceSampling(weighting="sub_gaussian", sub_gaussian_lambda=0.5), 4.0, 0.0,
             old=-INF),
        case(ImportanceSampling(weighting="optimistic_shrinkage"), 0.0, 0.0, old=-INF),
    ],
)  # fmt: skip
def test_limits(objective: Any, logits: Any, old: float, value: float, derivative: float) -> None:
    step = of_numbers(objective, np.array([logits]), np.array([old]), 2.0)
    assert step.objective == pytest.approx(value, rel=1e-15, abs=1e-300)
    # The score of action 1 is -1/2, or -1 where action 0 is forbidden.
    score = -1.0 if logits == IMPOSSIBLE else -0.5
    assert step.gradient[0, 1] == pytest.approx(score * derivative, rel=1e-15, abs=1e-300)


@every_objective
@for_each(dtype=[np.float32, np.float64])
def test_nan_only_where_mathematics_has_one(dtype: Any, example: Example) -> None:
    for logits in ((0.0, 0.0), (0.0, -INF), (40.0, 0.0), (-100.0, 0.0), (-800.0, 0.0), IMPOSSIBLE):
        for old in (0.0, -1e-30, -1.0, -88.0, -745.0, -1e4, -INF):
            if old == -INF and logits is IMPOSSIBLE:  # 0 / 0
                continue
            for factor in (2.0, -2.0):
                z = np.array([logits], dtype)
                step = of_numbers(example.objective, z, np.array([old], dtype), factor)
                assert not np.isnan(step.objective)
                if logits[1] > -INF:  # an infinite derivative times the score 0 of a sure action
                    assert not np.isnan(step.gradient).any()


@every_objective
@for_each(dtype=[np.float32, np.float64])
def test_a_factor_of_0_adds_exactly_0(dtype: Any, example: Example) -> None:
    """Whatever else is known of its sample."""
    for logits in ((0.0, 0.0), (0.0, -INF), (NAN, 0.0), (-800.0, 0.0), IMPOSSIBLE):
        for old in (0.0, -1.0, -1e4, -INF, INF, NAN):
            z = np.array([logits], dtype)
            with np.errstate(invalid="ignore", over="ignore"):
                numbers = np.nan_to_num(np.array([old], dtype), nan=-1.0, posinf=0.0, neginf=-INF)
            old_log_prob = np.array([old], dtype)
            is_probability = example.name == "ImportanceSampling"
            step = of_numbers(
                example.objective, z, numbers if is_probability else old_log_prob, 0.0
            )
            assert step.objective == 0.0
            assert (step.gradient == 0.0).all()


# --- What the docs say of the estimates -----------------------------------------------------------


def all_actions(cols: int = 5) -> tuple[Array, Array, Array, Array]:
    """Logits with a row for each action, the actions, and two policies' log-probabilities."""
    rng = np.random.default_rng(0)
    z, other = rng.normal(size=(2, cols))
    return (
        np.tile(z, (cols, 1)),
        np.arange(cols),
        testing.log_softmax(z),
        testing.log_softmax(other),
    )


def test_means_of_the_kl_estimates() -> None:
    """Of the values KL(pi || ref); of the derivative of k2 its gradient, of k3 KL(ref || pi)'s."""
    z, actions, log_p, reference = all_actions()
    p, weights = np.exp(log_p), np.exp(log_p)
    kl = p @ (log_p - reference)
    gradient_of = {
        "k1": np.zeros(5),
        "k2": -p * (log_p - reference - kl),  # of -KL(pi || ref)
        "k3": np.exp(reference) - p,  # of -KL(ref || pi)
    }
    for value in ("k1", "k3"):
        for derivative, expected in gradient_of.items():
            step = KLPenalty(value=value, derivative=derivative).gradient(
                z, None, actions, weights=weights, reference_log_prob=reference
            )
            assert step.objective == pytest.approx(-kl, rel=1e-14)
            # Five terms below 1, with a few roundings each.
            np.testing.assert_allclose(step.gradient.sum(axis=0), expected, rtol=0, atol=1e-15)
            unweighted = KLPenalty(value=value).gradient(
                z, None, actions, weights=np.ones(5), reference_log_prob=reference
            )
            assert unweighted.kl == pytest.approx(-unweighted.objective / 5.0, rel=1e-15)


@pytest.mark.parametrize("derivative", ["k1", "k2", "k3"])
def test_value_and_derivative_are_chosen_apart(derivative: str) -> None:
    """Each has the bits that it has beside any other."""
    z, actions, log_p, reference = all_actions()
    steps = {
        value: KLPenalty(value=value, derivative=derivative).gradient(
            z, None, actions, weights=log_p, reference_log_prob=reference
        )
        for value in ("k1", "k2", "k3")
    }
    for value, step in steps.items():
        np.testing.assert_array_equal(step.gradient, steps[derivative].gradient)
        same = KLPenalty(value=value, derivative=value).gradient(
            z, None, actions, weights=log_p, reference_log_prob=reference
        )
        assert (step.objective, step.kl) == (same.objective, same.kl)


def test_importance_sampling_is_unbiased_and_so_is_doubly_robust() -> None:
    """The expectation over the logging policy, for the values of any model."""
    z, actions, log_p, log_mu = all_actions()
    rng = np.random.default_rng(1)
    rewards, q = rng.normal(size=(2, 5))
    p, mu = np.exp(log_p), np.exp(log_mu)
    exact = p * (rewards - p @ rewards)
    step = ImportanceSampling().gradient(z, None, actions, propensities=mu, advantages=mu * rewards)
    assert step.objective == pytest.approx(p @ rewards, rel=1e-14)
    np.testing.assert_allclose(step.gradient.sum(axis=0), exact, rtol=0, atol=1e-15)
    # Each of the five samples adds the sum over all actions.
    step = ImportanceSampling().gradient(
        z, None, actions, propensities=mu, advantages=5.0 * mu * (rewards - q),
        action_values=np.tile(q, (5, 1)),
    )  # fmt: skip
    assert step.objective / 5.0 == pytest.approx(p @ rewards, rel=1e-14)
    np.testing.assert_allclose(step.gradient.sum(axis=0) / 5.0, exact, rtol=0, atol=1e-15)


def test_effective_sample_size() -> None:
    z, actions, log_p, log_mu = all_actions()
    step = ImportanceSampling().gradient(
        z, None, actions, propensities=np.exp(log_mu), advantages=np.zeros(5)
    )
    w = np.exp(log_p - log_mu)
    assert step.mean_weight == pytest.approx(w.mean(), rel=1e-14)
    assert step.mean_square_weight == pytest.approx((w**2).mean(), rel=1e-14)
    size = 5 * step.mean_weight**2 / step.mean_square_weight
    assert size == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-14)


# --- What other libraries call these --------------------------------------------------------------


def ratios() -> tuple[Array, Array, Array, Array]:
    """Logits, old log-probabilities, advantages and ratios, of action 0."""
    rng = np.random.default_rng(2)
    z, advantages = rng.normal(size=(400, 3)), rng.normal(size=400)
    log_p = testing.log_prob(z, np.zeros(400, int))
    old = np.minimum(log_p + rng.normal(size=400), 0.0)
    return z, old, advantages, np.exp(log_p - old)


def test_dual_clip_is_that_of_verl_and_the_delta_of_trl() -> None:
    z, old, a, r = ratios()
    numbers = {"old_log_prob": old, "advantages": a}
    step = ClippedSurrogate(clip_range=(0.2, 0.28), dual_clip=3.0).gradient(
        z, None, [0] * 400, **numbers
    )
    losses = np.maximum(-a * r, -a * np.clip(r, 0.8, 1.28))
    verl = np.where(a < 0.0, np.minimum(-a * 3.0, losses), losses)
    assert step.objective == pytest.approx(-verl.sum(), rel=1e-12)
    trl = -np.minimum(np.minimum(r, 3.0) * a, np.clip(r, 0.8, 1.28) * a)
    assert step.objective == pytest.approx(-trl.sum(), rel=1e-12)


def test_cispo_is_that_of_trl_and_of_verl() -> None:
    z, old, a, r = ratios()
    log_p = testing.log_prob(z, np.zeros(400, int))
    for clip_range, coefficient in (
        ((INF, 1.5 - 1.0), np.minimum(r, 1.5)),  # TRL: epsilon_high=1.5
        ((0.2, 0.28), np.clip(r, 0.8, 1.28)),  # verl
    ):
        step = CISPO(clip_range=clip_range).gradient(
            z, None, [0] * 400, old_log_prob=old, advantages=a
        )
        assert step.objective == pytest.approx((coefficient * a * log_p).sum(), rel=1e-12)
        gradient = testing.score_gradient(z, [0] * 400, coefficient * a)
        np.testing.assert_allclose(step.gradient, gradient, rtol=1e-12, atol=1e-15)
