"""What an Estimate tells of the samples, against its definition."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from scorefn import (
    A2C,
    CISPO,
    GRPO,
    PPO,
    RLOO,
    SAPO,
    ClippedSurrogate,
    Diagnostics,
    Reinforce,
    credit,
)


def ratios(n: int = 60) -> tuple[Any, ...]:
    """A policy, states, actions, their old log-probabilities, advantages and ratios."""
    rng = np.random.default_rng(0)
    policy = scorefn.TabularPolicy(rng.normal(size=(6, 5)))
    states = rng.integers(6, size=n)
    actions, log_prob = policy.sample(states, rng=1)
    old = log_prob + 0.3 * rng.normal(size=n)
    return policy, states, actions, old, rng.normal(size=n), np.exp(log_prob - old)


@pytest.mark.parametrize("objective", [ClippedSurrogate((0.1, 0.3)), CISPO((0.2, 0.1))])
@for_each(is_part=[False, True])
def test_ratios_of_ppo(objective: Any, is_part: bool) -> None:
    policy, states, actions, old, a, r = ratios()
    valid = None
    if is_part:
        valid = np.arange(60) % 4 > 0
        r = r[valid]
        old[~valid] = np.nan
    estimate = PPO(objective).estimate(policy, states, actions, a, old_log_prob=old, valid=valid)
    d = estimate.diagnostics
    low, high = objective.clip_range
    assert d.approx_kl == pytest.approx(np.mean(r - 1 - np.log(r)), rel=1e-12)
    assert d.approx_kl_k1 == pytest.approx(np.mean(-np.log(r)), rel=1e-12)
    assert d.clip_fraction_low == pytest.approx(np.mean(r < 1 - low), abs=1e-15)
    assert d.clip_fraction_high == pytest.approx(np.mean(r > 1 + high), abs=1e-15)
    assert d.clip_fraction == pytest.approx(d.clip_fraction_low + d.clip_fraction_high)
    assert d.effective_sample_size == pytest.approx(r.sum() ** 2 / np.square(r).sum())
    assert min(d.clip_fraction_low, d.clip_fraction_high) > 0.0


def test_one_flag_for_all_samples() -> None:
    """A broadcast array: its memory is that of one flag, which may say that none counts."""
    policy, states, actions, old, a, _ = ratios()
    samples = {"old_log_prob": old, "valid": np.broadcast_to(True, 60)}
    every = PPO().estimate(policy, states, actions, a, **samples)
    plain = PPO().estimate(policy, states, actions, a, old_log_prob=old)
    np.testing.assert_allclose(every.gradient, plain.gradient, rtol=1e-12)
    with pytest.raises(ValueError, match="number of samples that count must be at least 2, got 0"):
        PPO().estimate(
            policy, states, actions, a, old_log_prob=old, valid=np.broadcast_to(False, 60)
        )


def test_float32_log_probabilities_are_summed_as_doubles() -> None:
    policy, states, actions, old, a, _ = ratios()
    table = scorefn.TabularPolicy(policy.parameters.astype(np.float32))
    old = (table.log_prob(states, actions) + 1e-4).astype(np.float32)
    states, actions, a, old = (np.tile(x, 2000) for x in (states, actions, a, old))
    step = ClippedSurrogate().gradient(table, states, actions, old_log_prob=old, advantages=a)
    expected = np.mean(old.astype(np.float64) - step.log_prob)
    d = PPO().estimate(table, states, actions, a, old_log_prob=old).diagnostics
    assert d.approx_kl_k1 == pytest.approx(expected, rel=1e-6)


def test_what_an_objective_does_not_have() -> None:
    policy, states, actions, old, a, _ = ratios()
    d = PPO(SAPO()).estimate(policy, states, actions, a, old_log_prob=old).diagnostics
    assert np.isnan([d.clip_fraction, d.clip_fraction_low, d.clip_fraction_high]).all()
    assert d.approx_kl > 0.0


def test_ratios_of_sequences() -> None:
    """Of estimators with one ratio for each sequence, of those with a token that counts."""
    policy, states, actions, old, _, r = ratios()
    lengths, rewards = [10, 0, 20, 30], [1.0, 0.0, 0.5, 2.0]
    options: dict[str, Any] = {"old_log_prob": old, "lengths": lengths}
    log_r = np.add.reduceat(np.log(r), [0, 10, 30])
    of_rloo = RLOO().estimate(policy, states, actions, rewards, **options).diagnostics
    assert of_rloo.approx_kl_k1 == pytest.approx(np.mean(-log_r), rel=1e-12)
    assert of_rloo.clip_fraction_low == pytest.approx(np.mean(np.exp(log_r) < 0.8))
    of_gspo = GRPO("gspo").estimate(policy, states, actions, rewards, **options).diagnostics
    assert of_gspo.approx_kl_k1 == pytest.approx(np.mean(-log_r / [10, 20, 30]), rel=1e-12)
    of_grpo = GRPO().estimate(policy, states, actions, rewards, **options).diagnostics
    assert of_grpo.approx_kl_k1 == pytest.approx(np.mean(-np.log(r)), rel=1e-12)
    assert of_grpo.clip_fraction_high == pytest.approx(np.mean(r > 1.2), abs=1e-15)


@for_each(is_part=[False, True], scale=[1.0, 1e-200, 1e200])
def test_explained_variance(is_part: bool, scale: float) -> None:
    rng = np.random.default_rng(0)
    returns, values = rng.normal(size=30), rng.normal(size=30)
    values = (0.7 * returns + 0.3 * values) * scale
    returns, valid = returns * scale, None
    expected = 1 - np.var((returns - values) / scale) / np.var(returns / scale)
    if is_part:
        valid = np.arange(40) < 30
        returns, values = (np.append(x, [np.nan] * 10) for x in (returns, values))
    got = credit.explained_variance(values, returns, valid=valid)
    assert got == pytest.approx(expected, rel=1e-12)
    actions = np.zeros(returns.size, int)
    estimate = Reinforce("values").estimate(
        scorefn.LogitsPolicy(np.zeros(2)), None, actions, returns, values=values, valid=valid
    )
    assert estimate.diagnostics.explained_variance == pytest.approx(expected, rel=1e-12)


def test_explained_variance_of_equal_returns_and_of_constants() -> None:
    assert np.isnan(credit.explained_variance([1.0, 2.0], [3.0, 3.0]))
    assert np.isnan(credit.explained_variance([1.0], [3.0]))
    assert credit.explained_variance([5.0, 5.0], [1.0, 2.0]) == 0.0
    assert credit.explained_variance([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert credit.explained_variance([-1.7e308, 0.0], [1.7e308, 0.0]) == pytest.approx(-3.0)
    with pytest.raises(ValueError, match=r"returns\[1\] must be finite, got nan"):
        credit.explained_variance([1.0, 2.0], [1.0, np.nan])
    with pytest.raises(ValueError, match=r"returns must have shape \(2,\), got \(3,\)"):
        credit.explained_variance([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="returns must have a step that counts, got none"):
        credit.explained_variance([1.0], [1.0], valid=[False])


def test_explained_variance_of_returns_that_differ_by_rounding() -> None:
    """Nothing is to be explained: a share of rounding errors says nothing."""
    values = np.array([0.1, 0.2, 0.3, 1e4])
    returns = values + (0.3 - values)
    assert np.ptp(returns) > 0.0
    assert np.isnan(credit.explained_variance(values, returns))
    assert np.isnan(credit.explained_variance(np.float32([1.0, 2.0]), [1.0, 1.0 + 1e-7]))
    assert credit.explained_variance([1.0, 2.0], [1.0, 1.0 + 1e-7]) < -1e13
    policy = scorefn.LogitsPolicy(np.zeros(2))
    estimate = Reinforce("values").estimate(policy, None, [0] * 4, returns, values=values)
    assert np.isnan(estimate.diagnostics.explained_variance)
    steps = {"rewards": np.full(4, 0.3), "values": values, "next_values": np.zeros(4)}
    ends = {"terminated": np.ones(4, bool), "truncated": np.zeros(4, bool)}
    of_steps = A2C().estimate(policy, None, [0] * 4, **steps, **ends)
    assert np.isnan(of_steps.diagnostics.explained_variance)


def test_explained_variance_of_a2c() -> None:
    rng = np.random.default_rng(0)
    policy = scorefn.LogitsPolicy(np.zeros(3))
    steps = {name: rng.normal(size=(8, 2)) for name in ("rewards", "values", "next_values")}
    ends = {name: rng.random((8, 2)) < 0.2 for name in ("terminated", "truncated")}
    estimate = A2C().estimate(policy, None, np.zeros((8, 2), int), **steps, **ends)
    returns = estimate.advantages + steps["values"]
    expected = 1 - np.var(estimate.advantages) / np.var(returns)
    assert estimate.diagnostics.explained_variance == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("estimator", [PPO, A2C, GRPO, RLOO])
def test_without_diagnostics(estimator: Any) -> None:
    policy, states, actions, old, a, _ = ratios()
    x, y = states.reshape(12, 5), actions.reshape(12, 5)
    samples: dict[str, Any] = {"policy": policy, "observations": x, "actions": y}
    if estimator is A2C:
        zeros = np.zeros((12, 5))
        samples |= {"rewards": a.reshape(12, 5), "values": zeros, "next_values": zeros}
        samples |= {"terminated": zeros.astype(bool), "truncated": zeros.astype(bool)}
    elif estimator is PPO:
        samples |= {"advantages": a.reshape(12, 5), "old_log_prob": old.reshape(12, 5)}
    else:
        samples |= {"rewards": a[:12], "old_log_prob": old.reshape(12, 5)}
    full = estimator().estimate(**samples)
    bare = estimator(diagnostics=False).estimate(**samples)
    np.testing.assert_array_equal(bare.gradient, full.gradient)
    assert bare.objective == pytest.approx(full.objective, rel=1e-14)
    numbers = dict(bare.diagnostics.__dict__)
    assert numbers.pop("num_samples") == full.diagnostics.num_samples
    assert np.isnan(list(numbers.values())).all()


def test_a_target_kl_needs_diagnostics() -> None:
    with pytest.raises(ValueError, match="diagnostics must be True, as target_kl is one of them"):
        PPO(target_kl=0.1, diagnostics=False)


def test_the_repr_shows_what_is_known() -> None:
    assert repr(Diagnostics(3, entropy=0.5)) == "Diagnostics(num_samples=3, entropy=0.5)"
    assert repr(Diagnostics(3, largest_weight=np.inf)).endswith("largest_weight=inf)")


def test_the_page_of_diagnostics_has_all_of_them() -> None:
    page = (Path(__file__).parents[1] / "docs" / "diagnostics.md").read_text()
    table = page[: page.index("## What each means")].replace("`_low`", "`clip_fraction_low`")
    table = table.replace("`_high`", "`clip_fraction_high`")
    for field in dataclasses.fields(scorefn.Diagnostics):
        assert f"`{field.name}`" in table, field.name
        assert f"`{field.name}`" in page[page.index("## What each means") :], field.name
