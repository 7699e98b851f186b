"""Value functions: the baseline of the gradient and what an episode is worth where it was cut.

Both average over the past, with less and less weight on a sample as newer ones arrive, because the
policy that they judge changes. There is no learning rate to tune.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scorefn.train.state import Arrays


class Critic(Protocol):
    def values(self, observations: NDArray[Any]) -> NDArray[np.float64]:
        """The expected return from each observation, shape (...)."""

    def update(self, observations: NDArray[Any], returns: NDArray[np.float64]) -> None:
        """Learn from the returns that followed N observations."""

    def arrays(self) -> Arrays:
        """The live arrays that make up its state."""


class TabularCritic:
    """One value a state: an exponential moving average of the returns from there."""

    DECAY = 0.9  # of the old value's weight, for each visit

    def __init__(self, num_states: int) -> None:
        self._values = np.zeros(num_states)

    def values(self, observations: NDArray[Any]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = self._values[observations]
        return values

    def update(self, observations: NDArray[Any], returns: NDArray[np.float64]) -> None:
        visits = np.bincount(observations, minlength=len(self._values))
        sums = np.bincount(observations, returns, minlength=len(self._values))
        seen = visits > 0
        kept = self.DECAY ** visits[seen]
        self._values[seen] = kept * self._values[seen] + (1 - kept) * sums[seen] / visits[seen]

    def arrays(self) -> Arrays:
        return {"values": self._values}


class LinearCritic:
    """Least squares on the features (the last is a constant 1) and the squares of the others.

    The squares matter: far to the left and far to the right are often equally bad. These are the
    baseline features of Duan et al. 2016 (https://arxiv.org/abs/1604.06778) without the time step.
    """

    DECAY = 0.9  # of the old samples' weight, for each update
    RIDGE = 1e-3  # keeps the normal equations solvable when a feature has not varied yet

    def __init__(self, num_features: int) -> None:
        size = 2 * num_features - 1
        self._gram = np.zeros((size, size))
        self._moment = np.zeros(size)
        self._coef = np.zeros(size)

    def values(self, observations: NDArray[Any]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = _with_squares(observations) @ self._coef
        return values

    def update(self, observations: NDArray[Any], returns: NDArray[np.float64]) -> None:
        x = _with_squares(observations)
        self._gram *= self.DECAY
        self._gram += x.T @ x / len(x)
        self._moment *= self.DECAY
        self._moment += x.T @ returns / len(x)
        self._coef[:] = np.linalg.solve(
            self._gram + self.RIDGE * np.eye(len(self._gram)), self._moment
        )

    def arrays(self) -> Arrays:
        return {"gram": self._gram, "moment": self._moment, "coef": self._coef}


def _with_squares(features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([features, features[..., :-1] ** 2], axis=-1)
