"""Arrays of every dtype, byte order, alignment, stride, class and overlap: what Hypothesis finds.

Each result has the bits of the call with plain copies of its arrays, and those are near the
reference. What is not the function's to write stays as it was.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _functions import (
    ARGUMENTS,
    FUNCTIONS,
    GRADIENTS,
    INDICES,
    OBJECTIVES,
    Array,
    assert_same,
    call,
    same_bits,
)
from _strategies import (
    HALVES,
    Case,
    Laid,
    cases,
    copied,
    examples,
    fill,
    garbage,
    laid,
    laid_arguments,
    layouts,
)
from _tolerance import assert_near
from scorefn import Sample

ROWS = [name for name in FUNCTIONS if name not in ("tabular_gradient", "linear_gradient")]


def run(function: str, arrays: dict[str, Array], options: dict[str, Any], **out: Any) -> Any:
    return call(function, arrays, where=arrays.get("where"), **options, **out)


@st.composite
def options_of(draw: Any, function: str) -> dict[str, Any]:
    options = {"num_threads": draw(st.sampled_from([None, 1, 3]), label="num_threads")}
    if function in [*GRADIENTS, *OBJECTIVES]:
        options["entropy_coef"] = draw(st.sampled_from([0.0, 0.7]), label="entropy_coef")
    if function == "sample":
        options["num_samples"] = draw(st.sampled_from([None, 0, 1, 3]), label="num_samples")
    return options


def written(result: Any) -> list[Array]:
    """What `out` takes."""
    return list(result) if isinstance(result, Sample) else [getattr(result, "gradient", result)]


def assert_near_the_reference(case: Case, result: Any, options: dict[str, Any]) -> None:
    """Of those that have a test of their own for it, what they are tested to be."""
    float32 = {name: x.astype(np.float32) for name, x in case.inputs.items() if x.dtype in HALVES}
    inputs = {**case.inputs, **float32}
    if case.function == "sample":
        inputs["actions"] = result.actions.ravel()
        near = assert_near("log_prob", inputs, where=case.where)
        assert same_bits(result.log_prob.ravel(), near)
    elif case.function == "policy_gradient":
        near = assert_near("score_gradient", inputs, where=case.where, **options)
        assert same_bits(result.gradient.ravel(), near.ravel())
    elif case.function == "clipped_surrogate":
        near = assert_near("log_prob", inputs, where=case.where)
        assert same_bits(result.log_prob.ravel(), near)
    else:
        near = assert_near(case.function, inputs, where=case.where, **options)
        assert same_bits(np.ravel(result), near.ravel())


# --- Inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@examples(40)
@given(data=st.data())
def test_inputs(function: str, data: st.DataObject) -> None:
    case = data.draw(cases(function))
    arguments = data.draw(laid_arguments(case))
    options = data.draw(options_of(function))
    before = {name: x.buffer.copy() for name, x in arguments.items()}

    result = run(function, {name: x.array for name, x in arguments.items()}, options)
    plain = {name: x.plain for name, x in arguments.items()}
    assert_same(result, run(function, plain, options))
    assert all(same_bits(x.buffer, before[name]) for name, x in arguments.items())
    if options.get("num_samples") is None:
        coef = {name: x for name, x in options.items() if name == "entropy_coef"}
        assert_near_the_reference(case.with_arrays(plain), result, coef)


# --- out ------------------------------------------------------------------------------------------


def draw_accumulate(data: st.DataObject, function: str) -> dict[str, bool]:
    accumulates = function in [*GRADIENTS, *OBJECTIVES]
    return {"accumulate": data.draw(st.booleans(), label="accumulate")} if accumulates else {}


def dtype_of_out(data: st.DataObject, case: Case, array: Array) -> Any:
    """That of the result, or the half precision of the logits."""
    logits = case.inputs[ARGUMENTS[case.function][0]]
    halves = [logits.dtype] if logits.dtype in HALVES and array.dtype == np.float32 else []
    return data.draw(st.sampled_from([array.dtype, *halves]), label="dtype of out")


def as_out(function: str, outs: list[Any]) -> Any:
    return tuple(outs) if function == "sample" else outs[0]


@pytest.mark.parametrize("function", FUNCTIONS)
@examples(30)
@given(data=st.data())
def test_out(function: str, data: st.DataObject) -> None:
    case = data.draw(cases(function))
    arrays, options = case.arrays(), data.draw(options_of(function))
    outs = []
    for x in written(run(function, arrays, options)):
        start = np.ones(x.shape, dtype_of_out(data, case, x))
        outs.append(data.draw(laid(start, writeable=True)))
    options |= draw_accumulate(data, function)
    gaps = [x.gaps for x in outs]

    plain = [x.plain.copy() for x in outs]
    expected = run(function, arrays, options, out=as_out(function, plain))
    result = run(function, arrays, options, out=as_out(function, [x.array for x in outs]))
    for x, same, e in zip(outs, written(result), plain, strict=True):
        assert same is x.array
        assert same_bits(copied(x.array), e)
    assert [x.gaps for x in outs] == gaps
    if function in OBJECTIVES:
        nothing = {"gradient": None}
        assert_same(result._replace(**nothing), expected._replace(**nothing))


# --- Overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@examples(40)
@given(data=st.data())
def test_out_that_overlaps_an_input(function: str, data: st.DataObject) -> None:
    """Anywhere, or in place: as if the input had been copied before."""
    case = data.draw(cases(function, empty=False))
    arrays, options = case.arrays(), data.draw(options_of(function))
    fresh = written(run(function, arrays, options))
    outs = [np.ones(x.shape, dtype_of_out(data, case, x)) for x in fresh]
    options |= draw_accumulate(data, function)
    which = data.draw(st.integers(0, len(outs) - 1), label="which out")
    name = data.draw(st.sampled_from(list(arrays)), label="input")

    of_out = data.draw(layouts(outs[which]))
    of_input = data.draw(layouts(arrays[name], repeats=True, last=name != "where"))
    if (arrays[name].shape, arrays[name].dtype) == (outs[which].shape, outs[which].dtype):
        of_input = data.draw(st.sampled_from([of_input, of_out]), label="in place")
    first = 0
    if of_input is not of_out:
        within = st.integers(1 - of_input.size, of_out.size - 1)
        first = data.draw(within, label="from out to input")
    buffer = garbage(of_out.size + of_input.size)
    outs[which] = of_out.place(buffer, max(0, -first))
    outs[which][...] = 1
    hostile = of_input.place(buffer, max(0, first))
    fill(hostile, arrays[name])

    copies = [copied(x) for x in outs]
    plain = {**arrays, name: copied(hostile)}
    expected = run(function, plain, options, out=as_out(function, copies))
    result = run(function, {**arrays, name: hostile}, options, out=as_out(function, outs))
    for x, e in zip(outs, copies, strict=True):
        # What is accumulated may start as a NaN, whose sum may be any NaN.
        assert np.array_equal(x, e, equal_nan=x.dtype.kind == "f")
    if function in OBJECTIVES:
        nothing = {"gradient": None}
        assert_same(result._replace(**nothing), expected._replace(**nothing))


@examples(100)
@given(data=st.data())
def test_outs_of_sample_that_overlap(data: st.DataObject) -> None:
    """Refused if they share memory, untouched then; else both are right."""
    case = data.draw(cases("sample", empty=False))
    arrays, options = case.arrays(), data.draw(options_of("sample"))
    expected = run("sample", arrays, options)
    drawn = [data.draw(layouts(np.ones(x.shape, x.dtype))) for x in expected]
    first = data.draw(st.integers(0, drawn[0].size), label="from the first to the second")
    buffer = garbage(first + drawn[1].size + drawn[0].size)
    outs = (drawn[0].place(buffer), drawn[1].place(buffer, first))
    before = buffer.copy()
    if np.shares_memory(*outs):
        with pytest.raises(ValueError, match=r"out\[1\] and out\[0\] must not share memory"):
            run("sample", arrays, options, out=outs)
        assert same_bits(buffer, before)
    else:
        run("sample", arrays, options, out=outs)
        assert all(same_bits(copied(x), e) for x, e in zip(outs, expected, strict=True))


# --- Refused --------------------------------------------------------------------------------------


def refused(
    function: str, arrays: dict[str, Array], outs: list[Laid], error: Any, match: str
) -> None:
    """With that error, and nothing written."""
    before = [x.buffer.copy() for x in outs]
    with pytest.raises(error, match=re.escape(match)):
        run(function, arrays, {}, out=as_out(function, [x.array for x in outs]))
    assert all(same_bits(x.buffer, b) for x, b in zip(outs, before, strict=True))


def draw_outs(data: st.DataObject, function: str, arrays: dict[str, Array]) -> list[Laid]:
    return [
        data.draw(laid(np.ones(x.shape, x.dtype), writeable=True))
        for x in written(run(function, arrays, {}))
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
@examples(20)
@given(data=st.data())
def test_read_only_out(function: str, data: st.DataObject) -> None:
    arrays = data.draw(cases(function)).arrays()
    outs = draw_outs(data, function, arrays)
    which = data.draw(st.integers(0, len(outs) - 1), label="which out")
    outs[which].array.flags.writeable = False
    refused(function, arrays, outs, ValueError, "must be writeable, got a read-only array")


@pytest.mark.parametrize("function", FUNCTIONS)
@examples(20)
@given(data=st.data())
def test_out_that_overlaps_itself(function: str, data: st.DataObject) -> None:
    arrays = data.draw(cases(function, empty=False)).arrays()
    outs = draw_outs(data, function, arrays)
    which = data.draw(st.integers(0, len(outs) - 1), label="which out")
    good = outs[which].array.view(np.ndarray)
    long_axes = [axis for axis, n in enumerate(good.shape) if n > 1]
    if not long_axes:
        return
    strides = list(good.strides)
    axis = data.draw(st.sampled_from(long_axes), label="axis")
    # One that steps over less than an element, or over less than what lies within it.
    others = [abs(strides[i]) for i in long_axes if i != axis]
    closest = [0, 1, good.itemsize - 1, *others]
    strides[axis] = data.draw(st.sampled_from(closest), label="stride")
    array = np.lib.stride_tricks.as_strided(good, good.shape, [abs(s) for s in strides])
    outs[which] = outs[which]._replace(array=array)
    refused(function, arrays, outs, ValueError, "must not overlap itself, got strides")


def draw_place(data: st.DataObject, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(data.draw(st.integers(0, n - 1), label="place") for n in shape)


def subscript(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]"


INDEXED = [(function, name) for function, names in INDICES.items() for name in names]


@pytest.mark.parametrize(("function", "name"), INDEXED)
@examples(20)
@given(data=st.data())
def test_index_out_of_range(function: str, name: str, data: st.DataObject) -> None:
    """Named by its place in the caller's array, before anything is written."""
    case = data.draw(cases(function, empty=False))
    arrays = case.arrays()
    outs = draw_outs(data, function, arrays)
    indices = arrays[name]
    bound = len(arrays["table"]) if name == "states" else case.inputs["logits"].shape[1]
    limits = np.iinfo(indices.dtype)
    bad = [x for x in (bound, bound + 1, limits.max, -1, limits.min) if x <= limits.max]
    bad = [x for x in bad if limits.min <= x and not 0 <= x < bound]
    if not bad:
        return
    place = draw_place(data, indices.shape)
    indices[place] = data.draw(st.sampled_from(bad), label="bad index")
    hostile = data.draw(laid(indices))
    message = f"{name}{subscript(place)} = {indices[place]} is out of range for {bound} {name}"
    refused(function, {**arrays, name: hostile.array}, outs, IndexError, message)


@pytest.mark.parametrize("function", ROWS)
@examples(20)
@given(data=st.data())
def test_row_without_an_allowed_action(function: str, data: st.DataObject) -> None:
    case = data.draw(cases(function, empty=False))
    arrays = case.arrays()
    outs = draw_outs(data, function, arrays)
    name = data.draw(st.sampled_from([x for x in arrays if x in ("logits", "logits_q", "where")]))
    place = draw_place(data, case.leading)
    arrays[name][place] = False if name == "where" else -np.inf
    hostile = data.draw(laid(arrays[name]))
    message = f"{subscript(place)} has no allowed action"
    refused(function, {**arrays, name: hostile.array}, outs, ValueError, message)
