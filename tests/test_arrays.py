"""Arrays as callers have them: lists, scalars, masks of integers, axes, no rows, references.

Every layout, dtype and overlap of the arrays themselves is in test_hostile_arrays.py.
"""

import re
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _functions import (
    FUNCTIONS,
    arguments_of,
    assert_same,
    call_with,
    written,
)

Array = NDArray[Any]
DTYPES = [np.float32, np.float64]


class Plain(np.ndarray):
    """A subclass without any meaning of its own."""


def every_third_reversed(a: Array) -> Array:
    view = np.zeros([3 * n + 1 for n in a.shape], a.dtype)[(slice(None, 0, -3),) * a.ndim]
    view[...] = a
    return view


def first_axis_innermost(a: Array) -> Array:
    """Leading axes that one stride cannot step through."""
    return np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0)


# Results may lie in these, too. Each takes another way through the extension: as it is, copied,
# with strides that no two axes share, as a class that is not ndarray.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "plain": np.array,
    "byte_swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "first_axis_innermost": first_axis_innermost,
    "every_third_reversed": every_third_reversed,
    "subclass": lambda a: a.copy().view(Plain),
}


INPUTS = [
    (function, name)
    for function in FUNCTIONS
    for name, value in arguments_of(function).items()
    if isinstance(value, np.ndarray)
]


# --- Inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "name"), INPUTS)
def test_list_as_an_input(function: str, name: str) -> None:
    arguments = arguments_of(function)
    expected = call_with(function, **arguments)
    assert_same(call_with(function, **{**arguments, name: arguments[name].tolist()}), expected)


def test_list_of_python_ints_as_logits() -> None:
    assert_same(scorefn.softmax([[1, 2], [3, 5]]), scorefn.softmax([[1.0, 2.0], [3.0, 5.0]]))


class HasArray:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.array


@pytest.mark.parametrize(("function", "name"), INPUTS)
def test_object_with_an_array_as_an_input(function: str, name: str) -> None:
    arguments = arguments_of(function, np.float32)
    expected = call_with(function, **arguments)
    assert_same(call_with(function, **{**arguments, name: HasArray(arguments[name])}), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(shape=[(24,), (2, 12), (2, 3, 4), (2, 1, 3, 1, 4), (1, 24), (24, 1)])
def test_leading_axes(function: str, shape: tuple[int, ...]) -> None:
    """Any number of leading axes: as if they were one."""
    rng = np.random.default_rng(0)
    logits, features = rng.normal(size=(24, 5)), rng.normal(size=(24, 3))
    actions, states = rng.integers(5, size=24), rng.integers(7, size=24)
    flat: dict[str, Any] = {
        "logits": logits,
        "logits_p": logits,
        "logits_q": -logits,
        "features": features,
        "actions": actions,
        "states": states,
        "weights": rng.normal(size=24),
        "old_log_prob": rng.normal(-1.6, 0.3, size=24),
        "advantages": rng.normal(size=24),
    }
    fixed = {"table": rng.normal(size=(7, 5)), "coef": rng.normal(size=(3, 5)), "rng": 3}
    names = [name for name in arguments_of(function) if name != "where"]
    n_d = {
        name: fixed[name] if name in fixed else flat[name].reshape(shape + flat[name].shape[1:])
        for name in names
    }
    expected = call_with(function, **{name: {**flat, **fixed}[name] for name in names})
    result = call_with(function, **n_d)

    def reshaped(x: Any) -> Any:
        return x.reshape(shape + x.shape[1:]) if isinstance(x, np.ndarray) else x

    if isinstance(expected, tuple):
        expected = type(expected)(*map(reshaped, expected))
    elif function not in ("tabular_gradient", "linear_gradient"):
        expected = reshaped(expected)
    assert_same(result, expected)


@pytest.mark.parametrize(
    ("function", "name"),
    [pair for pair in INPUTS if pair[1] in ("weights", "old_log_prob", "advantages")],
)
@for_each(code=np.typecodes["AllInteger"] + "fd", dtype=DTYPES)
def test_dtypes_of_weights(function: str, name: str, code: str, dtype: Any) -> None:
    """Their values count, whatever the dtype of the logits."""
    arguments = arguments_of(function, dtype)
    weights = np.array([[0, 1, 2], [3, 4, 5]])
    expected = call_with(function, **{**arguments, name: weights.astype(np.float64)})
    assert_same(call_with(function, **{**arguments, name: weights.astype(code)}), expected)


@pytest.mark.parametrize("function", ["score_gradient", "tabular_gradient"])
def test_float64_weights_are_not_rounded_for_float32_logits(function: str) -> None:
    """A sum that cancels but for the digits that float32 weights cannot hold."""
    arguments = arguments_of(function, np.float32)
    tiny = 2.0**-40
    if function == "score_gradient":
        arguments["logits"] = arguments["logits"][0, 0]
        arguments["where"] = arguments["where"][0, 0]
    arguments["actions"] = np.array([1, 1])
    arguments["weights"] = np.array([1.0 + tiny, -1.0])
    if function == "tabular_gradient":
        arguments["states"] = np.array([2, 2])
    gradient = call_with(function, **arguments)
    unit = call_with(function, **{**arguments, "weights": np.array([1.0, 0.0])})
    # float64 rounding of terms near 1, against a result near 2^-40
    assert np.allclose(gradient, tiny * unit.astype(np.float64), rtol=2.0**-10, atol=2.0**-51)
    assert np.any(gradient != 0)


# --- where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(dtype=DTYPES)
def test_one_mask_for_all_rows(function: str, dtype: Any) -> None:
    arguments = arguments_of(function, dtype)
    row = np.array([True, True, False, True])
    full = np.broadcast_to(row, arguments["where"].shape).copy()
    expected = call_with(function, **{**arguments, "where": full})
    assert_same(call_with(function, **{**arguments, "where": row}), expected)
    all_allowed = call_with(function, **{**arguments, "where": np.ones(4, bool)})
    assert_same(call_with(function, **{**arguments, "where": None}), all_allowed)


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(dtype=[np.int8, np.uint8, ">i1"])
def test_masks_of_0_and_1(function: str, dtype: Any) -> None:
    """As Gymnasium's are."""
    arguments = arguments_of(function)
    for mask in (arguments["where"], np.array([True, True, False, True])):
        expected = call_with(function, **{**arguments, "where": mask})
        ones = mask.astype(dtype)
        assert_same(call_with(function, **{**arguments, "where": ones}), expected)
        listed = list(
            ones
        )  # of arrays or scalars, which have a dtype, as the ints of a list have not
        assert_same(call_with(function, **{**arguments, "where": listed}), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("position", [(0, 0, 0), (1, 0, 2), (1, 2, 3)])
@pytest.mark.parametrize(("dtype", "value"), [(np.int8, 2), (np.int8, -128), (np.uint8, 254)])
def test_a_mask_of_another_value(
    function: str, position: tuple[int, ...], dtype: Any, value: int
) -> None:
    arguments = arguments_of(function)
    mask = arguments["where"].astype(dtype)
    position = position[-mask.ndim :]
    mask[position] = value
    index = ", ".join(map(str, position))
    message = re.escape(f"where[{index}] must be 0 or 1, got {value}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        call_with(function, **{**arguments, "where": mask})


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8])
def test_masks_are_not_copied(dtype: Any) -> None:
    logits, mask = np.zeros((1000, 1000), np.float32), np.ones((1000, 1000), dtype)
    tracemalloc.start()
    try:
        scorefn.entropy(logits, where=mask)
        assert tracemalloc.get_traced_memory()[1] < mask.nbytes / 4
    finally:
        tracemalloc.stop()


# --- axis -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp"])
@for_each(axis=[0, 1, 2, 3, -1, -2, -4, np.int8(1)], layout=LAYOUTS)
def test_axis(function: str, axis: int, layout: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    where = rng.random(logits.shape) < 0.8
    first = [slice(None)] * 4
    first[axis] = slice(0, 1)
    where[tuple(first)] = True
    odd = LAYOUTS[layout]

    last = {"logits": np.moveaxis(logits, axis, -1).copy(), "where": np.moveaxis(where, axis, -1)}
    expected = call_with(function, **last)
    if function != "logsumexp":
        expected = np.moveaxis(expected, -1, axis).copy()
    assert_same(call_with(function, logits=odd(logits), where=odd(where), axis=axis), expected)
    out = odd(np.zeros_like(expected))
    assert call_with(function, logits=logits, where=where, axis=axis, out=out) is out
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_of_another_value_along_an_axis(axis: int) -> None:
    arguments = arguments_of("softmax")
    for size in ((2, 3, 4), (2, 3, 4)[axis : axis + 1]):
        mask = np.ones(size, np.int8)
        last = tuple(n - 1 for n in size)
        mask[last] = 3
        message = re.escape(f"where[{', '.join(map(str, last))}] must be 0 or 1, got 3")
        with pytest.raises(ValueError, match=f"^{message}$"):
            scorefn.softmax(arguments["logits"], axis=axis, where=mask)


@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp"])
def test_axis_with_one_mask_for_all_rows(function: str) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3))
    row = np.array([True, False, True, True])
    expected = call_with(function, logits=logits.T.copy(), where=row)
    result = call_with(function, logits=logits, where=row, axis=0)
    assert_same(result, expected.T.copy() if result.ndim == 2 else expected)


# --- out ------------------------------------------------------------------------------------------


# --- Overlap --------------------------------------------------------------------------------------


def test_shared_gradient_into_its_logits() -> None:
    logits = np.random.default_rng(0).normal(size=5)
    expected = scorefn.score_gradient(logits, [0, 1, 4], [1.0, 2.0, 3.0])
    scorefn.score_gradient(logits, [0, 1, 4], [1.0, 2.0, 3.0], out=logits)
    assert_same(logits, expected)


# --- No axes, no rows -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_without_axes_are_scalars(dtype: Any) -> None:
    logits = np.array([0.5, -1.0, 2.0], dtype=dtype)
    calls: dict[str, dict[str, Any]] = {
        "logsumexp": {},
        "log_prob": {"actions": 2},
        "entropy": {},
    }
    for function, rest in calls.items():
        result = call_with(function, logits=logits, **rest)
        assert type(result) is dtype
        row = {name: [value] for name, value in rest.items()}
        assert result == call_with(function, logits=logits[None], **row)[0]
        out = np.zeros((), dtype=dtype)
        assert call_with(function, logits=logits, **rest, out=out) is out
        assert out[()] == result
    result = scorefn.kl_divergence(logits, logits[::-1])
    assert type(result) is dtype

    drawn = scorefn.sample(logits, rng=0)
    assert type(drawn.actions) is np.int64
    assert type(drawn.log_prob) is dtype
    assert drawn.log_prob == scorefn.log_prob(logits, drawn.actions)
    assert scorefn.sample(logits, rng=0, num_samples=1).actions.shape == (1,)


@pytest.mark.parametrize("action", [2, np.int8(2), np.uint64(2), np.array(2)])
def test_action_without_axes(action: Any) -> None:
    logits = np.array([0.5, -1.0, 2.0])
    assert scorefn.log_prob(logits, action) == scorefn.log_prob(logits[None], [2])[0]
    assert_same(scorefn.score(logits, action), scorefn.score(logits[None], [2])[0])
    gradient = scorefn.score_gradient(logits, action, 1.5)
    assert_same(gradient, scorefn.score_gradient(logits, [2], [1.5]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_no_rows(dtype: Any, shape: tuple[int, ...]) -> None:
    logits = np.empty((*shape, 4), dtype=dtype)
    actions, weights = np.empty(shape, dtype=int), np.empty(shape)
    for where in (None, np.ones(4, bool), np.ones((*shape, 4), bool)):
        for function in ("log_softmax", "softmax"):
            result = call_with(function, logits=logits, where=where)
            assert result.shape == logits.shape
            assert result.dtype == dtype
        for result in (
            scorefn.logsumexp(logits, where=where),
            scorefn.entropy(logits, where=where),
            scorefn.log_prob(logits, actions, where=where),
            scorefn.kl_divergence(logits, logits, where=where),
            *scorefn.sample(logits, where=where, rng=0),
        ):
            assert result.shape == shape
        assert scorefn.score(logits, actions, where=where).shape == logits.shape
        assert scorefn.score_gradient(logits, actions, weights, where=where).shape == logits.shape
    features, coef, table = np.empty((*shape, 2), dtype), np.ones((2, 4), dtype), np.ones((5, 4))
    assert_same(scorefn.linear_gradient(features, coef, actions, weights), np.zeros_like(coef))
    assert_same(scorefn.tabular_gradient(table, actions, actions, weights), np.zeros_like(table))
    shared = scorefn.score_gradient(np.ones(4, dtype), actions, weights)
    assert_same(shared, np.zeros(4, dtype))
    out = np.full((5, 4), 2.0)
    scorefn.tabular_gradient(table, actions, actions, weights, out=out, accumulate=True)
    assert np.all(out == 2.0)


def test_empty_lists() -> None:
    assert scorefn.log_prob(np.empty((0, 4)), []).shape == (0,)
    assert scorefn.score_gradient(np.empty((0, 4)), [], []).shape == (0, 4)
    assert_same(scorefn.score_gradient(np.ones(4), [], []), np.zeros(4))
    assert_same(scorefn.tabular_gradient(np.ones((2, 3)), [], [], []), np.zeros((2, 3)))


def test_no_features() -> None:
    gradient = scorefn.linear_gradient(np.empty((3, 0)), np.empty((0, 4)), [0, 1, 2], np.ones(3))
    assert gradient.shape == (0, 4)


def test_no_states() -> None:
    assert scorefn.tabular_gradient(np.empty((0, 4)), [], [], []).shape == (0, 4)


def test_no_draws() -> None:
    drawn = scorefn.sample(np.zeros((2, 3, 4)), num_samples=0, rng=0)
    assert drawn.actions.shape == drawn.log_prob.shape == (2, 3, 0)


# --- rng ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_gives_two_words_a_call(name: str) -> None:
    """As ``integers(2**64, dtype=uint64, size=2)`` would take them, for every kind of generator."""
    logits = np.zeros((50, 10))
    make = getattr(np.random, name)
    rng, other = np.random.Generator(make(5)), np.random.Generator(make(5))
    scorefn.sample(logits, rng=rng)
    other.integers(2**64, dtype=np.uint64, size=2)
    assert rng.integers(2**64, dtype=np.uint64) == other.integers(2**64, dtype=np.uint64)


def test_a_seed_is_a_generator() -> None:
    logits = np.zeros((50, 10))
    seeded = scorefn.sample(logits, rng=np.random.default_rng(7))
    for seed in (7, np.int64(7), np.uint8(7), np.array(7)):
        assert_same(scorefn.sample(logits, rng=seed), seeded)
    assert not np.array_equal(scorefn.sample(logits).actions, scorefn.sample(logits).actions)
    big = scorefn.sample(logits, rng=10**30)
    assert_same(big, scorefn.sample(logits, rng=np.random.default_rng(10**30)))


# --- References -----------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(layout=LAYOUTS)
def test_no_reference_is_kept_or_lost(function: str, layout: str) -> None:
    odd = LAYOUTS[layout]
    arguments = {
        name: odd(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments_of(function).items()
    }
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    result = call_with(function, **arguments)
    out = tuple(odd(a) for a in result) if function == "sample" else odd(written(result))
    arrays += list(out) if function == "sample" else [out]
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(5):
        call_with(function, **arguments, out=out)
        call_with(function, **arguments)
        with pytest.raises(ValueError, match="num_threads"):
            call_with(function, **arguments, out=out, num_threads=0)
        with pytest.raises(ValueError, match="where must have shape"):
            call_with(function, **{**arguments, "where": np.ones(7, bool)}, out=out)
    assert [sys.getrefcount(array) for array in arrays] == before


def test_a_view_as_out_keeps_its_base() -> None:
    result = scorefn.softmax(np.zeros((3, 4)), out=np.ones((6, 4))[::2])
    assert result.base.shape == (6, 4)
    assert np.all(result == 0.25)


def test_strides_that_no_step_takes() -> None:
    """A stride of an axis of length 1 may be anything."""
    logits = np.random.default_rng(0).normal(size=(3, 1, 4))
    odd = as_strided(logits, (3, 1, 4), (logits.strides[0], 12345, logits.strides[2]))
    assert_same(scorefn.softmax(odd), scorefn.softmax(logits))
    assert_same(scorefn.softmax(odd[:1, :, :1]), np.ones((1, 1, 1)))
