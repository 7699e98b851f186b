"""What train() of Stable-Baselines3's PPO and A2C makes of given logits and a given rollout.

pip install stable-baselines3 && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")

from gymnasium.spaces import Discrete  # noqa: E402
from stable_baselines3.common.distributions import CategoricalDistribution  # noqa: E402
from stable_baselines3.common.logger import Logger  # noqa: E402
from stable_baselines3.common.type_aliases import RolloutBufferSamples  # noqa: E402

PEER = "stable-baselines3"
N, K = 40, 5


class Policy(torch.nn.Module):
    """Logits that are parameters, one row per observation, and values of 0."""

    def __init__(self, logits: Any) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.0)

    def set_training_mode(self, mode: bool) -> None:
        self.train(mode)

    def evaluate_actions(self, observations: Any, actions: Any) -> tuple[Any, Any, Any]:
        distribution = CategoricalDistribution(K).proba_distribution(self.logits[observations])
        zeros = torch.zeros(len(actions), dtype=torch.float64)
        return zeros, distribution.log_prob(actions), distribution.entropy()


class Rollout:
    """One minibatch in float64, where the library's own buffer rounds to float32."""

    def __init__(self, actions: Any, old_log_prob: Any, advantages: Any) -> None:
        self.values = self.returns = np.zeros(N)
        zeros = torch.zeros(N, dtype=torch.float64)
        self.samples = RolloutBufferSamples(
            observations=torch.arange(N),
            actions=torch.tensor(actions),
            old_values=zeros,
            old_log_prob=torch.tensor(old_log_prob),
            advantages=torch.tensor(advantages),
            returns=zeros,
        )

    def get(self, batch_size: int | None) -> Iterator[RolloutBufferSamples]:
        yield self.samples


def train(algorithm: type[Any], policy: Policy, rollout: Rollout, **options: Any) -> Any:
    """The numbers that train() logs; the gradient is the policy's."""
    model = algorithm("MlpPolicy", None, _init_setup_model=False, max_grad_norm=np.inf, **options)
    model.policy, model.rollout_buffer, model.action_space = policy, rollout, Discrete(K)
    model.lr_schedule = lambda _: 0.0
    if algorithm is sb3.PPO:
        model.clip_range = lambda _: 0.2
        model.n_epochs = 1
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.train()
    return model.logger.name_to_value


def problem() -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    logits, actions = rng.normal(size=(N, K)), rng.integers(K, size=N)
    old = scorefn.log_prob(logits, actions) + rng.normal(scale=0.3, size=N)
    return logits, actions, old, rng.normal(size=N)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.01])
def test_ppo(entropy_coef: float, normalize: bool, compare: Callable[..., None]) -> None:
    logits, actions, old, advantages = problem()
    policy = Policy(logits)
    logged = train(
        sb3.PPO,
        policy,
        Rollout(actions, old, advantages),
        ent_coef=entropy_coef,
        normalize_advantage=normalize,
    )
    if normalize:
        advantages = scorefn.credit.normalize(advantages, eps=1e-8)
    step = scorefn.ClippedSurrogate(entropy_coef=entropy_coef / N).gradient(
        logits, None, actions, old_log_prob=old, advantages=advantages / N
    )
    compare("PPO", step.gradient, -policy.logits.grad.numpy())
    compare("PPO", step.objective, -logged["train/loss"])
    # The library averages zeros and ones in float32.
    compare("PPO clip_fraction", step.clip_fraction, logged["train/clip_fraction"], 1e-6)
    compare("PPO approx_kl", step.approx_kl, logged["train/approx_kl"])


@pytest.mark.parametrize("entropy_coef", [0.0, 0.01])
def test_a2c(entropy_coef: float, compare: Callable[..., None]) -> None:
    logits, actions, old, advantages = problem()
    policy = Policy(logits)
    logged = train(sb3.A2C, policy, Rollout(actions, old, advantages), ent_coef=entropy_coef)
    step = scorefn.WeightedLogProb(entropy_coef=entropy_coef / N).gradient(
        logits, None, actions, weights=advantages / N
    )
    loss = logged["train/policy_loss"] + entropy_coef * logged["train/entropy_loss"]
    compare("A2C", step.gradient, -policy.logits.grad.numpy())
    compare("A2C", step.objective, -loss)
