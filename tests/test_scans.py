"""Returns and generalised advantages: definitions, bits, flags and steps that do not count."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scorefn
from scorefn import discounted_returns, gae, testing

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


def test_a_number_amid_a_long_row_without_flags_is_found():
    """Such rows are worked on in one piece, longer than the buffer that is searched."""
    rewards = np.zeros((8, 40_000))
    rewards[3, 39_900] = np.nan
    with pytest.raises(ValueError, match=r"rewards\[3, 39900\] must be finite, got nan"):
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


def test_an_infinite_sum_stays_in_its_episode():
    rewards, ends = [1.0, 1e308, 1e308], [True, False, False]
    returns = discounted_returns(rewards, 1.0, terminated=ends)
    options = {"truncated": np.zeros(3, bool), "discount": 1.0}
    zeros = np.zeros(3)
    sums = gae(rewards, zeros, zeros, terminated=ends, gae_lambda=1.0, **options)
    steps = gae(rewards, zeros, zeros, terminated=ends, gae_lambda=0.0, **options)
    assert returns.tolist() == sums.tolist() == [1.0, np.inf, 1e308]
    assert steps.tolist() == rewards
