"""Small environments with known answers. Importing this registers them with Gymnasium."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary

LENGTH = 4


class Corridor(gymnasium.Env[int, int]):
    """States 2 to 5: action -1 stays, action 0 goes right for a reward of 1, the end terminates."""

    observation_space = Discrete(LENGTH, start=2)
    action_space = Discrete(2, start=-1)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = 2
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.state += action + 1
        return self.state, float(action + 1), self.state == 2 + LENGTH - 1, False, {}


class Matrix(gymnasium.Env[np.ndarray[Any, Any], int]):
    """An observation of shape (2, 3) and dtype int8, episodes of 3 steps, return 3 for action 1."""

    observation_space = Box(-5, 5, (2, 3), np.int8)
    action_space = Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return self._observation(), float(action), self.count == 3, False, {}

    def _observation(self) -> np.ndarray[Any, Any]:
        return np.full((2, 3), self.count, dtype=np.int8)


class Broken(Corridor):
    """Returns what no environment should."""

    observation_space = Box(-np.inf, np.inf, (1,), np.float64)

    def __init__(self, what: str) -> None:
        self.what = what

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation = np.full(1, np.nan if self.what == "observation" else 0.0)
        return observation, np.inf if self.what == "reward" else 0.0, False, False, {}


class ManyFeatures(Matrix):
    observation_space = Box(0, 1, (30, 30))


class BinaryObservation(Matrix):
    observation_space = MultiBinary(3)


def register() -> None:
    register_ = gymnasium.register
    register_("ScorefnTest/Corridor-v2", lambda: Corridor(), max_episode_steps=5)
    register_("ScorefnTest/Endless-v0", lambda: Corridor())
    register_("ScorefnTest/Matrix-v0", lambda: Matrix(), reward_threshold=2.9)
    register_("ScorefnTest/Broken-v0", lambda what: Broken(what), max_episode_steps=5)
    register_("ScorefnTest/ManyFeatures-v0", lambda: ManyFeatures())
    register_("ScorefnTest/BinaryObservation-v0", lambda: BinaryObservation())


register()
