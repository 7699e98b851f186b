"""Terms over all actions with any objective on any policy: divergences and expected values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _objectives import EXAMPLES, ONE_OF_EACH, Example
from scorefn import testing
from test_joint import (
    KINDS,
    SIZES_OF_KIND,
    Case,
    N,
    assert_is_central_difference,
    assert_near,
    make,
    samples,
)

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


@pytest.mark.parametrize(
    ("cols", "example"),
    [
        pytest.param(cols, example, id=f"{cols}-{example.name}")
        for i, example in enumerate(ONE_OF_EACH)
        # The length of a row has nothing to do with the objective.
        for cols in ([1, 2, 6, 18, 200] if i < 2 else [6])
    ],
)
@pytest.mark.parametrize("kind", KINDS)
@for_each(term=TERMS, dtype=[np.float32, np.float64])
def test_step_is_that_of_the_reference(
    kind: str, dtype: Any, cols: int, term: str, example: Example
) -> None:
    for large in SIZES_OF_KIND[kind] if cols == 6 else [False]:
        case = make(kind, cols, dtype, large=large)
        for per_row in (False, True):
            assert_is_reference(case, kind, dtype, per_row, term, example)


def assert_is_reference(
    case: Case, kind: str, dtype: Any, per_row: bool, term: str, example: Example
) -> None:
    cols = case.logits.shape[-1]
    rng = np.random.default_rng(cols)
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

    assert_is_central_difference(step().gradient, lambda: step().objective, case)


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
    for policy, observation in (
        (scorefn.TabularPolicy(coef), 1),
        (scorefn.LinearPolicy(coef), x[0]),
        (coef[0], None),
    ):
        step = objective.gradient(
            policy, observation, actions[0], weights=np.ones(5), reference=policy
        )
        assert np.shape(step.entropy) == np.shape(step.kl_divergence) == ()


def test_errors() -> None:
    z = np.zeros((2, 3))
    weights = {"weights": [1.0, 1.0]}
    objective = scorefn.WeightedLogProb(kl_coef=0.5)
    with pytest.raises(ValueError, match="reference must be given, as kl_coef is not 0"):
        objective.gradient(z, None, [0, 1], **weights)
    with pytest.raises(ValueError, match=r"reference must have shape \(2, 3\), got \(2, 2\)"):
        objective.gradient(z, None, [0, 1], reference=np.zeros((2, 2)), **weights)
    with pytest.raises(TypeError, match="action_values must be an array, got"):
        objective.gradient(z, None, [0, 1], action_values=scorefn.LogitsPolicy(z[0]), **weights)
    with pytest.raises(TypeError, match="function must be callable, got int"):
        scorefn.CustomObjective(3)
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
