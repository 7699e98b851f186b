"""Objectives over all actions on any policy: the numbers of the reference, and the chain rule."""

from __future__ import annotations

import inspect
import pickle
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _functions import assert_same
from _objectives import ALL_ACTION_EXAMPLES, AllActionExample
from scorefn import _all_actions, testing
from scorefn.testing.all_actions import FORMULAS, PENALTIES
from test_joint import KINDS, Case, N, assert_is_central_difference, assert_near, make

Array = NDArray[Any]

every_objective = pytest.mark.parametrize(
    "example", ALL_ACTION_EXAMPLES, ids=[repr(e.objective) for e in ALL_ACTION_EXAMPLES]
)
every_kind = pytest.mark.parametrize("kind", KINDS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def matrix_of(
    case: Case, kind: str, example: AllActionExample, dtype: Any, seed: int = 0
) -> tuple[Array, Array]:
    """A matrix as the policy takes it, and as rows of all samples in float64."""
    is_table = kind == "tabular"
    shape = case.policy.parameters.shape if is_table else case.logits.shape
    x = example.matrix(np.random.default_rng(seed), shape, dtype)
    rows = x.astype(np.float64)
    return x, rows[case.observations] if is_table else rows


def weights_of(per_row: bool, seed: int = 1) -> Any:
    if not per_row:
        return 0.7
    weights = np.random.default_rng(seed).normal(size=N)
    weights[::4] = 0.0
    return weights


@every_objective
@every_kind
@for_each(
    per_row=[False, True],
    cols=[1, 2, 6, 18, 200],
    dtype=[np.float32, np.float64],
)
def test_step_is_that_of_the_reference(
    kind: str, dtype: Any, cols: int, per_row: bool, example: AllActionExample
) -> None:
    case = make(kind, cols, dtype)
    x, rows = matrix_of(case, kind, example, dtype)
    weights, entropy_coef = weights_of(per_row), 0.1 * weights_of(per_row, seed=2)
    objective = replace(example.objective, entropy_coef=entropy_coef)
    step = objective.gradient(
        case.policy, case.observations, weights=weights, **{example.matrix_name: x}
    )
    exact = testing.all_action_gradient(
        objective, case.logits, weights=weights, **{example.matrix_name: rows}
    )
    # A count of regrets may differ where a regret is within rounding of 0: none is here.
    scale = np.abs(exact.gradient).sum() + 1.0
    assert_near(step.gradient, case.adjoint(exact.gradient), scale, dtype)
    # Each has the error of a logit's, as in assert_near, times numbers of up to about 20.
    eps = float(np.finfo(dtype).eps)
    size = 400.0 * eps * (1.0 + np.abs(rows).max() * cols)
    assert step.objective == pytest.approx(exact.objective, abs=size * N)
    np.testing.assert_allclose(step.value, exact.value, rtol=0, atol=size)
    entropy = np.broadcast_to(step.entropy, exact.entropy.shape)
    np.testing.assert_allclose(entropy, exact.entropy, rtol=0, atol=400 * eps)


@every_objective
@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["logits", "tabular", "linear", "own"])
def test_central_differences(kind: str, entropy_coef: float, example: AllActionExample) -> None:
    """With what is held constant held constant: regrets of RM, advantages of NeuRD."""
    case = make(kind, 4, np.float64)
    x, rows = matrix_of(case, kind, example, np.float64)
    weights = weights_of(True)
    objective = replace(example.objective, entropy_coef=entropy_coef)

    def step() -> Any:
        return objective.gradient(
            case.policy, case.observations, weights=weights, **{example.matrix_name: x}
        )

    constant = None if example.is_gradient else constants(objective, case.logits, rows)

    def value() -> float:
        if constant is None:
            return float(step().objective)
        z = np.broadcast_to(case.policy.logits(case.observations), case.logits.shape)
        of = testing.softmax(z) if "Regret" in objective.declaration.name else z
        bonus = entropy_coef * testing.entropy(z).sum()
        return float(np.sum(weights[:, np.newaxis] * of * constant) + bonus)

    assert_is_central_difference(step().gradient, value, case)


def constants(objective: Any, z: Array, q: Array) -> Array:
    """What multiplies pi, or the centred logits, in the objective; for logits of any offset."""
    advantages = q - (testing.softmax(z) * q).sum(axis=1, keepdims=True)
    if "Regret" in objective.declaration.name:
        return np.maximum(advantages, 0.0)
    y = z - z.mean(axis=1, keepdims=True)
    t = objective.threshold
    beyond = ((y <= -t) & (advantages < 0.0)) | ((y >= t) & (advantages > 0.0))
    advantages = np.where(beyond, 0.0, advantages)
    return np.asarray(advantages - advantages.mean(axis=1, keepdims=True))


@dtypes
def test_expectation_of_reinforce_is_the_expected_reward(dtype: Any) -> None:
    """The mean over all actions of REINFORCE with the weights q_a, without the sampling noise."""
    rng = np.random.default_rng(0)
    z, q = rng.normal(size=(2, N, 5)).astype(dtype)
    p = testing.softmax(z)
    mean = np.zeros((N, 5))
    for a in range(5):
        actions = np.full(N, a)
        mean += scorefn.score_gradient(z, actions, p[:, a] * q[:, a])
    step = scorefn.ExpectedReward().gradient(z, None, action_values=q)
    # Five sums of numbers of up to 4.
    np.testing.assert_allclose(step.gradient, mean, rtol=0, atol=20 * np.finfo(dtype).eps)


@every_kind
def test_the_term_of_an_objective_of_actions_is_the_expected_reward(kind: str) -> None:
    case = make(kind, 6, np.float64)
    x, _ = matrix_of(case, kind, ALL_ACTION_EXAMPLES[0], np.float64)
    if kind == "logits":
        x = x[0]
    actions = np.zeros(1 if kind == "logits" else N, dtype=int)
    beside = scorefn.WeightedLogProb().gradient(
        case.policy, case.observations, actions, weights=np.zeros(len(actions)), action_values=x
    )
    alone = scorefn.ExpectedReward().gradient(case.policy, case.observations, action_values=x)
    np.testing.assert_allclose(alone.gradient, beside.gradient, rtol=1e-13, atol=1e-13)
    assert alone.objective == pytest.approx(beside.objective, rel=1e-13)


@every_kind
def test_cross_entropy_is_the_forward_divergence_and_a_constant(kind: str) -> None:
    case = make(kind, 6, np.float64)
    log_targets, rows = matrix_of(case, kind, ALL_ACTION_EXAMPLES[-1], np.float64)
    forward = scorefn.ForwardKL().gradient(case.policy, case.observations, reference=log_targets)
    cross = scorefn.CrossEntropy().gradient(
        case.policy, case.observations, targets=testing.softmax(log_targets)
    )
    np.testing.assert_allclose(cross.gradient, forward.gradient, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(-cross.value, forward.value + testing.entropy(rows), rtol=1e-12)


@every_objective
@for_each(cols=[3, 6, 40, 200], dtype=[np.float32, np.float64])
def test_masked_slots_may_hold_anything(dtype: Any, cols: int, example: AllActionExample) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(N, cols)).astype(dtype)
    where = rng.random((N, cols)) < 0.6
    where[:, 0] = True
    x = example.matrix(rng, (N, cols), dtype)
    if example.matrix_name == "targets":
        x = np.where(where, x, 0.0)
        x = (x / x.sum(axis=1, keepdims=True)).astype(dtype)
    name, objective = example.matrix_name, replace(example.objective, entropy_coef=0.1)
    clean = objective.gradient(np.where(where, z, dtype(-np.inf)), None, **{name: x})
    assert (clean.gradient[~where] == 0.0).all()
    for garbage in (np.nan, np.inf, -np.inf, -1.0):
        step = objective.gradient(
            np.where(where, z, dtype(garbage)),
            None,
            where=where,
            **{name: np.where(where, x, dtype(garbage))},
        )
        assert_same(step, clean)


@every_objective
@for_each(kind=KINDS)
def test_statistics_that_nobody_asks_for(kind: str, example: AllActionExample) -> None:
    case = make(kind, 6, np.float32)
    x, _ = matrix_of(case, kind, example, np.float32)
    arguments = {"weights": weights_of(True), example.matrix_name: x}
    step = example.objective.gradient(case.policy, case.observations, **arguments)
    bare = example.objective.gradient(case.policy, case.observations, statistics=False, **arguments)
    assert_same(bare, step._replace(value=None, entropy=None))


@every_objective
@pytest.mark.parametrize("cols", [1, 6, 200])
@for_each(kind=KINDS)
def test_same_bits_for_any_number_of_threads(
    kind: str, cols: int, example: AllActionExample
) -> None:
    case = make(kind, cols, np.float32, large=True)
    x, _ = matrix_of(case, kind, example, np.float32)
    steps = []
    for threads in (1, 4):
        with scorefn.threads(threads):
            steps.append(
                example.objective.gradient(
                    case.policy,
                    case.observations,
                    weights=weights_of(True),
                    **{example.matrix_name: x},
                )
            )
    assert_same(steps[1], steps[0])


@every_objective
@dtypes
def test_a_table_with_a_row_per_sample(dtype: Any, example: AllActionExample) -> None:
    rng = np.random.default_rng(4)
    mask = rng.random((7, 5)) < 0.7
    mask[:, 0] = True
    policy = scorefn.TabularPolicy(rng.normal(size=(7, 5)).astype(dtype), where=mask)
    states = rng.integers(7, size=N)
    x = example.matrix(rng, (N, 5), dtype)
    if example.matrix_name == "targets":
        x = np.where(mask[states], x, 0.0)
        x = (x / x.sum(axis=1, keepdims=True)).astype(dtype)
    arguments = {"weights": weights_of(True), example.matrix_name: x}
    step = example.objective.gradient(policy, states, per_sample=True, **arguments)
    rows = example.objective.gradient(
        policy.parameters[states], None, where=mask[states], **arguments
    )
    expected = np.zeros(mask.shape)
    np.add.at(expected, states, rows.gradient)
    np.testing.assert_array_equal(step.gradient, expected.astype(dtype))
    assert_same(step[2:], rows[2:])
    of_states = example.matrix(rng, mask.shape, dtype)
    if example.matrix_name == "targets":
        of_states = np.where(mask, of_states, 0.0)
        of_states = (of_states / of_states.sum(axis=1, keepdims=True)).astype(dtype)
    by_state = example.objective.gradient(policy, states, **{example.matrix_name: of_states})
    by_sample = example.objective.gradient(
        policy, states, per_sample=True, **{example.matrix_name: of_states[states]}
    )
    eps = float(np.finfo(dtype).eps)  # sums of some thirty numbers of up to 20
    np.testing.assert_allclose(by_state.gradient, by_sample.gradient, rtol=0, atol=600 * eps)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
@every_kind
def test_a_reference_is_a_second_pass(kind: str, direction: str) -> None:
    case = make(kind, 5, np.float64)
    q, _ = matrix_of(case, kind, ALL_ACTION_EXAMPLES[0], np.float64)
    reference, _ = matrix_of(case, kind, ALL_ACTION_EXAMPLES[-1], np.float64, seed=5)
    coef = weights_of(True)
    both = scorefn.ExpectedReward(0.1, coef, direction).gradient(
        case.policy, case.observations, action_values=q, reference=reference
    )
    reward = scorefn.ExpectedReward(0.1).gradient(case.policy, case.observations, action_values=q)
    penalty_class = scorefn.ReverseKL if direction == "reverse" else scorefn.ForwardKL
    penalty = penalty_class().gradient(
        case.policy, case.observations, reference=reference, weights=coef
    )
    np.testing.assert_array_equal(both.gradient, reward.gradient + penalty.gradient)
    assert both.objective == reward.objective + penalty.objective
    np.testing.assert_array_equal(both.kl_divergence, penalty.value)


@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
@pytest.mark.parametrize("penalty", [scorefn.ReverseKL, scorefn.ForwardKL])
def test_a_penalty_from_a_policy(kind: str, penalty: Any) -> None:
    """Of the same kind; from itself it is 0, and so is its gradient but for roundings."""
    case = make(kind, 6, np.float64)
    parameters = case.policy.parameters
    with_infinities = np.where(np.isfinite(parameters), parameters[..., ::-1], parameters)
    other = type(case.policy)(with_infinities.copy())
    step = penalty().gradient(case.policy, case.observations, reference=other)
    rows = np.broadcast_to(other.logits(case.observations), case.logits.shape)
    z = case.logits[:1] if kind == "logits" else case.logits
    exact = testing.all_action_gradient(penalty(), z, reference=rows[: len(z)])
    expected = exact.gradient[0] if kind == "logits" else case.adjoint(exact.gradient)
    np.testing.assert_allclose(step.gradient, expected, rtol=1e-10, atol=1e-10)
    itself = penalty().gradient(case.policy, case.observations, reference=case.policy)
    assert np.max(itself.value) < 1e-15
    assert np.abs(itself.gradient).max() < 1e-12


def test_every_declared_objective_has_an_example_and_a_reference() -> None:
    declared = {d.name for d in _all_actions.ALL_ACTION_DECLARATIONS}
    assert declared == {e.objective.declaration.name for e in ALL_ACTION_EXAMPLES}
    assert declared == {*FORMULAS, *PENALTIES}


@every_objective
def test_declared_names_are_the_signature(example: AllActionExample) -> None:
    method = type(example.objective).gradient
    parameters = [*inspect.signature(method).parameters]
    assert parameters[:4] == ["self", "policy", "observations", example.matrix_name]
    for name in parameters[1:]:
        assert f"{name} : " in inspect.getdoc(method)
    for name in example.objective.__dataclass_fields__:
        assert f"{name} : " in inspect.getdoc(type(example.objective))
    assert example.objective == pickle.loads(pickle.dumps(example.objective))


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_a_shared_row_of_logits_is_that_of_each_observation(direction: Any) -> None:
    """The penalty has as many rows as the matrix, the weights or the flags say."""
    policy = scorefn.LogitsPolicy(np.array([0.0, 1.0, 2.0]))
    other = scorefn.LogitsPolicy(np.array([0.3, 0.0, -0.2]))
    q, valid = np.arange(12.0).reshape(4, 3), np.array([True, False, True, True])
    rows, references = np.tile(policy.parameters, (4, 1)), np.tile(other.parameters, (4, 1))
    for kl_coef in (1.0, np.array([1.0, 2.0, 0.5, 0.0])):
        for options in ({}, {"valid": valid}, {"weights": np.arange(4.0)}):
            objective = scorefn.ExpectedReward(kl_coef=kl_coef, kl_direction=direction)
            step = objective.gradient(policy, None, action_values=q, reference=other, **options)
            each = objective.gradient(rows, None, action_values=q, reference=references, **options)
            # Sums of four rows, in another order.
            np.testing.assert_allclose(step.gradient, each.gradient.sum(axis=0), atol=1e-13)
            np.testing.assert_allclose(step.kl_divergence, each.kl_divergence, rtol=1e-13)
            assert step.objective == pytest.approx(each.objective, rel=1e-13)
    penalty = scorefn.ReverseKL() if direction == "reverse" else scorefn.ForwardKL()
    step = penalty.gradient(policy, None, reference=other, weights=np.ones(4))
    each = penalty.gradient(rows, None, reference=references)
    np.testing.assert_allclose(step.gradient, each.gradient.sum(axis=0), atol=1e-13)


def test_the_matrix_is_not_copied() -> None:
    """The gradient is the only array of the size of the logits that a call allocates."""
    logits, values = np.zeros((2, 1000, 1000), np.float32)
    tracemalloc.start()
    try:
        scorefn.ExpectedReward().gradient(logits, None, action_values=values)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * logits.nbytes
    finally:
        tracemalloc.stop()
