"""Objectives over all actions on hard rows, and wrong calls of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _objectives import ALL_ACTION_EXAMPLES, AllActionExample

Array = NDArray[Any]
INF, NAN = np.inf, np.nan

every_objective = pytest.mark.parametrize(
    "example", ALL_ACTION_EXAMPLES, ids=[repr(e.objective) for e in ALL_ACTION_EXAMPLES]
)
OF_VALUES = [e for e in ALL_ACTION_EXAMPLES if e.matrix_name == "action_values"]
of_values = pytest.mark.parametrize(
    "example", OF_VALUES, ids=[repr(e.objective) for e in OF_VALUES]
)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Logits and values of the actions: offsets, actions far below the others or forbidden, dominant
# actions, near ties of the values. All are exact in float32.
HARD_ROWS = {
    "plain": ([0.5, -1.25, 2.0, 0.25], [1.0, -2.0, 0.5, 3.0]),
    "offset of q": ([0.5, -1.25, 2.0, 0.25], [1e4 + 1.0, 1e4 - 2.0, 1e4 + 0.5, 1e4 + 3.0]),
    "offset of z": ([1e4 + 0.5, 1e4 - 1.25, 1e4 + 2.0, 1e4 + 0.25], [1.0, -2.0, 0.5, 3.0]),
    "dominant": ([30.0, 0.0, -5.0, 1.0], [1.0, -2.0, 0.5, 3.0]),
    "dominant and offset": ([30.0, 0.0, -5.0, 1.0], [4096.0, 4097.0, 4095.5, 4098.0]),
    "far below": ([0.0, -80.0, -1.0, -200.0], [1.0, -2.0, 0.5, 1e6]),
    "forbidden": ([0.5, -INF, 2.0, -INF], [1.0, NAN, 0.5, INF]),
    "large q": ([0.5, -1.25, 2.0, 0.25], [2.0**100, -(2.0**100), 2.0**99, 0.0]),
    "ties of q": ([0.5, -1.25, 2.0, 0.25], [1.0, 1.0, 1.0, 1.0 + 2.0**-20]),
}


def formula(objective: Any, z: list[Any], q: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    """Value, gradient, and the size of what each entry is a sum of, with many digits."""
    e = [mpmath.exp(x) for x in z]
    p = [x / mpmath.fsum(e) for x in e]
    v = mpmath.fsum(a * b for a, b in zip(p, q, strict=True))
    name, n = objective.declaration.name, len(z)
    a = [x - v for x in q]
    regrets = [max(x, mpmath.mpf(0)) for x in a]
    size = max(abs(x) for x in a)
    if name == "NeuRD":
        y = [x - mpmath.fsum(z) / n for x in z]
        t = objective.threshold
        a = [
            mpmath.mpf(0) if (x <= -t and b < 0) or (x >= t and b > 0) else b
            for x, b in zip(y, a, strict=True)
        ]
        value = mpmath.fsum(x * b for x, b in zip(y, a, strict=True))
        return value, [b - mpmath.fsum(a) / n for b in a], [size] * n
    if name == "RegretMatching":
        value = mpmath.fsum(x * b for x, b in zip(p, regrets, strict=True))
        return (
            value,
            [x * (b - value) for x, b in zip(p, regrets, strict=True)],
            [x * size for x in p],
        )
    factor = 1 if name == "ExpectedReward" else sum(r > 0 for r in regrets)
    value = v if name == "ExpectedReward" else -mpmath.fsum(regrets)
    return (
        value,
        [factor * x * b for x, b in zip(p, a, strict=True)],
        [factor * x * size for x in p],
    )


@of_values
@dtypes
@for_each(row=HARD_ROWS)
def test_hard_rows_against_many_digits(dtype: Any, row: str, example: AllActionExample) -> None:
    z, q = (np.array([x], dtype) for x in HARD_ROWS[row])
    step = example.objective.gradient(z, None, action_values=q)
    allowed = np.flatnonzero(z[0] != -INF)
    with mpmath.workdps(60):
        value, exact, sizes = formula(
            example.objective,
            [mpmath.mpf(float(x)) for x in z[0, allowed]],
            [mpmath.mpf(float(x)) for x in q[0, allowed]],
        )
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    # Some roundings of p and of the difference that it multiplies: each entry is p times one, or
    # a difference of differences.
    for j, want, size in zip(allowed, exact, sizes, strict=True):
        got = mpmath.mpf(float(step.gradient[0, j]))
        assert abs(got - want) <= 8 * eps * float(size) + tiny, (row, j)
    largest = max(abs(float(x)) for x in q[0, allowed])
    assert step.value[0] == pytest.approx(
        float(value), rel=8 * eps, abs=8 * eps * largest * len(z[0])
    )
    assert (np.delete(step.gradient[0], allowed) == 0.0).all()


@of_values
@dtypes
@for_each(cols=[2, 3, 5, 8, 17, 100, 1000])
def test_equal_values_have_gradient_0(dtype: Any, cols: int, example: AllActionExample) -> None:
    """Exactly, whatever the offset: no rounding of their mean is left."""
    rng = np.random.default_rng(cols)
    z = rng.normal(scale=3.0, size=(64, cols)).astype(dtype)
    q = np.repeat(rng.normal(scale=1e3, size=(64, 1)), cols, axis=1).astype(dtype)
    step = example.objective.gradient(z, None, action_values=q)
    np.testing.assert_array_equal(step.gradient, 0.0)
    is_reward = type(example.objective) is scorefn.ExpectedReward
    np.testing.assert_array_equal(step.value, q[:, 0] if is_reward else 0.0)


@every_objective
@dtypes
def test_a_single_action_has_gradient_0(dtype: Any, example: AllActionExample) -> None:
    """One action, or one that is allowed."""
    rng = np.random.default_rng(0)
    z = rng.normal(scale=20.0, size=(64, 5)).astype(dtype)
    where = np.arange(5) == rng.integers(5, size=64)[:, np.newaxis]
    x = rng.normal(size=(64, 5)).astype(dtype)
    if example.matrix_name == "targets":
        x = np.where(where, 0.9995, x).astype(dtype)  # within the tolerance of a sum
    name, objective = example.matrix_name, example.objective
    for forbidden, mask in ((z, where), (np.where(where, z, dtype(-INF)), None)):
        inside = x if mask is not None or name != "targets" else np.where(where, x, dtype(0.0))
        step = objective.gradient(forbidden, None, where=mask, **{name: inside})
        np.testing.assert_array_equal(step.gradient, 0.0)
    column = x[where][:, np.newaxis]
    step = objective.gradient(z[:, :1], None, **{name: column})
    np.testing.assert_array_equal(step.gradient, 0.0)


@every_objective
def test_rows_of_nan_and_of_weight_0(example: AllActionExample) -> None:
    z = np.array([[0.0, NAN, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, INF]])
    x = np.full((3, 3), 1.0 / 3.0)
    for weights in ([0.0, 1.0, 0.0], [1.0, 0.0, 2.0]):
        step = example.objective.gradient(z, None, weights=weights, **{example.matrix_name: x})
        for i, weight in enumerate(weights):
            is_nan = np.isnan(step.gradient[i])
            assert is_nan.all() if i != 1 and weight != 0.0 else not is_nan.any()
        assert np.isnan(step.objective) == (weights[0] != 0.0)
    if example.matrix_name == "action_values":
        x[1, 2] = NAN  # of its row alone, and only if that counts
        good = z[[1, 1]]
        step = example.objective.gradient(good, None, action_values=x[:2])
        assert np.isfinite(step.gradient[0]).all()
        assert np.isnan(step.gradient[1]).all()
        step = example.objective.gradient(good, None, weights=[1.0, 0.0], action_values=x[:2])
        assert np.isfinite(step.gradient).all()
        assert np.isfinite(step.objective)


def test_cross_entropy_where_targets_are_0() -> None:
    z = np.array([[0.0, -INF, 1.0], [0.0, -1e30, 1.0]])
    targets = np.array([[0.25, 0.0, 0.75], [0.25, 0.0, 0.75]])
    step = scorefn.CrossEntropy().gradient(z, None, targets=targets)
    assert step.gradient[0, 1] == step.gradient[1, 1] == 0.0
    assert step.value[0] == step.value[1] == pytest.approx(0.75 - np.log1p(np.e))
    step = scorefn.CrossEntropy().gradient(z[1:], None, targets=[[0.25, 0.25, 0.5]])
    assert step.value[0] == pytest.approx(-0.25e30)
    assert step.gradient[0, 1] == 0.25


def test_unvisited_states_may_hold_anything() -> None:
    table = np.array([[0.0, 1.0], [NAN, 0.0], [-INF, -INF], [2.0, 1.0]])
    matrix = np.array([[0.5, 0.5], [NAN, 0.0], [7.0, -3.0], [0.25, 0.75]])
    for example in ALL_ACTION_EXAMPLES:
        step = example.objective.gradient(
            scorefn.TabularPolicy(table), [0, 3], **{example.matrix_name: matrix}
        )
        assert (step.gradient[1:3] == 0.0).all()
        assert np.isfinite(step.gradient).all()
        assert np.isfinite(step.objective)


def policies(z: Array) -> list[tuple[Any, Any]]:
    """The same rows of logits on four policies."""
    n = len(z)
    return [
        (z, None),
        (scorefn.TabularPolicy(z), np.arange(n)),
        (scorefn.LinearPolicy(z), np.eye(n)),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.6, 0.0], r"targets\[1\] must sum to 1 over the allowed actions, got 1.1"),
        ([0.5, 0.0, 0.0], r"targets\[1\] must sum to 1 over the allowed actions, got 0.5"),
        ([1.5, -0.5, 0.0], r"targets\[1\] must not be negative or NaN, got -0.5"),
        ([1.0, NAN, 0.0], r"targets\[1\] must not be negative or NaN, got "),
        ([INF, 0.0, 0.0], r"targets\[1\] must sum to 1 over the allowed actions, got inf"),
    ],
)
def test_targets_that_are_no_distribution(row: list[float], message: str) -> None:
    targets = np.full((3, 3), 1.0 / 3.0)
    targets[1] = row
    for policy, x in policies(np.zeros((3, 3))):
        with pytest.raises(ValueError, match=message):
            scorefn.CrossEntropy().gradient(policy, x, targets=targets)
    with pytest.raises(ValueError, match=message):
        scorefn.CrossEntropy().gradient(scorefn.LogitsPolicy(np.zeros(3)), None, targets=targets)


def test_a_target_of_a_forbidden_action() -> None:
    z, targets = np.zeros((3, 3)), np.full((3, 3), 1.0 / 3.0)
    z[2, 1] = -INF
    match = r"targets\[2\] must be 0 where the logit is -inf"
    for policy, x in policies(z)[:2]:
        with pytest.raises(ValueError, match=match):
            scorefn.CrossEntropy().gradient(policy, x, targets=targets)
    coef = np.array([[0.0, -INF, 0.0]])
    with pytest.raises(ValueError, match=r"targets\[0\] must be 0 where the logit is -inf"):
        scorefn.CrossEntropy().gradient(
            scorefn.LinearPolicy(coef), np.ones((3, 1)), targets=targets
        )
    with pytest.raises(ValueError, match=r"targets must be 0 where the logit is -inf"):
        scorefn.CrossEntropy().gradient(scorefn.LogitsPolicy(coef[0]), None, targets=targets[0])
    where = z == 0.0
    match = r"targets\[2\] must sum to 1 over the allowed actions, got 0.666667"
    with pytest.raises(ValueError, match=match):
        scorefn.CrossEntropy().gradient(np.zeros((3, 3)), None, targets=targets, where=where)


def test_rounded_targets_are_distributions() -> None:
    """Half precision, and a float32 softmax of many actions."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(50, 0.2), size=500)
    scorefn.CrossEntropy().gradient(np.zeros((500, 50)), None, targets=p.astype(np.float16))
    many = rng.dirichlet(np.ones(10**6), size=1).astype(np.float32)
    scorefn.CrossEntropy().gradient(np.zeros((1, 10**6)), None, targets=many)


Call = Callable[[], Any]
Z, Q = np.zeros((2, 3)), np.ones((2, 3))
REWARD = scorefn.ExpectedReward()
TABLE = scorefn.TabularPolicy(np.zeros((2, 3)))
WRONG_CALLS: list[tuple[type[Exception], str, Call]] = [
    (
        TypeError,
        r"ExpectedReward.gradient\(\) must be given action_values, got none",
        lambda: REWARD.gradient(Z, None),
    ),
    (
        TypeError,
        r"must be given action_values, got targets",
        lambda: REWARD.gradient(Z, None, targets=Q),
    ),
    (
        TypeError,
        r"ReverseKL.gradient\(\) must be given reference, got none",
        lambda: scorefn.ReverseKL().gradient(Z, None),
    ),
    (
        TypeError,
        r"ForwardKL.gradient\(\) must be given reference, got reference, targets",
        lambda: scorefn.ForwardKL().gradient(Z, None, reference=Q, targets=Q),
    ),
    (
        ValueError,
        r"action_values must have shape \(2, 3\), got \(2, 2\)",
        lambda: REWARD.gradient(Z, None, action_values=Q[:, :2]),
    ),
    (
        ValueError,
        r"action_values must have shape \(2, 3\), got \(4, 3\)",
        lambda: REWARD.gradient(TABLE, [0, 1, 0, 1], action_values=np.ones((4, 3))),
    ),
    (
        ValueError,
        r"action_values must have shape \(4, 3\), got \(2, 3\)",
        lambda: REWARD.gradient(TABLE, [0, 1, 0, 1], action_values=Q, per_sample=True),
    ),
    (
        ValueError,
        r"action_values must have shape \(..., 3\), got \(2, 4\)",
        lambda: REWARD.gradient(
            scorefn.LogitsPolicy(np.zeros(3)), None, action_values=np.ones((2, 4))
        ),
    ),
    (
        TypeError,
        "action_values must be an array, got scorefn.TabularPolicy",
        lambda: REWARD.gradient(Z, None, action_values=TABLE),
    ),
    (
        TypeError,
        "action_values must be",
        lambda: REWARD.gradient(Z, None, action_values="abc"),
    ),
    (
        ValueError,
        r"weights must have shape \(2,\), got \(3,\)",
        lambda: REWARD.gradient(Z, None, action_values=Q, weights=np.ones(3)),
    ),
    (
        ValueError,
        "weights must be finite, got nan",
        lambda: REWARD.gradient(Z, None, action_values=Q, weights=NAN),
    ),
    (
        ValueError,
        r"entropy_coef must have shape \(2,\), got \(3,\)",
        lambda: scorefn.ExpectedReward(np.ones(3)).gradient(Z, None, action_values=Q),
    ),
    (
        ValueError,
        "reference must be given, as kl_coef is not 0, got None",
        lambda: scorefn.ExpectedReward(kl_coef=0.5).gradient(Z, None, action_values=Q),
    ),
    (
        ValueError,
        r"kl_coef must have shape \(2,\), got \(3,\)",
        lambda: scorefn.ExpectedReward(kl_coef=np.ones(3)).gradient(
            Z, None, action_values=Q, reference=Q
        ),
    ),
    (
        ValueError,
        "kl_direction must be 'reverse' or 'forward', got 'both'",
        lambda: scorefn.NeuRD(kl_direction="both"),
    ),
    (ValueError, "threshold must be at least 0, got -1", lambda: scorefn.NeuRD(threshold=-1)),
    (ValueError, "threshold must be at least 0, got nan", lambda: scorefn.NeuRD(threshold=NAN)),
    (
        IndexError,
        r"states\[1\] = 2 is out of range for 2 states",
        lambda: REWARD.gradient(TABLE, [0, 2], action_values=Q),
    ),
    (
        TypeError,
        "where must be None, as the mask of a table is the policy's own",
        lambda: REWARD.gradient(TABLE, [0, 1], action_values=Q, where=Q > 0),
    ),
    (
        ValueError,
        r"reference\[1\] has no allowed action",
        lambda: scorefn.ReverseKL().gradient(Z, None, reference=[[0, 0, 0], [-INF] * 3]),
    ),
    (
        TypeError,
        "observations must be None for an array of logits",
        lambda: REWARD.gradient(Z, Z, action_values=Q),
    ),
    (
        TypeError,
        "policy must be a policy or an array of logits, got NoneType",
        lambda: REWARD.gradient(None, None, action_values=Q),
    ),
]


@pytest.mark.parametrize(
    ("error", "message", "call"), WRONG_CALLS, ids=[m for _, m, _ in WRONG_CALLS]
)
def test_wrong_calls(error: type[Exception], message: str, call: Call) -> None:
    with pytest.raises(error, match=message):
        call()


def test_states_without_an_allowed_action() -> None:
    table = np.array([[0.0, 0.0], [-INF, -INF]])
    for policy, x, name in (
        (table, None, "logits"),
        (scorefn.TabularPolicy(table), [0, 1], "table"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}\[1\] has no allowed action"):
            REWARD.gradient(policy, x, action_values=Q[:, :2])


def test_no_samples() -> None:
    for policy, x, shape in (
        (np.zeros((0, 3)), None, (0, 3)),
        (TABLE, np.zeros(0, dtype=int), (2, 3)),
        (scorefn.LinearPolicy(np.zeros((2, 3))), np.zeros((0, 2)), (0, 3)),
    ):
        for example in ALL_ACTION_EXAMPLES:
            matrix = np.full(shape, 1.0 / 3.0)
            step = example.objective.gradient(policy, x, **{example.matrix_name: matrix})
            assert step.objective == 0.0
            assert (step.gradient == 0.0).all()
            assert step.value.shape == step.entropy.shape == (0,)


def test_any_leading_axes() -> None:
    rng = np.random.default_rng(2)
    z, q = rng.normal(size=(2, 4, 5, 3))
    weights, where = rng.normal(size=(4, 5)), rng.random((4, 5, 3)) < 0.8
    where[..., 0] = True
    step = REWARD.gradient(z, None, action_values=q, weights=weights, where=where)
    flat = REWARD.gradient(
        z.reshape(20, 3),
        None,
        action_values=q.reshape(20, 3),
        weights=weights.ravel(),
        where=where.reshape(20, 3),
    )
    np.testing.assert_array_equal(step.gradient.reshape(20, 3), flat.gradient)
    assert step.value.shape == step.entropy.shape == (4, 5)
    one = REWARD.gradient(z[0, 0], None, action_values=q[0, 0])
    assert np.shape(one.value) == ()
    np.testing.assert_array_equal(
        one.gradient, REWARD.gradient(z, None, action_values=q).gradient[0, 0]
    )
