"""Terms over all actions with any objective on any policy: divergences and expected values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _objectives import EXAMPLES, Example
from scorefn import testing
from test_joint import KINDS, Case, N, assert_near, every_objective, make, samples

Array = NDArray[Any]

TERMS = ["reverse", "forward", "expected_value"]
every_term = pytest.mark.parametrize("term", TERMS)


def matrix_like(case: Case, kind: str, term: str, rng: np.random.Generator) -> tuple[Any, Array]:
    """A matrix as the policy takes it, and as rows of all samples in float64."""
    parameters = case.policy if kind == "array" else case.policy.parameters
    by_rows = kind in ("linear", "own")
    shape = case.logits.shape if by_rows else parameters.shape
    x = rng.normal(size=shape).astype(parameters.dtype)
    if term != "expected_value":
        x = testing.log_softmax(x).astype(parameters.dtype)
    of_samples = x.astype(np.float64)
    if kind == "tabular":
        of_samples = of_samples[case.observations]
    return x, np.broadcast_to(of_samples, case.logits.shape)


def arguments(term: str, matrix: Any) -> dict[str, Any]:
    return {"action_values" if term == "expected_value" else "reference": matrix}


def with_term(example: Example, term: str, coef: Any, entropy_coef: Any) -> Any:
    if term == "expected_value":
        return replace(example.objective, entropy_coef=entropy_coef)
    return replace(example.objective, entropy_coef=entropy_coef, kl_coef=coef, kl_direction=term)


def coefficients(per_row: bool, rng: np.random.Generator) -> tuple[Any, Any]:
    """One number for all rows, or one for each, some of them 0."""
    if not per_row:
        return 0.3, 0.2
    coefs = rng.normal(size=(2, N))
    coefs[0, ::3] = coefs[1, ::4] = 0.0
    return coefs[0], coefs[1]


@every_objective
@every_term
@pytest.mark.parametrize("per_row", [False, True], ids=["number", "per-row"])
@pytest.mark.parametrize(
    "large", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "large"]
)
@pytest.mark.parametrize("cols", [1, 2, 6, 18, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_step_is_that_of_the_reference(
    kind: str, dtype: Any, cols: int, large: bool, per_row: bool, term: str, example: Example
) -> None:
    if large and cols not in (6, 200):
        return
    rng = np.random.default_rng(cols)
    case = make(kind, cols, dtype, large=large)
    actions, numbers = samples(case, example, cols, dtype)
    x, rows = matrix_like(case, kind, term, rng)
    coef, entropy_coef = coefficients(per_row, rng)
    objective = with_term(example, term, coef, entropy_coef)
    step = objective.gradient(
        case.policy, case.observations, actions, **numbers, **arguments(term, x)
    )
    exact = testing.objective_gradient(
        objective, case.logits, actions, **numbers, **arguments(term, rows)
    )
    scale = np.abs(exact.gradient).sum() + 1.0
    assert_near(step.gradient, case.adjoint(exact.gradient), scale, dtype)
    eps = float(np.finfo(dtype).eps)
    assert step.objective == pytest.approx(exact.objective, abs=400 * eps * (scale + N))
    name = "expected_value" if term == "expected_value" else "kl_divergence"
    value = np.broadcast_to(getattr(step, name), (N,))
    np.testing.assert_allclose(value, getattr(exact, name), rtol=0, atol=400 * eps)


@every_term
@pytest.mark.parametrize("kind", ["logits", "tabular", "linear", "own"])
def test_central_differences(kind: str, term: str) -> None:
    rng = np.random.default_rng(5)
    case = make(kind, 4, np.float64)
    actions, numbers = samples(case, EXAMPLES[0], 4, np.float64)
    x, _ = matrix_like(case, kind, term, rng)
    coef, entropy_coef = coefficients(True, rng)
    objective = with_term(EXAMPLES[0], term, coef, entropy_coef)

    def step() -> Any:
        return objective.gradient(
            case.policy, case.observations, actions, **numbers, **arguments(term, x)
        )

    gradient, parameters, h = step().gradient, case.policy.parameters, 1e-6
    for place in map(tuple, np.argwhere(np.isfinite(parameters))):
        before = parameters[place]
        parameters[place] = before + h
        above = step().objective
        parameters[place] = before - h
        below = step().objective
        parameters[place] = before
        # h^2 times a third derivative, and rounding errors of some hundred terms over h.
        assert gradient[place] == pytest.approx((above - below) / (2 * h), abs=2e-7)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "large", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "large"]
)
def test_reference_may_be_a_policy(kind: str, direction: str, dtype: Any, large: bool) -> None:
    """Of the same kind; and its divergence from itself is 0."""
    case = make(kind, 6, dtype, large=large)
    actions, numbers = samples(case, EXAMPLES[1], 6, dtype)
    objective = scorefn.ClippedSurrogate(kl_coef=0.5, kl_direction=direction)
    other = type(case.policy)(case.policy.parameters[..., ::-1].copy())
    step = objective.gradient(case.policy, case.observations, actions, reference=other, **numbers)
    rows = np.broadcast_to(other.logits(case.observations).astype(np.float64), case.logits.shape)
    exact = testing.objective_gradient(objective, case.logits, actions, reference=rows, **numbers)
    scale = np.abs(exact.gradient).sum() + 1.0
    assert_near(step.gradient, case.adjoint(exact.gradient), scale, dtype)
    itself = objective.gradient(
        case.policy, case.observations, actions, reference=case.policy, **numbers
    )
    assert np.max(itself.kl_divergence) < 1e-9


def test_reference_of_another_kind() -> None:
    coef = np.random.default_rng(0).normal(size=(3, 4))
    x = np.random.default_rng(1).normal(size=(N, 3))
    objective = scorefn.WeightedLogProb(kl_coef=0.5)
    actions, weights = np.zeros(N, dtype=int), np.ones(N)

    class Uniform:
        def logits(self, observations: Any) -> Array:
            return np.zeros((*observations.shape[:-1], 4))

    policy = scorefn.LinearPolicy(coef)
    by_object = objective.gradient(policy, x, actions, weights=weights, reference=Uniform())
    by_array = objective.gradient(policy, x, actions, weights=weights, reference=np.zeros((N, 4)))
    np.testing.assert_array_equal(by_object.gradient, by_array.gradient)
    with pytest.raises(TypeError, match="reference must be a TabularPolicy"):
        objective.gradient(
            scorefn.TabularPolicy(coef), [0], [0], weights=[1.0], reference=Uniform()
        )


@every_term
def test_several_samples_per_observation(term: str) -> None:
    """Each sample has its coefficients; observations have one row of the matrix."""
    for kind in KINDS:
        if kind == "own":
            continue
        case = make(kind, 5, np.float64)
        rng = np.random.default_rng(2)
        actions, weights = rng.integers(5, size=(N, 3)), rng.normal(size=(N, 3))
        x, rows = matrix_like(case, kind, term, rng)
        coef, entropy_coef = rng.normal(size=(2, N, 3))
        objective = with_term(EXAMPLES[0], term, coef, entropy_coef)
        flat = with_term(EXAMPLES[0], term, coef.ravel(), entropy_coef.ravel())
        step = objective.gradient(
            case.policy, case.observations, actions, weights=weights, **arguments(term, x)
        )
        exact = testing.objective_gradient(
            flat,
            case.logits.repeat(3, axis=0),
            actions.ravel(),
            weights=weights.ravel(),
            **arguments(term, rows.repeat(3, axis=0)),
        )
        per_row = exact.gradient.reshape(N, 3, 5).sum(axis=1)
        np.testing.assert_allclose(step.gradient, case.adjoint(per_row), rtol=1e-10, atol=1e-11)
        assert step.objective == pytest.approx(exact.objective, rel=1e-10)


@every_term
@pytest.mark.parametrize("per_row", [False, True], ids=["number", "per-row"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_objective_of_ones_own_has_terms(kind: str, per_row: bool, term: str) -> None:
    case = make(kind, 5, np.float64)
    rng = np.random.default_rng(4)
    actions, numbers = samples(case, EXAMPLES[0], 5, np.float64)
    x, _ = matrix_like(case, kind, term, rng)
    coef, entropy_coef = coefficients(per_row, rng)
    built_in = with_term(EXAMPLES[0], term, coef, entropy_coef)
    own = scorefn.CustomObjective(
        lambda log_prob, weights: (weights * log_prob, weights),
        built_in.entropy_coef,
        built_in.kl_coef,
        built_in.kl_direction,
    )
    arguments_ = {**numbers, **arguments(term, x)}
    step = own.gradient(case.policy, case.observations, actions, **arguments_)
    expected = built_in.gradient(case.policy, case.observations, actions, **arguments_)
    np.testing.assert_array_equal(step.gradient, expected.gradient)
    assert step.objective == pytest.approx(expected.objective, rel=1e-12)


@every_term
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cols", [3, 6, 40, 200])
def test_masked_slots_may_hold_anything(term: str, dtype: Any, cols: int) -> None:
    rng = np.random.default_rng(3)
    z, x = rng.normal(size=(2, N, cols)).astype(dtype)
    where = rng.random((N, cols)) < 0.6
    where[:, 0] = True
    actions, weights = np.zeros(N, dtype=int), rng.normal(size=N)
    objective = with_term(EXAMPLES[0], term, 0.7, 0.1)
    clean = objective.gradient(
        np.where(where, z, dtype(-np.inf)),
        None,
        actions,
        weights=weights,
        **arguments(term, np.where(where, x, dtype(-np.inf if term != "expected_value" else 0))),
    )
    for garbage in (np.nan, np.inf, -np.inf):
        step = objective.gradient(
            np.where(where, z, dtype(garbage)),
            None,
            actions,
            weights=weights,
            where=where,
            **arguments(term, np.where(where, x, dtype(garbage))),
        )
        np.testing.assert_array_equal(step.gradient, clean.gradient)
        assert (step.gradient[~where] == 0.0).all()
        assert step.objective == pytest.approx(clean.objective, rel=1e-6)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_gradients_of_hard_rows(direction: str, dtype: Any) -> None:
    """Against many digits: nearly equal, far apart, shifted, with a dominant action."""
    base = np.array([0.3, -1.2, 2.0, 0.5])
    cases = [
        (base, base + np.array([1e-3, -1e-3, 0.0, 2e-3])),
        (base, base[::-1]),
        (base + 50.0, base - 30.0),
        (np.array([30.0, 0.0, -5.0, 1.0]), base),
        (base, np.array([25.0, 0.0, -5.0, 1.0])),
        (np.array([0.0, -80.0, -1.0, -200.0]), base),
    ]
    mpmath.mp.dps = 60
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    z = np.array([p for p, _ in cases], dtype=dtype)
    reference = np.array([q for _, q in cases], dtype=dtype)
    objective = scorefn.WeightedLogProb(kl_coef=1.0, kl_direction=direction)
    step = objective.gradient(
        z, None, [0] * len(cases), weights=[0.0] * len(cases), reference=reference
    )
    for i in range(len(cases)):
        p, log_p = softmax_of(z[i])
        q, log_q = softmax_of(reference[i])
        d = [a - b for a, b in zip(log_p, log_q, strict=True)]
        if direction == "reverse":
            kl = mpmath.fsum(a * b for a, b in zip(p, d, strict=True))
            exact = [-a * (b - kl) for a, b in zip(p, d, strict=True)]
            sizes = [
                abs(a) * (abs(b) + abs(kl) + np.abs([z[i], reference[i]]).max())
                for a, b in zip(p, d, strict=True)
            ]
        else:
            kl = -mpmath.fsum(a * b for a, b in zip(q, d, strict=True))
            exact = [b - a for a, b in zip(p, q, strict=True)]
            sizes = [abs(a) + abs(b) for a, b in zip(p, q, strict=True)]
        assert step.kl_divergence[i] == pytest.approx(float(kl), rel=20 * eps)
        # Some roundings of the logits, whose differences cancel, each as large as p_j.
        for got, want, size in zip(step.gradient[i], exact, sizes, strict=True):
            assert abs(float(got) - float(want)) <= 8 * eps * float(size) + tiny


def softmax_of(z: Array) -> tuple[list[Any], list[Any]]:
    e = [mpmath.exp(mpmath.mpf(float(x))) for x in z]
    total = mpmath.fsum(e)
    return [x / total for x in e], [mpmath.log(x / total) for x in e]


def test_what_a_reference_forbids() -> None:
    """The policy allows what the reference forbids: an infinite divergence, in that row alone."""
    z = np.zeros((3, 2))
    reference = np.array([[0.0, -np.inf], [0.0, 0.0], [0.0, -np.inf]])
    z[2, 1] = -np.inf  # both forbid it
    objective = scorefn.WeightedLogProb(kl_coef=1.0)
    step = objective.gradient(z, None, [0, 0, 0], weights=[1.0, 1.0, 1.0], reference=reference)
    assert step.kl_divergence.tolist() == [np.inf, 0.0, 0.0]
    assert np.isfinite(step.gradient[1:]).all()
    assert (step.gradient[2] == 0.0).all()
    exempt = scorefn.WeightedLogProb(kl_coef=np.array([0.0, 1.0, 1.0]))
    step = exempt.gradient(z, None, [0, 0, 0], weights=[1.0, 1.0, 1.0], reference=reference)
    assert np.isfinite(step.gradient).all()
    assert np.isfinite(step.objective)


def test_nan_rows_that_do_not_count() -> None:
    z = np.array([[0.0, np.nan, 1.0], [0.0, 1.0, 2.0]])
    q = np.ones((2, 3))
    coefs = np.array([0.0, 0.5])
    objective = scorefn.WeightedLogProb(kl_coef=coefs, entropy_coef=coefs)
    step = objective.gradient(z, None, [0, 0], weights=[0.0, 1.0], reference=q)
    assert (step.gradient[0] == 0.0).all()
    assert np.isfinite(step.gradient[1]).all()
    step = objective.gradient(z, None, [0, 0], weights=[1.0, 1.0], reference=q)
    assert np.isnan(step.gradient[0]).all()


def test_unvisited_states_may_hold_anything() -> None:
    table = np.array([[0.0, 1.0], [np.nan, 0.0], [-np.inf, -np.inf], [2.0, 1.0]])
    reference = np.array([[0.0, 0.0], [np.nan, 0.0], [0.0, 0.0], [0.0, 1.0]])
    step = scorefn.WeightedLogProb(kl_coef=0.5).gradient(
        scorefn.TabularPolicy(table), [0, 3], [0, 1], weights=[1.0, 2.0], reference=reference
    )
    assert (step.gradient[1:3] == 0.0).all()
    assert np.isfinite(step.gradient).all()
    assert np.isfinite(step.objective)


@every_term
@pytest.mark.parametrize("kind", KINDS)
def test_matrices_of_other_dtypes_are_rounded(kind: str, term: str) -> None:
    case = make(kind, 4, np.float32)
    actions, numbers = samples(case, EXAMPLES[0], 4, np.float32)
    objective = with_term(EXAMPLES[0], term, 0.5, 0.0)
    x, _ = matrix_like(case, kind, term, np.random.default_rng(0))
    whole = np.round(4.0 * x)

    def gradient(matrix: Any) -> Any:
        matrix = arguments(term, matrix)
        return objective.gradient(case.policy, case.observations, actions, **numbers, **matrix)

    expected = gradient(whole).gradient
    for same in (whole.astype(np.float64), whole.astype(np.int8), whole.tolist()):
        np.testing.assert_array_equal(gradient(same).gradient, expected)


def test_shapes_of_what_is_one_per_observation() -> None:
    x, coef = np.ones((4, 2)), np.zeros((2, 3))
    objective = scorefn.WeightedLogProb(kl_coef=0.5)
    actions = np.zeros((4, 5), dtype=int)
    for policy, observations, shape in (
        (scorefn.LogitsPolicy(coef[0]), None, ()),
        (scorefn.TabularPolicy(coef), [0, 1, 1, 0], (4,)),
        (scorefn.LinearPolicy(coef), x, (4,)),
        (np.zeros((4, 3)), None, (4,)),
    ):
        step = objective.gradient(
            policy, observations, actions, weights=np.ones((4, 5)), reference=policy
        )
        assert step.entropy.shape == step.kl_divergence.shape == shape
        assert step.log_prob.shape == (4, 5)


def test_errors() -> None:
    z = np.zeros((2, 3))
    weights = {"weights": [1.0, 1.0]}
    objective = scorefn.WeightedLogProb(kl_coef=0.5)
    with pytest.raises(ValueError, match="reference must be given, as kl_coef is not 0"):
        objective.gradient(z, None, [0, 1], **weights)
    with pytest.raises(ValueError, match=r"reference must have shape \(2, 3\), got \(2, 2\)"):
        objective.gradient(z, None, [0, 1], reference=np.zeros((2, 2)), **weights)
    with pytest.raises(ValueError, match="action_values must be None, as there is a reference"):
        objective.gradient(z, None, [0, 1], reference=z, action_values=z, **weights)
    with pytest.raises(ValueError, match=r"kl_coef must have shape \(2,\), got \(3,\)"):
        replace(objective, kl_coef=np.ones(3)).gradient(z, None, [0, 1], reference=z, **weights)
    with pytest.raises(ValueError, match=r"entropy_coef must have shape \(2,\), got \(3,\)"):
        replace(objective, entropy_coef=np.ones(3)).gradient(
            z, None, [0, 1], reference=z, **weights
        )
    with pytest.raises(ValueError, match="kl_direction must be 'reverse' or 'forward'"):
        scorefn.WeightedLogProb(kl_direction="both")
    with pytest.raises(ValueError, match="kl_coef must be finite"):
        scorefn.WeightedLogProb(kl_coef=np.nan)
