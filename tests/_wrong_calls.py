"""Ways to call a function wrongly: what a row of their table is, and the rows about arrays.

`_wrong_options` has the rows about everything else, test_wrong_calls.py is the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from _functions import FUNCTIONS, INDICES, MATRICES, WEIGHTS, arguments_of, call_with, written

NAN, INF = np.nan, np.inf
REAL = "float16, bfloat16, float32 or float64"
WEIGHT = "float16, bfloat16, float32, float64 or integers"
SAMPLES = list(INDICES)  # functions of actions
# Each row of their first argument is a row of its own.
ROW_FUNCTIONS = [f for f in FUNCTIONS if f not in ("tabular_gradient", "linear_gradient")]
NO_ACTION = "has no allowed action: every logit is -inf or masked"
MASK = "bool, or int8 or uint8 of 0 and 1"
MASKED = "must not be a masked array: pass its data, and the allowed actions as where="


class Missing:
    """In the place of an argument: the call leaves it out."""


class WrongCall(NamedTuple):
    """The good call of `function` with these changes fails with this very error."""

    function: str
    way: str  # what is wrong, in a few words
    error: type[Exception]
    message: str
    changes: dict[str, Any]
    positional: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.function}-{self.way}"

    def arguments(self) -> dict[str, Any]:
        arguments = {**good_arguments(self.function), **self.changes}
        return {name: x for name, x in arguments.items() if x is not Missing}


def good_arguments(function: str) -> dict[str, Any]:
    arguments = arguments_of(function)
    del arguments["where"]
    if function == "sample":
        arguments["rng"] = np.random.default_rng(1)
    return arguments


def good_out(function: str) -> Any:
    """What the function could write to, filled with something that no function computes."""
    result = written(call_with(function, **good_arguments(function)))
    if function == "sample":
        return tuple(np.full_like(array, 77) for array in result)
    return np.full_like(result, 77.0)


def name_of(array: np.ndarray[Any, Any]) -> str:
    return "x".join(str(size) for size in array.shape) or "no axis"


def wrong_matrix(function: str, name: str) -> Iterator[WrongCall]:
    good = good_arguments(function)[name]

    def refused(way: str, message: str, value: Any) -> WrongCall:
        message = f"{name} {message}"
        return WrongCall(function, f"{name} {way}", TypeError, message, {name: value})

    dtypes = ["int64", "uint8", "uint16", "bool", "complex128", "object", "<U3", "M8[s]"]
    # Where the compiler has a wider type: it is not rounded silently.
    if np.dtype(np.longdouble) != np.float64:
        dtypes.append(np.dtype(np.longdouble).name)
    for dtype in dtypes:
        bad = np.zeros(good.shape, dtype)
        yield refused(dtype, f"must be {REAL}, got {bad.dtype}", bad)
    yield refused("None", f"must be {REAL}, got object", None)
    yield refused("list of bool", f"must be {REAL}, got bool", [True, False])
    yield refused(
        "ragged", "must be an array, got list whose items differ in length", [[1.0, 2.0], [3.0]]
    )
    yield refused("masked array", MASKED, np.ma.masked_array(good, good > 0))


def wrong_matrices() -> Iterator[WrongCall]:
    for function, names in MATRICES.items():
        for name in names:
            yield from wrong_matrix(function, name)
    for function in ROW_FUNCTIONS:
        name = MATRICES[function][0]
        for value, message in (
            (np.float64(1.0), "must have shape (..., num_actions), got ()"),
            (np.zeros((2, 3, 0)), "must have at least one action, got shape (2, 3, 0)"),
            (np.zeros((0, 0)), "must have at least one action, got shape (0, 0)"),
        ):
            way = f"{name} of {name_of(value)}"
            yield WrongCall(function, way, ValueError, f"{name} {message}", {name: value})


def matrices_that_do_not_fit() -> Iterator[WrongCall]:
    f32 = np.float32
    shapes: list[tuple[str, str, Any, str]] = [
        ("kl_divergence", "logits_q", np.zeros((2, 3, 5)), "shape (2, 3, 4)"),
        ("kl_divergence", "logits_q", np.zeros((3, 4)), "shape (2, 3, 4)"),
        ("tabular_gradient", "table", np.zeros(4), "shape (num_states, num_actions)"),
        ("tabular_gradient", "table", np.zeros((1, 6, 4)), "shape (num_states, num_actions)"),
        ("tabular_gradient", "table", np.zeros((6, 0)), "at least one action"),
        ("linear_gradient", "features", np.float64(1.0), "shape (..., num_features)"),
        ("linear_gradient", "coef", np.zeros(5), "shape (num_features, num_actions)"),
        ("linear_gradient", "coef", np.zeros((4, 4)), "shape (5, 4)"),
        ("linear_gradient", "coef", np.zeros((5, 0)), "at least one action"),
    ]
    for function, name, value, wanted in shapes:
        got = f"shape {value.shape}" if wanted.startswith("at least") else f"{value.shape}"
        message = f"{name} must have {wanted}, got {got}"
        yield WrongCall(function, f"{name} of {name_of(value)}", ValueError, message, {name: value})
    for function, name, other, bad in (
        ("kl_divergence", "logits_q", "logits_p", np.zeros((2, 3, 4), f32)),
        ("linear_gradient", "coef", "features", np.zeros((5, 4), f32)),
    ):
        message = f"{name} must be float64 as {other} is, got float32"
        yield WrongCall(function, f"{name} of another dtype", TypeError, message, {name: bad})


def wrong_index(function: str, name: str) -> Iterator[WrongCall]:
    def refused(way: str, error: type[Exception], message: str, value: Any) -> WrongCall:
        return WrongCall(function, f"{name} {way}", error, f"{name}{message}", {name: value})

    for dtype in ["float32", "float64", "bool", "complex128", "object", "timedelta64[s]"]:
        bad: Any = np.zeros((2, 3), dtype)
        yield refused(dtype, TypeError, f" must be integers, got {dtype}", bad)
    for way, bad, got in (
        ("list of floats", [[0.0] * 3] * 2, "float64"),
        ("empty floats", np.zeros((0, 3)), "float64"),
        ("beyond 64 bits", [[2**70] * 3] * 2, "object"),
        ("None", None, "object"),
    ):
        yield refused(way, TypeError, f" must be integers, got {got}", bad)
    yield refused(
        "ragged",
        TypeError,
        " must be an array, got list whose items differ in length",
        [[1, 2], [3]],
    )
    bad = np.ma.masked_array(np.zeros((2, 3), int))
    yield refused("masked array", TypeError, f" {MASKED}", bad)
    count, noun = (6, "states") if name == "states" else (4, "actions")
    for dtype, value in (
        ("int8", -1),
        ("int8", 127),
        ("uint8", 255),
        ("int16", -(2**15)),
        ("uint16", 7),
        ("int32", 7),
        ("uint32", 2**32 - 1),
        ("int64", count),
        ("int64", -(2**63)),
        ("int64", 2**63 - 1),
        ("uint64", 2**63),
        ("uint64", 2**64 - 1),
        (">i4", 7),
    ):
        bad = np.zeros((2, 3), dtype)
        bad[1, 2] = value
        message = f"[1, 2] = {value} is out of range for {count} {noun}"
        yield refused(f"{dtype} {value}", IndexError, message, bad)
    bad = np.array([[0, count, 0], [count + 1, -1, 0]])  # the first one is named
    message = f"[0, 1] = {count} is out of range for {count} {noun}"
    yield refused("three out of range", IndexError, message, bad)


def wrong_indices() -> Iterator[WrongCall]:
    for function, names in INDICES.items():
        for name in names:
            yield from wrong_index(function, name)
        for shape in [(6,), (3, 2), (2, 3, 1, 1), (1, 2, 3), (3,), ()]:
            bad = np.zeros(shape, int)
            message = f"actions must have shape (2, 3) or (2, 3, num_samples), got {shape}"
            changes = {"actions": bad}
            yield WrongCall(function, f"actions of {name_of(bad)}", ValueError, message, changes)

    for function in SAMPLES:  # several per row
        bad = np.zeros((2, 3, 5), int)
        bad[1, 0, 2] = 4
        changes = {"actions": bad, "out": None}
        changes |= dict.fromkeys(WEIGHTS.get(function, ()), np.ones((2, 3, 5)))
        message = "actions[1, 0, 2] = 4 is out of range for 4 actions"
        yield WrongCall(function, "an action of many", IndexError, message, changes)
        mask = np.ones((2, 3, 4), bool)
        mask[1, 0] = False
        changes = {**changes, "actions": np.zeros((2, 3, 5), int), "where": mask}
        where = "features[1, 0] @ coef" if function == "linear_gradient" else "logits[1, 0]"
        if function == "tabular_gradient":
            where, changes["where"] = "table[2]", np.arange(6)[:, None] != [2] * 4
            changes["states"] = np.array([[0, 1, 3], [4, 2, 0]])
        message = f"{where} {NO_ACTION}"
        way = "many actions of a row without one"
        yield WrongCall(function, way, ValueError, message, changes)
    changes = {"states": np.array([[0, 1, 3], [4, 6, 0]]), "actions": np.zeros((2, 3, 5), int)}
    changes |= {"weights": np.ones((2, 3, 5)), "out": None}
    message = "states[1, 1] = 6 is out of range for 6 states"
    yield WrongCall("tabular_gradient", "a state of many actions", IndexError, message, changes)
    for function in [f for f in SAMPLES if f not in ("tabular_gradient", "linear_gradient")]:
        changes = {"logits": np.zeros(5), "actions": 7, "out": None}
        changes |= dict.fromkeys(WEIGHTS.get(function, ()), 1.0)
        message = "actions = 7 is out of range for 5 actions"
        yield WrongCall(function, "a single action", IndexError, message, changes)
    shared = {"logits": np.zeros(4), "actions": [0, 1, 9], "weights": np.ones(3)}
    message = "actions[2] = 9 is out of range for 4 actions"
    changes = {**shared, "out": np.full(4, 77.0)}
    yield WrongCall("score_gradient", "an action of a shared row", IndexError, message, changes)
    changes = {"table": np.zeros((0, 4)), "out": np.zeros((0, 4))}
    message = "states[0, 0] = {} is out of range for 0 states"
    message = message.format(good_arguments("tabular_gradient")["states"][0, 0])
    yield WrongCall("tabular_gradient", "an empty table", IndexError, message, changes)


def wrong_weights() -> Iterator[WrongCall]:
    for function, names in WEIGHTS.items():
        for name in names:
            for way, value, message in (
                *(
                    (dtype, np.ones((2, 3), dtype), f"{WEIGHT}, got {dtype}")
                    for dtype in ["bool", "complex64", "object"]
                ),
                ("None", None, f"{WEIGHT}, got object"),
                ("list of text", [["1"] * 3] * 2, f"{WEIGHT}, got <U1"),
                ("ragged", [[1.0], []], "an array, got list whose items differ in length"),
            ):
                message = f"{name} must be {message}"
                yield WrongCall(function, f"{name} {way}", TypeError, message, {name: value})
            masked = np.ma.masked_array(np.ones((2, 3)))
            message = f"{name} {MASKED}"
            yield WrongCall(function, f"{name} masked", TypeError, message, {name: masked})
            for shape in [(), (6,), (2, 3, 1), (1, 3), (3,)]:
                bad = np.ones(shape)
                message = f"{name} must have shape (2, 3), got {shape}"
                way = f"{name} of {name_of(bad)}"
                yield WrongCall(function, way, ValueError, message, {name: bad})
            message = f"{name} must have shape (2, 3), got ()"
            yield WrongCall(function, f"{name} a number", ValueError, message, {name: 1.0})
            # Several samples per row: nothing is broadcast along their axis.
            changes = {"actions": np.zeros((2, 3, 1), int), "out": None}
            changes |= dict.fromkeys(names, np.ones((2, 3, 1))) | {name: np.ones((2, 3))}
            message = f"{name} must have shape (2, 3, 1), got (2, 3)"
            way = f"{name} without the axis of samples"
            yield WrongCall(function, way, ValueError, message, changes)
    changes = {"logits": np.zeros(4), "actions": np.zeros(8, int), "weights": np.ones((8, 1))}
    changes["out"] = np.full(4, 77.0)
    message = "weights must have shape (8,), got (8, 1)"
    yield WrongCall("score_gradient", "weights of a shared row", ValueError, message, changes)


def wrong_where() -> Iterator[WrongCall]:
    for function in FUNCTIONS:
        shape = (6, 4) if function == "tabular_gradient" else (2, 3, 4)
        ones = np.ones(shape, bool)
        for way, value, message in (
            *(
                (dtype, ones.astype(dtype), f"where must be {MASK}, got {dtype}")
                for dtype in ["int64", "uint16", "float64", "object"]
            ),
            ("list of ints", [1, 1, 0, 1], f"where must be {MASK}, got int64"),  # or indices?
            (
                "ragged",
                [[True], [True, False]],
                "where must be an array, got list whose items differ in length",
            ),
            ("masked array", np.ma.masked_array(ones), f"where {MASKED}"),
        ):
            yield WrongCall(function, f"where {way}", TypeError, message, {"where": value})
        for bad in [(), (1,), (3,), (1, 4), (3, 4), (2, 3), (4, 1), (2, 3, 5), (1, 2, 3, 4)]:
            mask = np.ones(bad, bool)
            message = f"where must have shape {shape} or (4,), got {bad}"
            way = f"where of {name_of(mask)}"
            yield WrongCall(function, way, ValueError, message, {"where": mask})
        for dtype, value in (("int8", -1), ("int8", 2), ("uint8", 255)):
            for size in (shape, (4,)):
                mask = np.ones(size, dtype)
                last = tuple(n - 1 for n in size)
                mask[last] = mask[..., 3] = value  # the first one is named
                index = ", ".join(map(str, (*(0 for _ in size[1:]), 3)))
                message = f"where[{index}] must be 0 or 1, got {value}"
                way = f"where of {name_of(mask)} {dtype} with {value}"
                yield WrongCall(function, way, ValueError, message, {"where": mask})
    for function in ("log_softmax", "softmax", "logsumexp", "entropy", "sample"):
        changes = {"logits": np.zeros(4), "where": np.ones((1, 4), bool), "out": None}
        message = "where must have shape (4,), got (1, 4)"
        yield WrongCall(function, "where of a single row", ValueError, message, changes)


def rows_without_an_allowed_action() -> Iterator[WrongCall]:
    for function in ROW_FUNCTIONS:
        first = MATRICES[function][0]
        mask = np.ones((2, 3, 4), bool)
        mask[0, 2] = False
        for way, row, where in (
            ("a masked row", "[0, 2]", mask),
            ("every row masked", "[0, 0]", np.zeros(4, bool)),
        ):
            message = f"{first}{row} {NO_ACTION}"
            yield WrongCall(function, way, ValueError, message, {"where": where})
        for name in MATRICES[function]:
            logits = good_arguments(function)[name]
            logits[1, 0] = -INF
            message = f"{name}[1, 0] {NO_ACTION}"
            yield WrongCall(function, f"{name} all -inf", ValueError, message, {name: logits})
            # Whatever the masked slots hold does not count.
            logits = good_arguments(function)[name]
            logits[1, 2] = [-INF, NAN, INF, 0.0]
            mask = np.ones((2, 3, 4), bool)
            mask[1, 2, 1:] = False
            changes = {name: logits, "where": mask}
            message = f"{name}[1, 2] {NO_ACTION}"
            yield WrongCall(function, f"{name} -inf or masked", ValueError, message, changes)
    single = np.full(4, -INF)
    for function in ("log_softmax", "softmax", "logsumexp", "entropy", "sample"):
        changes = {"logits": single, "out": None}
        message = f"logits {NO_ACTION}"
        yield WrongCall(function, "a single row all -inf", ValueError, message, changes)
    changes = {"logits": single, "out": np.full(4, 77.0)}
    message = f"logits {NO_ACTION}"
    yield WrongCall("score_gradient", "a shared row all -inf", ValueError, message, changes)

    table, mask = np.zeros((6, 4)), np.ones((6, 4), bool)
    table[5], mask[5] = -INF, False
    states = np.array([[0, 1, 2], [3, 5, 0]])
    message = f"table[5] {NO_ACTION}"
    for way, changes in (("all -inf", {"table": table}), ("masked", {"where": mask})):
        changes = {**changes, "states": states}
        yield WrongCall("tabular_gradient", f"a visited state {way}", ValueError, message, changes)
    mask = np.ones((2, 3, 4), bool)
    mask[1, 1] = False
    message = f"features[1, 1] @ coef {NO_ACTION}"
    changes = {"where": mask}
    yield WrongCall("linear_gradient", "a masked sample", ValueError, message, changes)


def wrong_arrays() -> Iterator[WrongCall]:
    yield from wrong_matrices()
    yield from matrices_that_do_not_fit()
    yield from wrong_indices()
    yield from wrong_weights()
    yield from wrong_where()
    yield from rows_without_an_allowed_action()
