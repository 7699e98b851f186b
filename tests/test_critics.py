"""Critics: what they learn, their state, and the gradient of a value loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scorefn import critics, testing
from scorefn.critics import LinearCritic, TabularCritic, value_loss


def test_tabular_critic_averages_returns() -> None:
    critic = TabularCritic(3)
    critic.update(np.array([0, 2, 2]), np.array([10.0, 1.0, 3.0]))
    kept = critic.decay
    np.testing.assert_allclose(
        critic.values(np.array([0, 1, 2])), [10 * (1 - kept), 0, 2 * (1 - kept**2)], rtol=1e-15
    )


def test_a_table_without_memory_has_the_mean_of_the_last_returns() -> None:
    critic = TabularCritic(2, decay=0.0)
    critic.update([[0, 0], [1, 0]], [[1.0, 2.0], [5.0, 6.0]])
    critic.update([0, 0], [1.0, 2.0])
    np.testing.assert_array_equal(critic.values([[0], [1]]), [[1.5], [5.0]])
    constant = TabularCritic(1, decay=1.0)
    constant.update([0], [3.0])
    assert constant.values(0) == 0.0


def test_linear_critic_is_ridge_regression_with_old_samples_weighted_less() -> None:
    rng = np.random.default_rng(0)
    critic = LinearCritic(3, decay=0.7, ridge=0.1)
    batches = [(rng.normal(size=(n, 3)), rng.normal(size=n)) for n in (5, 1, 8)]
    gram, moment = 0.1 * np.eye(3), np.zeros(3)
    for age, (x, r) in zip((2, 1, 0), batches, strict=True):
        critic.update(x.astype(np.float32), r)
        x = x.astype(np.float32).astype(np.float64)
        gram += 0.7**age * x.T @ x / len(r)
        moment += 0.7**age * x.T @ r / len(r)
    x = rng.normal(size=(2, 4, 3))
    # The condition number of the equations is below 100.
    np.testing.assert_allclose(critic.values(x), x @ np.linalg.solve(gram, moment), rtol=1e-12)


def test_squares_fit_a_parabola() -> None:
    x = np.linspace(-1, 1, 21)
    features = np.stack([x, np.ones_like(x)], axis=1)
    critic = LinearCritic(2, squares=True)
    for _ in range(50):
        critic.update(features, 3 * x**2 - x + 2)
    # The ridge of 1e-3 against a Gram matrix of size 10 (a sum of 0.9^k) biases by about 1e-3.
    np.testing.assert_allclose(critic.values(features), 3 * x**2 - x + 2, atol=0.01)


def kinds() -> list[tuple[Any, Any, Any]]:
    """A critic, observations of shape (2, 3), and what one that does not count may hold."""
    states = np.array([[0, 1, 1], [3, 0, 2]])
    return [
        (lambda: TabularCritic(4), states, -100),
        (lambda: LinearCritic(2), np.random.default_rng(0).normal(size=(2, 3, 2)), np.nan),
    ]


@pytest.mark.parametrize(("make", "observations", "garbage"), kinds())
def test_samples_that_do_not_count(make: Any, observations: Any, garbage: Any) -> None:
    returns = np.random.default_rng(1).normal(size=(2, 3))
    valid = np.array([[True, False, True], [False, True, True]])
    padded, alone, untouched = make(), make(), make()
    alone.update(observations[valid], returns[valid])
    x, r = observations.copy(), returns.copy()
    x[~valid], r[~valid] = garbage, np.nan
    padded.update(x, r, valid=valid)
    untouched.update(x, r, valid=np.zeros((2, 3), bool))
    for name, array in padded.arrays().items():
        np.testing.assert_array_equal(array, alone.arrays()[name])
        np.testing.assert_array_equal(untouched.arrays()[name], make().arrays()[name])


@pytest.mark.parametrize(("make", "observations", "garbage"), kinds())
def test_state_is_saved_and_brought_back(
    make: Any, observations: Any, garbage: Any, tmp_path: Any
) -> None:
    critic, again = make(), make()
    critic.update(observations, np.ones((2, 3)))
    np.savez(tmp_path / "critic.npz", **critic.arrays())
    with np.load(tmp_path / "critic.npz") as saved:
        again.load_arrays(saved)
    for one in (critic, again):
        one.update(observations, np.full((2, 3), 2.0))
    np.testing.assert_array_equal(critic.values(observations), again.values(observations))
    arrays = {name: array.copy() for name, array in critic.arrays().items()}
    first = next(iter(arrays))
    for wrong, message in (
        ({}, "saved arrays must be .*, got none"),
        ({**arrays, "other": 1}, "saved arrays must be"),
        ({**arrays, first: arrays[first].astype(np.float32)}, f"{first} must be float64 of shape"),
        ({**arrays, first: arrays[first][:-1]}, f"{first} must be float64 of shape"),
        ({**arrays, first: arrays[first] * np.nan}, f"{first}.* must be finite, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            critic.load_arrays(wrong)
    for name, array in critic.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize(("make", "observations", "garbage"), kinds())
def test_large_returns(make: Any, observations: Any, garbage: Any) -> None:
    """Sums of returns overflow, their means do not."""
    small, large = make(), make()
    small.update(observations, np.ones((2, 3)))
    large.update(observations, np.full((2, 3), 2.0**1023))
    np.testing.assert_array_equal(
        large.values(observations), small.values(observations) * 2.0**1023
    )


def test_equations_that_rounding_makes_singular() -> None:
    """A ridge that is lost beside the features: an error, and nothing is learned."""
    critic = LinearCritic(2)
    with pytest.raises(ValueError, match=r"ridge must be large enough .* reach 1e\+20, got 0.001"):
        critic.update([[1e10, 1e10]], [1.0])
    tiny = LinearCritic(1, ridge=1e-200)
    with pytest.raises(ValueError, match=r"ridge must be large enough .* reach 1e-280, got 1e-200"):
        tiny.update([[1e-140]], [1e300])  # the coefficient is infinite
    for one in (critic, tiny):
        assert not any(np.any(array) for array in one.arrays().values())


def test_wrong_calls() -> None:
    table, linear = TabularCritic(3), LinearCritic(2)
    for call, error, message in (
        (lambda: TabularCritic(0), ValueError, "num_states must be at least 1, got 0"),
        (lambda: TabularCritic(3, decay=1.1), ValueError, "decay must be from 0 to 1, got 1.1"),
        (lambda: LinearCritic(2.0), TypeError, "num_features must be an int, got float"),
        (lambda: LinearCritic(2, ridge=0.0), ValueError, "ridge must be larger than 0, got 0.0"),
        (lambda: LinearCritic(2, squares=1), TypeError, "squares must be a bool, got int"),
        (lambda: table.values([0, 3]), IndexError, r"observations\[1\] = 3 is out of range for 3"),
        (lambda: table.values([0.5]), TypeError, "observations must be integers, got float64"),
        (lambda: table.update([0, 5], [1, 1]), IndexError, r"observations\[1\] = 5 is out of"),
        (lambda: table.update([0], [[1.0]]), ValueError, r"returns must have shape \(1,\), got"),
        (lambda: table.update([0], [np.inf]), ValueError, r"returns\[0\] must be finite, got inf"),
        (lambda: linear.values(1.0), ValueError, r"observations must have shape \(..., 2\), got"),
        (lambda: linear.values([[1.0]]), ValueError, r"must have shape \(..., 2\), got \(1, 1\)"),
        (lambda: linear.update([[1, np.nan]], [1]), ValueError, r"observations\[0, 1\] must be fi"),
        (lambda: linear.update([[1e200, 1]], [1]), ValueError, "must have finite sums of products"),
        (lambda: linear.update([[1, 1]], [1], valid=[2]), TypeError, "valid must be bool"),
    ):
        with pytest.raises(error, match=message):
            call()
    for critic in (table, linear):
        assert not any(array.any() for array in critic.arrays().values())


# --- value loss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clip_range", [None, 0.3])
def test_the_gradient_is_that_of_the_loss(clip_range: float | None) -> None:
    rng = np.random.default_rng(0)
    values, returns, old = rng.normal(size=(3, 2, 6))
    old = values + 0.5 * old
    valid = rng.random((2, 6)) < 0.7
    options: dict[str, Any] = {}
    if clip_range is not None:
        options = {"old_values": np.where(valid, old, np.nan), "clip_range": clip_range}
        assert 0 < np.sum(np.abs(values - old)[valid] > clip_range) < valid.sum()
    garbage = np.where(valid, returns, np.inf)

    def minus_loss(v: Any) -> float:
        clipped = v if clip_range is None else np.clip(v, old - clip_range, old + clip_range)
        return -float(np.mean((returns - clipped)[valid] ** 2))

    result = value_loss(np.where(valid, values, np.nan), garbage, valid=valid, **options)
    assert result.loss == pytest.approx(-minus_loss(values), rel=1e-14)
    # Rounding of central differences.
    expected = testing.central_difference(minus_loss, values)
    np.testing.assert_allclose(result.gradient, expected, atol=1e-9)
    np.testing.assert_array_equal(result.gradient[~valid], 0.0)


def test_a_value_on_the_edge_of_the_clip_range_still_moves() -> None:
    """As in PyTorch, whose clamp has the derivative 1 there."""
    result = value_loss([1.5, 0.5, 1.75, 1.0], [3.0] * 4, old_values=[1.0] * 4, clip_range=0.5)
    np.testing.assert_array_equal(result.gradient, [0.75, 1.25, 0.0, 1.0])


def test_wrong_calls_of_value_loss() -> None:
    both: dict[str, Any] = {"old_values": [0.0], "clip_range": 0.1}
    for arguments, error, message in (
        (([], []), ValueError, r"values must have at least one sample that counts, got \(0,\)"),
        (([1.0], [1.0, 2.0]), ValueError, r"returns must have shape \(1,\), got \(2,\)"),
        ((["a"], [1.0]), TypeError, "values must be real numbers"),
        (([np.nan], [1.0]), ValueError, r"values\[0\] must be finite, got nan"),
    ):
        with pytest.raises(error, match=message):
            value_loss(*arguments)
    for change, message in (
        ({"clip_range": 0.0}, "clip_range must be larger than 0, got 0.0"),
        ({"clip_range": None}, "must be given together, got no clip_range"),
        ({"old_values": None}, "must be given together, got no old_values"),
        ({"old_values": [np.inf]}, r"old_values\[0\] must be finite, got inf"),
        ({"old_values": [[0.0]]}, r"old_values must have shape \(1,\), got \(1, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            value_loss([1.0], [2.0], **{**both, **change})


def test_public_names() -> None:
    assert sorted(critics.__all__) == critics.__all__
