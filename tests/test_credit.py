"""Credit assignment against sums written out from the definitions, and its bad input."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorefn import discounted_returns, gae
from scorefn.credit import advantages, normalize

# Bounds the rounding of some tens of float64 operations on numbers of size 1 to 10.
CLOSE = {"rtol": 1e-13, "atol": 1e-13}


def test_baselines():
    rewards = np.array([1.0, 2.0, 6.0])
    np.testing.assert_array_equal(advantages(rewards), rewards)
    np.testing.assert_array_equal(advantages(rewards, "mean"), [-2.0, -1.0, 3.0])
    np.testing.assert_array_equal(advantages(rewards, "leave_one_out"), [-3.0, -1.5, 4.5])
    by_values = advantages(rewards, "values", values=[1, 1, 1])
    np.testing.assert_array_equal(by_values, [0.0, 1.0, 5.0])


def test_advantages_are_new_arrays():
    rewards = np.ones(3)
    advantages(rewards)[:] = 5.0
    np.testing.assert_array_equal(rewards, 1.0)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 20))
def test_leave_one_out_is_the_mean_of_the_others(seed, n):
    rewards = np.random.default_rng(seed).normal(size=n)
    others = np.array([np.delete(rewards, i).mean() for i in range(n)])
    result = advantages(rewards, "leave_one_out")
    np.testing.assert_allclose(result, rewards - others, **CLOSE)
    np.testing.assert_allclose(result, n / (n - 1) * (rewards - rewards.mean()), **CLOSE)


def test_leave_one_out_keeps_small_differences_of_large_rewards():
    rewards = 2.0**40 + np.array([0.0, 1.0, 2.0, 5.0])
    np.testing.assert_allclose(
        advantages(rewards, "leave_one_out"), np.array([-2.0, -1.0, 0.0, 3.0]) * 4 / 3, rtol=1e-15
    )


@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_groups_lie_along_an_axis(baseline):
    rewards = np.random.default_rng(0).normal(size=(4, 5))
    by_row = advantages(rewards, baseline, axis=1)
    np.testing.assert_array_equal(by_row[2], advantages(rewards[2], baseline))
    by_column = advantages(rewards, baseline, axis=0)
    np.testing.assert_allclose(by_column[:, 3], advantages(rewards[:, 3], baseline), **CLOSE)
    by_row = normalize(rewards, axis=-1)
    np.testing.assert_array_equal(by_row[2], normalize(rewards[2]))


def test_normalize():
    a = np.array([1.0, 2.0, 6.0])
    expected = (a - 3.0) / (np.sqrt(14.0 / 2.0) + 1e-8)
    np.testing.assert_allclose(normalize(a), expected, **CLOSE)
    np.testing.assert_allclose(normalize(a, eps=1.0), (a - 3.0) / (np.sqrt(7.0) + 1.0), **CLOSE)
    np.testing.assert_array_equal(normalize(np.full(3, 2.0)), 0.0)


never = np.zeros(3, dtype=bool)
gae_options = {"terminated": never, "truncated": never, "discount": 0.9, "gae_lambda": 0.9}


def test_normalize_numbers_of_any_size():
    for size in (1e-320, 1e-200, 1.0, 1e200, 1.7e308 / 3.0):
        expected = [-1.0, 0.0, 1.0]  # the subnormal numbers have fewer digits
        result = normalize(np.array([1.0, 2.0, 3.0]) * size, eps=0.0)
        np.testing.assert_allclose(result, expected, atol=1e-3 if size < 1e-300 else 1e-15)
    assert normalize([0.0, 0.0]).tolist() == [0.0, 0.0]
    assert np.abs(normalize([0.0, 5e-324])).max() < 1e-300  # eps is far larger


@pytest.mark.parametrize(
    "equal",
    [
        [123456789.1] * 7,
        [0.1] * 10,
        [-1e308] * 3,
        [1.0 / 3.0] * 1000,
        [0.3, 0.1 + 0.2, 0.3],
        [123456789.1, np.nextafter(123456789.1, 1e9), 123456789.1],
        [5e-324] * 3,
        [0.0] * 4,
    ],
)
def test_equal_numbers_are_normalised_to_0(equal):
    for eps in (1e-8, 0.0):
        np.testing.assert_array_equal(normalize(equal, eps=eps), 0.0)
    rows = np.array([equal, np.arange(len(equal))])
    by_row = normalize(rows, axis=1)
    np.testing.assert_array_equal(by_row[0], 0.0)
    np.testing.assert_array_equal(by_row[1], normalize(np.arange(len(equal))))


@pytest.mark.parametrize("size", [1e-30, 0.1, 123456789.1, -1e30])
def test_equal_numbers_of_float32_are_normalised_to_0(size):
    """They lie within a few ULP of float32, which is 2^29 ULP of float64."""
    x = np.float32(size)
    nearly = np.array([x, np.nextafter(x, np.float32(np.inf)), x])
    np.testing.assert_array_equal(normalize(nearly, eps=0.0), 0.0)
    assert np.abs(normalize(nearly.astype(np.float64), eps=0.0)).max() > 1.0
    half = np.array([1.0, 1.0 - 2.0**-11], dtype=np.float16)  # a difference that a reward may mean
    assert np.abs(normalize(half)).max() > 0.7


def test_normalisation_keeps_small_differences_of_large_numbers():
    """Beyond a few ULP a difference is one, and the mean loses none of its digits."""
    a = 2.0**40 + np.array([0.0, 1.0, 2.0, 5.0])
    expected = np.array([-2.0, -1.0, 0.0, 3.0]) / (np.sqrt(14.0 / 3.0) + 1e-8)
    np.testing.assert_allclose(normalize(a), expected, rtol=1e-15)


def test_floating_point_errors_are_never_raised():
    never = np.zeros(1501, bool)
    tiny = np.array([1e-310, 1e-308, 5e-324])
    with np.errstate(all="raise"):
        returns = discounted_returns([0.0] * 1500 + [1.0], 0.5)
        assert returns[-1] == 1.0
        assert returns[0] == 0.0
        gae(*[[1e-300] * 1501] * 3, terminated=never, truncated=never, discount=0.1, gae_lambda=0.1)
        assert discounted_returns([1e308, 1e308], 1.0).tolist() == [np.inf, 1e308]
        assert discounted_returns(np.float16([6e-8, 6e4]), 1e-30).dtype == np.float32
        np.testing.assert_allclose(normalize([1e308, -1e308]), [0.5**0.5, -(0.5**0.5)])
        for x in (tiny, tiny * 1e305, [1e308] * 3, [1.7e308, -1.7e308, 0.0], np.float16([6e-8, 1])):
            for baseline in ("none", "mean", "leave_one_out"):
                advantages(x, baseline)
            advantages(x, "values", values=np.negative(x))
            assert np.isfinite(normalize(x)).all()
    np.testing.assert_array_equal(advantages([1e308] * 3, "mean"), 0.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: discounted_returns(1.0, 0.9),
            ValueError,
            r"rewards must have an axis of time, got shape \(\)",
        ),
        (
            lambda: discounted_returns(np.ones(3), 1.5),
            ValueError,
            "discount must be from 0 to 1, got 1.5",
        ),
        (
            lambda: discounted_returns([1.0, np.nan], 0.5),
            ValueError,
            r"rewards\[1\] must be finite, got nan",
        ),
        (
            lambda: discounted_returns(["1", "2"], 0.5),
            TypeError,
            "rewards must be real numbers, got <U1",
        ),
        (
            lambda: discounted_returns(np.ones(3), 0.5, terminated=np.zeros(3)),
            TypeError,
            "terminated must be bool, or int8 or uint8 of 0 and 1, got float64",
        ),
        (
            lambda: discounted_returns(np.ones((3, 1)), 0.5, truncated=never),
            ValueError,
            r"truncated must have shape \(3, 1\), got \(3,\)",
        ),
        (
            lambda: discounted_returns(np.ma.masked_array([1.0, 2.0], [True, False]), 0.5),
            TypeError,
            "rewards must not be a masked array",
        ),
        (
            lambda: gae(np.ones(3), np.ones((3, 1)), np.ones(3), **gae_options),
            ValueError,
            r"values must have shape \(3,\), got \(3, 1\)",
        ),
        (
            lambda: gae(np.ones(3), np.ones(3), [0.0, np.inf, 0.0], **gae_options),
            ValueError,
            r"next_values\[1\] must be finite, got inf",
        ),
        (
            lambda: gae(np.ones(3), np.ones(3), np.ones(3), **{**gae_options, "gae_lambda": -1}),
            ValueError,
            "gae_lambda must be from 0 to 1, got -1",
        ),
        (
            lambda: advantages(np.ones(3), "best"),
            ValueError,
            "baseline must be one of none, mean, leave_one_out, weighted_mean, values, got 'best'",
        ),
        (
            lambda: advantages(np.ones(3), np.array(["mean", "none"])),
            TypeError,
            "baseline must be a str, got numpy.ndarray",
        ),
        (
            lambda: advantages(np.ones(1), "leave_one_out"),
            ValueError,
            "number of samples to compare must be at least 2, got 1",
        ),
        (
            lambda: advantages(np.ones(0), "mean"),
            ValueError,
            "number of samples to compare must be at least 1, got 0",
        ),
        (
            lambda: advantages(np.ones(3), "values"),
            ValueError,
            "values must be given for baseline='values'",
        ),
        (
            lambda: advantages(np.ones(3), "mean", values=np.ones(3)),
            ValueError,
            "values must be left out for baseline='mean'",
        ),
        (
            lambda: advantages(np.ones(3), "values", values=np.ones((3, 1))),
            ValueError,
            r"values must have shape \(3,\), got \(3, 1\)",
        ),
        (
            lambda: advantages(np.ones(3, dtype=bool)),
            TypeError,
            "rewards must be real numbers, got bool",
        ),
        (
            lambda: advantages(np.ones(3), "mean", axis=1),
            ValueError,
            r"axis must be an axis of shape \(3,\), got 1",
        ),
        (
            lambda: normalize([1.0]),
            ValueError,
            "number of samples to compare must be at least 2, got 1",
        ),
        (lambda: normalize([1.0, 2.0], eps=-1.0), ValueError, "eps must be at least 0, got -1.0"),
        (lambda: normalize([1.0, 2.0], eps=np.nan), ValueError, "eps must be finite, got nan"),
        (
            lambda: normalize([1.0, 2.0], axis="0"),
            TypeError,
            "axis must be an int or None, got str",
        ),
        (
            lambda: advantages(np.ones(3), "mean", axis=True),
            TypeError,
            "axis must be an int or None, got bool",
        ),
        (
            lambda: discounted_returns([1.0], "0.9"),
            TypeError,
            "discount must be a real number, got str",
        ),
        (
            lambda: discounted_returns([1.0], True),
            TypeError,
            "discount must be a real number, got bool",
        ),
        (
            lambda: discounted_returns([[1.0], [2.0, 3.0]], 0.9),
            TypeError,
            "rewards must be an array, got list whose items differ in length",
        ),
        (
            lambda: advantages([np.ma.masked_array([1.0], [True]), [2.0]]),
            TypeError,
            "rewards must not be a masked array",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_that_do_not_count(dtype: Any, axis: int | None) -> None:
    """Groups of several sizes, of which each is as it is alone."""
    rng = np.random.default_rng(0)
    x, values = rng.normal(size=(2, 5, 6)).astype(dtype)
    valid = rng.random((5, 6)) < 0.7
    valid[:2] = valid[:, :2] = True
    spoilt, spoilt_values = (np.where(valid, y, dtype(np.nan)) for y in (x, values))
    for result, of_group in [
        (normalize(spoilt, axis=axis, valid=valid), normalize),
        *(
            (
                advantages(spoilt, baseline, axis=axis, valid=valid),
                partial(advantages, baseline=baseline),
            )
            for baseline in ("none", "mean", "leave_one_out")
        ),
    ]:
        assert result.dtype == np.float64
        assert not result[~valid].any()
        groups = (
            [(slice(None), slice(None))]
            if axis is None
            else [(slice(None), k) if axis == 0 else (k, slice(None)) for k in range(5)]
        )
        for group in groups:
            counts = valid[group]
            expected = of_group(x[group][counts])
            assert result[group][counts].tobytes() == expected.tobytes()
    over_values = advantages(spoilt, "values", values=spoilt_values, axis=axis, valid=valid)
    expected = advantages(x, "values", values=values)
    assert over_values.tobytes() == np.where(valid, expected, 0.0).tobytes()


def test_groups_without_a_sample_that_counts() -> None:
    valid = np.array([[False, False], [True, True]])
    rewards = np.array([[np.nan, np.inf], [1.0, 3.0]])
    assert normalize(rewards, axis=1, valid=valid).round(4).tolist() == [
        [0.0, 0.0],
        [-0.7071, 0.7071],
    ]
    with pytest.raises(ValueError, match=r"rewards\[1, 0\] must be finite, got nan"):
        advantages(rewards * np.nan, "mean", axis=1, valid=valid)
    with pytest.raises(ValueError, match=r"valid must have shape \(2, 2\), got \(2,\)"):
        advantages(rewards, "mean", axis=1, valid=[True, False])
    with pytest.raises(ValueError, match="at least"):
        normalize(np.ones((2, 2)), axis=1, valid=[[True, False], [True, True]])
