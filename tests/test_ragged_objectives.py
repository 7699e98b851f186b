"""Every objective on ragged rows: the steps of dense ones, with terms, segments, own policies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _functions import DTYPES, same_bits
from _objectives import ALL_ACTION_EXAMPLES, ONE_OF_EACH, AllActionExample, Example
from _ragged import Ragged, mixed_lengths, ragged_of
from scorefn import testing

Array = NDArray[Any]

EXAMPLES = pytest.mark.parametrize("example", ONE_OF_EACH, ids=[e.name for e in ONE_OF_EACH])
ALL_ACTIONS = pytest.mark.parametrize(
    "example", ALL_ACTION_EXAMPLES, ids=[repr(e.objective) for e in ALL_ACTION_EXAMPLES]
)
LENGTHS = {
    "mixed": mixed_lengths(rows=400),
    "equal": np.full(300, 7),
    "few": np.array([3, 1, 200, 3, 2000, 2]),
}


def problem(example: Example, lengths: Array, dtype: Any) -> tuple[Ragged, dict[str, Array]]:
    """Ragged rows, and the numbers that the objective reads."""
    ragged = ragged_of(lengths, dtype)
    log_prob = scorefn.log_prob(
        ragged.flat["logits"], ragged.rows["actions"], offsets=ragged.offsets
    )
    rng = np.random.default_rng(1)
    return ragged, example.numbers(np.maximum(log_prob, -30.0), rng, dtype)


def assert_dense(ragged: Ragged, step: Any, dense: Any, rows: Array) -> None:
    """That what the step tells of these rows has the bits of the dense step of them."""
    for name, of_ragged in step._asdict().items():
        expected = getattr(dense, name)
        if name == "gradient":
            assert same_bits(ragged.gathered(of_ragged, rows), expected), name
        elif isinstance(of_ragged, np.ndarray):
            assert same_bits(of_ragged[rows], expected), name
        elif expected is None:
            assert of_ragged is None, name


@pytest.mark.parametrize("lengths", LENGTHS)
@EXAMPLES
@for_each(term=["none", "reference", "action_values"], with_masks=[False, True], dtype=DTYPES)
def test_steps_of_rows_are_those_of_dense_ones(
    dtype: Any, example: Example, lengths: str, with_masks: bool, term: str
) -> None:
    ragged, numbers = problem(example, LENGTHS[lengths], dtype)
    coefs: Any = {"entropy_coef": 0.3}
    if term == "reference":
        coefs["kl_coef"] = 0.2
    objective = type(example.objective)(
        **{
            o.name: getattr(example.objective, o.name)
            for o in example.objective.declaration.options
        },
        **coefs,
    )

    def step_of(arrays: dict[str, Array], more: dict[str, Array], **options: Any) -> Any:
        if with_masks:
            options |= {name: arrays[name] for name in ("where", "valid")}
        if term != "none":
            options[term] = arrays["logits_q"]
        return objective.gradient(arrays["logits"], None, arrays["actions"], **more, **options)

    step = step_of(ragged.arrays, numbers, offsets=ragged.offsets)
    total = 0.0
    for rows, arrays in ragged.of_length():
        dense = step_of(arrays, {name: x[rows] for name, x in numbers.items()})
        assert_dense(ragged, step, dense, rows)
        total += dense.objective
    # The same terms added up in another order.
    np.testing.assert_allclose(step.objective, total, rtol=1e-9, atol=1e-9)


@EXAMPLES
def test_rows_of_one_length_have_the_sums_of_dense_ones(example: Example) -> None:
    ragged, numbers = problem(example, np.full(5000, 13), np.float32)
    arrays = ragged.arrays
    step = example.objective.gradient(
        arrays["logits"], None, arrays["actions"], **numbers, offsets=ragged.offsets
    )
    dense = example.objective.gradient(
        arrays["logits"].reshape(-1, 13), None, arrays["actions"], **numbers
    )
    flat = dense._replace(gradient=dense.gradient.reshape(-1))
    for a, e in zip(step, flat, strict=True):
        assert same_bits(a, e) if isinstance(e, np.ndarray) else a == e or (a != a and e != e)


@pytest.mark.parametrize("lengths", LENGTHS)
@ALL_ACTIONS
@for_each(per_row=[False, True], with_masks=[False, True], dtype=DTYPES)
def test_objectives_over_all_actions(
    dtype: Any, example: AllActionExample, lengths: str, with_masks: bool, per_row: bool
) -> None:
    ragged = ragged_of(LENGTHS[lengths], dtype)
    logits = np.maximum(ragged.flat["logits"], -1000.0)
    where = ragged.flat["where"] if with_masks else np.ones(logits.shape, bool)
    q = np.random.default_rng(3).normal(size=logits.size).astype(dtype)
    if example.matrix_name == "targets":
        q = scorefn.softmax(q, where=where, offsets=ragged.offsets)
    ragged = ragged._replace(flat={"logits": logits, "where": where, "x": q})

    def step_of(arrays: dict[str, Array], **options: Any) -> Any:
        options[example.matrix_name] = arrays["x"]
        if per_row:
            options["weights"] = arrays["weights"]
        if with_masks:
            options |= {name: arrays[name] for name in ("where", "valid")}
        return example.objective.gradient(arrays["logits"], None, **options)

    step = step_of(ragged.arrays, offsets=ragged.offsets)
    for rows, arrays in ragged.of_length():
        assert_dense(ragged, step, step_of(arrays), rows)


@EXAMPLES
def test_references_take_offsets(example: Example) -> None:
    ragged, numbers = problem(example, np.random.default_rng(1).integers(1, 9, 40), np.float64)
    logits = np.clip(ragged.flat["logits"], -3.0, 3.0)
    options = {
        **numbers,
        "where": ragged.flat["where"],
        "action_values": ragged.flat["logits_q"],
        "offsets": ragged.offsets,
    }
    actions = np.zeros(40, int)
    step = example.objective.gradient(logits, None, actions, **options)
    expected = testing.objective_gradient(example.objective, logits, actions, **options)
    for a, e in zip(step, expected, strict=True):
        if e is not None:
            # Some roundings of double on both sides.
            np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-11)


@ALL_ACTIONS
def test_references_over_all_actions_take_offsets(example: AllActionExample) -> None:
    ragged = ragged_of(np.random.default_rng(1).integers(1, 9, 40), np.float64)
    logits, offsets = np.clip(ragged.flat["logits"], -3.0, 3.0), ragged.offsets
    q = np.random.default_rng(3).normal(size=logits.size)
    if example.matrix_name == "targets":
        q = scorefn.softmax(q, offsets=offsets)
    options: dict[str, Any] = {example.matrix_name: q, "offsets": offsets}
    step = example.objective.gradient(logits, None, **options)
    expected = testing.all_action_gradient(example.objective, logits, **options)
    for a, e in zip(step, expected, strict=True):
        if e is not None:
            # Some roundings of double on both sides.
            np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-11)


NVEC, DECISIONS = [2, 3, 4], 50
HEADS = scorefn.Segments.of_rows((DECISIONS, len(NVEC)))
OFFSETS = scorefn.offsets_from_lengths(np.tile(NVEC, DECISIONS))


def test_heads_are_one_decision() -> None:
    """The objective of heads is that of one action of all their combinations."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(DECISIONS, sum(NVEC)))
    log_prob = scorefn.log_softmax(logits.ravel(), offsets=OFFSETS).reshape(logits.shape)
    a, b, c = np.split(log_prob, np.cumsum(NVEC)[:-1], axis=-1)
    joint = (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).reshape(DECISIONS, -1)
    actions, old = scorefn.sample(logits.ravel(), rng=1, offsets=OFFSETS)
    old += rng.normal(scale=0.2, size=old.shape)
    advantages = rng.normal(size=DECISIONS)
    ppo = scorefn.ClippedSurrogate(entropy_coef=0.1)
    step = ppo.gradient(
        logits.ravel(),
        None,
        actions,
        old_log_prob=old,
        advantages=advantages,
        offsets=OFFSETS,
        segments=HEADS,
    )
    one_action = np.ravel_multi_index(tuple(actions.reshape(DECISIONS, -1).T), NVEC)
    of_joint = ppo.gradient(
        joint,
        None,
        one_action,
        old_log_prob=old.reshape(DECISIONS, -1).sum(axis=1),
        advantages=advantages,
    )
    # Sums of a few terms of double on both sides.
    np.testing.assert_allclose(step.objective, of_joint.objective, rtol=1e-12)
    np.testing.assert_allclose(step.ratio, of_joint.ratio, rtol=1e-12)
    np.testing.assert_allclose(
        step.entropy.reshape(DECISIONS, -1).sum(axis=1), of_joint.entropy, rtol=1e-12
    )
    assert step.clip_fraction == of_joint.clip_fraction

    # The gradient by the chain rule: each head's entry has the sum over the combinations with it.
    grid = of_joint.gradient.reshape(DECISIONS, *NVEC)
    of_heads = [grid.sum(axis=tuple(k for k in (1, 2, 3) if k != head)) for head in (1, 2, 3)]
    gradient = step.gradient.reshape(logits.shape)
    np.testing.assert_allclose(gradient, np.concatenate(of_heads, axis=-1), rtol=1e-9, atol=1e-12)


def test_segments_and_valid_and_masks_with_the_reference() -> None:
    ragged = ragged_of(np.random.default_rng(1).integers(1, 9, 40), np.float64)
    logits = np.clip(ragged.flat["logits"], -3.0, 3.0)
    segments = scorefn.Segments.from_lengths([3, 7, 10, 20])
    options = {
        "old_log_prob": ragged.rows["old_log_prob"],
        "advantages": np.array([1.0, -1.0, 0.5, -0.5]),
        "where": ragged.flat["where"],
        "offsets": ragged.offsets,
        "segments": segments,
    }
    actions = np.zeros(40, int)
    objective = scorefn.ClippedSurrogate()
    step = objective.gradient(logits, None, actions, **options)
    expected = testing.objective_gradient(objective, logits, actions, **options)
    # Some roundings of double on both sides.
    np.testing.assert_allclose(step.gradient, expected.gradient, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(step.ratio, expected.ratio, rtol=1e-10)

    valid = np.arange(40) < 20  # the last segment does not count
    logits[ragged.offsets[20] :] = np.nan
    actions[20:] = 99
    half = objective.gradient(logits, None, actions, valid=valid, **options)
    assert same_bits(half.gradient[: ragged.offsets[20]], step.gradient[: ragged.offsets[20]])
    assert not half.gradient[ragged.offsets[20] :].any()


def test_an_objective_of_ones_own() -> None:
    ragged = ragged_of(mixed_lengths(rows=400), np.float64)
    weights = ragged.rows["weights"]
    custom = scorefn.CustomObjective(lambda log_prob, w: (w * log_prob, w), entropy_coef=0.1)
    arguments = (ragged.flat["logits"], None, np.zeros(400, int))
    masks = {"valid": ragged.rows["valid"], "where": ragged.flat["where"]}
    step = custom.gradient(*arguments, w=weights, offsets=ragged.offsets, **masks)
    expected = scorefn.WeightedLogProb(entropy_coef=0.1).gradient(
        *arguments, weights=weights, offsets=ragged.offsets, **masks
    )
    assert same_bits(step.gradient, expected.gradient)


class FlatPolicy:
    """Each logit is a feature times one coefficient."""

    def __init__(self, coef: float) -> None:
        self.coef = coef

    def logits(self, observations: Array) -> Array:
        return self.coef * observations

    def adjoint(self, observations: Array, gradient: Array) -> Array:
        return np.array(observations @ gradient)


def test_a_policy_of_ones_own_has_flat_logits() -> None:
    ragged = ragged_of(np.random.default_rng(1).integers(1, 9, 40), np.float64)
    x = np.random.default_rng(2).normal(size=ragged.offsets[-1])
    options = {"weights": ragged.rows["weights"], "offsets": ragged.offsets}
    objective = scorefn.WeightedLogProb(entropy_coef=0.1)

    def step(coef: float) -> Any:
        return objective.gradient(FlatPolicy(coef), x, ragged.rows["actions"], **options)

    h = 1e-5
    difference = (step(0.5 + h).objective - step(0.5 - h).objective) / (2 * h)
    # A central difference: h^2 times a third derivative, and roundings divided by h.
    np.testing.assert_allclose(step(0.5).gradient, difference, rtol=1e-7)


def test_policies_of_dense_rows_refuse_offsets() -> None:
    table, linear = scorefn.TabularPolicy(np.zeros((2, 3))), scorefn.LinearPolicy(np.zeros((2, 3)))
    for policy, observations in ((table, [0]), (linear, np.zeros((1, 2)))):
        for segments in (None, [0, 1]):
            with pytest.raises(TypeError, match="policy must be flat logits, or a policy of your"):
                scorefn.WeightedLogProb().gradient(
                    policy, observations, [0], weights=[1.0], offsets=[0, 3], segments=segments
                )
        with pytest.raises(TypeError, match="policy must be flat logits, or a policy of your"):
            scorefn.ExpectedReward().gradient(
                policy, observations, action_values=np.zeros(3), offsets=[0, 3]
            )


def test_bad_terms_are_named() -> None:
    offsets, logits = [0, 2, 5], np.zeros(5)
    with pytest.raises(ValueError, match=r"reference\[1\] has no allowed action"):
        scorefn.ReverseKL().gradient(
            logits, None, reference=[0.0, 0.0, -np.inf, -np.inf, -np.inf], offsets=offsets
        )
    with pytest.raises(ValueError, match=r"targets\[1\] must sum to 1 .* got 0.5"):
        scorefn.CrossEntropy().gradient(
            logits, None, targets=[0.5, 0.5, 0.5, 0.0, 0.0], offsets=offsets
        )
    with pytest.raises(ValueError, match=r"action_values must have shape \(5,\), got \(6,\)"):
        scorefn.ExpectedReward().gradient(logits, None, action_values=np.zeros(6), offsets=offsets)
    with pytest.raises(ValueError, match=r"propensities\[1\] must be in \(0, 1\], got 2"):
        scorefn.ImportanceSampling().gradient(
            logits,
            None,
            [0, 0],
            propensities=[1.0, 2.0],
            advantages=[1.0, 1.0],
            offsets=offsets,
        )
