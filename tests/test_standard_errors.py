"""The standard error of each parameter's gradient, against the samples' gradients one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from scorefn import (
    A2C,
    PPO,
    SAPO,
    ClippedSurrogate,
    LinearPolicy,
    LogitsPolicy,
    Reinforce,
    TabularPolicy,
    testing,
)
from scorefn.estimators.standard_errors import derivatives

K, N = 4, 12
# The variance is a difference of sums of squares, so its root has half their digits.
ROUGH = {"rtol": 1e-9, "atol": 1e-9}


def problem(kind: str, dtype: Any = np.float64) -> tuple[Any, Any, Any, Any]:
    """A policy, observations, a mask, and d logits / d parameters of each sample."""
    rng = np.random.default_rng(3)
    where = None
    if "logits" in kind:
        policy: Any = LogitsPolicy(rng.normal(size=K).astype(dtype))
        x, jacobian = None, np.tile(np.eye(K), (N, 1, 1))
        if "mask" in kind:
            where = np.array([True, True, False, True])
    elif "table" in kind:
        policy = TabularPolicy(rng.normal(size=(5, K)).astype(dtype))
        if "mask" in kind:
            policy.where = np.arange(5)[:, np.newaxis] != np.arange(K) + 1
        x = rng.integers(4, size=N)  # a state that nobody visits
        jacobian = np.einsum("ns,kj->nksj", np.eye(5)[x], np.eye(K))
    else:
        policy = LinearPolicy(rng.normal(size=(3, K)).astype(dtype))
        x = rng.normal(size=(N, 3)).astype(dtype)
        jacobian = np.einsum("nf,kj->nkfj", x.astype(np.float64), np.eye(K))
        if "mask" in kind:
            where = np.arange(N)[:, np.newaxis] % K != np.arange(K)
    return policy, x, where, jacobian


def logits_of(policy: Any, x: Any, where: Any) -> Any:
    logits = policy.logits(x).astype(np.float64)
    logits = np.broadcast_to(logits, (N, K))
    mask = policy.where[x] if getattr(policy, "where", None) is not None else where
    return logits if mask is None else np.where(mask, logits, -np.inf)


def dense(rows: Any, jacobian: Any) -> Any:
    """sqrt of the variance of the mean of the samples' gradients."""
    gradients = np.einsum("nk,nk...->n...", rows, jacobian)
    return gradients.std(axis=0, ddof=1) / np.sqrt(len(gradients))


KINDS = ["logits", "logits, mask", "table", "table, mask", "linear", "linear, mask"]


@pytest.mark.parametrize("kind", KINDS)
@for_each(entropy_coef=[0.0, 0.3], dtype=[np.float32, np.float64], is_part=[False, True])
def test_reinforce(kind: str, entropy_coef: float, dtype: Any, is_part: bool) -> None:
    policy, x, where, jacobian = problem(kind, dtype)
    logits = logits_of(policy, x, where)
    rng = np.random.default_rng(1)
    actions = np.array([rng.choice(K, p=p) for p in testing.softmax(logits)])
    rewards, valid = rng.normal(size=N), None
    if is_part:
        valid = np.arange(N) % 3 > 0
        rewards[~valid], actions[~valid] = np.nan, -100
    reinforce = Reinforce("mean", entropy_coef, standard_error=True)
    estimate = reinforce.estimate(policy, x, actions, rewards, where=where, valid=valid)
    counts = slice(None) if valid is None else valid
    rows = testing.score_gradient(
        logits[counts], actions[counts], estimate.advantages[counts], entropy_coef=entropy_coef
    )
    expected = dense(rows, jacobian[counts])
    close = ROUGH if dtype == np.float64 else {"rtol": 2e-3, "atol": 2e-4}
    np.testing.assert_allclose(estimate.standard_error, expected, **close)
    total = estimate.diagnostics.gradient_standard_error
    assert np.linalg.norm(estimate.standard_error) == pytest.approx(total, rel=1e-3, abs=1e-6)
    assert estimate.signal_to_noise.shape == policy.parameters.shape
    is_free = expected > 1e-6
    np.testing.assert_allclose(
        estimate.signal_to_noise[is_free],
        np.abs(estimate.gradient)[is_free] / estimate.standard_error[is_free],
        rtol=1e-6,
    )


def test_squares_are_unbiased() -> None:
    """Of each parameter: the expected squared error is the variance of the gradient's entry."""
    policy = LogitsPolicy(np.array([0.3, -0.4, 0.1]))
    r, p = np.array([1.0, 3.0, -2.0]), testing.softmax(policy.parameters)
    reinforce = Reinforce(entropy_coef=0.3, standard_error=True)
    mean, mean_square, squared_error = 0.0, 0.0, 0.0
    for actions in itertools.product(range(3), repeat=3):
        a = np.array(actions)
        estimate = reinforce.estimate(policy, None, a, r[a])
        probability = p[a].prod()
        mean = mean + probability * estimate.gradient
        mean_square = mean_square + probability * estimate.gradient**2
        assert estimate.standard_error is not None
        squared_error = squared_error + probability * estimate.standard_error**2
    np.testing.assert_allclose(squared_error, mean_square - mean**2, rtol=1e-12)


@pytest.mark.parametrize("objective", [ClippedSurrogate(), SAPO()])
@pytest.mark.parametrize("kind", KINDS)
def test_ppo(kind: str, objective: Any) -> None:
    policy, x, where, jacobian = problem(kind)
    logits = logits_of(policy, x, where)
    rng = np.random.default_rng(1)
    actions = np.array([rng.choice(K, p=p) for p in testing.softmax(logits)])
    old = testing.log_prob(logits, actions) + 0.2 * rng.normal(size=N)
    advantages = rng.normal(size=N)
    ppo = PPO(objective, entropy_coef=0.1, normalize_advantages=False, standard_error=True)
    estimate = ppo.estimate(policy, x, actions, advantages, old_log_prob=old, where=where)
    options = {"old_log_prob": old, "advantages": advantages}
    step = scorefn.objectives.__dict__[type(objective).__name__](entropy_coef=0.1).gradient(
        logits, None, actions, **options
    )
    np.testing.assert_allclose(
        estimate.standard_error, dense(step.gradient, jacobian), rtol=1e-8, atol=1e-9
    )
    total = estimate.diagnostics.gradient_standard_error
    assert np.linalg.norm(estimate.standard_error) == pytest.approx(total, rel=1e-12)


def test_derivatives_of_any_log_prob() -> None:
    """Also where pi is nearly 1 or very small; those of actions without a score do not matter."""
    log_p = np.array([-1e-300, -1e-17, -1e-8, -0.3, -30.0, -700.0, 0.0, -np.inf])
    counts = np.ones(8, np.bool_)
    numbers = {"old_log_prob": log_p - 0.1, "advantages": np.full(8, 2.0)}
    numbers["old_log_prob"][-1] = -1.0
    w = derivatives(ClippedSurrogate(), log_p, counts, **numbers)
    np.testing.assert_allclose(w[:6], 2.0 * np.exp(0.1), rtol=1e-13)
    np.testing.assert_array_equal(w[6:], 0.0)


def test_a2c() -> None:
    rng = np.random.default_rng(0)
    policy, x = LinearPolicy(rng.normal(size=(2, 3))), rng.normal(size=(5, 2, 2))
    actions, _ = policy.sample(x, rng=1)
    a2c = A2C(discount=0.9, entropy_coef=0.1, standard_error=True)
    estimate = a2c.estimate(
        policy,
        x,
        actions,
        rng.normal(size=(5, 2)),
        np.zeros((5, 2)),
        np.zeros((5, 2)),
        terminated=np.zeros((5, 2), np.bool_),
        truncated=np.zeros((5, 2), np.bool_),
    )
    same = Reinforce(entropy_coef=0.1, standard_error=True).estimate(
        policy, x, actions, estimate.advantages
    )
    np.testing.assert_allclose(estimate.standard_error, same.standard_error, rtol=1e-9)
    total = estimate.diagnostics.gradient_standard_error
    assert total == pytest.approx(same.diagnostics.gradient_standard_error, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@for_each(size=[1e-300, 1e-150, 1e150, 1e300])
def test_rewards_of_any_size(kind: str, size: float) -> None:
    policy, x, where, _ = problem(kind)
    actions = logits_of(policy, x, where).argmax(axis=1)
    rewards = np.random.default_rng(1).normal(size=N)
    reinforce = Reinforce("mean", standard_error=True)
    usual = reinforce.estimate(policy, x, actions, rewards, where=where).standard_error
    scaled = reinforce.estimate(policy, x, actions, rewards * size, where=where).standard_error
    # Subnormal numbers have fewer digits.
    np.testing.assert_allclose(scaled / size, usual, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["logits", "table", "linear"])
@for_each(n=[2, 3, 100, 4097], dtype=[np.float32, np.float64], seed=range(5))
def test_equal_samples_have_no_error(kind: str, n: int, dtype: Any, seed: int) -> None:
    """However many there are, and whatever their gradients are rounded to."""
    policy, x, _, _ = problem(kind, dtype)
    rng = np.random.default_rng(seed)
    x = None if x is None else np.repeat(x[:1], n, axis=0)
    estimate = Reinforce(standard_error=True).estimate(
        policy, x, np.ones(n, int), np.full(n, rng.normal())
    )
    np.testing.assert_array_equal(estimate.standard_error, 0.0)
    assert estimate.diagnostics.gradient_standard_error == 0.0


@pytest.mark.parametrize("kind", ["logits", "table"])
def test_the_bonus_of_a_uniform_policy_is_no_noise(kind: str) -> None:
    """Its gradient is 0; what rounding leaves of it must not hide small rewards."""
    policy, x, _, _ = problem(kind)
    policy.parameters[...] = 0.1
    samples = (policy, x, np.arange(N) % K, np.arange(N) * 1e-40)
    expected = Reinforce(standard_error=True).estimate(*samples)
    estimate = Reinforce(entropy_coef=0.3, standard_error=True).estimate(*samples)
    np.testing.assert_allclose(estimate.standard_error, expected.standard_error, rtol=1e-9)


@for_each(size=[0.0, 1.0, 1e25], coef=[-0.3, 0.3])
def test_bonuses_of_any_sign_beside_rewards_of_any_size(size: float, coef: float) -> None:
    """States whose rewards are 0 have the bonus alone."""
    policy, x, _, jacobian = problem("table")
    actions, rewards = np.arange(N) % K, np.where(x == 0, size, 0.0)
    of_samples = testing.score_gradient(policy.logits(x), actions, rewards, entropy_coef=coef)
    expected = dense(of_samples, jacobian)
    values = {"values": np.zeros((1, N)), "next_values": np.zeros((1, N))}
    ends = {"terminated": np.ones((1, N), bool), "truncated": np.zeros((1, N), bool)}
    own = policy.log_prob(x, actions)
    bonus = np.zeros(policy.parameters.shape)
    rows = testing.score_gradient(policy.logits(x), actions, np.zeros(N), entropy_coef=coef)
    np.add.at(bonus, x, rows / N)
    for options in ({"standard_error": True}, {"standard_error": True, "diagnostics": False}):
        estimates = [
            Reinforce(entropy_coef=coef, **options).estimate(policy, x, actions, rewards),
            A2C(entropy_coef=coef, **options).estimate(
                policy, x[np.newaxis], actions[np.newaxis], rewards[np.newaxis], **values, **ends
            ),
            PPO(entropy_coef=coef, normalize_advantages=False, **options).estimate(
                policy, x, actions, rewards, old_log_prob=own
            ),
        ]
        for estimate in estimates:
            np.testing.assert_allclose(estimate.gradient[1:], bonus[1:], rtol=1e-12, atol=1e-17)
            np.testing.assert_allclose(
                estimate.standard_error, expected, rtol=1e-6, atol=1e-9 * max(size, 1.0)
            )
        of_reinforce = estimates[0].objective
        entropy = policy.entropy(x).mean()
        assert of_reinforce == pytest.approx(rewards.mean() + coef * entropy, rel=1e-12)


def test_equal_samples_have_no_error_and_one_sample_no_number() -> None:
    reinforce = Reinforce(standard_error=True)
    policy = LogitsPolicy(np.zeros(3))
    equal = reinforce.estimate(policy, None, [1] * 1000, [0.1] * 1000)
    np.testing.assert_array_equal(equal.standard_error, 0.0)
    np.testing.assert_array_equal(equal.signal_to_noise, np.inf)
    nothing = reinforce.estimate(policy, None, [1, 2], [0.0, 0.0])
    np.testing.assert_array_equal(nothing.signal_to_noise, 0.0)
    np.testing.assert_array_equal(nothing.standard_error, 0.0)
    nothing = reinforce.estimate(policy, None, [1], [0.0])
    assert np.isnan(nothing.signal_to_noise).all()
    one = reinforce.estimate(policy, None, [1], [2.0])
    assert np.isnan(one.standard_error).all()
    assert Reinforce().estimate(policy, None, [1], [2.0]).signal_to_noise is None


def test_logits_have_no_parameters_to_tell_of() -> None:
    with pytest.raises(TypeError, match="policy must be a LogitsPolicy, TabularPolicy or Linear"):
        PPO(standard_error=True).estimate(
            np.zeros((2, 3)), None, [0, 1], [1.0, 2.0], old_log_prob=[-1.0, -1.0]
        )
