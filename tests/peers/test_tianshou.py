"""One update by tianshou's PPO, A2C and Reinforce, of given logits on a given batch.

pip install tianshou && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
pytest.importorskip("tianshou")

from gymnasium.spaces import Discrete  # noqa: E402
from tianshou.algorithm import A2C, PPO, Reinforce  # noqa: E402
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy  # noqa: E402
from tianshou.algorithm.optim import TorchOptimizerFactory  # noqa: E402
from tianshou.data import Batch  # noqa: E402

PEER = "tianshou"
N, K = 40, 5


class Actor(torch.nn.Module):
    """Logits that are parameters, one row per observation."""

    def __init__(self, logits: Any) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits))

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> tuple[Any, Any]:
        return self.logits[obs], state


class Critic(torch.nn.Module):
    """Values of 0, of a parameter that has a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, obs: Any) -> Any:
        return self.value.expand(len(obs))


class Problem:
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.logits, self.actions = rng.normal(size=(N, K)), rng.integers(K, size=N)
        log_prob = scorefn.log_prob(self.logits, self.actions)
        self.old = log_prob + rng.normal(scale=0.3, size=N)
        self.advantages = rng.normal(size=N)

    def update(self, algorithm: type[Any], **options: Any) -> tuple[float, Any]:
        """The objective, and its gradient with respect to the logits."""
        actor = Actor(self.logits)
        policy = DiscreteActorPolicy(actor=actor, action_space=Discrete(K))
        optim = TorchOptimizerFactory(torch.optim.SGD, lr=0.0)
        advantages = torch.tensor(self.advantages)
        batch = Batch(
            obs=torch.arange(N),
            info=Batch(),
            act=torch.tensor(self.actions),
            logp_old=torch.tensor(self.old),
            adv=advantages,
            v_s=torch.zeros_like(advantages),
            returns=advantages if algorithm is Reinforce else torch.zeros_like(advantages),
        )
        stats = algorithm(policy=policy, optim=optim, **options)._update_with_batch(batch, None, 1)
        return -stats.loss.mean, -actor.logits.grad.numpy()


@pytest.mark.parametrize("dual_clip", [None, 1.5])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.01])
def test_ppo(
    entropy_coef: float, normalize: bool, dual_clip: float | None, compare: Callable[..., None]
) -> None:
    problem = Problem()
    objective, gradient = problem.update(
        PPO,
        critic=Critic(),
        dual_clip=dual_clip,
        ent_coef=entropy_coef,
        advantage_normalization=normalize,
    )
    advantages = problem.advantages
    if normalize:
        advantages = scorefn.credit.normalize(advantages, eps=1e-8)
    step = scorefn.ClippedSurrogate(
        dual_clip=dual_clip or np.inf, entropy_coef=entropy_coef / N
    ).gradient(
        problem.logits, None, problem.actions, old_log_prob=problem.old, advantages=advantages / N
    )
    method = "PPO, dual clip" if dual_clip else "PPO"
    # tianshou rounds the ratios to float32.
    compare(method, step.gradient, gradient, 1e-6)
    compare(method, step.objective, objective, 1e-6)


@pytest.mark.parametrize("entropy_coef", [0.0, 0.01])
def test_a2c(entropy_coef: float, compare: Callable[..., None]) -> None:
    problem = Problem()
    objective, gradient = problem.update(A2C, critic=Critic(), ent_coef=entropy_coef)
    step = scorefn.WeightedLogProb(entropy_coef=entropy_coef / N).gradient(
        problem.logits, None, problem.actions, weights=problem.advantages / N
    )
    compare("A2C", step.gradient, gradient)
    compare("A2C", step.objective, objective)


def test_reinforce(compare: Callable[..., None]) -> None:
    problem = Problem()
    objective, gradient = problem.update(Reinforce)
    step = scorefn.WeightedLogProb().gradient(
        problem.logits, None, problem.actions, weights=problem.advantages / N
    )
    # tianshou rounds the returns to float32.
    compare("Reinforce", step.gradient, gradient, 1e-6)
    compare("Reinforce", step.objective, objective, 1e-6)
