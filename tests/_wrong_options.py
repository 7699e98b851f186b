"""Ways to call a function wrongly: the rows about signatures, `out` and options."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from _functions import FUNCTIONS, GRADIENTS, OBJECTIVES
from _wrong_calls import (
    INF,
    MASKED,
    NAN,
    NO_ACTION,
    Missing,
    WrongCall,
    good_arguments,
    good_out,
    name_of,
)
from scorefn._check import type_name

NO_REAL = [None, "1", 1j, True, np.True_, [1.0]]
NO_BOOL = [None, 1, 0.0, "yes"]
NOT_FINITE = [NAN, INF, -INF, np.float32(INF), 10**400]
ENDLESS = 10**5000  # recent versions of Python make no text of it


def kind(x: object) -> str:
    return type_name(x)


def text(x: object) -> str:
    try:
        return str(x)
    except ValueError:
        return "an int too long to show"


def wrong_signature(function: str) -> Iterator[WrongCall]:
    arguments = good_arguments(function)
    arguments.pop("rng", None)
    names, values = list(arguments), tuple(arguments.values())
    n = len(names)

    def refused(
        way: str, message: str, changes: dict[str, Any], positional: tuple[Any, ...] = ()
    ) -> WrongCall:
        message = f"{function}() {message}"
        return WrongCall(function, way, TypeError, message, changes, positional)

    unknown = "got an unexpected keyword argument 'mask'"
    yield refused("an unknown keyword", unknown, {"mask": None})
    without = dict.fromkeys(names, Missing)
    many = f"takes {n} positional arguments, got {n + 1}"
    yield refused("too many arguments", many, without, (*values, None))
    twice = f"got multiple values for argument '{names[0]}'"
    yield refused("an argument twice", twice, {**without, names[0]: values[0]}, values)
    yield refused("no arguments", f"missing required argument '{names[0]}'", without)
    for name in names:
        message = f"missing required argument '{name}'"
        yield refused(f"without {name}", message, {name: Missing})


def wrong_out(function: str) -> Iterator[WrongCall]:
    good = good_out(function)

    def refused(way: str, error: type[Exception], message: str, out: Any) -> WrongCall:
        return WrongCall(function, f"out {way}", error, f"out must {message}", {"out": out})

    for value in (good.tolist(), (good,), True, 1.0):
        message = f"be an ndarray, got {kind(value)}"
        yield refused(kind(value), TypeError, message, value)
    for dtype in ["float32", "int64", "float16", "complex128", "object"]:
        yield refused(dtype, TypeError, f"be float64, got {dtype}", good.astype(dtype))
    masked = np.ma.masked_array(good, good > 0)
    yield refused("masked array", TypeError, MASKED.removeprefix("must "), masked)
    for wrong in [good[:1], good[np.newaxis], good.ravel()[:1], np.array(77.0)]:
        message = f"have shape {good.shape}, got {wrong.shape}"
        yield refused(f"of {name_of(wrong)}", ValueError, message, wrong.copy())
    read_only = good.copy()
    read_only.flags.writeable = False
    yield refused("read-only", ValueError, "be writeable, got a read-only array", read_only)
    folded = np.lib.stride_tricks.as_strided(good, good.shape, (0, *good.strides[1:]))
    message = f"not overlap itself, got strides {folded.strides}"
    yield refused("of stride 0", ValueError, message, folded)


def wrong_out_of_sample() -> Iterator[WrongCall]:
    actions, log_prob = good_out("sample")
    read_only = log_prob.copy()
    read_only.flags.writeable = False
    pair = "must be a tuple (actions, log_prob), got"
    rows: list[tuple[str, type[Exception], str, Any]] = [
        ("an array", TypeError, f"out {pair} numpy.ndarray", actions),
        ("a list", TypeError, f"out {pair} list", [actions, log_prob]),
        ("one array", ValueError, f"out {pair} 1 items", (actions,)),
        ("three arrays", ValueError, f"out {pair} 3 items", (actions, log_prob, log_prob)),
        ("no log_prob", TypeError, "out[1] must be an ndarray, got NoneType", (actions, None)),
        ("no actions", TypeError, "out[0] must be an ndarray, got NoneType", (None, log_prob)),
        ("swapped", TypeError, "out[0] must be int64, got float64", (log_prob, actions)),
        (
            "int32",
            TypeError,
            "out[0] must be int64, got int32",
            (actions.astype(np.int32), log_prob),
        ),
        (
            "float32",
            TypeError,
            "out[1] must be float64, got float32",
            (actions, log_prob.astype(np.float32)),
        ),
        (
            "transposed",
            ValueError,
            "out[1] must have shape (2, 3), got (3, 2)",
            (actions, log_prob.T.copy()),
        ),
        (
            "read-only",
            ValueError,
            "out[1] must be writeable, got a read-only array",
            (actions, read_only),
        ),
        (
            "shared",
            ValueError,
            "out[1] and out[0] must not share memory",
            (actions, actions.view(np.float64)),
        ),
    ]
    for way, error, message, out in rows:
        yield WrongCall("sample", f"out {way}", error, message, {"out": out})
    changes = {"out": (actions, log_prob), "num_samples": 1}
    message = "out[0] must have shape (2, 3, 1), got (2, 3)"
    yield WrongCall("sample", "out without num_samples", ValueError, message, changes)


def failures_with_out() -> Iterator[WrongCall]:
    """That show only after everything about `out` has been found good."""
    message = f"logits[1, 2] {NO_ACTION}"
    for function in ["log_softmax", "softmax", "score", "score_gradient", *OBJECTIVES]:
        logits = good_arguments(function)["logits"]
        logits[1, 2] = -INF
        changes = {"logits": logits, "out": logits}
        yield WrongCall(function, "in place", ValueError, message, changes)
    for function in ["log_softmax", "logsumexp", "score_gradient", *OBJECTIVES]:
        logits = good_arguments(function)["logits"]
        logits[1, 2] = -INF
        out = good_out(function)
        for way, array in (
            ("of the other byte order", out.astype(out.dtype.newbyteorder())),
            ("of negative strides", out[::-1].copy()[::-1]),
        ):
            changes = {"logits": logits, "out": array}
            yield WrongCall(function, f"into out {way}", ValueError, message, changes)


def wrong_num_threads() -> Iterator[WrongCall]:
    for function in FUNCTIONS:
        values: list[Any]
        values = [True, np.True_, 1.0, np.float64(2.0), "2", [1], np.array([1, 2]), 1j]
        for bad in values:
            message = f"num_threads must be an int or None, got {kind(bad)}"
            way = f"num_threads {kind(bad)} {bad!r}"
            yield WrongCall(function, way, TypeError, message, {"num_threads": bad})
        for bad in [0, -1, np.int8(-3), -ENDLESS]:
            message = f"num_threads must be at least 1, got {text(bad)}"
            way = f"num_threads {text(bad)[:20]}"
            yield WrongCall(function, way, ValueError, message, {"num_threads": bad})


def wrong_axis() -> Iterator[WrongCall]:
    for function in ["log_softmax", "softmax", "logsumexp"]:
        for bad in [3, -4, 10**30, ENDLESS]:
            message = f"axis must be from -3 to 2 for logits of shape (2, 3, 4), got {text(bad)}"
            yield WrongCall(function, f"axis {text(bad)[:20]}", ValueError, message, {"axis": bad})
        no_ints: list[Any] = [None, 1.0, True, "0", (0, 1)]
        for no_int in no_ints:
            message = f"axis must be an int, got {kind(no_int)}"
            way = f"axis {kind(no_int)}"
            yield WrongCall(function, way, TypeError, message, {"axis": no_int})
        changes = {"logits": np.zeros((0, 4)), "axis": 0}
        message = "logits must have at least one action, got shape (0, 4)"
        yield WrongCall(function, "axis without an entry", ValueError, message, changes)


def wrong_reals() -> Iterator[WrongCall]:
    named = [(function, "entropy_coef") for function in [*GRADIENTS, *OBJECTIVES]]
    for function, name in named:
        for bad in NO_REAL:
            message = f"{name} must be a real number, got {kind(bad)}"
            way = f"{name} {kind(bad)} {bad!r}"
            yield WrongCall(function, way, TypeError, message, {name: bad})
        for infinite in NOT_FINITE:
            message = f"{name} must be finite, got {infinite}"
            way = f"{name} {kind(infinite)} {text(infinite)[:20]}"
            yield WrongCall(function, way, ValueError, message, {name: infinite})
    expected = "clip_range must be a real number or a pair (low, high), got"
    for bad in [*NO_REAL, (0.1,), [0.1, 0.2, 0.3], (0.1, "0.2"), (0.1, True)]:
        is_pair = isinstance(bad, tuple | list) and len(bad) == 2
        got = kind(bad[1]) if is_pair else kind(bad)
        got = f"a {got} of {len(bad)}" if isinstance(bad, tuple | list) and not is_pair else got
        way, changes = f"clip_range {bad!r}", {"clip_range": bad}
        yield WrongCall("clipped_surrogate", way, TypeError, f"{expected} {got}", changes)
    for negative in [-0.1, -1, np.float32(-0.5), NAN, -INF, (-0.1, 0.2), (0.2, -0.1), (NAN, 0.1)]:
        message = f"clip_range must be at least 0, got {negative}"
        changes = {"clip_range": negative}
        yield WrongCall("clipped_surrogate", f"clip_range {negative}", ValueError, message, changes)


def wrong_bools() -> Iterator[WrongCall]:
    named = [(function, "accumulate") for function in [*GRADIENTS, *OBJECTIVES]]
    for function, name in [*named, ("sample", "entropy")]:
        for bad in NO_BOOL:
            message = f"{name} must be a bool, got {kind(bad)}"
            yield WrongCall(function, f"{name} {kind(bad)}", TypeError, message, {name: bad})
    message = "accumulate=True needs out=, the array to add to"
    for function, name in named:
        for true in (True, np.True_):
            changes = {name: true, "out": None}
            way = f"accumulate={true!r} without out"
            yield WrongCall(function, way, ValueError, message, changes)


def wrong_randomness() -> Iterator[WrongCall]:
    random_state = np.random.RandomState(0)
    others: list[Any] = [random_state, random.Random(0)]
    for bad in [True, 1.0, "0", [1, 2], np.random, np.random.PCG64(0), *others]:
        message = f"rng must be None, an int seed or a numpy.random.Generator, got {kind(bad)}"
        message += ": draw an int from it and pass that" if bad in others else ""
        yield WrongCall("sample", f"rng {kind(bad)}", TypeError, message, {"rng": bad})
    for seed in [-1, np.int8(-5), -(10**30), -ENDLESS]:
        message = f"rng must be a seed of at least 0, got {text(seed)}"
        way = f"rng {text(seed)[:20]}"
        yield WrongCall("sample", way, ValueError, message, {"rng": seed})
    no_ints: list[Any] = [True, 1.0, "1", (2,)]
    for no_int in no_ints:
        message = f"num_samples must be an int or None, got {kind(no_int)}"
        changes = {"num_samples": no_int}
        yield WrongCall("sample", f"num_samples {kind(no_int)}", TypeError, message, changes)
    most = f"{(2**63 - 1) // 48} for logits with leading shape (2, 3)"
    for number, message in (
        (-1, "at least 0, got -1"),
        (2**60, f"at most {most}, got {2**60}"),
        (10**30, f"at most {most}, got {10**30}"),
    ):
        message = f"num_samples must be {message}"
        changes = {"num_samples": number}
        yield WrongCall("sample", f"num_samples {number}", ValueError, message, changes)


def wrong_options() -> Iterator[WrongCall]:
    for function in FUNCTIONS:
        yield from wrong_signature(function)
        if function != "sample":
            yield from wrong_out(function)
    yield from wrong_out_of_sample()
    yield from failures_with_out()
    yield from wrong_num_threads()
    yield from wrong_axis()
    yield from wrong_reals()
    yield from wrong_bools()
    yield from wrong_randomness()
