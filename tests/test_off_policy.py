"""Lambda-returns, n-step returns, V-trace, Retrace and UPGO: definitions, special cases, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _scans import arguments_of

Array = NDArray[Any]

# Bounds the rounding of some tens of float64 operations on numbers of size 1 to 10.
CLOSE: dict[str, Any] = {"rtol": 1e-13, "atol": 1e-13}
STEPS = 30


def episode(seed: int, **options: Any) -> dict[str, Any]:
    """One episode that was cut, whose next values are the values of the next steps."""
    rng = np.random.default_rng(seed)
    rewards, log_ratio = rng.normal(size=(2, STEPS))
    values = rng.normal(size=STEPS + 1)
    never = np.zeros(STEPS, bool)
    return {
        "rewards": rewards,
        "values": values[:-1],
        "next_values": values[1:],
        "log_ratio": log_ratio,
        "terminated": never,
        "truncated": never,
        "discount": 0.9,
        **options,
    }


def without(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: x for name, x in arguments.items() if name not in names}


def products(x: Array) -> Array:
    """1, x_0, x_0 x_1, ..., as many as x has."""
    return np.cumprod(np.concatenate([[1.0], x[:-1]]))


@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
def test_lambda_returns_mix_returns_of_n_steps(lambda_: float) -> None:
    """(1 - lambda) sum_n lambda^(n-1) G^(n), and what is left of the weights on the longest."""
    arguments = without(episode(0), "values", "log_ratio")
    of_steps = [scorefn.n_step_returns(**arguments, n=n) for n in range(1, STEPS + 1)]
    for start in range(STEPS):
        longest = STEPS - start
        weights = [(1 - lambda_) * lambda_**k for k in range(longest - 1)]
        expected = np.dot(weights, [g[start] for g in of_steps[: longest - 1]])
        expected += lambda_ ** (longest - 1) * of_steps[longest - 1][start]
        result = scorefn.lambda_returns(**arguments, lambda_=lambda_)[start]
        np.testing.assert_allclose(result, expected, **CLOSE)


def test_lambda_returns_are_values_and_generalised_advantages() -> None:
    arguments = without(episode(1), "log_ratio")
    advantages = scorefn.gae(**arguments, gae_lambda=0.8)
    returns = scorefn.lambda_returns(**without(arguments, "values"), lambda_=0.8)
    np.testing.assert_allclose(returns, advantages + arguments["values"], **CLOSE)


def test_lambda_1_is_the_discounted_return_and_reads_what_it_reads() -> None:
    arguments = arguments_of("discounted_returns", 1, (40, 3), np.float64)
    returns = scorefn.discounted_returns(**arguments)
    np.testing.assert_array_equal(scorefn.lambda_returns(**arguments, lambda_=1.0), returns)
    np.testing.assert_array_equal(scorefn.n_step_returns(**arguments, n=40), returns)
    np.testing.assert_array_equal(scorefn.n_step_returns(**arguments, n=2**70), returns)
    inside = ~(arguments["terminated"] | arguments["truncated"])
    inside[-8:] = False  # the last valid step is among them
    arguments["next_values"][inside] = np.nan
    np.testing.assert_array_equal(scorefn.lambda_returns(**arguments, lambda_=1.0), returns)
    with pytest.raises(ValueError, match=r"next_values\[\d+, \d\] must be finite, got nan"):
        scorefn.lambda_returns(**arguments, lambda_=0.9)


def test_n_step_returns_by_hand() -> None:
    """The window ends with the episode: terminated after the second step, cut after the fourth."""
    result = scorefn.n_step_returns(
        rewards=[1.0, 2.0, 4.0, 8.0, 16.0],
        next_values=[32.0, np.nan, 64.0, 128.0, 256.0],
        terminated=[False, True, False, False, False],
        truncated=[False, False, False, True, False],
        discount=0.5,
        n=2,
    )
    assert result.tolist() == [2.0, 2.0, 40.0, 72.0, 144.0]


@pytest.mark.parametrize("n", [0, -1])
def test_n_step_returns_need_a_step(n: int) -> None:
    arguments = without(episode(1), "values", "log_ratio")
    with pytest.raises(ValueError, match=f"n must be at least 1, got {n}"):
        scorefn.n_step_returns(**arguments, n=n)
    with pytest.raises(TypeError, match="n must be an int, got float"):
        scorefn.n_step_returns(**arguments, n=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lambda_", "clip_rho", "clip_c", "alpha"), [(1.0, 1.0, 1.0, 1.0), (0.8, 2.0, 1.5, 0.7)]
)
def test_vtrace_is_the_sum_of_the_paper(
    lambda_: float, clip_rho: float, clip_c: float, alpha: float
) -> None:
    """Equation 1: v_s = V_s + sum_t gamma^(t-s) (prod_{i<t} c_i) rho_t delta_t."""
    weights: dict[str, Any] = {"clip_rho": clip_rho, "clip_c": clip_c, "alpha": alpha}
    arguments = episode(2)
    ratio = np.exp(arguments["log_ratio"])
    rho = alpha * np.minimum(clip_rho, ratio) + (1 - alpha) * ratio
    c = lambda_ * (alpha * np.minimum(clip_c, ratio) + (1 - alpha) * ratio)
    following = arguments["next_values"]
    delta = rho * (arguments["rewards"] + 0.9 * following - arguments["values"])
    expected = [
        arguments["values"][s] + np.dot(products(0.9 * c[s:]), delta[s:]) for s in range(STEPS)
    ]
    result = scorefn.vtrace(**arguments, lambda_=lambda_, clip_pg_rho=1.25, **weights)
    np.testing.assert_allclose(result.targets, expected, **CLOSE)
    after = np.append(expected[1:], following[-1])
    advantages = arguments["rewards"] + 0.9 * after - arguments["values"]
    expected_advantages = np.minimum(1.25, ratio) * advantages
    np.testing.assert_allclose(result.advantages, expected_advantages, **CLOSE)


def test_vtrace_of_the_policy_that_acted_is_gae() -> None:
    arguments = {**arguments_of("gae", 3, (40, 3), np.float64)}
    lambda_ = arguments.pop("gae_lambda")
    zeros = np.zeros((40, 3))
    advantages = scorefn.gae(**arguments, gae_lambda=lambda_)
    result = scorefn.vtrace(**arguments, log_ratio=zeros, lambda_=lambda_)
    valid = arguments["valid"]
    targets = np.where(valid, arguments["values"] + advantages, 0.0)
    np.testing.assert_array_equal(result.targets, targets)
    result = scorefn.vtrace(
        **arguments, log_ratio=zeros, lambda_=lambda_, lambda_in_advantages=True
    )
    np.testing.assert_array_equal(result.advantages, advantages)


def test_ratios_of_0_and_infinity() -> None:
    """A clipped ratio may be infinite; one of 0 cuts the trace, whatever follows."""
    zeros, never = np.zeros(2), np.zeros(2, bool)
    ends: dict[str, Any] = {"terminated": never, "truncated": never, "discount": 1.0}
    result = scorefn.vtrace([1.0, 2.0], zeros, zeros, [1e5, -np.inf], **ends)
    assert result.targets.tolist() == [1.0, 0.0]
    assert result.advantages.tolist() == [1.0, 0.0]
    result = scorefn.vtrace([1.0, 2.0], zeros, zeros, [-np.inf, 1e5], clip_rho=np.inf, **ends)
    assert result.targets.tolist() == [0.0, np.inf]
    assert result.advantages.tolist() == [0.0, 2.0]
    huge = scorefn.upgo([1.0, -1e308], [0.0, 1e308], zeros, **ends)
    assert huge.tolist() == [1.0, -np.inf]


@pytest.mark.parametrize("clip", [1.0, 1.5, np.inf])
def test_retrace_is_the_sum_of_the_paper(clip: float) -> None:
    """Equation 3: Q_s + sum_t gamma^(t-s) (prod_{s<i<=t} c_i) delta_t."""
    arguments = episode(4)
    arguments["action_values"] = q = arguments.pop("values")
    c = 0.9 * np.minimum(clip, np.exp(arguments["log_ratio"]))
    delta = arguments["rewards"] + 0.9 * arguments["next_values"] - q
    traces = 0.9 * np.append(c[1:], 0.0)
    expected = [q[s] + np.dot(products(traces[s:]), delta[s:]) for s in range(STEPS)]
    result = scorefn.retrace(**arguments, lambda_=0.9, clip=clip)
    np.testing.assert_allclose(result, expected, **CLOSE)


def test_other_traces_are_retrace_with_other_ratios() -> None:
    arguments = arguments_of("retrace", 5, (40, 3), np.float64)
    log_ratio = arguments.pop("log_ratio")
    del arguments["clip"]
    q_lambda = scorefn.q_lambda(**arguments)
    np.testing.assert_array_equal(
        q_lambda, scorefn.retrace(**arguments, log_ratio=np.zeros((40, 3)))
    )
    log_prob = -np.abs(log_ratio)
    log_prob[7] = -np.inf
    tree_backup = scorefn.tree_backup(**arguments, log_prob=log_prob)
    np.testing.assert_array_equal(tree_backup, scorefn.retrace(**arguments, log_ratio=log_prob))


def test_upgo_follows_the_trajectory_while_it_does_well() -> None:
    """G_t = r_t + (G_{t+1} if r_{t+1} + V_{t+2} >= V_{t+1} else V_{t+1}), with the discount."""
    arguments = without(episode(6), "log_ratio")
    r, v = arguments["rewards"], np.append(arguments["values"], arguments["next_values"][-1])
    g = np.append(np.zeros(STEPS - 1), r[-1] + 0.9 * v[-1])
    for t in reversed(range(STEPS - 1)):
        does_well = r[t + 1] + 0.9 * v[t + 2] >= v[t + 1]
        g[t] = r[t] + 0.9 * (g[t + 1] if does_well else v[t + 1])
    np.testing.assert_allclose(scorefn.upgo(**arguments) + v[:-1], g, **CLOSE)


def test_upgo_goes_on_where_a_step_does_as_well_as_its_value() -> None:
    never = np.zeros(3, bool)
    result = scorefn.upgo(
        [1.0, 0.0, 2.0], np.ones(3), np.ones(3), terminated=never, truncated=never, discount=1.0
    )
    assert result.tolist() == [3.0, 2.0, 2.0]
