"""A2C: advantages of the steps of episodes, and the gradient of REINFORCE with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn import A2C, LinearPolicy

T, E = 6, 3


def steps() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    policy = LinearPolicy(rng.normal(size=(4, 5)))
    x = rng.normal(size=(T, E, 4))
    actions, _ = policy.sample(x, rng=1)
    return {
        "policy": policy,
        "observations": x,
        "actions": actions,
        "rewards": rng.normal(size=(T, E)),
        "values": rng.normal(size=(T, E)),
        "next_values": rng.normal(size=(T, E)),
        "terminated": rng.random((T, E)) < 0.2,
        "truncated": rng.random((T, E)) < 0.1,
    }


@pytest.mark.parametrize("normalize", [False, True])
def test_is_reinforce_with_the_advantages_of_gae(normalize: bool) -> None:
    of = steps()
    result = A2C(0.9, 0.8, 0.02, normalize).estimate(**of)
    a = scorefn.gae(
        of["rewards"],
        of["values"],
        of["next_values"],
        terminated=of["terminated"],
        truncated=of["truncated"],
        discount=0.9,
        gae_lambda=0.8,
    )
    reinforce = scorefn.Reinforce(entropy_coef=0.02, normalize_advantages=normalize)
    expected = reinforce.estimate(of["policy"], of["observations"], of["actions"], a)
    np.testing.assert_allclose(result.gradient, expected.gradient, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(result.advantages, expected.advantages, rtol=1e-12)
    for name in ("num_samples", "entropy", "gradient_norm", "advantage_mean", "advantage_std"):
        got, wanted = getattr(result.diagnostics, name), getattr(expected.diagnostics, name)
        assert got == pytest.approx(wanted, rel=1e-11), name
    assert result.diagnostics.mean_reward == pytest.approx(of["rewards"].mean())
    assert np.isnan(result.diagnostics.approx_kl)


def test_steps_that_do_not_count() -> None:
    """As in an environment that spends a step on its reset: the same without it."""
    of = steps()
    of["terminated"][2] = True
    result = A2C().estimate(**of)
    padded = {}
    for name, x in of.items():
        padded[name] = x if name == "policy" else np.insert(x, 3, -100 if x.dtype == int else 0, 0)
    for name in ("rewards", "values", "next_values", "observations"):
        padded[name][3] = np.nan
    valid = np.ones((T + 1, E), bool)
    valid[3] = False
    again = A2C().estimate(**padded, valid=valid)
    np.testing.assert_allclose(again.gradient, result.gradient, rtol=1e-12, atol=1e-15)
    assert again.diagnostics.num_samples == T * E
    np.testing.assert_array_equal(again.advantages[3], 0.0)


@pytest.mark.parametrize("diagnostics", [True, False])
def test_actions_that_the_policy_cannot_take(diagnostics: bool) -> None:
    """As `Reinforce` has it: an error, but for a step whose advantage is 0, which adds nothing."""
    of, a2c = steps(), A2C(entropy_coef=0.1, diagnostics=diagnostics)
    of["where"] = np.ones((T, E, 5), bool)
    of["where"][2, 1, of["actions"][2, 1]] = False
    with pytest.raises(ValueError, match=r"actions\[2, 1\] = \d has probability 0"):
        a2c.estimate(**of)
    valid = np.ones((T, E), bool)
    valid[2, 1] = False
    assert np.isfinite(a2c.estimate(**of, valid=valid).objective)
    of["rewards"][2, 1] = of["values"][2, 1]  # and nothing afterwards
    of["terminated"][2, 1] = True
    estimate = a2c.estimate(**of)
    assert estimate.advantages[2, 1] == 0.0
    assert np.isfinite(estimate.objective)


def test_wrong_calls() -> None:
    of = steps()
    with pytest.raises(ValueError, match=r"discount must be from 0 to 1, got 1\.5"):
        A2C(discount=1.5)
    with pytest.raises(ValueError, match="at least one step that counts"):
        A2C().estimate(**of, valid=np.zeros((T, E), bool))
    of["rewards"] = of["rewards"][:2]
    with pytest.raises(ValueError, match=r"values must have shape \(2, 3\), got \(6, 3\)"):
        A2C().estimate(**of)
