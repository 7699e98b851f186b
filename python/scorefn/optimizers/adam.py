"""Adam, uphill."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_number, type_name
from .._parameters import Parameters, with_presets
from ._step import FloatArray, Stateful
from .schedules import LearningRate, check_learning_rate, learning_rate_at

PRESETS = {"sb3": {"learning_rate": 3e-4, "betas": (0.9, 0.999), "eps": 1e-5}}


@with_presets(PRESETS)
@dataclass(eq=False)
class Adam(Stateful, Parameters):
    """Adam (Kingma & Ba 2015, "Adam: a method for stochastic optimization"), uphill.

    mean = b1 mean + (1 - b1) g
    square = b2 square + (1 - b2) g^2
    parameters += learning_rate (mean / (1 - b1^t)) / (sqrt(square / (1 - b2^t)) + eps)

    at step t = 1, 2, ..., with the defaults of `torch.optim.Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        At least 0; or a function of the number of steps taken before, such as `LinearDecay`.
    betas : (float, float)
        Each from 0 to below 1: the weights of the old averages.
    eps : float
        At least 0.
    preset : {"sb3"}, optional
        Options of PPO in Stable-Baselines3, where none are given: ``learning_rate=3e-4,
        eps=1e-5``.

    Examples
    --------
    >>> import numpy as np
    >>> from scorefn.optimizers import Adam
    >>> parameters, adam = np.zeros(2), Adam(learning_rate=0.1)
    >>> adam.step(parameters, [5.0, -0.01])
    >>> parameters.round(6)
    array([ 0.1, -0.1])
    >>> adam = Adam(preset="sb3")
    >>> adam
    Adam(learning_rate=0.0003, eps=1e-05)
    """

    learning_rate: LearningRate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    preset: InitVar[Literal["sb3"] | None] = field(default=None, kw_only=True)

    def __post_init__(self, preset: str | None) -> None:
        check_learning_rate(self.learning_rate)
        if not (isinstance(self.betas, tuple | list) and len(self.betas) == 2):
            raise TypeError(f"betas must be two real numbers, got {type_name(self.betas)}")
        for i, beta in enumerate(self.betas):
            if not 0.0 <= check_number(f"betas[{i}]", beta) < 1.0:
                raise ValueError(f"betas[{i}] must be from 0 to below 1, got {beta}")
        check_number("eps", self.eps, at_least=0)
        self._reset()

    def _names(self) -> tuple[str, ...]:
        return ("mean", "square")

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
            An array of the wrong kind or shape, a number that is not finite, or one whose square
            is not. Then nothing has changed.
        """
        g, state = self._checked(parameters, gradient)
        (b1, b2), t = map(float, self.betas), self.num_steps + 1
        rate = learning_rate_at(self.learning_rate, self.num_steps)
        with np.errstate(all="ignore"):
            mean = _times(state["mean"], b1)
            x = _times(g, 1.0 - b1)  # and then, in the same memory, whatever comes next
            mean += x
            square = _times(state["square"], b2)
            np.square(g, out=x)
            x *= 1.0 - b2
            square += x
            if not np.isfinite(square.max(initial=0.0)):
                raise ValueError(f"gradient must have squares that are finite in {g.dtype}")
            np.sqrt(square, out=x)
            x /= math.sqrt(1.0 - b2**t)
            x += float(self.eps)
            if g.dtype.type(self.eps) == 0.0:  # where all gradients were 0, there is no direction
                x[x == 0.0] = np.inf
            np.divide(mean, x, out=x)
            x *= rate / (1.0 - b1**t)
            self._take(parameters, x, {"mean": mean, "square": square})


def _times(x: FloatArray, factor: float) -> FloatArray:
    """In new memory: an array, where NumPy's operators make a scalar of one without axes."""
    return np.multiply(x, factor, out=np.empty_like(x))
