"""Any objective on any policy: the numbers of the reference, and the chain rule."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _objectives import EXAMPLES, ONE_OF_EACH, Example, Kink
from scorefn import _objective, _stub, testing
from scorefn.testing.objectives import FORMULAS

Array = NDArray[Any]
N = 203  # no multiple of a tile


class Case(NamedTuple):
    """A policy with samples, its logits in float64, and the way back from their gradient."""

    policy: Any
    observations: Any
    logits: Array
    adjoint: Callable[[Array], Array]
    samples: int = N


class Bilinear:
    """A policy of a user's own, with the two methods that it needs."""

    def __init__(self, parameters: Array) -> None:
        self.parameters = parameters

    def logits(self, observations: Any) -> Array:
        return np.asarray(np.sin(observations) @ self.parameters)

    def adjoint(self, observations: Any, logits_gradient: Array) -> Array:
        return np.asarray(np.sin(observations).T @ logits_gradient)


def make(kind: str, cols: int, dtype: Any, *, large: bool = False) -> Case:
    rng = np.random.default_rng([cols, len(kind)])

    def normal(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    if kind == "array":
        z = normal(N, cols)
        return Case(z, None, z.astype(np.float64), lambda g: g)
    if kind == "logits":
        z = normal(cols)
        policy: Any = scorefn.LogitsPolicy(z)
        rows = np.broadcast_to(z.astype(np.float64), (N, cols))
        return Case(policy, None, rows, lambda g: g.sum(axis=0))
    if kind == "tabular":
        num_states = 3000 if large else 7
        table, states = normal(num_states, cols), rng.integers(num_states - 1, size=N)
        if cols > 1:
            table[-1] = -np.inf  # of a state that nobody visits

        def scatter(g: Array) -> Array:
            total = np.zeros(table.shape)
            np.add.at(total, states, g)
            return total

        return Case(scorefn.TabularPolicy(table), states, table.astype(np.float64)[states], scatter)
    features = normal(N, 130 if large else 5)
    coef = normal(features.shape[1], cols) * dtype(0.3)
    if kind == "linear":
        z = features.astype(np.float64) @ coef.astype(np.float64)
        x = features.astype(np.float64)
        return Case(scorefn.LinearPolicy(coef), features, z, lambda g: x.T @ g)
    own = Bilinear(coef)
    x = np.sin(features.astype(np.float64))
    return Case(own, features, x @ coef.astype(np.float64), lambda g: x.T @ g)


# The values of `large` that make a difference, for each kind of policy.
SIZES_OF_KIND = {
    "array": [False],
    "logits": [False],
    "tabular": [False, True],
    "linear": [False, True],
    "own": [False, True],
}
KINDS = list(SIZES_OF_KIND)


def samples(case: Case, example: Example, cols: int, dtype: Any) -> tuple[Array, dict[str, Array]]:
    """Actions, and the numbers of the objective."""
    rng = np.random.default_rng(cols)
    actions = rng.integers(cols, size=len(case.logits))
    return actions, example.numbers(testing.log_prob(case.logits, actions), rng, dtype)


def assert_near(actual: Array, exact: Array, terms: float, dtype: Any) -> None:
    """The error of a sum is that of its terms, here 40 ULP of the sum of their sizes.

    A logit of these policies is itself a rounded sum of up to 130 products, an error of some ULP
    that each probability inherits, times what the ratio makes of it.
    """
    assert actual.dtype == dtype
    bound = 40 * np.finfo(dtype).eps * (terms + np.abs(exact).max(initial=1.0))
    assert (np.abs(actual.astype(np.float64) - exact) <= bound).all()


ids = [repr(e.objective).split(", entropy")[0] for e in EXAMPLES]
every_objective = pytest.mark.parametrize("example", EXAMPLES, ids=ids)
one_of_each_objective = pytest.mark.parametrize("example", ONE_OF_EACH, ids=lambda e: e.name)
with_entropy = pytest.mark.parametrize("entropy_coef", [0.0, 0.3])


@pytest.mark.parametrize(
    ("cols", "example"),
    [
        pytest.param(cols, example, id=f"{cols}-{name}")
        for example, name in zip(EXAMPLES, ids, strict=True)
        # The length of a row has nothing to do with an option.
        for cols in ([1, 2, 6, 18, 200] if example in ONE_OF_EACH else [6])
    ],
)
@pytest.mark.parametrize("kind", KINDS)
@for_each(dtype=[np.float32, np.float64])
def test_step_is_that_of_the_reference(kind: str, dtype: Any, cols: int, example: Example) -> None:
    for large in SIZES_OF_KIND[kind]:
        case = make(kind, cols, dtype, large=large)
        for entropy_coef in (0.0, 0.3):
            assert_is_reference(case, dtype, entropy_coef, example)


def assert_is_reference(case: Case, dtype: Any, entropy_coef: float, example: Example) -> None:
    cols = case.logits.shape[-1]
    actions, numbers = samples(case, example, cols, dtype)
    objective = replace(example.objective, entropy_coef=entropy_coef)
    step = objective.gradient(case.policy, case.observations, actions, **numbers)
    exact = testing.objective_gradient(objective, case.logits, actions, **numbers)
    scale = np.abs(exact.gradient).sum() + 1.0
    assert_near(step.gradient, case.adjoint(exact.gradient), scale, dtype)
    # Of numbers that have the error of a logit's, as in assert_near, up to e^1.5 times.
    eps = float(np.finfo(dtype).eps)
    entropy = np.broadcast_to(step.entropy, exact.entropy.shape)
    np.testing.assert_allclose(step.log_prob, exact.log_prob, rtol=0, atol=400 * eps)
    np.testing.assert_allclose(entropy, exact.entropy, rtol=0, atol=400 * eps)
    assert step.objective == pytest.approx(exact.objective, abs=400 * eps * scale)
    for number in objective.declaration.writes:
        written, expected = getattr(step, number.name), getattr(exact, number.name)
        np.testing.assert_allclose(written, expected, rtol=400 * eps)
    for number in objective.declaration.means:
        # A share counts samples at a kink on either side.
        mean, expected = getattr(step, number.name), getattr(exact, number.name)
        assert mean == pytest.approx(expected, rel=1e-2, abs=0.02)


@with_entropy
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
def test_weighted_log_prob_is_the_gradient_of_the_policy(
    kind: str, dtype: Any, entropy_coef: float
) -> None:
    """The pass of REINFORCE with these weights, to the bit."""
    case = make(kind, 6, dtype)
    actions, numbers = samples(case, EXAMPLES[0], 6, dtype)
    objective = scorefn.WeightedLogProb(entropy_coef=entropy_coef)
    step = objective.gradient(case.policy, case.observations, actions, **numbers)
    short = case.policy.gradient(
        case.observations, actions, numbers["weights"], entropy_coef=entropy_coef
    )
    np.testing.assert_array_equal(step.gradient, short)


@one_of_each_objective
@pytest.mark.parametrize("kind", KINDS)
@for_each(entropy_coef=[0.0, 0.3], cols=[2, 200], dtype=[np.float32, np.float64])
def test_statistics_that_nobody_asks_for(
    kind: str, dtype: Any, cols: int, entropy_coef: float, example: Example
) -> None:
    """Gradient and sums are the same bits without them."""
    case = make(kind, cols, dtype)
    actions, numbers = samples(case, example, cols, dtype)
    objective = replace(example.objective, entropy_coef=entropy_coef)
    arguments = (case.policy, case.observations, actions)
    step = objective.gradient(*arguments, **numbers)
    bare = objective.gradient(*arguments, **numbers, statistics=False)
    np.testing.assert_array_equal(bare.gradient, step.gradient)
    declared = objective.declaration
    assert bare.objective == step.objective
    for mean in declared.means:
        assert getattr(bare, mean.name) == getattr(step, mean.name)
    for name in ("log_prob", "entropy", *(n.name for n in declared.writes)):
        assert getattr(bare, name) is None


@every_objective
@pytest.mark.parametrize("kind", ["logits", "tabular", "linear", "own"])
@for_each(entropy_coef=[0.0, 0.3])
def test_central_differences(kind: str, entropy_coef: float, example: Example) -> None:
    """The gradient is that of the value, in the interior and on each side of each kink.

    What the objective's derivative holds constant is held constant.
    """
    case = make(kind, 4, np.float64)
    actions, numbers = samples(case, example, 4, np.float64)
    log_prob = testing.log_prob(case.logits, actions)
    near_kinks(numbers, log_prob, example.kinks)
    objective = replace(example.objective, entropy_coef=entropy_coef)
    held, held_numbers = example.held(objective, log_prob, numbers)

    def value() -> float:
        step = held.gradient(case.policy, case.observations, actions, **held_numbers)
        return float(step.objective)

    gradient = objective.gradient(case.policy, case.observations, actions, **numbers).gradient
    every = max(1, case.policy.parameters.size // 12)
    assert_is_central_difference(gradient, value, case, every)


def assert_is_central_difference(
    gradient: Array, value: Callable[[], float], case: Case, every: int = 1
) -> None:
    """At every so many of the policy's parameters."""
    parameters, h = case.policy.parameters, 1e-6
    for place in map(tuple, np.argwhere(np.isfinite(parameters))[::every]):
        before = parameters[place]
        parameters[place] = before + h
        above = value()
        parameters[place] = before - h
        below = value()
        parameters[place] = before
        # h^2 times a third derivative, and rounding errors of some hundred terms over h.
        assert gradient[place] == pytest.approx((above - below) / (2 * h), abs=2e-7)


def near_kinks(numbers: dict[str, Array], log_prob: Array, kinks: tuple[Kink, ...]) -> None:
    """Makes the first samples lie 1e-3 to each side of each kink, in turn.

    No other sample may lie at a kink exactly.
    """
    if not kinks:
        return
    if "old_log_prob" in numbers:
        numbers["old_log_prob"] += 0.01
    for i in range(40):
        kink, side = kinks[i % len(kinks)], 1e-3 * (-1) ** (i // len(kinks))
        old = log_prob[i] - kink.log_ratio - side
        if "old_log_prob" in numbers:
            numbers["old_log_prob"][i] = old
        else:
            numbers["propensities"][i] = np.exp(old)
        numbers["advantages"][i] = kink.advantage


def test_a_function_of_ones_own_is_the_built_in_objective() -> None:
    def surrogate(log_prob: Array, old: Array, advantages: Array) -> tuple[Array, Array]:
        ratio = np.exp(log_prob - old)
        plain, clipped = ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages
        return np.minimum(plain, clipped), np.where(clipped < plain, 0.0, plain)

    for kind in KINDS:
        case = make(kind, 6, np.float64)
        actions, numbers = samples(case, EXAMPLES[1], 6, np.float64)
        old, advantages = numbers["old_log_prob"], numbers["advantages"]
        own = scorefn.CustomObjective(surrogate, entropy_coef=0.1).gradient(
            case.policy, case.observations, actions, old=old, advantages=advantages
        )
        built_in = scorefn.ClippedSurrogate(entropy_coef=0.1).gradient(
            case.policy, case.observations, actions, old_log_prob=old, advantages=advantages
        )
        np.testing.assert_allclose(own.gradient, built_in.gradient, rtol=1e-12, atol=1e-13)
        assert own.objective == pytest.approx(built_in.objective, rel=1e-12)


@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
def test_several_samples_per_observation(kind: str) -> None:
    case = make(kind, 5, np.float64)
    rng = np.random.default_rng(0)
    actions, advantages = rng.integers(5, size=(N, 3)), rng.normal(size=(N, 3))
    rows = case.logits.repeat(3, axis=0)
    old = testing.log_prob(rows, actions.ravel()).reshape(N, 3) + 0.1
    step = scorefn.ClippedSurrogate(entropy_coef=0.2).gradient(
        case.policy, case.observations, actions, old_log_prob=old, advantages=advantages
    )
    exact = testing.clipped_surrogate(
        rows, actions.ravel(), old.ravel(), advantages.ravel(), entropy_coef=0.2
    )
    per_row = exact.gradient.reshape(N, 3, 5).sum(axis=1)
    np.testing.assert_allclose(step.gradient, case.adjoint(per_row), rtol=1e-10, atol=1e-11)
    assert step.log_prob.shape == step.ratio.shape == (N, 3)
    assert step.objective == pytest.approx(exact.objective, rel=1e-10)


def test_masks_and_garbage_in_masked_slots() -> None:
    rng = np.random.default_rng(1)
    coef = rng.normal(size=(3, 4))
    x, where = rng.normal(size=(N, 3)), rng.random((N, 4)) < 0.7
    where[:, 0] = True
    actions = np.zeros(N, dtype=np.int8)
    numbers_ = {"old_log_prob": np.full(N, -1.0), "advantages": rng.normal(size=N)}
    objective = scorefn.ClippedSurrogate(entropy_coef=0.2)
    step = objective.gradient(scorefn.LinearPolicy(coef), x, actions, where=where, **numbers_)
    z = np.where(where, x @ coef, np.nan)
    rows = objective.gradient(z, None, actions, where=where, **numbers_)
    assert (rows.gradient[~where] == 0.0).all()
    np.testing.assert_allclose(step.gradient, x.T @ rows.gradient, rtol=1e-11, atol=1e-12)

    mask = rng.random((6, 4)) < 0.7
    mask[:, 0] = True
    table, states = np.where(mask, rng.normal(size=(6, 4)), np.nan), rng.integers(6, size=N)
    policy = scorefn.TabularPolicy(table, where=mask)
    of_table = objective.gradient(policy, states, actions, **numbers_)
    assert (of_table.gradient[~mask] == 0.0).all()
    of_rows = objective.gradient(table[states], None, actions, where=mask[states], **numbers_)
    assert of_table.objective == pytest.approx(of_rows.objective, rel=1e-12)


def test_nothing_follows_from_an_advantage_of_0_beside_infinite_features() -> None:
    x = np.array([[1.0, 2.0], [np.inf, 1.0], [0.5, -1.0]])
    policy = scorefn.LinearPolicy(np.ones((2, 3)))
    step = scorefn.ClippedSurrogate().gradient(
        policy, x, [0, 1, 2], old_log_prob=[-1.0, -1.0, -1.0], advantages=[1.0, 0.0, 2.0]
    )
    assert np.isfinite(step.gradient).all()


def test_errors_name_the_numbers() -> None:
    policy = scorefn.LinearPolicy(np.zeros((2, 3)))
    x = np.ones((4, 2))
    objective = scorefn.ClippedSurrogate()
    with pytest.raises(ValueError, match=r"advantages must have shape \(4,\), got \(3,\)"):
        objective.gradient(policy, x, [0] * 4, old_log_prob=np.zeros(4), advantages=np.zeros(3))
    with pytest.raises(IndexError, match=r"actions\[3\] = 3 is out of range for 3 actions"):
        objective.gradient(
            policy, x, [0, 0, 0, 3], old_log_prob=np.zeros(4), advantages=np.zeros(4)
        )
    with pytest.raises(ValueError, match="clip_range must be at least 0"):
        scorefn.ClippedSurrogate(clip_range=-0.1).gradient(
            policy, x, [0] * 4, old_log_prob=np.zeros(4), advantages=np.zeros(4)
        )
    with pytest.raises(TypeError, match="where must be None"):
        objective.gradient(
            scorefn.TabularPolicy(np.zeros((2, 3))),
            [0],
            [0],
            old_log_prob=[0.0],
            advantages=[1.0],
            where=np.ones((1, 3), dtype=bool),
        )
    for policy_, got in (
        (None, "NoneType"),
        ("abc", "str"),
        (scorefn.LinearPolicy, "the class LinearPolicy"),
    ):
        with pytest.raises(
            TypeError, match=f"policy must be a policy or an array of logits, got {got}"
        ):
            scorefn.WeightedLogProb().gradient(policy_, x, [0] * 4, weights=np.ones(4))
    with pytest.raises(TypeError, match="observations must be None for an array of logits"):
        scorefn.WeightedLogProb().gradient(x, x, [0] * 4, weights=np.ones(4))
    with pytest.raises(TypeError, match="policy must have the methods logits and adjoint"):
        scorefn.WeightedLogProb().gradient(
            type("Half", (), {"logits": lambda self, x: x})(), x, [0] * 4, weights=np.ones(4)
        )
    with pytest.raises(TypeError, match="function must return two arrays, value and derivative"):
        scorefn.CustomObjective(lambda log_prob: log_prob).gradient(policy, x, [0] * 4)
    table = np.zeros((3, 2))
    table[1] = -np.inf
    policy = scorefn.TabularPolicy(table)
    for advantages in ([1, 1], [1, 0]):  # whatever the derivative of its sample
        with pytest.raises(ValueError, match=r"^table\[1\] has no allowed action"):
            objective.gradient(policy, [0, 1], [0, 0], old_log_prob=[0, 0], advantages=advantages)


def test_every_declared_objective_has_an_example_and_a_reference() -> None:
    declared = {d.name for d in _objective.DECLARATIONS}
    assert declared == {e.name for e in EXAMPLES} == FORMULAS.keys()


def test_stub_is_printed_from_the_declarations() -> None:
    stub = Path(scorefn.objectives.__file__).with_suffix(".pyi")
    assert stub.read_text() == _stub.stub(), "run python -m scorefn._stub > objectives.pyi"


@every_objective
def test_declared_names_are_the_signature(example: Example) -> None:
    declared = example.objective.declaration
    parameters = inspect.signature(type(example.objective).gradient).parameters
    keywords = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    numbers = [n.name for n in declared.reads]
    assert keywords == [*numbers, *_objective.COMMON_ARGUMENTS]
    for name in [*parameters][1:]:
        assert f"{name} : " in inspect.getdoc(type(example.objective).gradient)
    with pytest.raises(TypeError, match=f"{declared.name}.gradient\\(\\) must be given"):
        example.objective.gradient(np.zeros((1, 2)), None, [0], others=[1.0])


def test_objectives_are_values() -> None:
    objective = scorefn.ClippedSurrogate(clip_range=0.1, entropy_coef=0.01)
    assert objective == pickle.loads(pickle.dumps(objective)) != scorefn.ClippedSurrogate()
    assert repr(objective).startswith(
        "ClippedSurrogate(clip_range=0.1, dual_clip=inf, entropy_coef=0.01, "
    )
    step = objective.gradient(np.zeros((1, 2)), None, [0], old_log_prob=[0.0], advantages=[1.0])
    for copy in (copy_of(step) for copy_of in (lambda x: pickle.loads(pickle.dumps(x)), deepcopy)):
        assert type(copy) is scorefn.ClippedSurrogateStep
        assert copy.objective == step.objective


def test_an_argument_that_no_objective_has() -> None:
    message = r"WeightedLogProb\.gradient\(\) got an unexpected per_sample"
    with pytest.raises(TypeError, match=message):
        scorefn.WeightedLogProb().gradient(
            np.zeros((1, 2)), None, [0], weights=[1.0], per_sample=True
        )
