"""Decisions of several rows, of any objective on any policy: sequences, and actions with heads."""

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
from scorefn.testing.segments import LOG_PROBS
from test_joint import (
    KINDS,
    Case,
    N,
    assert_near,
    every_objective,
    ids,
    make,
    one_of_each_objective,
    samples,
)

Array = NDArray[Any]

# Of one row, of none, and longer than what the core takes at a time.
OFFSETS = np.array([0, 1, 1, 4, 60, N, N])
with_kinds = pytest.mark.parametrize("log_prob", ["sum", "mean"])


def of_segments(numbers: dict[str, Array], offsets: Array = OFFSETS) -> dict[str, Array]:
    """Numbers of rows: log-probabilities as they are, of others as many as there are segments."""
    count = len(offsets) - 1
    return {name: x if name in LOG_PROBS else x[:count] for name, x in numbers.items()}


def near(numbers: dict[str, Array], log_prob: Array, dtype: Any) -> dict[str, Array]:
    """With log-probabilities near those of the policy: sums of log-ratios stay moderate."""
    shift = np.random.default_rng(1).normal(scale=0.03, size=log_prob.shape)
    return {
        name: (log_prob + shift).astype(dtype) if name in LOG_PROBS else x
        for name, x in numbers.items()
    }


def takes(example: Example, log_prob: str) -> bool:
    """Propensities are of whole decisions."""
    reads = [n.name for n in example.objective.declaration.reads]
    return log_prob == "sum" or "propensities" not in reads


def clips(example: Example) -> list[Any]:
    names = {n.name for n in example.objective.declaration.reads}
    return [np.inf, (0.02, 0.03)] if {"advantages", "old_log_prob"} <= names else [np.inf]


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        pytest.param(kind, example, id=f"{kind}-{name}")
        for example, name in zip(EXAMPLES, ids, strict=True)
        # The policy has nothing to do with an option.
        for kind in (KINDS if example in ONE_OF_EACH else ["array"])
    ],
)
@with_kinds
@for_each(dtype=[np.float32, np.float64])
def test_step_is_that_of_the_reference(
    kind: str, dtype: Any, log_prob: Any, example: Example
) -> None:
    for entropy_coef in (0.0, 0.3) if takes(example, log_prob) else ():
        assert_is_reference(make(kind, 6, dtype), dtype, entropy_coef, log_prob, example)


def assert_is_reference(
    case: Case, dtype: Any, entropy_coef: float, log_prob: Any, example: Example
) -> None:
    actions, numbers = samples(case, example, 6, dtype)
    of_rows = testing.log_prob(case.logits, actions)
    numbers = of_segments(near(numbers, of_rows, dtype))
    objective = replace(example.objective, entropy_coef=entropy_coef)
    for row_clip in clips(example):
        segments = scorefn.Segments(OFFSETS, log_prob, row_clip)
        step = objective.gradient(
            case.policy, case.observations, actions, segments=segments, **numbers
        )
        exact = testing.objective_gradient(
            objective, case.logits, actions, segments=segments, **numbers
        )
        if not np.isfinite(exact.gradient).all():
            # Ratios of probabilities of a hundred rows to one propensity are 0, or no number.
            continue
        # The log-ratio of a decision has the errors of its rows: of 140 sums of logits.
        scale = 140 * np.abs(exact.gradient).sum() + 1.0
        assert_near(step.gradient, case.adjoint(exact.gradient), scale, dtype)
        eps = float(np.finfo(dtype).eps)
        assert step.objective == pytest.approx(exact.objective, abs=400 * eps * (scale + N))
        for declared in objective.declaration.writes:
            got = getattr(step, declared.name)
            assert got.dtype == dtype
            # Below the normal numbers of the dtype, the ratio of a long segment is 0.
            tiny = float(np.finfo(dtype).tiny)
            right = getattr(exact, declared.name)
            np.testing.assert_allclose(got, right, rtol=10_000 * eps, atol=tiny)


@one_of_each_objective
@pytest.mark.parametrize("kind", KINDS)
@for_each(dtype=[np.float32, np.float64])
def test_segments_of_single_rows_are_the_rows(kind: str, dtype: Any, example: Example) -> None:
    case = make(kind, 6, dtype)
    actions, numbers = samples(case, example, 6, dtype)
    # As log_prob gives them: a pass may round the logits of a linear policy in another way.
    arguments = (case.policy, case.observations, actions)
    if kind in ("linear", "tabular", "logits"):
        arguments = (case.policy.logits(case.observations), None, actions)
        if kind == "logits":
            arguments = (np.broadcast_to(case.policy.parameters, (N, 6)), None, actions)
    step = example.objective.gradient(*arguments, segments=np.arange(N + 1), **numbers)
    dense = example.objective.gradient(*arguments, **numbers)
    assert np.asarray(step.gradient).tobytes() == np.asarray(dense.gradient).tobytes()
    for declared in example.objective.declaration.writes:
        name = declared.name
        assert getattr(step, name).tobytes() == getattr(dense, name).tobytes()
    # Sums of the same numbers in another order.
    assert step.objective == pytest.approx(dense.objective, rel=1e-13, abs=1e-12)


@every_objective
@with_kinds
def test_padding_is_what_is_not_there(log_prob: Any, example: Example) -> None:
    if not takes(example, log_prob):
        return
    rng = np.random.default_rng(3)
    lengths = np.array([3, 0, 7, 1])
    valid = np.arange(7) < lengths[:, None]
    z, actions = rng.normal(size=(4, 7, 5)), rng.integers(5, size=(4, 7))
    numbers = example.numbers(testing.log_prob(z, actions), rng, np.float64)
    of_decisions = {name: x if name in LOG_PROBS else x[:, 0].copy() for name, x in numbers.items()}
    packed_numbers = {
        name: x[valid] if name in LOG_PROBS else x for name, x in of_decisions.items()
    }
    z[~valid], actions[~valid] = np.nan, -100
    for name in LOG_PROBS:
        if name in of_decisions:
            of_decisions[name][~valid] = np.nan
    padded = example.objective.gradient(
        z,
        None,
        actions,
        segments=scorefn.Segments.of_rows(actions.shape, log_prob=log_prob),
        valid=valid,
        **of_decisions,
    )
    packed = example.objective.gradient(
        z[valid],
        None,
        actions[valid],
        segments=scorefn.Segments.from_lengths(lengths, log_prob=log_prob),
        **packed_numbers,
    )
    assert padded.gradient[valid].tobytes() == packed.gradient.tobytes()
    assert not padded.gradient[~valid].any()
    assert padded.objective == packed.objective
    for declared in example.objective.declaration.means:  # over the three that count
        assert getattr(padded, declared.name) == getattr(packed, declared.name)


@with_kinds
@every_objective
@for_each(row_clip=[np.inf, (0.02, 0.03)])
def test_central_differences(example: Example, log_prob: Any, row_clip: Any) -> None:
    if row_clip is not np.inf and len(clips(example)) == 1:
        return
    if example.name in ("CISPO", "KLPenalty", "ImportanceSampling"):
        return  # which hold something constant, or jump: compared with the reference above
    rng = np.random.default_rng(5)
    z, actions = rng.normal(size=(12, 3)), rng.integers(3, size=12)
    offsets = np.array([0, 4, 4, 5, 12])
    of_rows = testing.log_prob(z, actions)
    numbers = example.numbers(of_rows, rng, np.float64)
    numbers = of_segments(near(numbers, of_rows, np.float64), offsets)
    segments = scorefn.Segments(offsets, log_prob, row_clip)

    def step(logits: Array) -> Any:
        return example.objective.gradient(logits, None, actions, segments=segments, **numbers)

    h = 1e-6
    differences = np.zeros_like(z)
    for i in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i] += h
        down[i] -= h
        differences[i] = (step(up).objective - step(down).objective) / (2 * h)
    # Rounding of 1e-16 over h, and h^2 times a third derivative of some units.
    np.testing.assert_allclose(step(z).gradient, differences, rtol=0, atol=1e-8)


def test_gspo() -> None:
    """Zheng et al. 2025, equations 5 to 7, in plain loops."""
    rng = np.random.default_rng(0)
    lengths, advantages = [4, 1, 6], np.array([1.0, -2.0, 0.5])
    z, actions = rng.normal(size=(11, 8)), rng.integers(8, size=11)
    log_prob = testing.log_prob(z, actions)
    old = log_prob + rng.normal(scale=0.3, size=11)
    expected, expected_ratio, start = 0.0, [], 0
    for length, a in zip(lengths, advantages, strict=True):
        log_ratios = (log_prob - old)[start : start + length]
        s = np.exp(log_ratios.mean())
        expected += min(s * a, np.clip(s, 1 - 3e-4, 1 + 4e-4) * a)
        expected_ratio.append(s)
        start += length
    gspo = scorefn.ClippedSurrogate(clip_range=(3e-4, 4e-4))
    segments = scorefn.Segments.from_lengths(lengths, log_prob="mean")
    step = gspo.gradient(
        z, None, actions, segments=segments, old_log_prob=old, advantages=advantages
    )
    assert step.objective == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(step.ratio, expected_ratio, rtol=1e-13)


def test_gmpo() -> None:
    """Zhao et al. 2025, equation 4: the geometric mean of ratios that are cut by sign."""
    rng = np.random.default_rng(0)
    lengths, advantages = [4, 1, 6], np.array([1.0, -2.0, 0.5])
    z, actions = rng.normal(size=(11, 8)), rng.integers(8, size=11)
    log_prob = testing.log_prob(z, actions)
    old = log_prob + rng.normal(scale=0.6, size=11)
    expected, weights, start = 0.0, np.zeros(11), 0
    for length, a in zip(lengths, advantages, strict=True):
        x = (log_prob - old)[start : start + length] * np.sign(a)
        cut = np.minimum(x, np.clip(x, -0.4, 0.4)) * np.sign(a)
        expected += a * np.exp(cut.mean())
        weights[start : start + length] = np.where(x > 0.4, 0, a * np.exp(cut.mean()) / length)
        start += length
    gmpo = scorefn.ClippedSurrogate(clip_range=np.inf)
    segments = scorefn.Segments.from_lengths(lengths, log_prob="mean", row_clip=0.4)
    step = gmpo.gradient(
        z, None, actions, segments=segments, old_log_prob=old, advantages=advantages
    )
    assert step.objective == pytest.approx(expected, rel=1e-13)
    gradient = testing.score_gradient(z, actions, weights)
    np.testing.assert_allclose(step.gradient, gradient, rtol=0, atol=1e-14)


def test_heads_of_an_action_by_enumeration() -> None:
    """E[r * grad log pi(a)] over all joint actions is the gradient of E[r], with one ratio."""
    rng = np.random.default_rng(0)
    z, old_z = rng.normal(size=(2, 2, 3))
    where = np.array([[True, True, False], [True, True, True]])  # heads of two and of three
    reward = rng.normal(size=(3, 3))
    surrogate = scorefn.ClippedSurrogate(clip_range=np.inf)

    def expected_reward(logits: Array) -> float:
        p = testing.softmax(logits, where=where)
        return float(p[0] @ reward @ p[1])

    total = np.zeros_like(z)
    for joint in np.ndindex(3, 3):
        if not where[0, joint[0]]:
            continue
        old = scorefn.log_prob(old_z, np.array(joint), where=where)
        step = surrogate.gradient(
            z,
            None,
            np.array(joint),
            where=where,
            segments=scorefn.Segments.of_rows((2,)),
            old_log_prob=old,
            advantages=[reward[joint]],
        )
        total += np.exp(old.sum()) * step.gradient
    h = 1e-6
    for i in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i] += h
        down[i] -= h
        difference = (expected_reward(up) - expected_reward(down)) / (2 * h)
        # Rounding of 1e-16 over h, and h^2 times a third derivative.
        assert total[i] == pytest.approx(difference, abs=1e-9)


@with_kinds
@pytest.mark.parametrize("kind", KINDS)
def test_an_objective_of_ones_own(kind: str, log_prob: Any) -> None:
    case = make(kind, 6, np.float64)
    actions, _ = samples(case, EXAMPLES[0], 6, np.float64)
    weights = np.random.default_rng(0).normal(size=len(OFFSETS) - 1)
    segments = scorefn.Segments(OFFSETS, log_prob)
    custom = scorefn.CustomObjective(lambda log_prob, w: (w * log_prob, w), entropy_coef=0.1)
    declared = scorefn.WeightedLogProb(entropy_coef=0.1)
    valid = np.arange(N) % 3 != 0
    for flags in (None, valid):
        arguments = (case.policy, case.observations, actions)
        step = custom.gradient(*arguments, segments=segments, valid=flags, w=weights)
        expected = declared.gradient(*arguments, segments=segments, valid=flags, weights=weights)
        # Sums over the rows of a segment in another order.
        np.testing.assert_allclose(step.gradient, expected.gradient, rtol=0, atol=1e-12)
        assert step.objective == pytest.approx(expected.objective, rel=1e-12)
    with pytest.raises(ValueError, match="row_clip must be inf"):
        custom.gradient(*arguments, segments=scorefn.Segments(OFFSETS, row_clip=0.1), w=weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probabilities_that_are_not_finite(dtype: Any) -> None:
    z = np.array([[0.0, -np.inf], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], dtype)
    surrogate = scorefn.ClippedSurrogate()
    old = np.log(np.array([0.5, 0.5, 0.5, 0.5])).astype(dtype)

    def step(actions: list[int], old: Array, advantages: list[float], **how: Any) -> Any:
        segments = scorefn.Segments([0, 2, 4], **how)
        return surrogate.gradient(
            z, None, actions, segments=segments, old_log_prob=old, advantages=advantages
        )

    impossible = step([1, 0, 0, 0], old, [1.0, 1.0])
    assert impossible.ratio.tolist() == [0.0, 1.0]
    assert np.isfinite(impossible.gradient).all()
    never_drawn = step([0, 0, 0, 0], np.array([-np.inf, 0, 0, 0], dtype), [1.0, 0.0])
    assert never_drawn.ratio[0] == np.inf
    assert not never_drawn.gradient.any()  # clipped, and an advantage of 0
    cut = step([1, 0, 0, 0], old, [-1.0, 1.0], row_clip=0.5)
    np.testing.assert_allclose(cut.ratio, [np.exp(-0.5), 1.0], rtol=1e-6)


def test_wrong_segments() -> None:
    z, actions = np.zeros((4, 3)), np.zeros(4, int)
    objective = scorefn.WeightedLogProb()

    def gradient(segments: Any, count: int = 2) -> Any:
        return objective.gradient(z, None, actions, segments=segments, weights=np.ones(count))

    for offsets, message in [
        ([1, 2, 4], r"segments\[0\] must be 0, got 1"),
        ([0, 3, 2], r"segments\[2\] must be at least segments\[1\] = 3, got 2"),
        ([0, 2, 3], r"segments\[2\] = 3 must be the number of rows, 4"),
        ([0, 2, 5], r"segments\[2\] = 5 must be the number of rows, 4"),
        (np.zeros((2, 2), int), r"segments must have shape \(num_segments \+ 1,\), got \(2, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            gradient(offsets)
    with pytest.raises(ValueError, match=r"shape \(num_segments \+ 1,\), got \(0,\)"):
        gradient(np.zeros(0, int), 0)
    own = scorefn.CustomObjective(lambda log_prob: (log_prob, np.ones_like(log_prob)))
    with pytest.raises(ValueError, match=r"segments\[2\] = 3 must be the number of rows, 4"):
        own.gradient(z, None, actions, segments=[0, 2, 3])
    with pytest.raises(TypeError, match="segments must be integers, got float64"):
        own.gradient(z, None, actions, segments=[0.0, 1.5, 4.0])
    with pytest.raises(ValueError, match=r"segments\[2\] must be at least segments\[1\]"):
        scorefn.Segments.from_lengths([2**62, 2**62])
    with pytest.raises(TypeError, match="segments must be integers, got float64"):
        gradient([0.0, 4.0], 1)
    with pytest.raises(ValueError, match=r"weights must have shape \(2,\), got \(4,\)"):
        gradient([0, 2, 4], 4)
    with pytest.raises(ValueError, match="log_prob must be 'sum' for propensities"):
        scorefn.ImportanceSampling().gradient(
            z,
            None,
            actions,
            segments=scorefn.Segments([0, 4], "mean"),
            propensities=[0.5],
            advantages=[1.0],
        )
    with pytest.raises(ValueError, match=r"actions must have shape \(3, 2\) as segments has"):
        gradient(scorefn.Segments.of_rows((3, 2)))
    with pytest.raises(ValueError, match=r"lengths\[1\] must be at least 0, got -1"):
        scorefn.Segments.from_lengths([2, -1])
    with pytest.raises(TypeError, match="shape must be a tuple of int"):
        scorefn.Segments.of_rows(4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="log_prob must be 'sum' or 'mean', got 'max'"):
        scorefn.Segments([0, 4], "max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"row_clip must be at least 0, got -1\.0"):
        scorefn.Segments([0, 4], row_clip=-1.0)
    with pytest.raises(ValueError, match="needs an objective with old_log_prob and advantages"):
        gradient(scorefn.Segments([0, 2, 4], row_clip=0.1))


@one_of_each_objective
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_of_a_segment_depend_on_its_own_rows(dtype: Any, example: Example) -> None:
    """Single rows, and decisions beside them, are what they are alone."""
    case = make("array", 6, dtype)
    actions, numbers = samples(case, example, 6, dtype)
    together = np.array([0, 1, 4, 5, 6, 9, N])
    numbers = of_segments(numbers, together)

    def step(first: int, last: int, offsets: Array) -> Any:
        rows = slice(together[first], together[last])
        return example.objective.gradient(
            case.policy[rows],
            None,
            actions[rows],
            segments=offsets,
            **{
                name: x[rows] if name in LOG_PROBS else x[first:last] for name, x in numbers.items()
            },
        )

    all_of_them = step(0, 6, together)
    for k in range(5):
        alone = step(k, k + 1, together[k : k + 2] - together[k])
        rows = slice(together[k], together[k + 1])
        assert all_of_them.gradient[rows].tobytes() == alone.gradient.tobytes()
        for declared in example.objective.declaration.writes:
            name = declared.name
            assert getattr(all_of_them, name)[k] == getattr(alone, name)[0]


def test_statistics_of_segments_that_nobody_asks_for() -> None:
    rng = np.random.default_rng(0)
    z, actions = rng.normal(size=(6, 3)), rng.integers(3, size=6)
    for entropy_coef in (0.0, 0.1):
        objective = scorefn.WeightedLogProb(entropy_coef=entropy_coef)
        arguments: dict[str, Any] = {"segments": [0, 2, 6], "weights": np.array([1.0, -2.0])}
        step = objective.gradient(z, None, actions, **arguments)
        bare = objective.gradient(z, None, actions, **arguments, statistics=False)
        assert bare.gradient.tobytes() == step.gradient.tobytes()
        assert bare.objective == step.objective
        assert bare.log_prob is None
