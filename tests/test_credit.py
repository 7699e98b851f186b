"""Credit assignment against sums written out from the definitions, and its bad input."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scorefn
from scorefn import discounted_returns, gae, testing
from scorefn.credit import advantages, normalize

# Bounds the rounding of some tens of float64 operations on numbers of size 1 to 10.
CLOSE = {"rtol": 1e-13, "atol": 1e-13}


def random_episodes(seed, shape):
    rng = np.random.default_rng(seed)
    rewards, values, next_values = rng.normal(size=(3, *shape))
    terminated, truncated = rng.random(size=(2, *shape)) < 0.2
    valid = rng.random(size=shape) < 0.8
    return rewards, values, next_values, terminated, truncated, valid


def returns_by_definition(r, discount, next_values, terminated, truncated, valid):
    """Follows each step of one environment forward to the end of its episode."""
    steps = np.flatnonzero(valid)
    result = np.zeros(len(r))
    for position, start in enumerate(steps):
        for power, t in enumerate(steps[position:]):
            result[start] += discount**power * r[t]
            if terminated[t]:
                break
            if truncated[t] or t == steps[-1]:
                result[start] += discount ** (power + 1) * next_values[t]
                break
    return result


def gae_by_definition(r, values, next_values, terminated, truncated, valid, discount, gae_lambda):
    """The sum of (discount * lambda)^k delta_{t+k} up to the end of the episode."""
    steps = np.flatnonzero(valid)
    delta = r + discount * np.where(terminated, 0.0, next_values) - values
    result = np.zeros(len(r))
    for position, start in enumerate(steps):
        for power, t in enumerate(steps[position:]):
            result[start] += (discount * gae_lambda) ** power * delta[t]
            if terminated[t] or truncated[t]:
                break
    return result


@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(0, 12),
    batch=st.sampled_from([(), (1,), (3,), (2, 2)]),
    discount=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    gae_lambda=st.sampled_from([0.0, 0.95, 1.0]),
)
def test_returns_and_gae_follow_their_definitions(seed, steps, batch, discount, gae_lambda):
    episodes = random_episodes(seed, (steps, *batch))
    rewards, values, next_values, terminated, truncated, valid = episodes
    returns = discounted_returns(
        rewards,
        discount,
        terminated=terminated,
        truncated=truncated,
        next_values=next_values,
        valid=valid,
    )
    estimates = gae(
        rewards,
        values,
        next_values,
        terminated=terminated,
        truncated=truncated,
        discount=discount,
        gae_lambda=gae_lambda,
        valid=valid,
    )
    assert returns.dtype == estimates.dtype == np.float64
    assert returns.shape == estimates.shape == rewards.shape
    for env in np.ndindex(batch):
        r, v, v_next, ends, cuts, counts = (x[(slice(None), *env)] for x in episodes)
        expected = returns_by_definition(r, discount, v_next, ends, cuts, counts)
        np.testing.assert_allclose(returns[(slice(None), *env)], expected, **CLOSE)
        expected = gae_by_definition(r, v, v_next, ends, cuts, counts, discount, gae_lambda)
        np.testing.assert_allclose(estimates[(slice(None), *env)], expected, **CLOSE)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_scans_of_half_the_digits_are_float32(dtype):
    """Accumulated in float64, so a result is the reference for the same numbers, rounded once."""
    rewards, values, next_values, terminated, truncated, valid = random_episodes(3, (400, 5))
    numbers = [x.astype(dtype) for x in (rewards, values, next_values)]
    ends = {"terminated": terminated, "truncated": truncated, "valid": valid}
    returns = discounted_returns(numbers[0], 0.99, next_values=numbers[2], **ends)
    expected = testing.discounted_returns(numbers[0], 0.99, next_values=numbers[2], **ends)
    assert returns.dtype == np.float32
    np.testing.assert_array_equal(returns, expected.astype(np.float32))
    estimates = gae(*numbers, discount=0.99, gae_lambda=0.95, **ends)
    expected = testing.gae(*numbers, discount=0.99, gae_lambda=0.95, **ends)
    np.testing.assert_array_equal(estimates, expected.astype(np.float32))
    assert gae(numbers[0], values, numbers[2], discount=1, gae_lambda=1, **ends).dtype == np.float64
    assert discounted_returns(np.arange(3), 1.0).dtype == np.float64


LAYOUTS = {
    "time last": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(700,), (300, 3), (5, 2, 300), (40, 1500)])
def test_scans_keep_their_bits(shape, layout):
    """Tiles, strides and threads share out the work and change no bit of the plain loop."""
    rewards, values, next_values, *flags = random_episodes(7, shape)
    ends = dict(zip(("terminated", "truncated", "valid"), flags, strict=True))
    expected = testing.gae(rewards, values, next_values, discount=0.99, gae_lambda=0.9, **ends)
    expected_returns = testing.discounted_returns(rewards, 0.9, next_values=next_values, **ends)
    arrange = LAYOUTS[layout]
    rewards, values, next_values = map(arrange, (rewards, values, next_values))
    ends = {name: arrange(x) for name, x in ends.items()}
    for num_threads in (1, 3):
        with scorefn.threads(num_threads):
            estimates = gae(rewards, values, next_values, discount=0.99, gae_lambda=0.9, **ends)
            returns = discounted_returns(rewards, 0.9, next_values=next_values, **ends)
        np.testing.assert_array_equal(estimates, expected)
        np.testing.assert_array_equal(returns, expected_returns)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (2, 0, 3)])
def test_scans_of_nothing(shape):
    empty = np.zeros(shape).tolist()
    ends = {"terminated": empty, "truncated": empty}
    if shape[0] != 0:  # a list of lists that hold nothing has no last axis
        empty = np.zeros(shape)
        ends = {"terminated": np.zeros(shape, bool), "truncated": np.zeros(shape, np.int8)}
    estimates = gae(empty, empty, empty, **ends, discount=0.9, gae_lambda=0.9)
    returns = discounted_returns(empty, 0.9, **ends)
    assert estimates.shape == returns.shape == np.shape(empty)
    assert gae([], [], [], terminated=[], truncated=[], discount=1, gae_lambda=1).shape == (0,)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_flags_of_zeros_and_ones(dtype):
    rewards, values, next_values, *flags = random_episodes(1, (20, 3))
    ends = dict(zip(("terminated", "truncated", "valid"), flags, strict=True))
    as_numbers = {name: x.astype(dtype) for name, x in ends.items()}
    options = {"discount": 0.9, "gae_lambda": 0.5}
    np.testing.assert_array_equal(
        gae(rewards, values, next_values, **as_numbers, **options),
        gae(rewards, values, next_values, **ends, **options),
    )


@pytest.mark.parametrize("environments", [1, 3, 700])
def test_the_first_number_that_is_not_finite_is_named(environments):
    rng = np.random.default_rng(0)
    shape = (900, environments)
    rewards, values, next_values = rng.normal(size=(3, *shape))
    ends = {"terminated": np.zeros(shape, bool), "truncated": np.zeros(shape, bool)}
    options = {"discount": 0.9, "gae_lambda": 0.9}
    j = environments - 1
    values[800, 0] = np.nan
    values[13, j] = -np.inf
    next_values[5, 0] = np.inf
    with pytest.raises(ValueError, match=rf"values\[13, {j}\] must be finite, got -inf"):
        gae(rewards, values, next_values, **ends, **options)
    values[...] = 0.0
    with pytest.raises(ValueError, match=r"next_values\[5, 0\] must be finite, got inf"):
        gae(rewards, values, next_values, **ends, **options)
    ends["terminated"][5, 0] = True  # nothing follows
    assert np.isfinite(gae(rewards, values, next_values, **ends, **options)).all()
    rewards[899, j] = np.nan
    with pytest.raises(ValueError, match=rf"rewards\[899, {j}\] must be finite, got nan"):
        discounted_returns(rewards, 0.9)


def test_next_values_count_where_an_episode_was_cut():
    next_values = [np.nan, 8.0, np.inf, 4.0]
    truncated = [False, True, False, False]
    returns = discounted_returns(np.ones(4), 0.5, truncated=truncated, next_values=next_values)
    np.testing.assert_array_equal(returns, [3.5, 5.0, 2.5, 3.0])
    truncated[2] = True
    with pytest.raises(ValueError, match=r"next_values\[2\] must be finite, got inf"):
        discounted_returns(np.ones(4), 0.5, truncated=truncated, next_values=next_values)


def test_returns_of_plain_rewards():
    np.testing.assert_array_equal(discounted_returns([1, 2, 4], 0.5), [3.0, 4.0, 4.0])


def test_termination_has_no_future_and_truncation_has():
    ends = np.array([False, True, False])
    never = np.zeros(3, dtype=bool)
    rewards, next_values = np.ones(3), np.full(3, 100.0)
    terminated = discounted_returns(rewards, 1.0, terminated=ends, next_values=next_values)
    truncated = discounted_returns(rewards, 1.0, truncated=ends, next_values=next_values)
    np.testing.assert_array_equal(terminated, [2.0, 1.0, 101.0])
    np.testing.assert_array_equal(truncated, [102.0, 101.0, 101.0])
    both = discounted_returns(
        rewards, 1.0, terminated=ends, truncated=ends, next_values=next_values
    )
    np.testing.assert_array_equal(both, terminated)

    one_step = {"discount": 1.0, "gae_lambda": 0.0}
    values = np.zeros(3)
    delta = gae(rewards, values, next_values, terminated=ends, truncated=never, **one_step)
    np.testing.assert_array_equal(delta, [101.0, 1.0, 101.0])
    delta = gae(rewards, values, next_values, terminated=never, truncated=ends, **one_step)
    np.testing.assert_array_equal(delta, [101.0, 101.0, 101.0])


def test_gae_with_lambda_1_is_return_minus_value():
    rewards, values, next_values, terminated, truncated, _ = random_episodes(0, (20, 4))
    # With lambda 1 the deltas telescope only if the value of a step's successor is the next value.
    inside = ~(terminated | truncated)[:-1]
    next_values[:-1][inside] = values[1:][inside]
    ends = {"terminated": terminated, "truncated": truncated}
    returns = discounted_returns(rewards, 0.9, next_values=next_values, **ends)
    # The last step of gae bootstraps from its next value, as a truncated one does.
    estimates = gae(rewards, values, next_values, discount=0.9, gae_lambda=1.0, **ends)
    np.testing.assert_allclose(estimates, returns - values, **CLOSE)


def test_steps_that_do_not_count_may_hold_anything():
    valid = np.array([True, False, True, False])
    rewards = np.array([1.0, np.nan, 2.0, np.inf])
    never = np.zeros(4, dtype=bool)
    np.testing.assert_array_equal(
        discounted_returns(rewards, 1.0, valid=valid, next_values=[0.0, np.nan, 8.0, np.nan]),
        [11.0, 0.0, 10.0, 0.0],
    )
    terminated = np.array([False, True, True, False])
    estimates = gae(
        rewards,
        [0.5, np.nan, 0.25, np.nan],
        [0.25, np.nan, np.nan, np.nan],
        terminated=terminated,
        truncated=never,
        discount=1.0,
        gae_lambda=1.0,
        valid=valid,
    )
    np.testing.assert_array_equal(estimates, [2.5, 0.0, 1.75, 0.0])


def test_reset_steps_of_gymnasium_do_not_count():
    """The recipe of the module's docstring on real environments gives each episode's own return."""
    envs = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    done = np.zeros(3, dtype=bool)
    rewards, terminated, truncated, valid = [], [], [], []
    for _ in range(200):
        valid.append(~done)
        _, reward, ends, cuts, _ = envs.step(rng.integers(2, size=3))
        done = ends | cuts
        rewards.append(reward)
        terminated.append(ends)
        truncated.append(cuts)
    envs.close()
    ends, counts = np.array(terminated), np.array(valid)
    returns = discounted_returns(
        np.array(rewards), 1.0, terminated=ends, truncated=np.array(truncated), valid=counts
    )
    assert (~counts).sum() == ends[:-1].sum() > 10
    for env in range(3):
        # CartPole pays 1 a step: the return counts down to 1 and restarts after the reset.
        r = returns[counts[:, env], env]
        is_last = ends[counts[:, env], env]
        np.testing.assert_array_equal(r[is_last], 1.0)
        inside = np.flatnonzero(~is_last[:-1])
        np.testing.assert_array_equal(r[inside], r[inside + 1] + 1.0)


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


def test_an_infinite_sum_stays_in_its_episode():
    rewards, ends = [1.0, 1e308, 1e308], [True, False, False]
    returns = discounted_returns(rewards, 1.0, terminated=ends)
    options = {"truncated": np.zeros(3, bool), "discount": 1.0}
    zeros = np.zeros(3)
    sums = gae(rewards, zeros, zeros, terminated=ends, gae_lambda=1.0, **options)
    steps = gae(rewards, zeros, zeros, terminated=ends, gae_lambda=0.0, **options)
    assert returns.tolist() == sums.tolist() == [1.0, np.inf, 1e308]
    assert steps.tolist() == rewards


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: discounted_returns(1.0, 0.9),
            ValueError,
            r"rewards must have shape \(T,\) or \(T, \.\.\.\), time first, got \(\)",
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
            "baseline must be one of none, mean, leave_one_out, values, got 'best'",
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
