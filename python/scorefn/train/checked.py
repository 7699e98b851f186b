"""An environment whose mistakes are errors in one line, made where they can name their cause.

Gymnasium puts what an environment returns into arrays. That fails far from the cause, or converts
without a word; its own checks are warnings. Here the kinds are checked, one environment at a time;
`Environments` checks the values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from scorefn._command.errors import CommandError, ForeignError
from scorefn.train.action_masks import KEY

T = TypeVar("T")


class Checked(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Of ``info`` only what scorefn reads is kept: the rest need not be of one shape."""

    def __init__(self, env: gymnasium.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self._name = name
        space = env.observation_space
        self._shape = space.shape if isinstance(space, Box) else None
        self._is_discrete = isinstance(space, Discrete)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = blaming(self._name, "reset()", lambda: self.env.reset(**options))
        self._check_observation("reset()", observation)
        return observation, _masks_of(info)

    def step(self, action: Any) -> tuple[Any, float, Any, Any, dict[str, Any]]:
        observation, reward, terminated, truncated, info = blaming(
            self._name, "step()", lambda: self.env.step(action)
        )
        self._check_observation("step()", observation)
        return observation, self._number(reward), terminated, truncated, _masks_of(info)

    def _check_observation(self, call: str, observation: Any) -> None:
        if self._is_discrete:
            try:
                operator.index(observation)
            except TypeError:
                raise self._wrong(call, f"observation {observation!r}", "an integer") from None
        elif self._shape is not None and np.shape(observation) != self._shape:
            got = f"an observation of shape {np.shape(observation)}"
            raise CommandError(f"{self._name}: {call} returned {got}, expected {self._shape}")

    def _number(self, reward: Any) -> float:
        try:
            return float(reward)
        except (TypeError, ValueError):
            raise self._wrong("step()", f"reward {reward!r}", "a number") from None

    def _wrong(self, call: str, got: str, expected: str) -> CommandError:
        return CommandError(f"{self._name}: {call} returned the {got}, expected {expected}")


def _masks_of(info: dict[str, Any]) -> dict[str, Any]:
    return {KEY: np.asarray(info[KEY])} if KEY in info else {}


def blaming(name: str, call: str, function: Callable[[], T]) -> T:
    """`function()`; any exception is a `CommandError` that names the environment and the call."""
    try:
        return function()
    except CommandError:
        raise
    except (Exception, SystemExit) as error:
        raise ForeignError(f"{name}: {call} raised", error) from error
