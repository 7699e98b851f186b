"""Playing a policy for some steps and keeping all that the learner needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn.train.environments import Environments

Masks = NDArray[np.bool_] | None  # of allowed actions; None if all are
Act = Callable[[NDArray[Any], Masks], NDArray[np.int64]]


@dataclass(frozen=True)
class Rollout:
    """Arrays of shape (num_steps, num_envs, ...), and the episodes that ended on the way."""

    observations: NDArray[Any]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    next_observations: NDArray[Any]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    valid: NDArray[np.bool_]  # True = a sample; see environments.Step
    masks: Masks  # (num_steps, num_envs, num_actions)
    episode_returns: NDArray[np.float64]
    episode_lengths: NDArray[np.int64]


class Player:
    """Steps the environments; episodes run on from one rollout to the next."""

    def __init__(self, envs: Environments) -> None:
        self._envs = envs

    def reset(self, seed: int) -> None:
        self._observations = self._envs.reset(seed)
        self._returns = np.zeros(self._envs.num_envs)
        self._lengths = np.zeros(self._envs.num_envs, dtype=np.int64)

    def collect(self, act: Act, num_steps: int) -> Rollout:
        steps, observations, actions, masks = [], [], [], []
        returns, lengths = [], []
        for _ in range(num_steps):
            mask = self._envs.masks
            chosen = act(self._observations, mask)
            step = self._envs.step(chosen)
            self._envs.between_steps()
            observations.append(self._observations)
            actions.append(chosen)
            if mask is not None:
                masks.append(mask)
            steps.append(step)
            self._observations = step.observations
            self._returns += np.where(step.valid, step.rewards, 0.0)
            self._lengths += step.valid
            done = (step.terminated | step.truncated) & step.valid
            if done.any():
                returns.append(self._returns[done])
                lengths.append(self._lengths[done])
                self._returns[done] = 0.0
                self._lengths[done] = 0
        return Rollout(
            observations=np.stack(observations),
            actions=np.stack(actions),
            rewards=np.stack([step.rewards for step in steps]),
            next_observations=np.stack([step.next_observations for step in steps]),
            terminated=np.stack([step.terminated for step in steps]),
            truncated=np.stack([step.truncated for step in steps]),
            valid=np.stack([step.valid for step in steps]),
            masks=np.stack(masks) if masks else None,
            episode_returns=np.concatenate(returns) if returns else np.zeros(0),
            episode_lengths=np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64),
        )
