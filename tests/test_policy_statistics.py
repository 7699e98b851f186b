"""The statistics of a policy's gradient, against those of its rows."""

import numpy as np
import pytest

import scorefn
from scorefn import LinearPolicy, LogitsPolicy, TabularPolicy, testing

INF = np.inf


def statistics_by_rows(policy, logits, features, actions, weights, entropy_coef, where=None):
    """(entropy, root of the sum of squares) from the gradient of each row, in float64."""
    rows = testing.score_gradient(logits, actions, weights, entropy_coef=entropy_coef, where=where)
    lengths = 1.0 if features is None else (features.astype(np.float64) ** 2).sum(axis=-1)
    squares = (rows**2).sum(axis=-1) * lengths
    return testing.entropy(logits, where=where).sum(), np.sqrt(squares.sum())


@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
@pytest.mark.parametrize(
    ("num_states", "num_actions"), [(1, 300), (500, 6), (3000, 20), (40_000, 3)]
)
def test_statistics_of_tables_of_any_size(num_states, num_actions, entropy_coef):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(num_states, num_actions)) * 3.0
    states = rng.integers(num_states // 2 + 1, size=2000)
    actions, weights = rng.integers(num_actions, size=2000), rng.normal(size=2000)
    weights[::3] = 0.0
    table[-1] = -np.inf if num_states > 1 else 0.0  # a state that nobody visits
    policy = TabularPolicy(table)
    results = []
    for num_threads in (1, 3):
        with scorefn.threads(num_threads):
            got = policy.gradient_statistics(states, actions, weights, entropy_coef=entropy_coef)
        gradient = policy.gradient(states, actions, weights, entropy_coef=entropy_coef)
        np.testing.assert_array_equal(got.gradient, gradient)
        results.append(got[1:])
    assert results[0] == results[1]
    expected = statistics_by_rows(policy, table[states], None, actions, weights, entropy_coef)
    # A few roundings of each of 2 000 summands, most of which have one sign.
    np.testing.assert_allclose(results[0], expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("num_features", "num_actions", "n"), [(4, 6, 9000), (40, 18, 700), (200, 150, 900)]
)
def test_statistics_of_linear_policies_of_any_size(num_features, num_actions, n, dtype):
    rng = np.random.default_rng(0)
    policy = LinearPolicy(rng.normal(size=(num_features, num_actions)).astype(dtype) / 4.0)
    x = rng.normal(size=(n, num_features)).astype(dtype)
    actions, weights = rng.integers(num_actions, size=n), rng.normal(size=n)
    x[5, 0], weights[5] = np.inf, 0.0  # a sample that adds nothing; but its entropy is NaN
    assert np.isfinite(policy.gradient_statistics(x, actions, weights).root_sum_square)
    x[5, 0] = 0.0
    results = []
    for num_threads in (1, 3):
        with scorefn.threads(num_threads):
            got = policy.gradient_statistics(x, actions, weights, entropy_coef=0.2)
        gradient = policy.gradient(x, actions, weights, entropy_coef=0.2)
        np.testing.assert_array_equal(got.gradient, gradient)
        results.append(got[1:])
    assert results[0] == results[1]
    logits = x.astype(np.float64) @ policy.parameters.astype(np.float64)
    expected = statistics_by_rows(policy, logits, x, actions, weights, 0.2)
    # The logits are rounded to the dtype, which changes each row by about as much.
    np.testing.assert_allclose(results[0], expected, rtol=20 * np.finfo(dtype).eps)


def test_statistics_stay_exact_for_a_nearly_deterministic_policy():
    """1 - 2 p_a + sum p^2 would be nothing but rounding errors here."""
    tail = 1.0 / (np.exp(30.0) + 2.0)
    for policy, x in (
        (LogitsPolicy(np.array([30.0, 0.0, 0.0])), None),
        (TabularPolicy(np.array([[30.0, 0.0, 0.0]])), [0]),
        (LinearPolicy(np.array([[30.0, 0.0, 0.0]])), [[1.0]]),
    ):
        norm = policy.gradient_statistics(x, [0], [1.0]).root_sum_square
        np.testing.assert_allclose(norm, tail * np.sqrt(6.0), rtol=1e-14)
