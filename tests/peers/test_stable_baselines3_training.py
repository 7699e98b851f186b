"""A whole train() of Stable-Baselines3's PPO and A2C, from a rollout to the parameters after it.

Policy and value function are linear, as with ``net_arch=[]``, and minibatches have the same order.

pip install stable-baselines3 && pytest tests/peers
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from scorefn.critics import value_loss
from scorefn.optimizers import Adam, clip_by_norm

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.torch_layers import FlattenExtractor  # noqa: E402

PEER = "stable-baselines3"
Array = NDArray[Any]
T, E = 64, 2
ORDER = 7
# The rounding of means over 64 samples, in each of up to 20 steps. Adam scales gradients, which
# leaves their relative error as it is.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


class Float64(FlattenExtractor):
    """Observations in float64, which the library rounds to float32."""

    def forward(self, observations: Any) -> Any:
        return super().forward(observations).double()


class Parameters(NamedTuple):
    """Of the policy, (num_features + 1, num_actions), and of the value function."""

    policy: Array
    value: Array

    @classmethod
    def of(cls, policy: Any) -> Parameters:
        layers = (policy.action_net, policy.value_net)
        both = (torch.cat([x.weight.T, x.bias[None]]).detach().numpy().copy() for x in layers)
        coef, value = both
        return cls(coef, value[:, 0])


class Trained(NamedTuple):
    before: Parameters
    after: Parameters
    rollout: dict[str, Array]
    """Arrays of shape (T, E, ...)."""


def trained(
    algorithm: type[Any], dtype: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Trained:
    """learn() of one rollout: what it collected, and what its train() made of that."""
    extractor = Float64 if dtype == "float64" else FlattenExtractor
    model = algorithm(
        "MlpPolicy",
        make_vec_env("CartPole-v1", n_envs=E, seed=0),
        n_steps=T,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": [], "features_extractor_class": extractor},
        **options,
    )
    with torch.no_grad():  # the library's start is nearly uniform
        model.policy.action_net.weight *= 50.0
    model.policy.to(getattr(torch, dtype))
    train, found = model.train, []

    def recorded() -> None:
        buffer = model.rollout_buffer  # of float32
        names = ("observations", "rewards", "values", "log_probs", "episode_starts", "advantages")
        for name in names:
            setattr(buffer, name, getattr(buffer, name).astype(dtype))
        with torch.no_grad():
            last = model.policy.predict_values(torch.tensor(model._last_obs))
        done = model._last_episode_starts
        buffer.compute_returns_and_advantage(last, done)
        values = buffer.values
        rollout = {
            "observations": buffer.observations,
            "actions": buffer.actions[..., 0].astype(np.int64),
            "rewards": buffer.rewards,
            "values": values,
            "next_values": np.concatenate([values[1:], last.numpy().reshape(1, E)]),
            "terminated": np.concatenate([buffer.episode_starts[1:] > 0, done[None]]),
            "log_prob": buffer.log_probs,
        }
        before = Parameters.of(model.policy)
        rollout = {name: array.copy() for name, array in rollout.items()}
        with monkeypatch.context() as patch:
            patch.setattr(np.random, "permutation", np.random.default_rng(ORDER).permutation)
            train()
        found.append(Trained(before, Parameters.of(model.policy), rollout))

    model.train = recorded
    model.learn(T * E)
    return found[0]


def advantages_of(rollout: dict[str, Array], gae_lambda: float) -> Array:
    return scorefn.gae(
        *(rollout[name] for name in ("rewards", "values", "next_values")),
        terminated=rollout["terminated"],
        truncated=np.zeros((T, E), bool),
        discount=0.99,
        gae_lambda=gae_lambda,
    )


def with_one(x: Array) -> Array:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)


class Learner:
    """Adam on the policy and on the value function, with a common bound on their gradients."""

    def __init__(self, start: Parameters, learning_rate: float, **options: Any) -> None:
        self.policy = scorefn.LinearPolicy(start.policy.copy())
        self.coef = start.value.copy()
        self._adam, self._value_adam = (
            Adam(learning_rate, preset="sb3", **options) for _ in range(2)
        )

    def step(self, gradient: Array, features: Array, returns: Array, **clip: Any) -> None:
        of_values = value_loss(features @ self.coef, returns, **clip)
        value_gradient = 0.5 * features.T @ of_values.gradient  # vf_coef
        g, h = clip_by_norm([gradient, value_gradient], 0.5, eps=1e-6)
        self._adam.step(self.policy.parameters, g)
        self._value_adam.step(self.coef, h)

    def changes(self, start: Parameters) -> tuple[Array, Array]:
        return self.policy.parameters - start.policy, self.coef - start.value


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["plain", "entropy", "target_kl", "value clip"])
def test_ppo(
    name: str, dtype: str, compare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = {
        "plain": ({}, {}),
        "entropy": ({"ent_coef": 0.1}, {"entropy_coef": 0.1}),
        "target_kl": ({"target_kl": 0.005}, {"target_kl": 0.005}),
        "value clip": ({"clip_range_vf": 0.05}, {}),
    }[name]
    made = trained(sb3.PPO, dtype, monkeypatch, learning_rate=0.02, **theirs)
    rollout = made.rollout
    # The library's samples lie environment by environment.
    x, actions, a, old, values = (
        np.swapaxes(array, 0, 1).reshape(T * E, *array.shape[2:])
        for array in (
            with_one(rollout["observations"]),
            rollout["actions"],
            advantages_of(rollout, 0.95),
            rollout["log_prob"],
            rollout["values"],
        )
    )
    learner = Learner(made.before, 0.02)
    ppo = scorefn.PPO(preset="sb3", **ours)
    count = 0
    for estimate in ppo.updates(learner.policy, x, actions, a, old_log_prob=old, rng=ORDER):
        i: Any = estimate.samples
        clip = {"old_values": values[i], "clip_range": 0.05} if name == "value clip" else {}
        learner.step(estimate.gradient, x[i], (a + values)[i], **clip)
        count += 1
    assert count == 20 or (name == "target_kl" and 1 < count < 20)
    for got, after, before in zip(
        learner.changes(made.before), made.after, made.before, strict=True
    ):
        compare(f"PPO train() {dtype}", got, after - before, TOLERANCE[dtype])


def a2c_learner(made: Trained, estimator: scorefn.A2C, **options: Any) -> Learner:
    """After the one step that A2C takes."""
    rollout = dict(made.rollout)
    returns = (advantages_of(rollout, 1.0) + rollout["values"]).reshape(-1)
    del rollout["log_prob"]
    x = rollout["observations"] = with_one(rollout["observations"])
    learner = Learner(made.before, 7e-4, **options)
    estimate = estimator.estimate(learner.policy, **rollout, truncated=np.zeros((T, E), bool))
    learner.step(estimate.gradient, x.reshape(T * E, -1), returns)
    return learner


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("normalize", [False, True])
def test_a2c(
    normalize: bool, dtype: str, compare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Adam in place of RMSprop."""
    options = {"use_rms_prop": False, "normalize_advantage": normalize, "ent_coef": 0.1}
    made = trained(sb3.A2C, dtype, monkeypatch, **options)
    a2c = scorefn.A2C(preset="sb3", normalize_advantages=normalize, entropy_coef=0.1)
    changes = a2c_learner(made, a2c).changes(made.before)
    for got, after, before in zip(changes, made.after, made.before, strict=True):
        compare(f"A2C train() {dtype}", got, after - before, TOLERANCE[dtype])


def test_the_comparison_tells_small_things_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam's own eps, and an entropy bonus of 1e-6."""
    made = trained(sb3.A2C, "float64", monkeypatch, use_rms_prop=False)
    for a2c, options in (
        (scorefn.A2C(preset="sb3"), {"eps": 1e-8}),
        (scorefn.A2C(preset="sb3", entropy_coef=1e-6), {}),
    ):
        got, _ = a2c_learner(made, a2c, **options).changes(made.before)
        expected = made.after.policy - made.before.policy
        assert np.abs(got - expected).max() > 10 * TOLERANCE["float64"] * np.abs(expected).max()


def test_presets_are_the_defaults_of_the_library() -> None:
    names = {
        "discount": "gamma",
        "gae_lambda": "gae_lambda",
        "entropy_coef": "ent_coef",
        "normalize_advantages": "normalize_advantage",
        "epochs": "n_epochs",
        "minibatch_size": "batch_size",
        "target_kl": "target_kl",
        "objective__clip_range": "clip_range",
        "learning_rate": "learning_rate",
    }
    for estimator, theirs in (
        (scorefn.PPO(preset="sb3"), sb3.PPO),
        (scorefn.A2C(preset="sb3"), sb3.A2C),
        (Adam(preset="sb3"), sb3.PPO),
    ):
        defaults = inspect.signature(theirs).parameters
        options = estimator.get_params()
        for name in options.keys() & names.keys():
            assert options[name] == defaults[names[name]].default, name
