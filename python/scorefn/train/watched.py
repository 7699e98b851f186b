"""Environments that step one after the other, with a call between their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium


class Watched(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Calls `after` whenever the environment has answered.

    So nobody waits for a whole vector of slow environments.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], after: Callable[[], None]) -> None:
        super().__init__(env)
        self._after = after

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.env.reset(**options)
        self._after()
        return answer

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(action)
        self._after()
        return answer
