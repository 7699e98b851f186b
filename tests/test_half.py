"""Half precision: read and computed with as float32, written as float32 or, to `out`, as itself.

Its layouts and overlaps are in test_hostile_arrays.py.
"""

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _functions import (
    FUNCTIONS,
    GRADIENTS,
    OBJECTIVES,
    WEIGHTS,
    arguments_of,
    assert_same,
    call_with,
    same_bits,
    written,
)

Array = NDArray[Any]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = [np.dtype(np.float16), BFLOAT16]
MATRICES = ["logits", "logits_p", "logits_q", "table", "features", "coef"]
PARAMETERS = {"tabular_gradient": "table", "linear_gradient": "coef"}
IN_PLACE = ["log_softmax", "softmax", "score", *GRADIENTS, *OBJECTIVES]

every_half = pytest.mark.parametrize("half", HALVES, ids=str)


def to_half(arguments: dict[str, Any], half: Any) -> dict[str, Any]:
    return {name: a.astype(half) if name in MATRICES else a for name, a in arguments.items()}


def to_float32(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: a.astype(np.float32) if name in MATRICES else a for name, a in arguments.items()}


def half_arguments(function: str, half: Any) -> dict[str, Any]:
    return to_half(arguments_of(function, np.float32), half)


def filled(like: Array, dtype: Any) -> Array:
    """Something that no function computes."""
    return np.full(np.shape(like), 77.0, dtype=dtype)


def out_for(function: str, result: Any, dtype: Any) -> Any:
    """What `out` takes for this result, in `dtype`."""
    if function == "sample":
        return (filled(result.actions, np.int64), filled(result.log_prob, dtype))
    return filled(written(result), dtype)


def floats_of(out: Any) -> Array:
    return out[1] if isinstance(out, tuple) else out


# --- Inputs ---------------------------------------------------------------------------------------


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(masked=[False, True])
def test_result_is_that_of_the_float32_call(function: str, half: Any, masked: bool) -> None:
    arguments = half_arguments(function, half)
    if not masked:
        del arguments["where"]
    before = {name: np.copy(a) for name, a in arguments.items()}
    assert_same(call_with(function, **arguments), call_with(function, **to_float32(arguments)))
    for name, array in before.items():
        assert same_bits(arguments[name], array)


@every_half
def test_every_finite_value_is_read_exactly(half: Any) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    numbers = bits.view(half)
    numbers = numbers[np.isfinite(numbers.astype(np.float32))]
    logits = np.stack([numbers, np.zeros_like(numbers)], axis=-1)
    for function in (scorefn.logsumexp, scorefn.log_softmax):
        assert_same(function(logits), function(logits.astype(np.float32)))


@every_half
@pytest.mark.parametrize("function", ["score_gradient", "logsumexp", "entropy", "sample"])
@pytest.mark.parametrize("entropy", [False, True])
def test_a_single_row(function: str, half: Any, entropy: bool) -> None:
    """Shared by all samples, or with a scalar for its result."""
    logits = np.array([0.5, -1.0, 2.0], half)
    arguments: dict[str, Any] = {"logits": logits}
    if function == "score_gradient":
        arguments |= {"actions": [0, 2, 2], "weights": [1.0, -0.5, 2.0]}
        arguments["entropy_coef"] = 0.5 if entropy else 0.0
    if function == "sample":
        arguments |= {"rng": 0, "num_samples": 5, "entropy": entropy}
    assert_same(
        call_with(function, **arguments), call_with(function, **to_float32_logits(arguments))
    )


def to_float32_logits(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "logits": arguments["logits"].astype(np.float32)}


@every_half
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis(half: Any, axis: int) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(half)
    for function in (scorefn.log_softmax, scorefn.softmax, scorefn.logsumexp):
        expected = function(logits.astype(np.float32), axis=axis)
        assert_same(function(logits, axis=axis), expected)
        out = filled(expected, half)
        assert function(logits, axis=axis, out=out) is out
        assert_same(out, expected.astype(half))


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_samples(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    whole = ("table", "coef", "rng")
    arguments = {name: a if name in whole else a[:0] for name, a in arguments.items()}
    if function == "tabular_gradient":
        del arguments["where"]
    expected = call_with(function, **to_float32(arguments))
    assert_same(call_with(function, **arguments), expected)
    out = out_for(function, expected, half)
    call_with(function, **arguments, out=out)
    assert_same(floats_of(out), floats_of(written(expected)).astype(half))


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(special=[np.nan, np.inf, -np.inf], to_out=[False, True])
def test_special_values(function: str, half: Any, special: float, to_out: bool) -> None:
    """In an allowed slot of some rows, and everywhere that is forbidden."""
    arguments = half_arguments(function, half)
    matrix = next(name for name in arguments if name in MATRICES)
    arguments[matrix][..., 0, 1] = special
    if function == "linear_gradient":
        arguments[matrix][..., 0, 1] = 1.0  # a feature of -inf forbids all actions, or none
        arguments["coef"][:, 3] = special
        arguments["actions"][...] = 1
        arguments["where"][...] = True
    elif special == -np.inf:
        arguments["where"][..., 0, :] = True
    arguments[matrix] = np.where(
        arguments["where"] if function != "linear_gradient" else True,
        arguments[matrix],
        np.array(np.nan, half),
    )
    if function == "sample" and special != -np.inf:
        for each in (arguments, to_float32(arguments)):
            with pytest.raises(ValueError, match=r"^logits\[0, 0\] has NaN or \+inf"):
                call_with(function, **each)
        return
    expected = call_with(function, **to_float32(arguments))
    if not to_out:
        assert_same(call_with(function, **arguments), expected)
        return
    out = out_for(function, expected, half)
    call_with(function, **arguments, out=out)
    got, wanted = floats_of(out), floats_of(written(expected)).astype(half)
    # Which NaN a cast makes is NumPy's affair.
    assert np.array_equal(got.astype(np.float32), wanted.astype(np.float32), equal_nan=True)


@every_half
def test_row_without_an_allowed_action(half: Any) -> None:
    logits = np.zeros((2, 3), half)
    logits[1] = -np.inf
    for out in (filled(logits, half), filled(logits, np.float32), logits):
        before = out.copy()
        with pytest.raises(ValueError, match=r"^logits\[1\] has no allowed action"):
            scorefn.softmax(logits, out=out)
        assert_same(out, before)


@every_half
def test_threads_do_not_matter(half: Any) -> None:
    logits = np.random.default_rng(0).normal(size=(5000, 17)).astype(half)
    one, many = np.empty_like(logits), np.empty_like(logits)
    scorefn.softmax(logits, out=one, num_threads=1)
    scorefn.softmax(logits, out=many, num_threads=4)
    assert_same(many, one)
    assert_same(one, scorefn.softmax(logits.astype(np.float32)).astype(half))


# --- out ------------------------------------------------------------------------------------------


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
def test_out_in_half_precision(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    expected = call_with(function, **to_float32(arguments))
    out = out_for(function, expected, half)
    result = written(call_with(function, **arguments, out=out))
    if function == "sample":
        assert result.actions is out[0]
        assert result.log_prob is out[1]
        assert_same(out[0], expected.actions)
    else:
        assert result is out
    assert_same(floats_of(out), floats_of(written(expected)).astype(half))


@every_half
@pytest.mark.parametrize("function", OBJECTIVES)
def test_out_does_not_change_the_other_results(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    expected = call_with(function, **to_float32(arguments))
    out = out_for(function, expected, half)
    result = call_with(function, **arguments, out=out)
    assert_same(result._replace(gradient=expected.gradient), expected)


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
def test_float32_out(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    expected = call_with(function, **to_float32(arguments))
    out = out_for(function, expected, np.float32)
    call_with(function, **arguments, out=out)
    assert_same(floats_of(out), floats_of(written(expected)))


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
def test_out_of_another_dtype(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    expected = call_with(function, **arguments)
    name = "out[1]" if function == "sample" else "out"
    for dtype in ["float64", "int16", "int64", *(other for other in HALVES if other != half)]:
        out = out_for(function, expected, dtype)
        before = floats_of(out).copy()
        with pytest.raises(TypeError) as info:
            call_with(function, **arguments, out=out)
        assert str(info.value) == f"{name} must be float32 or {half}, got {np.dtype(dtype)}"
        assert_same(floats_of(out), before)


@every_half
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_out_for_other_logits(function: str, half: Any, dtype: str) -> None:
    arguments = arguments_of(function, dtype)
    out = out_for(function, call_with(function, **arguments), half)
    name = "out[1]" if function == "sample" else "out"
    with pytest.raises(TypeError) as info:
        call_with(function, **arguments, out=out)
    assert str(info.value) == f"{name} must be {dtype}, got {half}"


@every_half
@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
def test_accumulate(function: str, half: Any) -> None:
    """In float32, then rounded once."""
    arguments = half_arguments(function, half)
    start = np.linspace(-3.0, 3.0, 120)[: written(call_with(function, **arguments)).size]
    start = start.reshape(written(call_with(function, **arguments)).shape).astype(half)
    expected = start.astype(np.float32)
    call_with(function, **to_float32(arguments), out=expected, accumulate=True)
    out = start.copy()
    assert written(call_with(function, **arguments, out=out, accumulate=True)) is out
    assert_same(out, expected.astype(half))


@every_half
@pytest.mark.parametrize("function", IN_PLACE)
def test_in_place(function: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    expected = written(call_with(function, **to_float32(arguments)))
    name = PARAMETERS.get(function, "logits")
    array = arguments.pop(name)
    assert written(call_with(function, **{name: array}, **arguments, out=array)) is array
    assert_same(array, expected.astype(half))


@every_half
@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
def test_accumulate_in_place(function: str, half: Any) -> None:
    """One step of ascent."""
    arguments = half_arguments(function, half)
    name = PARAMETERS.get(function, "logits")
    expected = arguments[name].astype(np.float32)
    call_with(function, **to_float32(arguments), out=expected, accumulate=True)
    call_with(function, **arguments, out=arguments[name], accumulate=True)
    assert_same(arguments[name], expected.astype(half))


@every_half
def test_out_that_overlaps_the_mask(half: Any) -> None:
    memory = np.ones(24, np.uint8)
    where, out = memory.view(bool)[:12].reshape(3, 4), memory.view(half).reshape(3, 4)
    logits = np.arange(12.0).reshape(3, 4).astype(half)
    expected = scorefn.softmax(logits.astype(np.float32)).astype(half)
    scorefn.softmax(logits, where=where, out=out)
    assert_same(out, expected)


def test_a_result_too_large_for_float16() -> None:
    """As NumPy's own cast: infinite, with its warning."""
    logits = np.zeros((1, 2), np.float16)
    out = np.zeros_like(logits)
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        scorefn.score_gradient(logits, [0], [1e6], out=out)
    assert_same(out, np.array([[np.inf, -np.inf]], np.float16))
    out[:] = 7.0
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        scorefn.score_gradient(logits, [0], [1e6], out=out)
    assert (out == 7.0).all()


# --- What is no half precision --------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["float8_e4m3fn", "float8_e5m2", "int4", "int16", "uint16", "V2", "S2"]
)
@for_each(function=FUNCTIONS)
def test_other_small_dtypes_are_refused(function: str, dtype: str) -> None:
    narrow = np.dtype(getattr(ml_dtypes, dtype, dtype))
    arguments = arguments_of(function, np.float32)
    name = next(name for name in arguments if name in MATRICES)
    arguments[name] = np.zeros(arguments[name].shape, narrow)
    with pytest.raises(TypeError) as info:
        call_with(function, **arguments)
    kinds = "float16, bfloat16, float32 or float64"
    assert str(info.value) == f"{name} must be {kinds}, got {narrow}"


@every_half
@pytest.mark.parametrize(
    ("function", "name"), [(f, name) for f, names in WEIGHTS.items() for name in names]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_read_exactly(function: str, name: str, half: Any, dtype: Any) -> None:
    arguments = arguments_of(function, dtype)
    narrow = arguments[name].astype(half)
    arguments[name] = narrow.astype(np.float64)
    expected = call_with(function, **arguments)
    arguments[name] = narrow
    assert_same(call_with(function, **arguments), expected)


@every_half
@pytest.mark.parametrize(
    ("function", "name", "first"),
    [("kl_divergence", "logits_q", "logits_p"), ("linear_gradient", "coef", "features")],
)
def test_half_does_not_go_with_float64(function: str, name: str, first: str, half: Any) -> None:
    arguments = half_arguments(function, half)
    arguments[name] = arguments[name].astype(np.float64)
    with pytest.raises(TypeError) as info:
        call_with(function, **arguments)
    assert str(info.value) == f"{name} must be float32 as {first} is, got float64"


@pytest.mark.slow
def test_ml_dtypes_is_never_imported() -> None:
    code = (
        "import sys, numpy as np, scorefn; scorefn.softmax(np.zeros((2, 3), np.float16));"
        "assert 'ml_dtypes' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
