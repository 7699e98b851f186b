"""An average of the rewards of all batches so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_finite, check_float, check_fraction, check_number
from .._groups import check_samples
from .._moments import Moments


@dataclass
class MovingAverage:
    """An exponential moving average of rewards, as a baseline.

    Take the value of earlier batches, and update it afterwards. Then the baseline does not depend
    on the actions of this batch, and the gradient stays unbiased::

        advantages = credit.advantages(rewards, "values", values=average.value)
        average.update(rewards)

    Storchastic updates first: ``values=average.update(rewards)``. Each sample's own reward is then
    in its baseline, which shrinks the expected gradient of n independent samples by exactly
    1 - (1 - decay) / n.

    Parameters
    ----------
    decay : float in [0, 1]
        Weight of what came before; 1 - decay is that of a new batch.
    value : float
        The average so far. The two attributes are the whole state: ``dataclasses.asdict(average)``
        saves it and ``MovingAverage(**saved)`` brings it back.

    Examples
    --------
    >>> from scorefn import credit
    >>> average = credit.MovingAverage(decay=0.5)
    >>> average.update([2.0, 4.0])
    1.5
    >>> credit.advantages([1.0, 2.0], "values", values=average.value)
    array([-0.5,  0.5])
    """

    decay: float = 0.95
    value: float = 0.0

    def __post_init__(self) -> None:
        self.decay = check_fraction("decay", self.decay)
        self.value = check_number("value", self.value)

    def update(self, rewards: ArrayLike, *, valid: ArrayLike | None = None) -> float:
        """value = decay value + (1 - decay) mean(rewards).

        Parameters
        ----------
        rewards : array
            One number per sample of a batch. If there are none, the value stays as it is.
        valid : bool array shaped like rewards, optional
            Samples that count (True); by default all do.

        Returns
        -------
        float
            The new value.

        Raises
        ------
        TypeError
            An array of the wrong kind.
        ValueError
            A wrong shape, or a number that is not finite. Then the value stays as it is.
        """
        samples, counts = check_samples("rewards", rewards, valid)
        r = check_finite("rewards", check_float("rewards", samples))
        r = r.reshape(-1) if counts is None else r[counts]
        if r.size:
            mean = Moments("rewards", np.ascontiguousarray(r)).mean()
            self.value = self.decay * self.value + (1.0 - self.decay) * mean
        return self.value
