"""Stochastic gradient ascent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_fraction
from .._parameters import Parameters
from ._step import FloatArray, Stateful
from .schedules import LearningRate, check_learning_rate, learning_rate_at


@dataclass(eq=False)
class SGD(Stateful, Parameters):
    """Stochastic gradient ascent, with momentum.

    velocity = momentum velocity + gradient
    parameters += learning_rate velocity

    as `torch.optim.SGD` has it, but uphill (Polyak 1964, "Some methods of speeding up the
    convergence of iteration methods").

    Parameters
    ----------
    learning_rate : float or callable
        At least 0; or a function of the number of steps taken before, such as `LinearDecay`.
    momentum : float in [0, 1]
        0: plain gradient ascent, which has no state.

    Examples
    --------
    >>> import numpy as np
    >>> from scorefn.optimizers import SGD
    >>> parameters, sgd = np.zeros(2), SGD(0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     sgd.step(parameters, [1.0, 2.0])
    >>> parameters
    array([0.25, 0.5 ])
    """

    learning_rate: LearningRate
    momentum: float = 0.0

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        check_fraction("momentum", self.momentum)
        self._reset()

    def _names(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def step(self, parameters: FloatArray, gradient: ArrayLike) -> None:
        """Change the parameters in place.

        Parameters
        ----------
        parameters : float32 or float64 array
            The same ones, or others of the same shape and dtype, at every step.
        gradient : array shaped like parameters
            The ascent direction, rounded to the dtype of the parameters.

        Raises
        ------
        TypeError, ValueError
            An array of the wrong kind or shape, or a number that is not finite. Then nothing has
            changed.
        """
        g, state = self._checked(parameters, gradient)
        rate = learning_rate_at(self.learning_rate, self.num_steps)
        with np.errstate(all="ignore"):
            if self.momentum:
                g = np.asarray(float(self.momentum) * state["velocity"] + g)
                state = {"velocity": g}
            self._take(parameters, rate * g, state)
