"""GRPO with its variants, and RLOO."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from scorefn.estimators.grpo import VARIANTS, VariantName
from scorefn.testing import Episodes, Steps, exact_expectation

Array = NDArray[Any]
B, T, K = 6, 7, 5
LENGTHS = np.array([3, 7, 1, 4, 0, 5])
VALID = np.arange(T) < LENGTHS[:, np.newaxis]
GROUPS = np.array([4, 4, 9, 4, 9, 9])  # three sequences, and two and an empty one
MAX_LENGTH = {"dr_grpo": {"max_length": 8}}


class Batch:
    """Sequences that an older policy has drawn; NaN and bad actions where there is no token."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.logits = rng.normal(size=(B, T, K))
        self.actions = rng.integers(K, size=(B, T))
        self.log_prob = scorefn.log_prob(self.logits, self.actions)
        self.old = self.log_prob + rng.normal(scale=0.3, size=(B, T))
        self.reference = self.log_prob + rng.normal(scale=0.3, size=(B, T))
        self.rewards = rng.normal(size=B)
        self.rewards[4] = np.nan  # of the empty one
        self.logits[~VALID] = self.old[~VALID] = self.reference[~VALID] = np.nan
        self.actions[~VALID] = -100


def group_advantages(rewards: Array, divides: bool) -> Array:
    result = np.zeros(B)
    for group in np.unique(GROUPS):
        members = (group == GROUPS) & (LENGTHS > 0)
        r = rewards[members]
        result[members] = (r - r.mean()) / (r.std(ddof=1) + 1e-4 if divides else 1.0)
    return result


def loss(variant: str, batch: Batch, log_prob: Array) -> float:
    """The objective in plain NumPy, sequence by sequence and token by token."""
    a = group_advantages(batch.rewards, divides=variant != "dr_grpo")
    num_sequences, num_tokens, total = int((LENGTHS > 0).sum()), int(LENGTHS.sum()), 0.0
    for i, n in enumerate(LENGTHS):
        if n == 0:
            continue
        x = log_prob[i, :n] - batch.old[i, :n]
        ratio = np.exp(x)
        if variant == "gspo":
            s = np.exp(x.mean())
            total += min(s * a[i], np.clip(s, 1 - 3e-4, 1 + 4e-4) * a[i]) / num_sequences
            continue
        if variant == "gmpo":
            clipped = np.minimum(x, 0.4) if a[i] > 0 else np.maximum(x, -0.4)
            total += np.exp(clipped.mean()) * a[i] / num_sequences
            continue
        high = 0.28 if variant == "dapo" else 0.2
        values = np.minimum(ratio * a[i], np.clip(ratio, 0.8, 1 + high) * a[i])
        if variant == "sapo":
            tau = 1.0 if a[i] > 0 else 1.05
            values = 4 / tau / (1 + np.exp(-tau * (ratio - 1))) * a[i]
        weight = {
            "dr_grpo": 1 / (num_sequences * 8),
            "bnpo": 1 / num_tokens,
            "dapo": 1 / num_tokens,
        }.get(variant, 1 / (num_sequences * n))
        total += float(values.sum()) * weight
    return total


def estimate(variant: Any, batch: Batch, **options: Any) -> scorefn.Estimate:
    method = scorefn.GRPO(variant, **options.pop("method", {}))
    arguments: dict[str, Any] = {
        "old_log_prob": batch.old,
        "groups": GROUPS,
        "valid": VALID,
        **MAX_LENGTH.get(variant, {}),
        **options,
    }
    return method.estimate(batch.logits, None, batch.actions, batch.rewards, **arguments)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "cispo"])
def test_the_objective_is_the_published_one_and_the_gradient_its_derivative(variant: str) -> None:
    batch = Batch()
    result = estimate(variant, batch)
    assert result.objective == pytest.approx(loss(variant, batch, batch.log_prob), rel=1e-12)
    np.testing.assert_array_equal(result.gradient[~VALID], 0.0)
    step = 1e-6
    for i, t in [(0, 1), (1, 6), (3, 0)]:
        for k in range(K):
            changed = np.nan_to_num(batch.logits)
            values = []
            for sign in (1.0, -1.0):
                changed[i, t, k] = batch.logits[i, t, k] + sign * step
                log_prob = scorefn.log_prob(changed, np.where(VALID, batch.actions, 0))
                values.append(loss(variant, batch, log_prob))
            # Central differences: their truncation and rounding errors are below 1e-9.
            difference = (values[0] - values[1]) / (2 * step)
            assert result.gradient[i, t, k] == pytest.approx(difference, abs=2e-9)


def test_cispo_keeps_the_clipped_ratio_constant() -> None:
    batch = Batch()
    a = group_advantages(batch.rewards, divides=True)[:, np.newaxis]
    ratio = np.exp(batch.log_prob - batch.old)
    high = scorefn.CISPO().clip_range
    weights = np.clip(ratio, 1 - high[0], 1 + high[1]) * a / LENGTHS.sum()
    expected = scorefn.WeightedLogProb().gradient(
        batch.logits, None, batch.actions, weights=weights, valid=VALID
    )
    np.testing.assert_allclose(
        estimate("cispo", batch).gradient, expected.gradient, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("variant", get_args(VariantName))
def test_padded_and_packed_sequences_have_the_same_bits(variant: str) -> None:
    batch = Batch()
    padded = estimate(variant, batch)
    packed = scorefn.GRPO(variant).estimate(
        batch.logits[VALID],
        None,
        batch.actions[VALID],
        batch.rewards,
        old_log_prob=batch.old[VALID],
        groups=GROUPS,
        lengths=LENGTHS,
        **MAX_LENGTH.get(variant, {}),
    )
    assert padded.gradient[VALID].tobytes() == packed.gradient.tobytes()
    assert padded.advantages.tobytes() == packed.advantages.tobytes()
    # Sums over the tokens are accumulated in another order if there is padding between.
    assert packed.objective == pytest.approx(padded.objective, rel=1e-14)


def test_penalty_and_entropy_have_the_weights_of_the_tokens() -> None:
    batch = Batch()
    plain = estimate("grpo", batch)
    both = estimate(
        "grpo",
        batch,
        method={"kl_coef": 0.04, "entropy_coef": 0.01},
        reference_log_prob=batch.reference,
    )
    d = (batch.reference - batch.log_prob)[VALID]
    weights = np.repeat(1 / (5 * np.maximum(LENGTHS, 1)), LENGTHS)
    k3 = np.exp(d) - d - 1
    entropies = scorefn.entropy(batch.logits[VALID])
    expected = float(np.sum(weights * (0.01 * entropies - 0.04 * k3)))
    assert both.objective - plain.objective == pytest.approx(expected, rel=1e-11)
    # The derivative of k3 itself, 1 - exp(d), and that of the entropy.
    rows = batch.logits[VALID], batch.actions[VALID]
    change = scorefn.score_gradient(*rows, -0.04 * weights * (1 - np.exp(d)))
    of_entropy = scorefn.score_gradient(*rows, np.zeros(len(d)), entropy_coef=0.01)
    change += weights[:, np.newaxis] * of_entropy
    difference = (both.gradient - plain.gradient)[VALID]
    np.testing.assert_allclose(difference, change, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", ["tabular", "linear"])
def test_any_policy(kind: str) -> None:
    rng = np.random.default_rng(0)
    if kind == "tabular":
        policy: Any = scorefn.TabularPolicy(rng.normal(size=(4, K)))
        x: Array = rng.integers(4, size=(B, T))
        logits = policy.parameters[x]
    else:
        policy = scorefn.LinearPolicy(rng.normal(size=(3, K)))
        x = rng.normal(size=(B, T, 3))
        logits = x @ policy.parameters
    actions, _ = policy.sample(x, rng=0)
    rewards = rng.normal(size=B)
    of_policy = scorefn.GRPO().estimate(policy, x, actions, rewards, valid=VALID)
    of_logits = scorefn.GRPO().estimate(logits, None, actions, rewards, valid=VALID)
    assert of_policy.objective == pytest.approx(of_logits.objective, abs=1e-13)
    assert of_policy.gradient.shape == policy.parameters.shape
    assert of_policy.diagnostics.approx_kl < 1e-30  # the square of a rounding error
    assert of_policy.diagnostics.effective_sample_size == pytest.approx(LENGTHS.sum())


# ---- Exact expectations: all pairs of sequences of two tokens that a policy can draw


def sequences() -> Episodes:
    """The policy sees the position; the reward depends on both tokens, which the state tells."""
    z = np.array([[0.3, -0.2, 0.5], [-0.4, 0.1, 0.2]])  # logits of the two positions
    rewards = np.zeros((4, 3))
    rewards[1:] = [[1.0, 4.0, 0.0], [2.0, -1.0, 3.0], [0.5, 2.5, -2.0]]
    transitions = np.zeros((4, 3, 4))
    transitions[0, [0, 1, 2], [1, 2, 3]] = 1.0
    policy = scorefn.TabularPolicy(z)
    return Episodes(policy, rewards, transitions, 2, 2, observations=[0, 1, 1, 1])


def expected_gradient(method: Any, **options: Any) -> Array:
    def estimate(steps: Steps) -> Any:
        assert steps.observations is not None
        x = steps.observations.T
        return method.estimate(steps.policy, x, steps.actions.T, steps.returns, **options)

    return exact_expectation(estimate, sequences())


def test_rloo_is_unbiased() -> None:
    expected = expected_gradient(scorefn.RLOO())
    np.testing.assert_allclose(expected, sequences().gradient(), rtol=0, atol=1e-12)


def test_dr_grpo_has_the_bias_of_the_mean_alone() -> None:
    expected = expected_gradient(scorefn.GRPO("dr_grpo"), max_length=2)
    np.testing.assert_allclose(expected, sequences().gradient() * (1 / 2) / 2, rtol=0, atol=1e-12)


def test_grpo_is_biased() -> None:
    """The negative control: a standard deviation of the same samples is in the estimate."""
    expected = expected_gradient(scorefn.GRPO())
    ratios = expected / sequences().gradient()
    assert np.ptp(ratios) > 0.01


def test_rloo_takes_the_penalty_from_the_rewards() -> None:
    batch = Batch()
    counts = LENGTHS > 0
    penalty = np.where(VALID, batch.old - batch.reference, 0.0).sum(axis=1)
    groups = np.array([0, 0, 1, 0, 1, 1])
    result = scorefn.RLOO(kl_coef=0.05).estimate(
        batch.logits,
        None,
        batch.actions,
        batch.rewards,
        old_log_prob=batch.old,
        reference_log_prob=batch.reference,
        groups=groups,
        valid=VALID,
    )
    expected = scorefn.credit.advantages(
        batch.rewards - 0.05 * penalty, "leave_one_out", groups=groups, valid=counts
    )
    np.testing.assert_allclose(result.advantages, expected, rtol=1e-13)
    ratio = np.exp(np.where(VALID, batch.log_prob - batch.old, 0.0).sum(axis=1))
    a = result.advantages
    values = np.minimum(ratio * a, np.clip(ratio, 0.8, 1.2) * a)
    assert result.objective == pytest.approx(values[counts].mean(), rel=1e-12)
    assert result.diagnostics.num_samples == 5
    assert result.diagnostics.mean_reward == pytest.approx(np.nanmean(batch.rewards))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "ppo"}, "variant must be one of grpo, .*, got 'ppo'"),
        ({"kl_coef": -1.0}, r"kl_coef must be at least 0, got -1\.0"),
        (
            {"kl_coef": 0.1},
            r"reference_log_prob must be given for kl_coef=0\.1",
        ),
        (
            {"reference_log_prob": np.zeros((2, 3))},
            "reference_log_prob must be left out",
        ),
        ({"rewards": np.zeros(3)}, r"rewards must have shape \(2,\), got \(3,\)"),
        ({"rewards": [np.nan, 0.0]}, r"rewards\[0\] must be finite, got nan"),
        (
            {"actions": np.zeros(6, int)},
            r"actions must have shape \(B, T\), or \(num_tokens,\) with lengths, got \(6,\)",
        ),
        ({"actions": np.zeros((2, 0), int)}, "actions must have at least one token that counts"),
        ({"actions": np.zeros(6, int), "lengths": [2, 3]}, "lengths must sum to 6, the number of"),
        ({"valid": np.zeros((2, 3), bool)}, "actions must have at least one token that counts"),
        ({"valid": np.ones(2, bool)}, r"valid must have shape \(2, 3\), got \(2,\)"),
        ({"offsets": [0, 1]}, r"actions must have shape \(num_tokens,\), got \(2, 3\)"),
        (
            {"old_log_prob": np.full((2, 3), np.nan)},
            r"old_log_prob\[0, 0\] must be finite, got nan",
        ),
        (
            {"kl_coef": 0.1, "reference_log_prob": np.full((2, 3), -np.inf)},
            r"reference_log_prob\[0, 0\] must be finite, got -inf",
        ),
        ({"where": [False, True, True, True]}, r"actions\[0, 0\] = 0 has probability 0: its logit"),
        ({"variant": "dr_grpo"}, "max_length must be given for variant='dr_grpo'"),
        ({"lengths": [3, 3]}, r"actions must have shape \(num_tokens,\), got \(2, 3\)"),
        ({"max_length": 3}, "max_length must be left out for variant='grpo'"),
        ({"groups": [0, 1, 2]}, r"groups must have shape \(2,\), got \(3,\)"),
    ],
)
def test_wrong_calls(change: dict[str, Any], message: str) -> None:
    options = {k: v for k, v in change.items() if k in ("variant", "kl_coef")}
    arguments = {k: v for k, v in change.items() if k not in options}
    actions = arguments.pop("actions", np.zeros((2, 3), int))
    rewards = arguments.pop("rewards", np.zeros(2))
    with pytest.raises(ValueError, match=message):
        scorefn.GRPO(**options).estimate(np.zeros((2, 3, 4)), None, actions, rewards, **arguments)


@pytest.mark.parametrize("method", [scorefn.GRPO, scorefn.RLOO, scorefn.PPO])
def test_objectives_that_do_not_fit(method: Any) -> None:
    message = "objective must be one of old_log_prob and advantages"
    for objective in (scorefn.ClippedSurrogate, scorefn.WeightedLogProb(), "ppo"):
        with pytest.raises(TypeError, match=message):
            method(objective=objective)
    with pytest.raises(ValueError, match="entropy_coef of the objective must be 0, as "):
        method(objective=scorefn.ClippedSurrogate(entropy_coef=0.1))
    with pytest.raises(ValueError, match="kl_coef of the objective must be 0, as "):
        method(objective=scorefn.ClippedSurrogate(kl_coef=0.1))


def surrogate(log_prob: Array, old_log_prob: Array, advantages: Array) -> tuple[Array, Array]:
    values = np.exp(log_prob - old_log_prob) * advantages
    return values, values


def test_an_objective_of_ones_own() -> None:
    """Of tokens; one of sequences would have to make their ratios of those of the tokens."""
    batch = Batch()
    own = scorefn.CustomObjective(surrogate)
    plain = scorefn.ClippedSurrogate(clip_range=np.inf)
    result = estimate("grpo", batch, method={"objective": own})
    expected = estimate("grpo", batch, method={"objective": plain})
    np.testing.assert_allclose(result.gradient, expected.gradient, rtol=1e-12, atol=1e-16)
    assert np.isnan(result.diagnostics.clip_fraction)
    for method in (lambda: scorefn.RLOO(own), lambda: scorefn.GRPO("gspo", own)):
        with pytest.raises(TypeError, match=r"objective must be .*, got scorefn\.CustomObjective"):
            method()


def test_eps_keeps_small_differences_small() -> None:
    policy, actions, rewards = scorefn.LogitsPolicy(np.zeros(2)), np.zeros((3, 1), int), [0, 1, 2]
    for eps in (0.0, 0.5):
        estimate = scorefn.GRPO(eps=eps).estimate(policy, None, actions, rewards)
        expected = np.array([-1.0, 0.0, 1.0]) / (1.0 + eps)  # the standard deviation is 1
        np.testing.assert_allclose(estimate.advantages, expected, rtol=1e-15)


def test_an_empty_sequence_is_in_no_group_unless_it_is_to_count() -> None:
    logits, actions = np.zeros((3, 2, 4)), np.zeros((3, 2), int)
    valid = np.array([[True, True], [True, False], [False, False]])
    for reward in (0.0, 100.0, np.nan):
        result = scorefn.GRPO().estimate(logits, None, actions, [1.0, 0.0, reward], valid=valid)
        np.testing.assert_allclose(result.advantages, [0.707, -0.707, 0.0], atol=1e-3)
        assert (result.diagnostics.num_samples, result.diagnostics.mean_reward) == (2, 0.5)
    counted = scorefn.GRPO(count_empty=True)
    result = counted.estimate(logits, None, actions, [1.0, 0.0, 0.5], valid=valid)
    np.testing.assert_allclose(result.advantages, [1.0, -1.0, 0.0], atol=1e-3)
    assert result.diagnostics.num_samples == 3


def test_rewards_that_are_equal_up_to_the_rounding_of_float32() -> None:
    rewards = np.full(8, 0.3, np.float32)
    rewards[::2] = np.nextafter(np.float32(0.3), np.float32(1))
    logits, actions = np.zeros((8, 1, 3)), np.zeros((8, 1), int)
    result = scorefn.GRPO(eps=1e-8).estimate(logits, None, actions, rewards)
    np.testing.assert_array_equal(result.advantages, 0.0)


@pytest.mark.parametrize("method", [scorefn.GRPO(), scorefn.RLOO()])
@for_each(dtype=[np.int64, np.int8, np.uint8, np.float16, np.float32], groups=[None, [0, 0, 1, 1]])
def test_rewards_of_right_or_wrong(method: Any, dtype: Any, groups: Any) -> None:
    logits, actions = np.random.default_rng(0).normal(size=(4, 3, K)), np.zeros((4, 3), int)
    samples, rewards = (logits, None, actions), np.array([1, 0, 0, 1])
    estimate = method.estimate(*samples, rewards.astype(dtype), groups=groups)
    expected = method.estimate(*samples, rewards.astype(float), groups=groups)
    np.testing.assert_array_equal(estimate.gradient, expected.gradient)
    assert estimate.diagnostics == expected.diagnostics


def test_estimators_are_values() -> None:
    for method in (scorefn.GRPO("dapo", kl_coef=0.1), scorefn.RLOO(), scorefn.PPO(epochs=2)):
        assert pickle.loads(pickle.dumps(method)) == method
        assert eval(repr(method), {**vars(scorefn), "inf": np.inf}) == method


@pytest.mark.parametrize("method", [scorefn.GRPO(kl_coef=0.1), scorefn.RLOO(kl_coef=0.1)])
def test_old_and_reference_policies_in_place_of_their_log_probabilities(method: Any) -> None:
    rng = np.random.default_rng(0)
    policy, old, reference = (scorefn.TabularPolicy(x) for x in rng.normal(size=(3, 4, K)))
    states = rng.integers(4, size=(B, T))
    actions, old_log_prob = old.sample(states, rng=0)
    samples: Any = (policy, states, actions, rng.normal(size=B))
    expected = method.estimate(
        *samples,
        old_log_prob=old_log_prob,
        reference_log_prob=reference.log_prob(states, actions),
        valid=VALID,
    )
    states[~VALID] = actions[~VALID] = -100
    result = method.estimate(*samples, old_log_prob=old, reference_log_prob=reference, valid=VALID)
    assert result.gradient.tobytes() == expected.gradient.tobytes()
    assert result.objective == expected.objective
    reference.parameters[states[0, 0], actions[0, 0]] = -np.inf
    with pytest.raises(
        ValueError, match=r"actions\[0, 0\] = . has probability 0 in reference_log_p"
    ):
        method.estimate(*samples, old_log_prob=old, reference_log_prob=reference, valid=VALID)
