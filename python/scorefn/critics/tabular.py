"""A value for each state."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_fraction, check_indices, check_int, check_integers
from .._errstate import without_float_errors
from .._state import Arrays
from ._samples import check_returns, unit_of
from ._saved import Saved


class TabularCritic(Saved):
    """One value for each state: an exponential moving average of the returns from there.

    value[s] = decay^n value[s] + (1 - decay^n) mean(returns from s)

    for n visits of s in an update. All values are 0 at first.

    Parameters
    ----------
    num_states : int
        At least 1.
    decay : float in [0, 1]
        Weight of the old value, for each visit.

    Raises
    ------
    TypeError, ValueError
        A number of the wrong kind, or outside its domain.

    Examples
    --------
    >>> from scorefn.critics import TabularCritic
    >>> critic = TabularCritic(3, decay=0.5)
    >>> critic.update([0, 2, 2], [8.0, 1.0, 3.0])
    >>> critic.values([0, 1, 2])
    array([4. , 0. , 1.5])
    """

    def __init__(self, num_states: int, *, decay: float = 0.9) -> None:
        self._values = np.zeros(check_int("num_states", num_states, at_least=1))
        self.decay = check_fraction("decay", decay)

    def values(self, observations: ArrayLike) -> NDArray[np.float64]:
        """The expected return from each state.

        Parameters
        ----------
        observations : (...) integer array
            States.

        Returns
        -------
        (...) float64 array

        Raises
        ------
        TypeError, IndexError
            An array of the wrong kind, a state out of range.
        """
        states = check_indices("observations", observations, self._values.size, "states")
        return np.asarray(self._values[states])

    @without_float_errors
    def update(
        self, observations: ArrayLike, returns: ArrayLike, *, valid: ArrayLike | None = None
    ) -> None:
        """Learn from the returns that followed some states.

        Parameters
        ----------
        observations : (...) integer array
            States.
        returns : (...) array
            One for each state.
        valid : (...) bool array, optional
            Samples that count (True); by default all do. The others may hold anything.

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, a return that is not finite, a state out of range.
            Then nothing has changed.
        """
        states = check_integers("observations", observations)
        r, counts = check_returns(returns, valid, states.shape)
        states = np.where(counts.reshape(states.shape), states, 0)
        states = check_indices("observations", states, self._values.size, "states").reshape(-1)
        unit = unit_of(r)
        visits = np.bincount(states, counts, self._values.size)
        sums = np.bincount(states, r / unit, self._values.size)
        seen = visits > 0
        kept = self.decay ** visits[seen]
        new = (1 - kept) * sums[seen] / visits[seen] * unit
        self._values[seen] = kept * self._values[seen] + new

    def _arrays(self) -> Arrays:
        return {"values": self._values}
