"""Checks of arguments, in the words of the extension: "NAME must EXPECTED, got ACTUAL"."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def subscript(name: str, index: Iterable[int]) -> str:
    """``actions[1, 3]``, or the bare name for a scalar."""
    inside = ", ".join(str(int(i)) for i in index)
    return f"{name}[{inside}]" if inside else name


def type_name(value: Any) -> str:
    """``int``, or with the module of a type that is not built in: ``pandas.DataFrame``."""
    kind = type(value)
    module = str(kind.__module__)
    if module == "builtins":
        return kind.__name__
    parts = module.split(".")
    packages = (".".join(parts[:n]) for n in range(1, len(parts)))
    # The outermost package that has it is where its users find it.
    public = (p for p in packages if getattr(sys.modules.get(p), kind.__name__, None) is kind)
    return f"{next(public, module)}.{kind.__qualname__}"


def got_name(value: Any) -> str:
    """The type of an object, or that it is a class in place of one: ``the class PPO``."""
    return f"the class {value.__name__}" if isinstance(value, type) else type_name(value)


def to_array(name: str, values: Any) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        is_tensor = type_name(values).startswith("torch.") and hasattr(values, "dtype")
        if isinstance(error, RuntimeError) and not is_tensor:
            raise
        if is_tensor and str(values.dtype) == "torch.bfloat16":  # which NumPy does not know
            return to_array(name, values.float())
        reason = ""
        if is_tensor:
            reason = f": {error}"  # torch says what to call: detach(), cpu(), ...
        elif "inhomogeneous shape" in str(error):
            reason = " whose items differ in length"
        raise TypeError(f"{name} must be an array, got {type_name(values)}{reason}") from error
    if array.dtype.kind != "O":  # a list that holds itself has no end
        _refuse_masked(name, values)
    return array


def _refuse_masked(name: str, values: Any) -> None:
    """A mask that is silently ignored is a wrong answer; NumPy ignores those of items, too."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array")
    # A look at the types first, as most lists are long and hold but numbers.
    if isinstance(values, list | tuple) and any(
        issubclass(t, list | tuple | np.ndarray) for t in {type(item) for item in values}
    ):
        for item in values:
            _refuse_masked(name, item)


def check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def check_indices(
    name: str, values: ArrayLike, size: int, noun: str, *, shape: tuple[int, ...] | None = None
) -> NDArray[np.integer[Any]]:
    """An integer array with 0 <= values < size."""
    array = check_integers(name, values)
    if shape is not None:
        check_shape(name, array, shape)
    if array.size and (array.min() < 0 or array.max() >= size):
        index = np.argwhere((array < 0) | (array >= size))[0]
        raise IndexError(
            f"{subscript(name, index)} = {array[tuple(index)]} is out of range for {size} {noun}"
        )
    return array


def check_integers(name: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    array = to_array(name, values)
    if array.size == 0 and isinstance(values, list | tuple):  # NumPy makes it float64
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    return array


def check_lengths(name: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    """Integers of at least 0."""
    array = check_integers(name, values)
    if np.any(array < 0):
        index = np.argwhere(array < 0)[0]
        raise ValueError(f"{subscript(name, index)} must be at least 0, got {array[tuple(index)]}")
    return array


def check_real_array(
    name: str, values: ArrayLike, *, shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Real numbers of the dtype they have; not a copy. They may be NaN or infinite."""
    array = to_array(name, values)
    if array.dtype.kind not in "iuf" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    if shape is not None:
        check_shape(name, array, shape)
    return array


def check_real(
    name: str, values: ArrayLike, *, shape: tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """The same as float64; a copy only if they have another dtype."""
    with np.errstate(all="ignore"):
        return check_real_array(name, values, shape=shape).astype(np.float64, copy=False)


def check_float(
    name: str, values: ArrayLike, *, shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """The same, except that float32 stays float32."""
    array = check_real_array(name, values, shape=shape)
    return array if array.dtype == np.float32 else check_real(name, array)


def check_finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(array).all():
        index = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{subscript(name, index)} must be finite, got {array[tuple(index)]}")
    return array


def check_bool(name: str, values: ArrayLike, *, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask as bool: the array itself, or a view of one of int8 or uint8 that holds 0 and 1."""
    array = to_array(name, values)
    if array.size == 0 and isinstance(values, list | tuple):  # NumPy makes it float64
        array = array.astype(np.bool_)
    if array.dtype not in (np.bool_, np.int8, np.uint8):
        raise TypeError(f"{name} must be bool, or int8 or uint8 of 0 and 1, got {array.dtype}")
    check_shape(name, array, shape)
    if array.dtype != np.bool_:
        wrong = (array != 0) & (array != 1)
        if wrong.any():
            index = np.argwhere(wrong)[0]
            raise ValueError(f"{subscript(name, index)} must be 0 or 1, got {array[tuple(index)]}")
    return array.view(np.bool_)


def to_number(name: str, value: Any, expected: str = "a real number") -> float:
    """One number, which may be infinite or NaN."""
    if isinstance(value, bool | np.bool_ | str | bytes | bytearray):
        raise TypeError(f"{name} must be {expected}, got {type_name(value)}")
    try:
        return float(value)
    except OverflowError:  # an int
        return math.inf
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be {expected}, got {type_name(value)}") from error


def check_int(name: str, value: int, *, at_least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {type_name(value)}")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value}")
    return int(value)


def check_number(name: str, value: float, *, at_least: int | None = None) -> float:
    """One finite number."""
    number = to_number(name, value)
    if not math.isfinite(number):
        got = "an int too long to show" if isinstance(value, int) else value
        raise ValueError(f"{name} must be finite, got {got}")
    if at_least is not None and number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {number}")
    return number


def check_fraction(name: str, value: float) -> float:
    number = check_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")
    return number


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {type_name(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_flag(name: str, value: bool) -> None:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a bool, got {type_name(value)}")


def check_rng(rng: Any) -> np.random.Generator:
    """The generator of a seed, or the one that is given; what the extension takes, too."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None and (isinstance(rng, bool) or not isinstance(rng, int | np.integer)):
        is_old = isinstance(rng, np.random.RandomState)
        remedy = ": draw an int from it and pass that" if is_old else ""
        raise TypeError(
            "rng must be None, an int seed or a numpy.random.Generator, "
            f"got {got_name(rng)}{remedy}"
        )
    if rng is not None and rng < 0:
        raise ValueError(f"rng must be a seed of at least 0, got {rng}")
    return np.random.default_rng(rng)


def check_axis(axis: int | None, shape: tuple[int, ...] | None = None) -> None:
    """None or an int: an axis of an array of that shape."""
    if not (axis is None or (isinstance(axis, int | np.integer) and not isinstance(axis, bool))):
        raise TypeError(f"axis must be an int or None, got {type_name(axis)}")
    if axis is not None and shape is not None and not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must be an axis of shape {shape}, got {axis}")
