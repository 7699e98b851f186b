"""What the policies share: everything that follows from the logits of each sample."""

from __future__ import annotations

import os
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._check import to_array, type_name
from ._files import save_parameters
from ._objective_pass import FloatArray
from ._sample import Sample

Rng = int | np.random.Generator | None


class GradientStatistics(NamedTuple):
    """A gradient, and sums over its samples that tell how noisy it is.

    Attributes
    ----------
    gradient : array
        What `Policy.gradient` returns.
    entropy : float
        sum_i H(pi(. | x_i)).
    root_sum_square : float
        (sum_i ||g_i||^2)^(1/2), where sample i adds g_i to the gradient, its entropy bonus
        included.
    """

    gradient: FloatArray
    entropy: float
    root_sum_square: float


class RowPolicy:
    """What the three policies share: everything that follows from the logits of each sample."""

    kind: ClassVar[str]
    name: ClassVar[str]
    axes: ClassVar[tuple[str, ...]]
    parameters: FloatArray

    def __init__(self, parameters: ArrayLike) -> None:
        self.parameters = self._checked(parameters)

    def __setstate__(self, state: Any) -> None:
        """Check the state of a pickle or a copy as for a new policy: anyone may have edited it.

        A pickle can run any code when it is loaded. Load none that you do not trust.
        """
        if not isinstance(state, dict) or "parameters" not in state:
            policy, got = type(self).__name__, type_name(state)
            raise ValueError(f"the state of a {policy} must be a dict with 'parameters', got {got}")
        parameters = self._checked(state["parameters"])
        self.__dict__.update(state, parameters=parameters)

    def _checked(self, parameters: ArrayLike) -> FloatArray:
        array = to_array(self.name, parameters)
        if array.dtype.kind in "iu" and isinstance(parameters, list | tuple):
            array = array.astype(np.float64)  # Python numbers have no dtype of their own
        if array.dtype.type not in (np.float32, np.float64):
            raise TypeError(f"{self.name} must be float32 or float64, got {array.dtype}")
        if array.ndim != len(self.axes) or array.size == 0:
            expected = ", ".join(self.axes)
            raise ValueError(
                f"{self.name} must have shape ({expected}) and not be empty, got {array.shape}"
            )
        return array

    def __repr__(self) -> str:
        sizes = zip(self.axes, self.parameters.shape, strict=True)
        text = ", ".join(f"{axis}={size}" for axis, size in sizes)
        return f"{type(self).__name__}({text}, dtype={self.parameters.dtype})"

    @property
    def num_actions(self) -> int:
        return int(self.parameters.shape[-1])

    def logits(self, observations: Any) -> FloatArray:
        raise NotImplementedError

    def _mask(self, observations: Any, where: ArrayLike | None) -> ArrayLike | None:
        """`where` as it belongs to ``logits(observations)``."""
        return where

    def _harmless(self, observations: Any, valid: ArrayLike | None) -> Any:
        """The observations, such that those which do not count have logits of any kind."""
        return observations

    def sample(
        self,
        observations: Any,
        *,
        rng: Rng = None,
        num_samples: int | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Sample:
        """See `Policy.sample`."""
        x = self._harmless(observations, valid)
        mask = self._mask(x, where)
        return _core.sample(
            self.logits(x), rng=rng, num_samples=num_samples, where=mask, valid=valid
        )

    def log_prob(
        self,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> FloatArray:
        """See `Policy.log_prob`."""
        x = self._harmless(observations, valid)
        return _core.log_prob(self.logits(x), actions, where=self._mask(x, where), valid=valid)

    def entropy(
        self, observations: Any, *, where: ArrayLike | None = None, valid: ArrayLike | None = None
    ) -> FloatArray:
        """See `Policy.entropy`."""
        x = self._harmless(observations, valid)
        return _core.entropy(self.logits(x), where=self._mask(x, where), valid=valid)

    def gradient(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        out: FloatArray | None = None,
        accumulate: bool = False,
    ) -> FloatArray:
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy to a file (.npz format) that `load_policy` reads.

        The file is written beside `path` and then moved there, so an interruption leaves the old
        file or the new one.
        """
        save_parameters(path, self.kind, self._checked(self.parameters))
