"""The recipes of scorefn.credit for Gymnasium's three modes of starting the next episode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import scorefn
from scorefn import testing

STEPS, ENVS = 60, 3


class Walk(gymnasium.Env[Any, int]):
    """Each environment's observations and rewards count the steps of all its episodes.

    Episodes end after 3, 4, 5, ... steps, by turns terminated and truncated.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self.episodes = self.clock = self.step_of_episode = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.step_of_episode = 0
        self.episodes += 1
        self.clock += 1
        return np.array([float(self.clock)]), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.clock += 1
        self.step_of_episode += 1
        is_last = self.step_of_episode == self.episodes + 2
        terminated = is_last and self.episodes % 2 == 0
        observation = np.array([float(self.clock)])
        return observation, float(self.clock), terminated, is_last and not terminated, {}


def rollout(mode: AutoresetMode) -> dict[str, Any]:
    """As the docstring of scorefn.credit says; the value of an observation is its number."""
    envs = SyncVectorEnv([Walk] * ENVS, autoreset_mode=mode)
    observations, _ = envs.reset()
    done = np.zeros(ENVS, bool)
    columns: dict[str, list[Any]] = {}
    for _ in range(STEPS):
        if mode == AutoresetMode.DISABLED and done.any():
            observations, _ = envs.reset(options={"reset_mask": done})
        before, previous_done = observations.copy(), done
        observations, rewards, terminated, truncated, infos = envs.step(np.zeros(ENVS, int))
        following = observations.copy()
        done = terminated | truncated
        if mode == AutoresetMode.SAME_STEP:
            for env in np.flatnonzero(done):
                following[env] = infos["final_obs"][env]
        step = {
            "rewards": rewards,
            "values": before[:, 0],
            "next_values": following[:, 0],
            "terminated": terminated,
            "truncated": truncated,
        }
        if mode == AutoresetMode.NEXT_STEP:
            step["valid"] = ~previous_done
        for name, x in step.items():
            columns.setdefault(name, []).append(np.array(x))
    envs.close()
    return {name: np.array(x) for name, x in columns.items()}


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_mode_gives_each_episode_its_own_advantages(mode: AutoresetMode) -> None:
    """Those of the plain episodes, one after the other."""
    episodes = rollout(mode)
    advantages = scorefn.gae(**episodes, discount=0.9, gae_lambda=0.8)
    valid = episodes.pop("valid", np.ones((STEPS, ENVS), bool))
    assert np.all(valid) == (mode != AutoresetMode.NEXT_STEP)

    env = Walk()
    for column in range(ENVS):
        env.__init__()  # type: ignore[misc]
        observation, _ = env.reset()
        expected = {name: [] for name in episodes}
        for _ in range(int(valid[:, column].sum())):
            following, reward, terminated, truncated, _ = env.step(0)
            for name, x in zip(
                expected, (reward, observation[0], following[0], terminated, truncated), strict=True
            ):
                expected[name].append(x)
            observation = env.reset()[0] if terminated or truncated else following
        for name, x in expected.items():
            np.testing.assert_array_equal(episodes[name][valid[:, column], column], x)
        alone = testing.gae(**expected, discount=0.9, gae_lambda=0.8)
        np.testing.assert_array_equal(advantages[valid[:, column], column], alone)
        assert sum(expected["terminated"]) > 2
        assert sum(expected["truncated"]) > 2
