"""Samples that do not count (contract C11), of any objective on any policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _objectives import (
    ALL_ACTION_EXAMPLES,
    EXAMPLES,
    ONE_OF_EACH,
    AllActionExample,
    Example,
)
from test_joint import KINDS, Case, N, every_objective, make, samples
from test_joint_terms import TERMS, arguments, matrix_like, with_term

Array = NDArray[Any]

VALID = np.random.default_rng(11).random(N) < 0.6


def spoilt(x: Any) -> Any:
    """The same where samples count, and garbage elsewhere; a policy as it is."""
    if not isinstance(x, np.ndarray):
        return x
    x = x.copy()
    x[~VALID] = 10**6 if x.dtype.kind == "i" else np.nan
    return x


def case_with_garbage(kind: str, dtype: Any) -> tuple[Case, Any, Any]:
    """Of a policy: its case, and it and its observations with garbage in place of some samples."""
    case = make(kind, 6, dtype)
    if kind == "array":
        return case, spoilt(case.policy), None
    # A policy of one's own takes what is given: it sees the observations as they are.
    x = case.observations if kind == "own" else spoilt(case.observations)
    return case, case.policy, x


def of_valid(case: Case, x: Any) -> Any:
    return x[VALID] if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("example", ONE_OF_EACH, ids=lambda e: e.name)
@pytest.mark.parametrize("kind", KINDS)
@for_each(
    per_row=[False, True],
    term=[None, *TERMS],
    dtype=[np.float32, np.float64],
)
def test_samples_that_do_not_count_change_nothing(
    kind: str, dtype: Any, term: str | None, per_row: bool, example: Example
) -> None:
    rng = np.random.default_rng(2)
    case, policy, observations = case_with_garbage(kind, dtype)
    actions, numbers = samples(case, example, 6, dtype)
    coef, entropy_coef = rng.normal(size=(2, N)) if per_row else (0.3, 0.2)
    matrix: dict[str, Any] = {}
    matrix_of_valid: dict[str, Any] = {}
    if term is not None:
        x, _ = matrix_like(case, kind, term, rng)
        is_per_sample = kind in ("array", "linear", "own")
        matrix = arguments(term, spoilt(x) if is_per_sample else x)
        matrix_of_valid = arguments(term, x[VALID] if is_per_sample else x)

    def objective(which: Any) -> Any:
        c, e = (which(coef), which(entropy_coef)) if per_row else (coef, entropy_coef)
        return with_term(example, term or "expected_value", c, e)

    step = objective(spoilt).gradient(
        policy,
        observations,
        spoilt(actions),
        valid=VALID,
        **{name: spoilt(x) for name, x in numbers.items()},
        **matrix,
    )
    expected = objective(lambda c: c[VALID]).gradient(
        case.policy[VALID] if kind == "array" else case.policy,
        of_valid(case, case.observations),
        actions[VALID],
        **{name: x[VALID] for name, x in numbers.items()},
        **matrix_of_valid,
    )
    eps = float(np.finfo(dtype).eps)
    for name in step._fields:
        got, right = getattr(step, name), getattr(expected, name)
        if name == "gradient" and kind != "array":
            # Sums over some 120 samples of some units each, in another order.
            np.testing.assert_allclose(got, right, rtol=0, atol=4000 * eps)
        elif right is None:
            assert got is None
        elif np.ndim(got) == 0:
            np.testing.assert_allclose(got, right, rtol=1e-12, atol=400 * eps)
        elif kind == "own":  # NumPy's products of matrices depend on the number of rows
            np.testing.assert_allclose(got[VALID], right, rtol=0, atol=400 * eps)
            assert not got[~VALID].any()
        else:
            assert got[VALID].tobytes() == right.tobytes(), name
            assert not got[~VALID].any(), name


@every_objective
@for_each(kind=KINDS)
def test_without_a_sample_that_counts(kind: str, example: Example) -> None:
    case, policy, observations = case_with_garbage(kind, np.float64)
    actions, numbers = samples(case, example, 6, np.float64)
    step = example.objective.gradient(
        policy, observations, actions, valid=np.zeros(N, dtype=bool), **numbers
    )
    assert step.objective == 0
    assert not step.gradient.any()
    for mean in example.objective.declaration.means:
        assert np.isnan(getattr(step, mean.name))


@pytest.mark.parametrize("kind", KINDS)
def test_an_objective_of_ones_own(kind: str) -> None:
    case, policy, observations = case_with_garbage(kind, np.float64)
    actions, numbers = samples(case, EXAMPLES[0], 6, np.float64)
    weights = spoilt(numbers["weights"])
    custom = scorefn.CustomObjective(lambda log_prob, w: (w * log_prob, w), entropy_coef=0.1)
    step = custom.gradient(policy, observations, spoilt(actions), valid=VALID, w=weights)
    declared = scorefn.WeightedLogProb(entropy_coef=0.1)
    expected = declared.gradient(
        policy, observations, spoilt(actions), valid=VALID, weights=weights
    )
    assert step.gradient.tobytes() == expected.gradient.tobytes()
    # The first is a sum by NumPy of log-probabilities that may be of another pass.
    assert step.objective == pytest.approx(expected.objective, rel=1e-13)


@pytest.mark.parametrize("kind", ["array", "tabular", "linear"])
def test_several_samples_per_row(kind: str) -> None:
    rng = np.random.default_rng(3)
    case, policy, observations = case_with_garbage(kind, np.float64)
    valid = VALID[:, None] & (rng.random((N, 3)) < 0.7)
    actions, weights = rng.integers(6, size=(N, 3)), rng.normal(size=(N, 3))
    actions[~valid], weights[~valid] = -1, np.nan
    objective = scorefn.WeightedLogProb(entropy_coef=0.1)
    step = objective.gradient(policy, observations, actions, valid=valid, weights=weights)
    rows = np.nonzero(valid)[0]
    flat = objective.gradient(
        case.policy[rows] if kind == "array" else case.policy,
        None if kind == "array" else case.observations[rows],
        actions[valid],
        weights=weights[valid],
    )
    gradient = flat.gradient
    if kind == "array":
        gradient = np.zeros((N, 6))
        np.add.at(gradient, rows, flat.gradient)
    # Sums of some hundred terms of some units, in another order.
    np.testing.assert_allclose(step.gradient, gradient, rtol=0, atol=1e-12)
    assert step.objective == pytest.approx(flat.objective, rel=1e-12)
    assert not step.log_prob[~valid].any()
    assert step.entropy.shape == (N,)
    assert not step.entropy[~valid.any(axis=1)].any()
    np.testing.assert_allclose(step.entropy[rows], flat.entropy, rtol=1e-13)


@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
def test_methods_of_policies(kind: str) -> None:
    case, policy, observations = case_with_garbage(kind, np.float64)
    rng = np.random.default_rng(4)
    actions, weights = rng.integers(6, size=N), rng.normal(size=N)
    of_all = case.policy.log_prob(case.observations, actions)
    log_prob = policy.log_prob(observations, spoilt(actions), valid=VALID)
    assert log_prob.tobytes() == np.where(VALID, of_all, 0.0).tobytes()
    if kind != "logits":
        of_all = case.policy.entropy(case.observations)
        entropy = policy.entropy(observations, valid=VALID)
        assert entropy.tobytes() == np.where(VALID, of_all, 0.0).tobytes()
        of_all = case.policy.sample(case.observations, rng=0)
        sample = policy.sample(observations, rng=0, valid=VALID)
        for got, right in zip(sample, of_all, strict=True):
            assert got.tobytes() == np.where(VALID, right, right.dtype.type(0)).tobytes()
    for method in ("gradient", "gradient_statistics"):
        got = getattr(policy, method)(
            observations, spoilt(actions), spoilt(weights), entropy_coef=0.1, valid=VALID
        )
        right = getattr(case.policy, method)(
            of_valid(case, case.observations), actions[VALID], weights[VALID], entropy_coef=0.1
        )
        # Sums over some 120 samples, in another order.
        np.testing.assert_allclose(np.ravel(got[0]), np.ravel(right[0]), rtol=0, atol=1e-12)
        if method == "gradient_statistics":
            assert got[1:] == pytest.approx(right[1:], rel=1e-12)


@pytest.mark.parametrize("example", ALL_ACTION_EXAMPLES, ids=lambda e: repr(e.objective))
@pytest.mark.parametrize("kind", KINDS)
@for_each(per_sample=[False, True], dtype=[np.float32, np.float64])
def test_objectives_over_all_actions(
    kind: str, dtype: Any, per_sample: bool, example: AllActionExample
) -> None:
    rng = np.random.default_rng(3)
    case, policy, observations = case_with_garbage(kind, dtype)
    by_state = kind == "tabular" and not per_sample
    shape = case.policy.parameters.shape if by_state else case.logits.shape
    x, weights, entropy_coef = example.matrix(rng, shape, dtype), *rng.normal(size=(2, N))
    name = example.matrix_name
    step = replace(example.objective, entropy_coef=spoilt(entropy_coef)).gradient(
        policy,
        observations,
        weights=spoilt(weights),
        valid=VALID,
        per_sample=per_sample,
        **{name: x if by_state else spoilt(x)},
    )
    expected = replace(example.objective, entropy_coef=entropy_coef[VALID]).gradient(
        case.policy[VALID] if kind == "array" else case.policy,
        of_valid(case, case.observations),
        weights=weights[VALID],
        per_sample=per_sample,
        **{name: x if by_state else x[VALID]},
    )
    eps = float(np.finfo(dtype).eps)
    if kind == "array":
        np.testing.assert_array_equal(step.gradient[VALID], expected.gradient)
        assert not step.gradient[~VALID].any()
    else:  # sums over some 120 samples of some units each, in another order
        np.testing.assert_allclose(step.gradient, expected.gradient, rtol=0, atol=4000 * eps)
    assert step.objective == pytest.approx(expected.objective, rel=1e-12, abs=4000 * eps)
    for got, right in ((step.value, expected.value), (step.entropy, expected.entropy)):
        np.testing.assert_allclose(got[VALID], right, rtol=0, atol=400 * eps)
        assert not got[~VALID].any()
    nothing = example.objective.gradient(
        policy,
        observations,
        valid=np.zeros(N, dtype=bool),
        per_sample=per_sample,
        **{name: x if by_state else spoilt(x)},
    )
    assert nothing.objective == 0
    assert not nothing.gradient.any()
