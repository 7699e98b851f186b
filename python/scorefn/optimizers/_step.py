"""What the optimizers have in common: the parameters and gradient of a step, and their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_real_array, to_array, type_name
from .._state import Arrays, check_saved

FloatArray = NDArray[Any]
FLOATS = (np.float32, np.float64)


class Stateful:
    """Arrays that are zeros before the first step, of the shape and dtype of the parameters."""

    def _names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _reset(self) -> None:
        self._num_steps = 0
        self._state: Arrays = {}

    @property
    def num_steps(self) -> int:
        """How many steps were taken."""
        return self._num_steps

    def arrays(self) -> Arrays:
        """The arrays of the state by their names, to be saved: ``np.savez(path, **arrays())``.

        Returns
        -------
        dict
            A later step does not change them. Before the first one there is only `num_steps`.
        """
        return {"num_steps": np.array(self._num_steps, np.int64), **self._state}

    def load_arrays(self, saved: Mapping[str, Any]) -> None:
        """Go on from saved arrays, such as those of ``np.load(path)``.

        Parameters
        ----------
        saved : mapping
            Arrays of the names of `arrays`.

        Raises
        ------
        TypeError, ValueError
            An array that is missing, unknown, of another shape or dtype than the others, not
            finite, or negative where that cannot be. Then nothing has changed.
        """
        names = () if set(saved) == {"num_steps"} else self._names()
        like = to_array(names[0], saved[names[0]]) if set(names[:1]) & set(saved) else np.zeros(0)
        if like.dtype not in FLOATS:
            raise TypeError(f"{names[0]} must be float32 or float64, got {like.dtype}")
        expected = {"num_steps": np.zeros((), np.int64), **dict.fromkeys(names, like)}
        checked = check_saved(saved, expected)
        for name in {"num_steps", "square"} & set(checked):
            if np.any(checked[name] < 0):
                raise ValueError(f"{name} must be at least 0, got {checked[name].min()}")
        num_steps = int(checked.pop("num_steps"))
        if num_steps and len(checked) < len(self._names()):
            raise ValueError(f"num_steps must be 0 without {self._names()[0]}, got {num_steps}")
        self._num_steps = num_steps
        self._state = {name: array.copy() for name, array in checked.items()}

    def _checked(self, parameters: FloatArray, gradient: ArrayLike) -> tuple[FloatArray, Arrays]:
        """The gradient in the dtype of the parameters, and the state that goes with them."""
        if not isinstance(parameters, np.ndarray):
            raise TypeError(f"parameters must be a NumPy array, got {type_name(parameters)}")
        if parameters.dtype not in FLOATS:
            raise TypeError(f"parameters must be float32 or float64, got {parameters.dtype}")
        to_array("parameters", parameters)  # refuses masked arrays
        if not parameters.flags.writeable:
            raise ValueError("parameters must be writeable, got an array that is read-only")
        given = check_real_array("gradient", gradient, shape=parameters.shape)
        with np.errstate(all="ignore"):
            g = check_finite("gradient", given.astype(parameters.dtype, copy=False))
        state = {name: self._state.get(name, np.zeros_like(parameters)) for name in self._names()}
        for array in state.values():
            if (array.shape, array.dtype) != (parameters.shape, parameters.dtype):
                raise ValueError(
                    f"parameters must be {array.dtype} of shape {array.shape} as before, "
                    f"got {parameters.dtype} of shape {parameters.shape}"
                )
        return g, state

    def _take(self, parameters: FloatArray, step: FloatArray, state: Arrays) -> None:
        if not (np.isfinite(step.max(initial=0.0)) and np.isfinite(step.min(initial=0.0))):
            raise ValueError(f"the step must be finite in {step.dtype}: lower the learning rate")
        parameters += step
        self._state = state
        self._num_steps += 1
