"""Groups of samples by their ids: references, other libraries' conventions, biases, bad input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorefn import testing
from scorefn.credit import advantages, normalize

Array = NDArray[Any]

# Bounds the rounding of some tens of float64 operations on numbers of size 1 to 10.
CLOSE = {"rtol": 1e-13, "atol": 1e-13}
# (name, options): what is done to each group.
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("advantages", {"baseline": "none"}),
    ("advantages", {"baseline": "mean"}),
    ("advantages", {"baseline": "leave_one_out"}),
    ("normalize", {}),
    ("normalize", {"ddof": 0, "eps": 1e-4}),
]
FUNCTIONS: dict[str, Callable[..., Array]] = {"advantages": advantages, "normalize": normalize}

RAGGED = np.array([4, 7, 4, -2, 7, 7, 4, 4, 9, -2])  # 9 is a group of one sample
REWARDS = np.random.default_rng(0).normal(size=RAGGED.size)


@pytest.mark.parametrize(("name", "options"), WAYS)
@pytest.mark.parametrize("singleton", ["zero", "raw"])
@given(seed=st.integers(0, 2**32 - 1), num_groups=st.integers(1, 12), masked=st.booleans())
def test_reference(
    name: str, options: dict[str, Any], singleton: str, seed: int, num_groups: int, masked: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, ids = rng.normal(size=(4, 6)), rng.integers(num_groups, size=(4, 6))
    valid = rng.random((4, 6)) < 0.7 if masked else None
    options = {**options, "groups": ids, "valid": valid, "singleton": singleton}
    expected = getattr(testing, name)(x, **options)
    spoilt = x if valid is None else np.where(valid, x, np.nan)
    np.testing.assert_allclose(FUNCTIONS[name](spoilt, **options), expected, **CLOSE)


@pytest.mark.parametrize(("name", "options"), WAYS)
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_an_axis_is_a_grouping(name: str, options: dict[str, Any], axis: int | None) -> None:
    """The same bits, whether groups lie along an axis, have ids, or stand alone."""
    x = np.random.default_rng(1).normal(size=(5, 7))
    row, column = np.indices(x.shape)
    ids = {None: np.zeros(x.shape, int), 0: column, -1: row}[axis]
    f = FUNCTIONS[name]
    along = f(x, axis=axis, **options)
    by_id = f(x, groups=ids, **options)
    assert along.tobytes() == by_id.tobytes()
    np.testing.assert_allclose(getattr(testing, name)(x, axis=axis, **options), along, **CLOSE)
    order = np.random.default_rng(2).permutation(RAGGED.size * 100)
    many, group = REWARDS.repeat(100)[order], RAGGED.repeat(100)[order]
    by_id = f(many, groups=group, **options)
    for id_ in np.unique(group):
        alone = f(many[group == id_], **options)
        assert by_id[group == id_].tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64])
def test_ids_of_any_integer_dtype(dtype: Any) -> None:
    """Only equality counts: the ends of the dtype's range, any order, any strides."""
    expected = advantages(REWARDS, "mean", groups=RAGGED)
    info = np.iinfo(dtype)
    names = np.array([info.min, info.max, info.max - 1, info.min + 1], dtype)
    ids = names[np.unique(RAGGED, return_inverse=True)[1]]
    assert advantages(REWARDS, "mean", groups=ids).tobytes() == expected.tobytes()
    if info.bits == 64:  # ids that differ in one of their 16 bits at a time
        far = np.array([0, 2**16, 2**32, 2**48], dtype)[np.unique(RAGGED, return_inverse=True)[1]]
        assert advantages(REWARDS, "mean", groups=far).tobytes() == expected.tobytes()
    twice = np.repeat(ids, 2)[::2]
    assert not twice.flags.c_contiguous
    assert advantages(REWARDS, "mean", groups=twice).tobytes() == expected.tobytes()


def test_constant_groups_are_exactly_0() -> None:
    ids = np.array([0, 1, 0, 1, 0, 2])
    x = np.array([0.1, 5.0, 0.1, 7.0, 0.1, 1e300])
    for f in (normalize, lambda *a, **k: advantages(*a, "leave_one_out", **k)):
        result = f(x, groups=ids, singleton="zero")
        np.testing.assert_array_equal(result[ids != 1], 0.0)
        assert result[1] == -result[3] != 0.0
    assert normalize(np.array([0.3, 0.1 + 0.2, 1.0, 2.0]), groups=[0, 0, 1, 1])[:2].tolist() == [
        0.0,
        0.0,
    ]


def test_one_sample() -> None:
    assert advantages([5.0], "mean").tolist() == [0.0]
    assert advantages([5.0], "mean", singleton="raw").tolist() == [5.0]
    assert advantages([5.0], "leave_one_out", singleton="zero").tolist() == [0.0]
    assert advantages([5.0], "leave_one_out", singleton="raw").tolist() == [5.0]
    assert normalize([5.0], singleton="zero").tolist() == [0.0]
    assert normalize([5.0], singleton="raw", eps=0.25).tolist() == [4.0]
    assert normalize([5.0], ddof=0).tolist() == [0.0]
    assert normalize(np.float32([5.0]), singleton="raw").dtype == np.float64


def test_digits_of_large_numbers() -> None:
    """Each group is computed in two passes and in units of its own."""
    ids = np.repeat([3, 1, 2], 4)
    x = np.array([0.0, 1.0, 2.0, 5.0])
    numbers = np.concatenate([2.0**40 + x, 1e307 * x, 1e-300 * x])
    expected = (x - 2.0) / np.std(x, ddof=1)
    result = normalize(numbers, groups=ids, eps=0.0).reshape(3, 4)
    np.testing.assert_allclose(result, [expected] * 3, rtol=1e-14)
    others = advantages(numbers, "leave_one_out", groups=ids).reshape(3, 4)
    scaled = others / [[1.0], [1e307], [1e-300]]
    np.testing.assert_allclose(scaled, [(x - 2.0) * 4 / 3] * 3, rtol=1e-14)


def test_no_samples() -> None:
    for shape in ((0,), (0, 3)):
        empty = np.empty(shape)
        assert advantages(empty, "mean", groups=empty.astype(int)).shape == shape
        assert normalize(empty, groups=empty.astype(int)).shape == shape
    nobody = np.zeros(3, bool)
    assert normalize([np.nan] * 3, groups=[1, 2, 1], valid=nobody).tolist() == [0.0] * 3


# --- what other libraries do, in their words -----------------------------------------------------


def trl_grpo(rewards: Array, num_generations: int) -> Array:
    """GRPOTrainer with scale_rewards="group": NaN is a reward that nobody gave."""
    groups = rewards.reshape(-1, num_generations)
    count = np.sum(~np.isnan(groups), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(groups, axis=1, keepdims=True) / count
        variance = np.nansum((groups - mean) ** 2, axis=1, keepdims=True) / count
        variance *= np.where(count > 1, count / (count - 1), np.nan)
        scaled = (groups - mean) / (np.sqrt(variance) + 1e-4)
    return np.asarray(np.nan_to_num(scaled, nan=0.0)).reshape(-1)


def trl_rloo(rewards: Array, num_generations: int) -> Array:
    groups = rewards.reshape(-1, num_generations)
    count = np.sum(~np.isnan(groups), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        baseline = (np.nansum(groups, axis=1, keepdims=True) - groups) / (count - 1)
        return np.asarray(np.nan_to_num(groups - baseline, nan=0.0)).reshape(-1)


def test_trl() -> None:
    """Groups of one size, whose samples count if they have a reward."""
    rewards = np.random.default_rng(0).integers(0, 3, size=60).astype(np.float64)
    rewards[[3, 10, 11, 12, 20, 22, 23]] = np.nan
    rewards[40:44] = np.nan
    options: Any = {"axis": 1, "valid": ~np.isnan(rewards).reshape(-1, 4), "singleton": "zero"}
    groups = rewards.reshape(-1, 4)
    result = normalize(groups, eps=1e-4, **options)
    np.testing.assert_allclose(result.reshape(-1), trl_grpo(rewards, 4), **CLOSE)
    result = advantages(groups, "leave_one_out", **options)
    np.testing.assert_allclose(result.reshape(-1), trl_rloo(rewards, 4), **CLOSE)


def verl(scores: Array, index: Array, estimator: str) -> Array:
    """The advantages of verl's core_algos: of "grpo", "dr_grpo" (no division), "rloo" and so on."""
    of_id = defaultdict(list)
    for id_, score in zip(index, scores, strict=True):
        of_id[id_].append(score)
    result = np.empty(scores.size)
    for i, (id_, score) in enumerate(zip(index, scores, strict=True)):
        group = np.array(of_id[id_])
        n = len(group)
        mean, std = (group.mean(), group.std(ddof=1)) if n > 1 else (0.0, 1.0)
        if estimator == "grpo":
            result[i] = (score - mean) / (std + 1e-6)
        elif estimator == "dr_grpo":
            result[i] = score - mean
        elif estimator == "rloo":
            result[i] = score * n / (n - 1) - mean * n / (n - 1) if n > 1 else score
        elif estimator == "rloo_vectorized":
            result[i] = (n * score - group.sum()) / max(n - 1, 1) * (n > 1)
    return result


def test_verl() -> None:
    for estimator, result in {
        "grpo": normalize(REWARDS, eps=1e-6, groups=RAGGED, singleton="raw"),
        "dr_grpo": advantages(REWARDS, "mean", groups=RAGGED, singleton="raw"),
        "rloo": advantages(REWARDS, "leave_one_out", groups=RAGGED, singleton="raw"),
        "rloo_vectorized": advantages(REWARDS, "leave_one_out", groups=RAGGED, singleton="zero"),
    }.items():
        expected = verl(REWARDS, RAGGED, estimator)
        np.testing.assert_allclose(result, expected, **CLOSE, err_msg=estimator)


# --- exact expectations --------------------------------------------------------------------------


def expected_gradient(advantages_of: Callable[[Array], Array], n: int) -> tuple[Array, Array]:
    """That of the mean over n samples of A_i score_i, and the true gradient."""
    problem = testing.Bandit([0.3, -0.5, 1.0], [2.0, -1.0, 0.5], n)

    def estimate(samples: testing.Samples) -> Array:
        a = advantages_of(samples.rewards)
        return np.asarray(samples.policy.gradient(None, samples.actions, a / n))

    return testing.exact_expectation(estimate, problem), problem.gradient()


def test_expectations() -> None:
    """Of five independent samples of one distribution, in groups of 2 and 3, or 4 and 1."""
    ids = np.array([1, 0, 1, 0, 1])

    def of(baseline: Any, groups: Array, singleton: Any = "error") -> tuple[Array, Array]:
        return expected_gradient(
            lambda r: advantages(r, baseline, groups=groups, singleton=singleton), 5
        )

    # Bounds the rounding of 243 terms.
    result, exact = of("leave_one_out", ids)
    np.testing.assert_allclose(result, exact, atol=1e-14)
    # The mean includes the sample itself: a factor (n - 1) / n in each group.
    result, exact = of("mean", ids)
    np.testing.assert_allclose(result, exact * (2 * (1 / 2) + 3 * (2 / 3)) / 5, atol=1e-14)
    # A group of one sample is unbiased with its raw reward, and left out with 0.
    ids = np.array([1, 1, 1, 0, 1])
    result, exact = of("leave_one_out", ids, "raw")
    np.testing.assert_allclose(result, exact, atol=1e-14)
    result, exact = of("leave_one_out", ids, "zero")
    np.testing.assert_allclose(result, exact * 4 / 5, atol=1e-14)
    # The test sees a bias: the largest of the group is no baseline.
    result, exact = expected_gradient(lambda r: r - r.max(), 5)
    assert np.abs(result - exact).max() > 0.01


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [normalize, lambda *a, **k: advantages(*a, "leave_one_out", **k)])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"groups": [0.0, 1.0]}, TypeError, "groups must be integers, got float64"),
        ({"groups": [True, True]}, TypeError, "groups must be integers, got bool"),
        ({"groups": ["a", "b"]}, TypeError, "groups must be integers, got <U1"),
        (
            {"groups": [[0, 0]]},
            ValueError,
            r"groups must have shape \(2,\), got \(1, 2\)",
        ),
        (
            {"groups": [0, 0], "axis": 0},
            ValueError,
            "axis must be left out if groups is given, got 0",
        ),
        (
            {"groups": [3, 8]},
            ValueError,
            "number of samples to compare must be at least 2, got 1 in group 3",
        ),
        (
            {"singleton": "skip"},
            ValueError,
            "singleton must be one of error, zero, raw, got 'skip'",
        ),
        ({"singleton": None}, TypeError, "singleton must be a str, got NoneType"),
    ],
)
def test_bad_input(f: Callable[..., Array], options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        f([1.0, 2.0], **options)


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match=r"rewards\[1\] must be finite, got nan"):
        advantages([1.0, np.nan], "mean", groups=[0, 0])
    with pytest.raises(ValueError, match="ddof must be 0 or 1, got 2"):
        normalize([1.0, 2.0], ddof=2)
    with pytest.raises(TypeError, match="ddof must be an int, got bool"):
        normalize([1.0, 2.0], ddof=True)
