"""Hypothesis strategies: arrays of every layout, and arguments of every shape."""

from __future__ import annotations

import math
import tempfile
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from _functions import ARGUMENTS, Array, inputs_for, mask_for

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = [np.dtype(np.float16), BFLOAT16]


def examples(number: int) -> settings:
    """This many examples in the default profile, and as large a share in the others."""
    return settings(max_examples=number * settings.default.max_examples // 100)


# --- Layouts --------------------------------------------------------------------------------------


class Plain(np.ndarray):
    """A subclass without any meaning of its own."""


class Touchy(np.ndarray):
    """A subclass that only NumPy itself may look at: it lies of its shape, its methods fail."""

    shape = strides = dtype = ndim = size = property(lambda self: None)  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Touchy({self.view(np.ndarray)!r})"

    def must_not_be_called(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"a method of Touchy was called with {args} {kwargs}")

    __getitem__ = __setitem__ = __len__ = __iter__ = must_not_be_called
    __array__ = __array_ufunc__ = __array_function__ = __array_wrap__ = must_not_be_called


class Layout(NamedTuple):
    """How an array lies in a buffer of so many bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int  # of the first element
    size: int

    def place(self, buffer: Array, offset: int = 0) -> Array:
        return np.ndarray(self.shape, self.dtype, buffer, offset + self.start, self.strides)


@st.composite
def layouts(draw: Any, values: Array, *, repeats: bool = False, last: bool = True) -> Layout:
    """Byte order, alignment, order of the axes, steps of any sign, gaps; with `repeats`, step 0.

    Without `last` the last axis has no step 0.
    """
    dtype = values.dtype
    if dtype not in (np.bool_, BFLOAT16) and draw(st.booleans(), label="swapped"):
        dtype = dtype.newbyteorder()
    start = draw(st.sampled_from([0, 0, 1, 2, 4, 8]), label="misaligned by")
    # More than the size of an element: a field of a packed record.
    size = dtype.itemsize + draw(st.sampled_from([0, 0, 0, 1, 8]), label="bytes between")
    strides = [0] * values.ndim
    for axis in draw(st.permutations(range(values.ndim)), label="axes, inner ones first"):
        step = draw(st.sampled_from([1, 1, 1, -1, 2, -3, 0][: 7 if repeats else 6]))
        if step == 0 and (last or axis != values.ndim - 1):
            continue
        step = step or 1
        stride = abs(step) * size + draw(st.sampled_from([0, 0, dtype.itemsize]), label="gap")
        length = max(values.shape[axis], 1)
        strides[axis] = stride if step > 0 else -stride
        start += 0 if step > 0 else stride * (length - 1)
        size = stride * length
    return Layout(dtype, values.shape, tuple(strides), start, start + size)


def copied(array: Array) -> Array:
    """Native, aligned, C-contiguous, writeable, an ndarray."""
    return np.array(array.view(np.ndarray), dtype=array.view(np.ndarray).dtype.newbyteorder("="))


def fill(array: Array, values: Array) -> None:
    """With the values; along axes of stride 0 with the first of them."""
    first = tuple(
        slice(0, 1) if stride == 0 else slice(None) for stride in np.ndarray.strides.__get__(array)
    )
    array[first] = values[first]


class Laid(NamedTuple):
    """An array, what it holds as a plain one, and all bytes of the buffer it lies in."""

    array: Array
    plain: Array
    buffer: Array

    @property
    def gaps(self) -> bytes:
        """The bytes that are not of the array."""
        array = self.array.view(np.ndarray)
        buffer = self.buffer.copy()
        offset = array.ctypes.data - self.buffer.ctypes.data
        raw = np.ndarray(
            (*array.shape, array.itemsize), np.uint8, buffer, offset, (*array.strides, 1)
        )
        raw[...] = 0
        return buffer.tobytes()


def garbage(size: int) -> Array:
    """Bytes that no result may depend on: as floating-point numbers they are NaN."""
    return np.full(size, 0xFF, dtype=np.uint8)


@st.composite
def laid(draw: Any, values: Array, *, writeable: bool = False, **kinds: bool) -> Laid:
    """`values` in an array of any layout and class; see `layouts`."""
    layout = draw(layouts(values, **kinds))
    buffer = garbage(layout.size)
    if draw(st.sampled_from([False] * 7 + [True]), label="mapped"):
        with tempfile.TemporaryFile() as file:
            mapped = np.memmap(file, dtype=np.uint8, mode="w+", shape=buffer.shape)
        mapped[...] = buffer
        buffer = mapped
    array = layout.place(buffer)
    fill(array, values)
    plain = copied(array)
    if not writeable:
        array.flags.writeable = draw(st.booleans(), label="writeable")
    classes = [np.ndarray, np.ndarray, Plain, Touchy, np.memmap, np.recarray]
    classes += [np.matrix] if array.ndim == 2 else []
    return Laid(array.view(draw(st.sampled_from(classes))), plain, buffer)


# --- Arguments ------------------------------------------------------------------------------------

LENGTHS = [1, 2, 3, 4, 5, 8, 17, 33]
LONG = [129, 1025, 2100]  # rows on their own, and of several parts
# Of their inputs, these are not of one sample or row each.
WHOLE = {"tabular_gradient": ("table", "where"), "linear_gradient": ("coef",)}


class Case(NamedTuple):
    """Arguments of a function, for samples of that shape. `inputs` are flat, as in _functions."""

    function: str
    leading: tuple[int, ...]
    inputs: dict[str, Array]
    where: Array | None

    def arrays(self) -> dict[str, Array]:
        """What the function takes, in its shape, the mask included."""
        named = {name: self.inputs[name] for name in ARGUMENTS[self.function]}
        if self.where is not None:
            named["where"] = self.where
        whole = WHOLE.get(self.function, ())
        return {
            name: x if name in whole else x.reshape(self.leading + x.shape[1:])
            for name, x in named.items()
        }

    def with_arrays(self, arrays: dict[str, Array]) -> Case:
        """The same of other arrays."""
        old = {**self.inputs, "where": self.where}
        new = {name: x.reshape(old[name].shape) for name, x in arrays.items()}
        where = new.pop("where", None)
        return self._replace(inputs={**self.inputs, **new}, where=where)


@st.composite
def cases(draw: Any, function: str, *, empty: bool = True) -> Case:
    """No samples or some, short rows or long ones, any dtypes, with a mask or without."""
    lengths = st.sampled_from([0, 1, 2, 3, 5, 17][0 if empty else 1 :])
    leading = tuple(draw(st.lists(lengths, min_size=1, max_size=3), label="samples"))
    rows = math.prod(leading)
    cols = draw(st.sampled_from(LENGTHS + (LONG if rows <= 6 else [])), label="actions")
    dtype = draw(st.sampled_from([np.float32, np.float64, *HALVES]), label="dtype")
    inputs = inputs_for(rows, cols, dtype, seed=draw(st.integers(0, 9), label="seed"))
    names = ARGUMENTS[function]
    for name in [name for name in names if name in ("actions", "states")]:
        code = draw(st.sampled_from(np.typecodes["AllInteger"]), label=f"dtype of {name}")
        inputs[name] = np.minimum(inputs[name], min(np.iinfo(code).max, 2**31)).astype(code)
    for name in [name for name in names if name in ("weights", "old_log_prob")]:
        codes = "fd" if name == "old_log_prob" else "fdbHq"
        code = draw(st.sampled_from(codes), label=f"dtype of {name}")
        x = inputs[name].astype(np.float32)  # so that no dtype has digits that the logits' has not
        inputs[name] = (x if code in "fd" else np.abs(8 * x)).astype(code)
    mask = draw(st.sampled_from([None, np.bool_, np.int8, np.uint8]), label="dtype of the mask")
    where = None if mask is None else mask_for(function, inputs).astype(mask)
    return Case(function, leading, inputs, where)


def laid_arguments(case: Case) -> st.SearchStrategy[dict[str, Laid]]:
    """The arrays of a case, each in a layout of its own. No mask forbids all of a row."""
    return st.fixed_dictionaries(
        {name: laid(x, repeats=True, last=name != "where") for name, x in case.arrays().items()}
    )
