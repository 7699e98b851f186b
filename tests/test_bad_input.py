"""Every wrong call: its exception, its message, and an `out` that stays as it was to the byte."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import scorefn
from _calls import FUNCTIONS, GRADIENTS, OBJECTIVES, arguments_of, call, written
from scorefn import _core

NAN, INF = np.nan, np.inf
REAL = "float16, bfloat16, float32 or float64"
MATRICES = [
    ("log_softmax", "logits"),
    ("softmax", "logits"),
    ("logsumexp", "logits"),
    ("log_prob", "logits"),
    ("entropy", "logits"),
    ("kl_divergence", "logits_p"),
    ("kl_divergence", "logits_q"),
    ("sample", "logits"),
    ("score", "logits"),
    ("score_gradient", "logits"),
    ("tabular_gradient", "table"),
    ("linear_gradient", "features"),
    ("linear_gradient", "coef"),
    *((function, "logits") for function in OBJECTIVES),
]
ROW_FUNCTIONS = [
    function for function in FUNCTIONS if function not in ("tabular_gradient", "linear_gradient")
]
INDICES = [
    ("log_prob", "actions"),
    ("score", "actions"),
    ("score_gradient", "actions"),
    ("tabular_gradient", "states"),
    ("tabular_gradient", "actions"),
    ("linear_gradient", "actions"),
    *((function, "actions") for function in OBJECTIVES),
]
WEIGHTS = [(function, "weights") for function in [*GRADIENTS, "policy_gradient"]]
WEIGHTS += [("clipped_surrogate", "old_log_prob"), ("clipped_surrogate", "advantages")]


def good_arguments(function: str) -> dict[str, Any]:
    arguments = arguments_of(function)
    del arguments["where"]
    return arguments


def good_out(function: str) -> Any:
    """What the function could write to, filled with something that no function computes."""
    result = written(call(function, **good_arguments(function)))
    if function == "sample":
        return tuple(np.full_like(array, 77) for array in result)
    return np.full_like(result, 77.0)


def to_bytes(out: Any) -> bytes:
    return b"".join(
        np.asarray(array).tobytes() for array in (out if isinstance(out, tuple) else [out])
    )


@contextmanager
def raises(exception: type[Exception], message: str) -> Iterator[None]:
    """This very type, and this very message ("..." stands for any end of it)."""
    with pytest.raises(exception) as info:
        yield
    assert info.type is exception
    got, start = str(info.value), message.removesuffix("...")
    assert got == message or (start != message and got.startswith(start))


def refuses(function: str, exception: type[Exception], message: str, **changes: Any) -> None:
    """The good call with these changes fails, without `out` and with it, and writes nothing."""
    arguments = {**good_arguments(function), **changes}
    attempts = (
        [arguments] if "out" in changes else [arguments, {**arguments, "out": good_out(function)}]
    )
    for attempt in attempts:
        before = to_bytes(attempt["out"]) if "out" in attempt else b""
        with raises(exception, message):
            call(function, **attempt)
        if "out" in attempt:
            assert to_bytes(attempt["out"]) == before


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_good_calls_are_good(function: str) -> None:
    out = good_out(function)
    result = call(function, **good_arguments(function), out=out)
    if function == "sample":
        assert result.actions is out[0]
        assert result.log_probs is out[1]
    else:
        assert written(result) is out
    assert to_bytes(out) != to_bytes(good_out(function))


# --- Signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_signature(function: str) -> None:
    arguments = good_arguments(function)
    positional = [value for name, value in arguments.items() if name != "rng"]
    first = next(iter(arguments))
    f = getattr(scorefn, function)
    n = len(positional)
    with raises(TypeError, f"{function}() got an unexpected keyword argument 'mask'"):
        f(*positional, mask=None)
    with raises(TypeError, f"{function}() takes {n} positional arguments, got {n + 1}"):
        f(*positional, None)
    with raises(TypeError, f"{function}() misses the argument '{first}'"):
        f()
    with raises(TypeError, f"{function}() got two values for argument '{first}'"):
        f(*positional, **{first: positional[0]})


# --- Logits, table, features, coef ---------------------------------------------------------------


@pytest.mark.parametrize(("function", "name"), MATRICES)
@pytest.mark.parametrize(
    "dtype", ["int64", "uint8", "uint16", "bool", "complex128", "object", "<U3", "datetime64[s]"]
)
def test_dtype_of_logits(function: str, name: str, dtype: str) -> None:
    good = good_arguments(function)[name]
    bad = np.zeros(good.shape, dtype=dtype)
    refuses(function, TypeError, f"{name} must be {REAL}, got {bad.dtype}", **{name: bad})


@pytest.mark.parametrize(("function", "name"), MATRICES)
def test_longdouble_is_not_rounded_silently(function: str, name: str) -> None:
    good = good_arguments(function)[name]
    bad = good.astype(np.longdouble)
    if bad.dtype == np.float64:  # where the compiler has no wider type
        return
    refuses(function, TypeError, f"{name} must be {REAL}, got {bad.dtype}", **{name: bad})


@pytest.mark.parametrize(("function", "name"), MATRICES)
def test_kind_of_logits(function: str, name: str) -> None:
    good = good_arguments(function)[name]
    refuses(function, TypeError, f"{name} must be {REAL}, got object", **{name: None})
    refuses(
        function, TypeError, f"{name} must be an array, got list", **{name: [[1.0, 2.0], [3.0]]}
    )
    refuses(function, TypeError, f"{name} must be {REAL}, got bool", **{name: [True, False]})
    masked = np.ma.masked_array(good, good > 0)
    refuses(function, TypeError, f"{name} must not be a masked array...", **{name: masked})


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
def test_shape_of_logits(function: str) -> None:
    name = next(iter(good_arguments(function)))
    refuses(
        function,
        ValueError,
        f"{name} must have shape (..., num_actions), got ()",
        **{name: np.float64(1.0)},
    )
    refuses(
        function,
        ValueError,
        f"{name} must have at least one action, got shape (2, 3, 0)",
        **{name: np.zeros((2, 3, 0))},
    )


@pytest.mark.parametrize(
    ("function", "changes", "message"),
    [
        (
            "kl_divergence",
            {"logits_q": np.zeros((2, 3, 5))},
            "logits_q must have shape (2, 3, 4), got (2, 3, 5)",
        ),
        (
            "kl_divergence",
            {"logits_q": np.zeros((3, 4))},
            "logits_q must have shape (2, 3, 4), got (3, 4)",
        ),
        (
            "tabular_gradient",
            {"table": np.zeros(4)},
            "table must have shape (num_states, num_actions), got (4,)",
        ),
        (
            "tabular_gradient",
            {"table": np.zeros((1, 6, 4))},
            "table must have shape (num_states, num_actions), got (1, 6, 4)",
        ),
        (
            "tabular_gradient",
            {"table": np.zeros((6, 0))},
            "table must have at least one action, got shape (6, 0)",
        ),
        (
            "linear_gradient",
            {"features": np.float64(1.0)},
            "features must have shape (..., num_features), got ()",
        ),
        (
            "linear_gradient",
            {"coef": np.zeros(5)},
            "coef must have shape (num_features, num_actions), got (5,)",
        ),
        (
            "linear_gradient",
            {"coef": np.zeros((4, 4))},
            "coef must have shape (5, 4), got (4, 4)",
        ),
        (
            "linear_gradient",
            {"coef": np.zeros((5, 0))},
            "coef must have at least one action, got shape (5, 0)",
        ),
    ],
)
def test_shapes_that_belong_together(function: str, changes: dict[str, Any], message: str) -> None:
    refuses(function, ValueError, message, **changes)


def test_dtypes_that_belong_together() -> None:
    refuses(
        "kl_divergence",
        TypeError,
        "logits_q must be float64 as logits_p is, got float32",
        logits_q=np.zeros((2, 3, 4), np.float32),
    )
    refuses(
        "linear_gradient",
        TypeError,
        "coef must be float64 as features is, got float32",
        coef=np.zeros((5, 4), np.float32),
    )


# --- Actions and states --------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "name"), INDICES)
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "bool", "complex128", "object", "timedelta64[s]"]
)
def test_dtype_of_indices(function: str, name: str, dtype: str) -> None:
    bad = np.zeros((2, 3), dtype=dtype)
    message = f"{name} must be integers, got {dtype}"
    refuses(function, TypeError, message, **{name: bad})


@pytest.mark.parametrize(("function", "name"), INDICES)
def test_kind_of_indices(function: str, name: str) -> None:
    refuses(function, TypeError, f"{name} must be integers, got float64", **{name: [[0.0] * 3] * 2})
    refuses(
        function, TypeError, f"{name} must be integers, got float64", **{name: np.zeros((0, 3))}
    )
    refuses(
        function, TypeError, f"{name} must be integers, got object", **{name: [[2**70] * 3] * 2}
    )
    refuses(function, TypeError, f"{name} must be integers, got object", **{name: None})
    refuses(function, TypeError, f"{name} must be an array, got list", **{name: [[1, 2], [3]]})
    masked = np.ma.masked_array(np.zeros((2, 3), int))
    refuses(function, TypeError, f"{name} must not be a masked array...", **{name: masked})


@pytest.mark.parametrize(("function", "name"), [pair for pair in INDICES if pair[1] == "actions"])
@pytest.mark.parametrize("shape", [(6,), (3, 2), (2, 3, 1), (1, 2, 3), (3,), ()])
def test_shape_of_actions(function: str, name: str, shape: tuple[int, ...]) -> None:
    refuses(
        function,
        ValueError,
        f"actions must have shape (2, 3), got {shape}",
        **{name: np.zeros(shape, int)},
    )


@pytest.mark.parametrize(("function", "name"), INDICES)
@pytest.mark.parametrize(
    ("dtype", "bad"),
    [
        ("int8", -1),
        ("int8", 127),
        ("uint8", 255),
        ("int16", -(2**15)),
        ("uint16", 7),
        ("int32", 7),
        ("uint32", 2**32 - 1),
        ("int64", 7),
        ("int64", -(2**63)),
        ("int64", 2**63 - 1),
        ("uint64", 2**63),
        ("uint64", 2**64 - 1),
        (">i4", 7),
    ],
)
def test_index_out_of_range(function: str, name: str, dtype: str, bad: int) -> None:
    indices = np.zeros((2, 3), dtype=dtype)
    indices[1, 2] = bad
    count, noun = (6, "states") if name == "states" else (4, "actions")
    message = f"{name}[1, 2] = {bad} is out of range for {count} {noun}"
    refuses(function, IndexError, message, **{name: indices})


def test_the_first_index_out_of_range_is_named() -> None:
    actions = np.array([[0, 4, 0], [5, -1, 0]])
    refuses("score", IndexError, "actions[0, 1] = 4 is out of range for 4 actions", actions=actions)


@pytest.mark.parametrize("function", ["log_prob", "score", "score_gradient", *OBJECTIVES])
def test_index_out_of_range_without_leading_axes(function: str) -> None:
    arguments = {**good_arguments(function), "logits": np.zeros(5), "actions": 7}
    for name in {"weights", "old_log_prob", "advantages"}.intersection(arguments):
        arguments[name] = 1.0
    with raises(IndexError, "actions = 7 is out of range for 5 actions"):
        call(function, **arguments)


def test_index_out_of_range_for_a_shared_row() -> None:
    refuses(
        "score_gradient",
        IndexError,
        "actions[2] = 9 is out of range for 4 actions",
        logits=np.zeros(4),
        actions=[0, 1, 9],
        weights=np.ones(3),
        out=np.full(4, 77.0),
    )


def test_any_state_is_out_of_range_for_an_empty_table() -> None:
    with raises(IndexError, "states[0] = 0 is out of range for 0 states"):
        scorefn.tabular_gradient(np.zeros((0, 4)), [0], [0], [1.0])


# --- Weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "name"), WEIGHTS)
def test_weights(function: str, name: str) -> None:
    kind = f"{name} must be float32, float64 or integers, got"
    for dtype in ["bool", "float16", "complex64", "object"]:
        refuses(function, TypeError, f"{kind} {dtype}", **{name: np.ones((2, 3), dtype=dtype)})
    refuses(function, TypeError, f"{kind} <U1", **{name: [["1"] * 3] * 2})
    refuses(function, TypeError, f"{name} must be an array, got list", **{name: [[1.0], []]})
    masked = np.ma.masked_array(np.ones((2, 3)))
    refuses(function, TypeError, f"{name} must not be a masked array...", **{name: masked})
    for shape in [(), (6,), (2, 3, 1), (1, 3), (3,)]:
        message = f"{name} must have shape (2, 3), got {shape}"
        refuses(function, ValueError, message, **{name: np.ones(shape)})
    refuses(function, ValueError, f"{name} must have shape (2, 3), got ()", **{name: 1.0})


def test_weights_of_a_shared_row_are_shaped_like_its_actions() -> None:
    refuses(
        "score_gradient",
        ValueError,
        "weights must have shape (8,), got (8, 1)",
        logits=np.zeros(4),
        actions=np.zeros(8, int),
        weights=np.ones((8, 1)),
        out=np.full(4, 77.0),
    )


# --- where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_where(function: str) -> None:
    shape = (6, 4) if function == "tabular_gradient" else (2, 3, 4)
    for dtype in ["int64", "uint8", "float64", "object"]:
        refuses(
            function, TypeError, f"where must be bool, got {dtype}", where=np.ones(shape, dtype)
        )
    refuses(function, TypeError, "where must be bool, got int64", where=[1, 1, 0, 1])
    refuses(function, TypeError, "where must be an array, got list", where=[[True], [True, False]])
    refuses(
        function,
        TypeError,
        "where must not be a masked array...",
        where=np.ma.masked_array(np.ones(shape, bool)),
    )
    for bad in [(), (1,), (3,), (1, 4), (3, 4), (2, 3), (4, 1), (2, 3, 5), (1, 2, 3, 4)]:
        refuses(
            function,
            ValueError,
            f"where must have shape {shape} or (4,), got {bad}",
            where=np.ones(bad, bool),
        )


def test_where_of_a_single_row() -> None:
    with raises(ValueError, "where must have shape (4,), got (1, 4)"):
        scorefn.softmax(np.zeros(4), where=np.ones((1, 4), bool))


# --- Rows without an allowed action ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name"), [pair for pair in MATRICES if pair[0] in ROW_FUNCTIONS]
)
def test_row_without_an_allowed_action(function: str, name: str) -> None:
    problem = "has no allowed action: every logit is -inf or masked"
    logits = good_arguments(function)[name]
    logits[1, 0] = -INF
    refuses(function, ValueError, f"{name}[1, 0] {problem}", **{name: logits})

    mask = np.ones((2, 3, 4), bool)
    mask[0, 2] = False
    first = next(iter(good_arguments(function)))
    refuses(function, ValueError, f"{first}[0, 2] {problem}", where=mask)
    refuses(function, ValueError, f"{first}[0, 0] {problem}", where=np.zeros(4, bool))

    # -inf in the allowed slots; whatever the others hold does not count
    logits = good_arguments(function)[name]
    logits[1, 2] = [-INF, NAN, INF, 0.0]
    mask = np.ones((2, 3, 4), bool)
    mask[1, 2, 1:] = False
    refuses(function, ValueError, f"{name}[1, 2] {problem}", **{name: logits, "where": mask})


def test_single_row_without_an_allowed_action() -> None:
    with raises(ValueError, "logits has no allowed action: every logit..."):
        scorefn.entropy(np.full(3, -INF))
    with raises(ValueError, "logits has no allowed action: every logit..."):
        scorefn.score_gradient(np.full(3, -INF), [0, 1], [1.0, 1.0])


def test_visited_state_without_an_allowed_action() -> None:
    table = np.zeros((6, 4))
    table[5] = -INF
    states = np.array([[0, 1, 2], [3, 5, 0]])
    message = "table[5] has no allowed action..."
    refuses("tabular_gradient", ValueError, message, table=table, states=states)
    mask = np.ones((6, 4), bool)
    mask[5] = False
    refuses("tabular_gradient", ValueError, message, states=states, where=mask)


def test_unvisited_state_without_an_allowed_action() -> None:
    table = np.zeros((2, 3))
    table[1] = -INF
    gradient = scorefn.tabular_gradient(table, [0], [0], [1.0])
    assert np.array_equal(gradient[1], np.zeros(3))


def test_sample_without_an_allowed_action_in_a_linear_policy() -> None:
    mask = np.ones((2, 3, 4), bool)
    mask[1, 1] = False
    refuses(
        "linear_gradient", ValueError, "features[1, 1] @ coef has no allowed action...", where=mask
    )


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f != "sample"])
def test_out(function: str) -> None:
    good = good_out(function)
    refuses(function, TypeError, "out must be an ndarray, got list", out=good.tolist())
    refuses(function, TypeError, "out must be an ndarray, got tuple", out=(good,))
    refuses(function, TypeError, "out must be an ndarray, got bool", out=True)
    for dtype in ["float32", "int64", "float16", "complex128", "object"]:
        refuses(function, TypeError, f"out must be float64, got {dtype}", out=good.astype(dtype))
    refuses(
        function,
        TypeError,
        "out must not be a masked array...",
        out=np.ma.masked_array(good, good > 0),
    )
    for wrong in [good[:1], good[np.newaxis], good.ravel()[:1], np.array(77.0)]:
        refuses(
            function,
            ValueError,
            f"out must have shape {good.shape}, got {wrong.shape}",
            out=wrong.copy(),
        )
    read_only = good.copy()
    read_only.flags.writeable = False
    refuses(function, ValueError, "out must be writeable, got a read-only array", out=read_only)
    overlapping = np.lib.stride_tricks.as_strided(good, good.shape, (0, *good.strides[1:]))
    refuses(
        function,
        ValueError,
        "out must not overlap itself, got stride 0 along axis 0",
        out=overlapping,
    )


def test_sample_out() -> None:
    actions, log_probs = good_out("sample")
    refuses(
        "sample", TypeError, "out must be a tuple (actions, log_probs), got ndarray", out=actions
    )
    message = "out must be a tuple (actions, log_probs), got 1 items"
    refuses("sample", ValueError, message, out=(actions,))
    refuses("sample", TypeError, "out[1] must be an ndarray, got NoneType", out=(actions, None))
    refuses("sample", TypeError, "out[0] must be an ndarray, got NoneType", out=(None, log_probs))
    refuses(
        "sample",
        TypeError,
        "out[0] must be int64, got int32",
        out=(actions.astype(np.int32), log_probs),
    )
    refuses("sample", TypeError, "out[0] must be int64, got float64", out=(log_probs, actions))
    refuses(
        "sample",
        TypeError,
        "out[1] must be float64, got float32",
        out=(actions, log_probs.astype(np.float32)),
    )
    refuses(
        "sample",
        ValueError,
        "out[1] must have shape (2, 3), got (3, 2)",
        out=(actions, log_probs.T.copy()),
    )
    refuses(
        "sample",
        ValueError,
        "out[0] must have shape (2, 3, 1), got (2, 3)",
        out=(actions, log_probs),
        num_samples=1,
    )
    read_only = log_probs.copy()
    read_only.flags.writeable = False
    refuses("sample", ValueError, "out[1] must be writeable...", out=(actions, read_only))
    refuses(
        "sample",
        ValueError,
        "out[1] and out[0] must not share memory",
        out=(actions, actions.view(np.float64)),
    )


@pytest.mark.parametrize(
    "function", ["log_softmax", "softmax", "score", "score_gradient", *OBJECTIVES]
)
def test_a_failed_call_in_place_leaves_the_logits(function: str) -> None:
    arguments = good_arguments(function)
    logits = arguments["logits"]
    logits[1, 2] = -INF
    refuses(
        function, ValueError, "logits[1, 2] has no allowed action...", out=logits, logits=logits
    )


@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
def test_a_failed_call_that_accumulates_leaves_out(function: str) -> None:
    actions = np.array([[0, 1, 2], [3, 2, 4]])
    refuses(
        function,
        IndexError,
        "actions[1, 2] = 4...",
        actions=actions,
        accumulate=True,
        out=good_out(function),
    )


@pytest.mark.parametrize("function", ["log_softmax", "logsumexp", "score_gradient", *OBJECTIVES])
def test_a_failed_call_leaves_an_out_that_is_no_plain_view(function: str) -> None:
    logits = good_arguments(function)["logits"]
    logits[1, 2] = -INF
    good = good_out(function)
    swapped = good.astype(good.dtype.newbyteorder())
    refuses(
        function, ValueError, "logits[1, 2] has no allowed action...", logits=logits, out=swapped
    )


# --- Scalars --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "bad", [True, np.True_, 1.0, np.float64(2.0), "2", [1], np.array([1, 2]), 1j]
)
def test_num_threads_of_a_wrong_type(function: str, bad: object) -> None:
    message = f"num_threads must be an int or None, got {type(bad).__name__}"
    refuses(function, TypeError, message, num_threads=bad)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [0, -1, np.int8(-3), -(10**30)])
def test_num_threads_below_one(function: str, bad: int) -> None:
    refuses(function, ValueError, f"num_threads must be at least 1, got {bad}", num_threads=bad)


@pytest.mark.parametrize("function", ["log_softmax", "softmax", "logsumexp"])
def test_axis(function: str) -> None:
    for bad in [3, -4, 10**30]:
        message = f"axis must be from -3 to 2 for logits of shape (2, 3, 4), got {bad}"
        refuses(function, ValueError, message, axis=bad)
    for bad in [None, 1.0, True, "0", (0, 1)]:
        refuses(function, TypeError, f"axis must be an int, got {type(bad).__name__}", axis=bad)
    with raises(ValueError, "logits must have at least one action, got shape (0, 4)"):
        call(function, logits=np.zeros((0, 4)), axis=0)


@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
def test_entropy_coef(function: str) -> None:
    for bad in [None, "1", 1j, True, np.True_, [1.0]]:
        message = f"entropy_coef must be a real number, got {type(bad).__name__}"
        refuses(function, TypeError, message, entropy_coef=bad)
    for bad in [NAN, INF, -INF, np.float32(INF)]:
        refuses(function, ValueError, f"entropy_coef must be finite, got {bad}", entropy_coef=bad)


@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
def test_accumulate(function: str) -> None:
    for bad in [None, 1, 0.0, "yes"]:
        refuses(
            function,
            TypeError,
            f"accumulate must be a bool, got {type(bad).__name__}",
            accumulate=bad,
        )
    with raises(ValueError, "accumulate=True needs out=, the array to add to"):
        call(function, **good_arguments(function), accumulate=True)
    with raises(ValueError, "accumulate=True needs out=..."):
        call(function, **good_arguments(function), accumulate=np.True_, out=None)


def test_rng() -> None:
    for bad in [True, 1.0, "0", [1, 2], np.random.RandomState(0), np.random, np.random.PCG64(0)]:
        message = (
            f"rng must be None, an int seed or a numpy.random.Generator, got {type(bad).__name__}"
        )
        refuses("sample", TypeError, message, rng=bad)
    refuses("sample", ValueError, "rng must be a seed of at least 0, got -1", rng=-1)
    refuses("sample", ValueError, "rng must be a seed of at least 0, got -1000...", rng=-(10**30))


def test_a_failed_check_leaves_the_generator() -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    refuses("sample", ValueError, "num_threads must be at least 1...", rng=rng, num_threads=0)
    assert rng.bit_generator.state == state


def test_num_samples() -> None:
    for bad in [True, 1.0, "1", (2,)]:
        message = f"num_samples must be an int or None, got {type(bad).__name__}"
        refuses("sample", TypeError, message, num_samples=bad)
    refuses("sample", ValueError, "num_samples must be at least 0, got -1", num_samples=-1)


def test_entropy_of_sample() -> None:
    for bad in [None, 1, 0.0, "yes"]:
        message = f"entropy must be a bool, got {type(bad).__name__}"
        refuses("sample", TypeError, message, entropy=bad)


def test_clip_range() -> None:
    for bad in [None, "0.2", 1j, True, np.True_, [0.2]]:
        message = f"clip_range must be a real number, got {type(bad).__name__}"
        refuses("clipped_surrogate", TypeError, message, clip_range=bad)
    for bad in [NAN, INF, -INF, np.float32(INF)]:
        message = f"clip_range must be finite, got {bad}"
        refuses("clipped_surrogate", ValueError, message, clip_range=bad)
    for bad in [-0.1, -1, np.float32(-0.5)]:
        message = f"clip_range must be at least 0, got {bad}"
        refuses("clipped_surrogate", ValueError, message, clip_range=bad)


@pytest.mark.parametrize("function", ["set_num_threads", "set_thread_local_num_threads"])
def test_functions_of_threads(function: str) -> None:
    f = getattr(_core, function)
    before = scorefn.get_num_threads()
    for bad in [True, 2.0, "2", np.array([1, 2])]:
        with raises(TypeError, "num_threads must be an int or None, got ..."):
            f(bad)
    for bad in [0, -2]:
        with raises(ValueError, f"num_threads must be at least 1, got {bad}"):
            f(bad)
    with raises(TypeError, f"{function}() misses the argument 'num_threads'"):
        f()
    assert scorefn.get_num_threads() == before
