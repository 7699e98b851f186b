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


OBSERVATIONS = {
    "observation nan": np.array([0.0, np.nan]),
    "observation inf": np.array([np.inf, 0.0]),
    "observation 1e308": np.full(2, 1e308),
    "observation of 3": np.zeros(3),
    "observation of 1x2": np.zeros((1, 2)),
    "observation None": None,
    "observation text": "left",
}
STATES = {"state 4": 4, "state -1": -1, "state 1.5": 1.5, "state None": None, "state [0]": [0]}
REWARDS = {
    **{"reward nan": np.nan, "reward inf": -np.inf, "reward 1e308": 1e308, "reward None": None},
    **{"reward text": "much", "reward of 2": np.zeros(2), "reward 1j": 1j},
}
RAISES = {
    "KeyError": KeyError("left"),
    "two lines": ValueError("first\nsecond"),
    "SystemExit": SystemExit(0),
    "AssertionError": AssertionError(),
}


class Broken(gymnasium.Env[Any, int]):
    """Does what no environment should: after two good steps, or at once in `make` or `reset`."""

    action_space = Discrete(2)

    def __init__(self, what: str) -> None:
        if what == "make":
            raise RuntimeError("no display")
        self.what = what
        self.is_table = what in STATES
        self.observation_space = Discrete(4) if self.is_table else Box(-9, 9, (2,), np.float64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        if self.what == "reset":
            raise RuntimeError("no level left")
        if self.what == "reset of 3":
            return np.zeros(3), {}
        return self._observation(), {}

    def step(self, action: int) -> Any:
        self.count += 1
        observation, reward, info = self._observation(), 1.0, {}
        if self.count == 3:
            if self.what in RAISES:
                raise RAISES[self.what]
            if self.what == "4 values":
                return observation, reward, False, {}
            observation = {**OBSERVATIONS, **STATES}.get(self.what, observation)
            reward = REWARDS.get(self.what, reward)
        if self.what == "info of any shape":
            info = {"path": np.zeros(self.count)}
        return observation, reward, self.count == 5, False, info

    def close(self) -> None:
        if self.what == "close":
            raise OSError("no such window")

    def _observation(self) -> Any:
        return 0 if self.is_table else np.zeros(2)


MASKS: dict[str, Any] = {
    "of 3": np.ones(3, np.int8),
    "of 1x4": np.ones((1, 4), np.int8),
    "2": np.full(4, 2, np.int8),
    "float": np.ones(4),
    "empty": np.zeros(4, np.int8),
    "of another kind": "left",
}


class Masked(gymnasium.Env[Any, int]):
    """Position i of 0 to 3 allows all actions but i; a forbidden action is an error.

    The return counts the times that the largest allowed action was taken, 8 at most.
    """

    action_space = Discrete(4, start=1)

    def __init__(self, is_table: bool = True, what: str = "", dtype: str = "int8") -> None:
        self.is_table, self.what, self.dtype = is_table, what, dtype
        self.observation_space = Discrete(4) if is_table else Box(0, 1, (4,), np.float64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        self.position = int(self.np_random.integers(4))
        info = self._info()
        return self._observation(), {} if self.what == "only in step" else info

    def step(self, action: int) -> Any:
        action -= 1
        if action == self.position and self.what != "only in step":
            raise RuntimeError("a forbidden action")
        reward = float(action == (2 if self.position == 3 else 3))
        self.count += 1
        self.position = int(self.np_random.integers(4))
        done = self.count == 8
        info = self._info()
        if self.count == 5 and self.what == "missing":
            info = {}
        if self.count == 5 and self.what in MASKS:
            info = {"action_mask": MASKS[self.what]}
        if done and self.what == "empty at the end":  # as in games: nobody is to move
            info = {"action_mask": np.zeros(4, self.dtype)}
        return self._observation(), reward, done, False, info

    def _info(self) -> dict[str, Any]:
        mask = np.ones(4, self.dtype)
        mask[self.position] = 0
        if self.what == "changing":
            mask[(self.position + 1 + self.count) % 4] = 0
        return {"action_mask": mask}

    def _observation(self) -> Any:
        return self.position if self.is_table else np.eye(4)[self.position]


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
    register_("ScorefnTest/Masked-v0", lambda **options: Masked(**options), max_episode_steps=8)
    register_("ScorefnTest/ManyFeatures-v0", lambda: ManyFeatures())
    register_("ScorefnTest/BinaryObservation-v0", lambda: BinaryObservation())


register()
