"""PPO: an estimate, and updates in minibatches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn import PPO, ClippedSurrogate, LinearPolicy, TabularPolicy


def samples(n: int = 40) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    policy = LinearPolicy(rng.normal(size=(3, 4)))
    x = rng.normal(size=(n, 3))
    actions, old = policy.sample(x, rng=1)
    policy.parameters += 0.3 * rng.normal(size=(3, 4))
    return policy, x, actions, rng.normal(size=n), old


def test_the_estimate_is_a_mean() -> None:
    policy, x, actions, a, old = samples()
    result = PPO(entropy_coef=0.01, normalize_advantages=False).estimate(
        policy, x, actions, a, old_log_prob=old
    )
    step = ClippedSurrogate(entropy_coef=0.01).gradient(
        policy, x, actions, old_log_prob=old, advantages=a
    )
    np.testing.assert_allclose(result.gradient, step.gradient / 40, rtol=1e-12, atol=1e-15)
    assert result.objective == pytest.approx(step.objective / 40, rel=1e-12)
    of = result.diagnostics
    assert (of.num_samples, of.approx_kl, of.clip_fraction) == (
        40,
        step.approx_kl,
        step.clip_fraction,
    )
    assert of.entropy == pytest.approx(step.entropy.mean())
    ratio = step.ratio
    assert of.effective_sample_size == pytest.approx(ratio.sum() ** 2 / (ratio**2).sum())
    assert np.isnan(of.mean_reward)
    assert np.isnan(of.gradient_standard_error)


def test_samples_that_do_not_count() -> None:
    policy, x, actions, a, old = samples()
    valid = np.arange(40) % 3 > 0
    alone = PPO().estimate(policy, x[valid], actions[valid], a[valid], old_log_prob=old[valid])
    x[~valid] = a[~valid] = old[~valid] = np.nan
    actions[~valid] = -100
    result = PPO().estimate(policy, x, actions, a, old_log_prob=old, valid=valid)
    np.testing.assert_allclose(result.gradient, alone.gradient, rtol=1e-12)
    assert result.advantages[~valid].tolist() == [0.0] * 14
    assert result.diagnostics.num_samples == 26
    assert result.diagnostics.advantage_mean == pytest.approx(a[valid].mean())


def test_an_old_policy_in_place_of_its_log_probabilities() -> None:
    policy, x, actions, a, _ = samples()
    old = LinearPolicy(np.ones((3, 4)))
    given = {"old_log_prob": old.log_prob(x, actions)}
    one = PPO().estimate(policy, x, actions, a, **given)
    other = PPO().estimate(policy, x, actions, a, old_log_prob=old)
    assert one.gradient.tobytes() == other.gradient.tobytes()
    first = next(PPO().updates(policy, x, actions, a, **given, rng=0))
    other = next(PPO().updates(policy, x, actions, a, old_log_prob=old, rng=0))
    assert first.gradient.tobytes() == other.gradient.tobytes()


def test_each_epoch_takes_each_sample_once() -> None:
    policy, x, actions, a, old = samples()
    ppo = PPO(epochs=3, minibatch_size=16, normalize_advantages=False)
    estimates = list(ppo.updates(policy, x, actions, a, old_log_prob=old, rng=0))
    assert [e.advantages.size for e in estimates] == [16, 16, 8] * 3
    whole = ppo.estimate(policy, x, actions, a, old_log_prob=old)
    for epoch in range(3):
        parts = estimates[3 * epoch : 3 * epoch + 3]
        total = sum(e.gradient * e.advantages.size for e in parts) / 40
        np.testing.assert_allclose(total, whole.gradient, rtol=1e-11, atol=1e-15)
    orders = [np.concatenate([e.advantages for e in estimates[i : i + 3]]) for i in (0, 3)]
    assert not np.array_equal(*orders)
    assert sorted(orders[0]) == sorted(a)
    for estimate in estimates:
        np.testing.assert_array_equal(estimate.advantages, a[estimate.samples])
    assert whole.samples is None


def test_updates_have_the_policy_of_the_moment() -> None:
    policy, x, actions, a, _ = samples()
    kls = []
    for estimate in PPO(epochs=2, minibatch_size=40).updates(policy, x, actions, a, rng=0):
        kls.append(estimate.diagnostics.approx_kl)
        policy.parameters += 0.5 * estimate.gradient
    assert kls[0] < 1e-30  # the old policy is that of the first step, up to rounding
    assert kls[1] > 0.0


def test_updates_end_at_the_target_kl() -> None:
    policy, x, actions, a, _ = samples()
    ppo = PPO(epochs=50, minibatch_size=40, target_kl=0.01)
    kls = []
    for estimate in ppo.updates(policy, x, actions, a, rng=0):
        kls.append(estimate.diagnostics.approx_kl)
        policy.parameters += 0.5 * estimate.gradient
    assert 1 < len(kls) < 50
    assert max(kls) <= 0.015


def test_minibatches_of_a_rollout_with_masks_and_padding() -> None:
    """(T, E) arrays, and a mask for each sample; that of a table is its own."""
    rng = np.random.default_rng(2)
    x, where = rng.normal(size=(5, 4, 3)), rng.random((5, 4, 6)) < 0.7
    where[..., 2] = True
    valid = rng.random((5, 4)) < 0.8
    linear: Any = LinearPolicy(rng.normal(size=(3, 6)))
    actions, old = linear.sample(x, rng=0, where=where)
    a = np.where(valid, rng.normal(size=(5, 4)), np.nan)
    ppo = PPO(epochs=1, minibatch_size=7, normalize_advantages=False)
    options = {"old_log_prob": old, "valid": valid}
    whole = ppo.estimate(linear, x, actions, a, where=where, **options).gradient
    parts = list(ppo.updates(linear, x, actions, a, where=where, rng=0, **options))
    total = sum(e.gradient * e.advantages.size for e in parts) / valid.sum()
    np.testing.assert_allclose(total, whole, rtol=1e-11, atol=1e-15)
    chosen: Any = [e.samples for e in parts]
    np.testing.assert_array_equal(np.sort(np.concatenate(chosen)), np.flatnonzero(valid))

    where = rng.random((8, 6)) < 0.7
    where[:, 1] = True
    table: Any = TabularPolicy(rng.normal(size=(8, 6)), where=where)
    states = rng.integers(8, size=(5, 4))
    actions, options["old_log_prob"] = table.sample(states, rng=0)
    whole = ppo.estimate(table, states, actions, a, **options).gradient
    parts = list(ppo.updates(table, states, actions, a, rng=0, **options))
    total = sum(e.gradient * e.advantages.size for e in parts) / valid.sum()
    np.testing.assert_allclose(total, whole, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(("factor", "updates"), [(1.4, 2), (1.6, 1)])
def test_the_target_kl_is_exceeded_by_half(factor: float, updates: int) -> None:
    policy, x, actions, a, _ = samples()

    def run(target_kl: float | None) -> list[float]:
        moving = LinearPolicy(policy.parameters.copy())
        ppo = PPO(epochs=2, minibatch_size=40, target_kl=target_kl)
        kl = []
        for estimate in ppo.updates(moving, x, actions, a, rng=0):
            moving.parameters += 0.1 * estimate.gradient
            kl.append(estimate.diagnostics.approx_kl)
        return kl

    assert len(run(run(None)[1] / factor)) == updates


def test_a_single_sample_unless_it_is_to_be_normalized() -> None:
    policy, x, actions, a, old = (s[:1] if isinstance(s, np.ndarray) else s for s in samples())
    ppo = PPO(normalize_advantages=False, epochs=1, minibatch_size=1)
    estimate = ppo.estimate(policy, x, actions, a, old_log_prob=old)
    (update,) = ppo.updates(policy, x, actions, a, old_log_prob=old)
    np.testing.assert_array_equal(update.gradient, estimate.gradient)
    with pytest.raises(ValueError, match="number of samples that count must be at least 2, got 1"):
        PPO().estimate(policy, x, actions, a, old_log_prob=old)


def test_minibatches_share_a_mask() -> None:
    """One flag per action; here there are as many samples as actions."""
    policy, x, actions, a, _ = samples(4)
    actions, where = actions % 2, np.array([True, True, False, True])
    expected = PPO().estimate(
        policy, x, actions, a, old_log_prob=policy.log_prob(x, actions, where=where), where=where
    )
    ppo = PPO(epochs=1, minibatch_size=4)
    (estimate,) = ppo.updates(policy, x, actions, a, where=where.tolist(), rng=0)
    np.testing.assert_allclose(estimate.gradient, expected.gradient, rtol=1e-13, atol=1e-16)
    np.testing.assert_array_equal(estimate.gradient[:, 2], 0.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"minibatch_size": 2.5}, TypeError, "minibatch_size must be an int, got float"),
        ({"minibatch_size": 1}, ValueError, "minibatch_size must be at least 2, as advantages"),
        (
            {"target_kl": 0.1, "objective": scorefn.CustomObjective(lambda **_: (0, 0))},
            ValueError,
            "target_kl must be None, as .* has no approx_kl",
        ),
        ({"target_kl": 0.0}, ValueError, r"target_kl must be larger than 0, got 0\.0"),
        ({"normalize_advantages": 1}, TypeError, "normalize_advantages must be a bool, got"),
    ],
)
def test_wrong_options(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PPO(**change)


def test_wrong_calls() -> None:
    policy, x, actions, a, old = samples()
    with pytest.raises(ValueError, match=r"advantages must have shape \(40,\), got \(3,\)"):
        PPO().estimate(policy, x, actions, a[:3], old_log_prob=old)
    with pytest.raises(ValueError, match="number of samples that count must be at least 2, got 0"):
        PPO().estimate(policy, x, actions, a, old_log_prob=old, valid=np.zeros(40, bool))
    with pytest.raises(ValueError, match=r"observations must have shape \(40,\) as actions has"):
        next(PPO().updates(policy, x[:5], actions, a, old_log_prob=old))
    with pytest.raises(ValueError, match=r"where must have shape \(40,\) as actions has, got"):
        PPO().updates(policy, x, actions, a, old_log_prob=old, where=np.ones((1, 4), bool))
    with pytest.raises(ValueError, match=r"old_log_prob\[3\] must be finite, got nan"):
        PPO().estimate(
            policy, x, actions, a, old_log_prob=np.where(np.arange(40) == 3, np.nan, old)
        )
    with pytest.raises(ValueError, match="number of samples that count must be at least 2, got 1"):
        PPO().updates(policy, x[:1], actions[:1], a[:1])
    a[7] = np.inf
    with pytest.raises(ValueError, match=r"advantages\[7\] must be finite, got inf"):
        PPO(minibatch_size=2).updates(policy, x, actions, a, old_log_prob=old)
    with pytest.raises(ValueError, match=r"advantages\[7\] must be finite, got inf"):
        PPO().estimate(policy, x, actions, a, old_log_prob=old)


def test_advantages_that_are_equal_up_to_the_rounding_of_float32() -> None:
    policy, x, actions, _, old = samples(8)
    a = np.full(8, 0.3, np.float32)
    a[::2] = np.nextafter(np.float32(0.3), np.float32(1))
    result = PPO().estimate(policy, x, actions, a, old_log_prob=old)
    np.testing.assert_array_equal(result.advantages, 0.0)
    for estimate in PPO(epochs=1).updates(policy, x, actions, a, old_log_prob=old):
        np.testing.assert_array_equal(estimate.gradient, 0.0)


# --- the loop around it -------------------------------------------------------------------------

LENGTH = 6


def corridor(policy: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Steps of 8 walkers, of which the right end of the corridor rewards one who leaves there."""
    state, steps = np.zeros(8, int), []
    for _ in range(24):
        action, _ = policy.sample(state, rng=rng)
        done = (state == LENGTH - 1) & (action == 1)
        following = np.clip(state + 2 * action - 1, 0, LENGTH - 1)
        steps.append((state, action, 1.0 * done, following, done))
        state = np.where(done, 0, following)
    names = ("states", "actions", "rewards", "following", "terminated")
    return dict(zip(names, map(np.array, zip(*steps, strict=True)), strict=True))


@pytest.mark.parametrize("value_function", ["critic", "minibatches", "none"])
def test_a_policy_that_is_trained_with_a_value_function(value_function: str) -> None:
    """The shortest way is worth 0.9^5. Without a reward in sight nothing is learned."""
    rng = np.random.default_rng(3)
    policy, critic = TabularPolicy(np.zeros((LENGTH, 2))), scorefn.critics.TabularCritic(LENGTH)
    values = critic.arrays()["values"]
    adam, value_adam = scorefn.optimizers.Adam(0.15), scorefn.optimizers.Adam(0.1)
    ppo = PPO(epochs=4, minibatch_size=96, entropy_coef=0.01)
    for _ in range(16):
        of = corridor(policy, rng)
        rewards = of["rewards"] if value_function != "none" else 0.0 * of["rewards"]
        v = critic.values(of["states"])
        advantages = scorefn.gae(
            rewards,
            v,
            critic.values(of["following"]),
            terminated=of["terminated"],
            truncated=np.zeros_like(of["terminated"]),
            discount=0.9,
            gae_lambda=0.9,
        )
        returns = v + advantages
        states = of["states"].reshape(-1)
        for estimate in ppo.updates(policy, of["states"], of["actions"], advantages, rng=rng):
            adam.step(policy.parameters, scorefn.optimizers.clip_by_norm(estimate.gradient, 0.5))
            if value_function == "minibatches":
                i: Any = estimate.samples
                of_values = scorefn.critics.value_loss(values[states[i]], returns.reshape(-1)[i])
                value_adam.step(values, np.bincount(states[i], of_values.gradient, LENGTH))
        if value_function == "critic":
            critic.update(of["states"], returns)
    right = scorefn.softmax(policy.parameters)[:, 1]
    if value_function == "none":
        assert right.max() < 0.9
        return
    assert right.min() > 0.9
    # Off by some steps to the left, and by an average over the past.
    np.testing.assert_allclose(critic.values(0), 0.9 ** (LENGTH - 1), atol=0.15)


@pytest.mark.parametrize(
    ("rng", "error", "message"),
    [
        ("0", TypeError, "rng must be None, an int seed or a numpy.random.Generator, got str"),
        (True, TypeError, "got bool"),
        (np.random.Generator, TypeError, "got the class Generator"),
        (np.random.RandomState(0), TypeError, "RandomState: draw an int from it and pass that"),
        (-1, ValueError, "rng must be a seed of at least 0, got -1"),
    ],
)
def test_wrong_random_numbers(rng: Any, error: type[Exception], message: str) -> None:
    """In the words of `scorefn.sample`."""
    policy, x, actions, a, old = samples()
    with pytest.raises(error, match=message):
        PPO().updates(policy, x, actions, a, old_log_prob=old, rng=rng)
