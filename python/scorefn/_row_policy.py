"""What the policies share: everything that follows from the logits of each sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_shape, to_array, type_name
from ._files import save_parameters
from ._sample import Sample

FloatArray = NDArray[np.floating[Any]]
Rng = int | np.random.Generator | None
# Which rows, their logits and mask, and ||d logit / d parameters||^2 of each.
Block = tuple[slice, FloatArray, ArrayLike | None, Any]

BLOCK_SIZE = 1 << 18  # logits that `sample_terms` holds at a time: 1 or 2 MB, to stay in the cache


class SampleTerms(NamedTuple):
    """What each sample adds to the objective of `Policy.gradient`: float64, shaped like actions."""

    entropy: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]


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

    def _for_each(
        self, observations: Any, shape: tuple[int, ...], where: ArrayLike | None
    ) -> tuple[Any, ArrayLike | None]:
        """The observations, and their mask, of samples of this shape: several may share one."""
        return observations, where

    def _blocks(self, observations: Any, where: ArrayLike | None) -> Iterator[Block]:
        """All samples on one axis, some rows at a time."""
        raise NotImplementedError

    def sample(
        self,
        observations: Any,
        *,
        rng: Rng = None,
        num_samples: int | None = None,
        where: ArrayLike | None = None,
    ) -> Sample:
        """See `Policy.sample`."""
        mask = self._mask(observations, where)
        return _core.sample(self.logits(observations), rng=rng, num_samples=num_samples, where=mask)

    def log_prob(
        self, observations: Any, actions: ArrayLike, *, where: ArrayLike | None = None
    ) -> FloatArray:
        """See `Policy.log_prob`."""
        mask = self._mask(observations, where)
        return _core.log_prob(self.logits(observations), actions, where=mask)

    def entropy(self, observations: Any, *, where: ArrayLike | None = None) -> FloatArray:
        """See `Policy.entropy`."""
        mask = self._mask(observations, where)
        return _core.entropy(self.logits(observations), where=mask)

    def sample_terms(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
    ) -> SampleTerms:
        """See `Policy.sample_terms`."""
        shape = np.shape(actions)
        observations, where = self._for_each(observations, shape, where)
        a, w = np.reshape(actions, -1), np.reshape(weights, -1)
        entropy, squared_norm = np.empty(a.size), np.empty(a.size)
        check_shape("weights", w, a.shape)
        done = 0
        for rows, logits, mask, scale in self._blocks(observations, where):
            done += len(logits)
            if done > a.size:
                break
            entropy[rows] = _core.entropy(logits, where=mask)
            gradients = _core.score_gradient(
                logits, a[rows], w[rows], entropy_coef=entropy_coef, where=mask, out=logits
            )
            squared_norm[rows] = scale * squared_norms(gradients)
        if done != a.size:
            raise ValueError(f"actions must have a sample for each observation, got {a.size}")
        return SampleTerms(entropy.reshape(shape), np.sqrt(squared_norm).reshape(shape))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy to a file (.npz format) that `load_policy` reads.

        The file is written beside `path` and then moved there, so an interruption leaves the old
        file or the new one.
        """
        save_parameters(path, self.kind, self._checked(self.parameters))


def slices(num_rows: int, num_actions: int) -> Iterator[slice]:
    step = max(1, BLOCK_SIZE // num_actions)
    return (slice(start, start + step) for start in range(0, num_rows, step))


def squared_norms(rows: FloatArray) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
