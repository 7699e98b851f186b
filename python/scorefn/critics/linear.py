"""A value that is linear in the features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_flag, check_fraction, check_int, check_number, check_real
from .._errstate import without_float_errors
from .._state import Arrays
from ._samples import check_returns, unit_of
from ._saved import Saved


class LinearCritic(Saved):
    """Least squares on features, with less weight on older updates.

    coef = (G + ridge I)^-1 m,   G = decay G + X^T X / n,   m = decay m + X^T returns / n

    for the n rows X of features in an update. All values are 0 at first.

    Parameters
    ----------
    num_features : int
        At least 1.
    decay : float in [0, 1]
        Weight of the old samples, for each update.
    ridge : float
        Larger than 0: keeps the equations solvable when a feature has not varied yet.
    squares : bool
        Add the squares of all features but the last, which is to be a constant 1. Far to the left
        and far to the right are often equally bad. These are the features of Duan et al. 2016,
        "Benchmarking deep reinforcement learning", without the time step.

    Raises
    ------
    TypeError, ValueError
        A number of the wrong kind, or outside its domain.

    Examples
    --------
    >>> import numpy as np
    >>> from scorefn.critics import LinearCritic
    >>> features = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> critic = LinearCritic(2, ridge=1e-9)
    >>> critic.update(features, [1.0, 3.0, 5.0])
    >>> critic.values([[3.0, 1.0]]).round(6)
    array([7.])
    """

    def __init__(
        self,
        num_features: int,
        *,
        decay: float = 0.9,
        ridge: float = 1e-3,
        squares: bool = False,
    ) -> None:
        self._num_features = check_int("num_features", num_features, at_least=1)
        self.decay = check_fraction("decay", decay)
        self.ridge = check_number("ridge", ridge)
        if self.ridge <= 0.0:
            raise ValueError(f"ridge must be larger than 0, got {ridge}")
        check_flag("squares", squares)
        self.squares = bool(squares)
        size = 2 * self._num_features - 1 if squares else self._num_features
        self._gram = np.zeros((size, size))
        self._moment = np.zeros(size)
        self._coef = np.zeros(size)

    @without_float_errors
    def values(self, observations: ArrayLike) -> NDArray[np.float64]:
        """The expected return from each row of features.

        Parameters
        ----------
        observations : (..., num_features) array
            Features.

        Returns
        -------
        (...) float64 array

        Raises
        ------
        TypeError, ValueError
            An array of the wrong kind or shape.
        """
        return np.asarray(self._with_squares(self._features(observations)) @ self._coef)

    @without_float_errors
    def update(
        self, observations: ArrayLike, returns: ArrayLike, *, valid: ArrayLike | None = None
    ) -> None:
        """Learn from the returns that followed some observations.

        Parameters
        ----------
        observations : (..., num_features) array
            Features. If no sample counts, nothing is learned.
        returns : (...) array
            One for each row of features.
        valid : (...) bool array, optional
            Samples that count (True); by default all do. The others may hold anything.

        Raises
        ------
        TypeError, ValueError
            An array of the wrong kind or shape, a number that is not finite, features so large
            that sums of their products are not, or that the ridge is lost beside them. Then nothing
            has changed.
        """
        features = self._features(observations)
        r, counts = check_returns(returns, valid, features.shape[:-1])
        is_row = counts.reshape(*features.shape[:-1], 1)
        check_finite("observations", np.where(is_row, features, 0.0))
        x = self._with_squares(features.reshape(-1, self._num_features)[counts])
        if len(x) == 0:
            return
        unit = unit_of(r)
        gram = self.decay * self._gram + x.T @ x / len(x)
        moment = self.decay * self._moment + x.T @ (r[counts] / unit) / len(x) * unit
        if not (np.isfinite(gram).all() and np.isfinite(moment).all()):
            raise ValueError("observations must have finite sums of products, got inf")
        coef = self._solution(gram, moment)
        self._gram[...], self._moment[...], self._coef[...] = gram, moment, coef

    def _arrays(self) -> Arrays:
        return {"gram": self._gram, "moment": self._moment, "coef": self._coef}

    def _features(self, observations: ArrayLike) -> NDArray[np.float64]:
        x = check_real("observations", observations)
        if x.ndim == 0 or x.shape[-1] != self._num_features:
            raise ValueError(
                f"observations must have shape (..., {self._num_features}), got {x.shape}"
            )
        return x

    def _with_squares(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.squares:
            return features
        return np.concatenate([features, features[..., :-1] ** 2], axis=-1)

    def _solution(self, gram: NDArray[Any], moment: NDArray[Any]) -> NDArray[np.float64]:
        """(G + ridge I)^-1 m."""
        try:
            coef = np.linalg.solve(gram + self.ridge * np.eye(len(gram)), moment)
        except np.linalg.LinAlgError:
            coef = np.full(len(gram), np.nan)
        if not np.isfinite(coef).all():
            largest = np.abs(gram).max()
            raise ValueError(
                f"ridge must be large enough beside the features, whose mean squares reach "
                f"{largest:.3g}, got {self.ridge}"
            )
        return coef
