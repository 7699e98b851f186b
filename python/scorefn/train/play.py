"""Playing whole episodes with a finished policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn import sample
from scorefn.train.environments import Environments
from scorefn.train.models import PlayablePolicy, policy_input

# Episodes that are played side by side.
MAX_PARALLEL_EPISODES = 100


@dataclass(frozen=True)
class Episodes:
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]

    @property
    def standard_error(self) -> float:
        """Of the mean return; NaN for a single episode."""
        n = len(self.returns)
        return deviation(self.returns, ddof=1) / math.sqrt(n) if n > 1 else math.nan


def deviation(values: NDArray[Any], ddof: int = 0) -> float:
    """The standard deviation, without a rounding error of the mean: exactly 0 for equal values."""
    return float((values - values[0]).std(ddof=ddof))


def play(
    envs: Environments,
    policy: PlayablePolicy,
    *,
    num_episodes: int,
    greedy: bool,
    rng: np.random.Generator,
) -> Episodes:
    """Play so many episodes; greedy: the most probable allowed action, else a sampled one.

    How many each environment plays is fixed in advance: the first to end would be the short ones.
    """
    to_play = np.full(envs.num_envs, num_episodes // envs.num_envs)
    to_play[: num_episodes % envs.num_envs] += 1
    current_return = np.zeros(envs.num_envs)
    current_length = np.zeros(envs.num_envs, dtype=np.int64)
    returns, lengths = [], []
    observations = envs.reset(int(rng.integers(2**31)))
    while to_play.any():
        inputs, masks = policy_input(policy, observations), envs.masks
        if greedy:
            logits = policy.logits(inputs)
            allowed = logits if masks is None else np.where(masks, logits, -np.inf)
            actions = allowed.argmax(axis=-1)
        elif masks is None:
            actions = policy.sample(inputs, rng=rng).actions
        else:
            actions = sample(policy.logits(inputs), where=masks, rng=rng).actions
        step = envs.step(actions)
        envs.between_steps()
        observations = step.observations
        current_return += np.where(step.valid, step.rewards, 0.0)
        current_length += step.valid
        done = (step.terminated | step.truncated) & step.valid
        counted = done & (to_play > 0)
        returns.append(current_return[counted])
        lengths.append(current_length[counted])
        to_play[counted] -= 1
        current_return[done] = 0.0
        current_length[done] = 0
    return Episodes(np.concatenate(returns), np.concatenate(lengths))
