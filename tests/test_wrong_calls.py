"""Every wrong call of a table: its exception, its very message, and nothing else that happens.

No array of the call has changed to the byte, no generator has moved, and the number of threads is
what it was.
"""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import case
from _functions import FUNCTIONS, GRADIENTS, OBJECTIVES, call_with, written
from _wrong_calls import NO_ACTION, WrongCall, good_arguments, good_out, wrong_arrays
from _wrong_options import wrong_options
from scorefn import _core
from scorefn._check import type_name

TABLE = [*wrong_arrays(), *wrong_options()]


def state_of(x: Any) -> Any:
    """What may not change of an argument."""
    if isinstance(x, tuple | list):
        return [state_of(member) for member in x]
    if isinstance(x, np.ma.MaskedArray):
        return x.data.tobytes(), np.ma.getmaskarray(x).tobytes()
    if isinstance(x, np.ndarray):
        return x.tobytes()
    if isinstance(x, np.random.Generator):
        return str(x.bit_generator.state)
    if isinstance(x, np.random.BitGenerator):
        return str(x.state)
    return None


def attempts_of(wrong: WrongCall) -> list[dict[str, Any]]:
    """Without `out`, with it, and to be added to it."""
    arguments = wrong.arguments()
    if "out" in wrong.changes:
        return [arguments]
    attempts = [arguments, {**arguments, "out": good_out(wrong.function)}]
    if wrong.function in [*GRADIENTS, *OBJECTIVES] and "accumulate" not in wrong.changes:
        attempts.append({**attempts[1], "accumulate": True})
    return attempts


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_calls(function: str) -> None:
    for wrong in (wrong for wrong in TABLE if wrong.function == function):
        with case(wrong):
            assert_is_refused(wrong)


def assert_is_refused(wrong: WrongCall) -> None:
    for arguments in attempts_of(wrong):
        values = [*wrong.positional, *arguments.values()]
        # A row without an allowed action shows only in the pass that draws.
        is_drawn = NO_ACTION in wrong.message
        fixed = [x for x in values if not (is_drawn and isinstance(x, np.random.Generator))]
        before, threads = state_of(fixed), scorefn.get_num_threads()
        with pytest.raises(wrong.error) as info:
            getattr(scorefn, wrong.function)(*wrong.positional, **arguments)
        assert (info.type, str(info.value)) == (wrong.error, wrong.message)
        assert state_of(fixed) == before
        assert scorefn.get_num_threads() == threads


def test_the_table_is_long_and_says_nothing_twice() -> None:
    named = Counter(str(wrong) for wrong in TABLE)
    assert [name for name, count in named.items() if count > 1] == []
    ways = Counter(wrong.function for wrong in TABLE)
    assert set(ways) == set(FUNCTIONS)
    assert min(ways.values()) >= 60


# --- What is next to the table -------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_good_calls_are_good(function: str) -> None:
    """So what fails above fails because of the change."""
    out = good_out(function)
    result = call_with(function, **good_arguments(function), out=out)
    if function == "sample":
        assert result.actions is out[0]
        assert result.log_prob is out[1]
    else:
        assert written(result) is out
    assert state_of([out]) != state_of([good_out(function)])


def test_unvisited_state_without_an_allowed_action() -> None:
    table = np.zeros((2, 3))
    table[1] = -np.inf
    gradient = scorefn.tabular_gradient(table, [0], [0], [1.0])
    assert np.array_equal(gradient[1], np.zeros(3))


class Interrupting:
    """In the place of a number: what raises is no fault of its value."""

    def __index__(self) -> int:
        raise KeyboardInterrupt

    __float__ = __index__


def test_what_is_no_fault_of_a_value_goes_on() -> None:
    """Ctrl-C as an option is converted, say."""
    logits, actions = np.zeros((2, 3)), [0, 1]
    for option, value in (
        ("num_threads", Interrupting()),
        ("entropy_coef", Interrupting()),
    ):
        with pytest.raises(KeyboardInterrupt):
            scorefn.score_gradient(logits, actions, [1.0, 1.0], out=logits, **{option: value})
    with pytest.raises(KeyboardInterrupt):
        scorefn.sample(logits, rng=Interrupting())


def test_texts_that_are_no_utf_8() -> None:
    class Negative(int):
        def __str__(self) -> str:
            return "\ud800"

    with pytest.raises(ValueError, match=r"num_threads must be at least 1, got \\ud800"):
        scorefn.softmax(np.zeros(3), num_threads=Negative(-1))
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument '\\ud800'"):
        scorefn.softmax(np.zeros(3), **{"\ud800": 1})


def test_a_generator_of_other_bits() -> None:
    class Bits:
        capsule = datetime.datetime_CAPI  # type: ignore[attr-defined]

    class Other(np.random.Generator):
        bit_generator = Bits()  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"a bit generator as NumPy's are, got .*\.Bits"):
        scorefn.sample(np.zeros(3), rng=Other(np.random.PCG64(0)))


def test_masks_of_items() -> None:
    """NumPy makes an array of them without."""
    row = np.ma.masked_array([1.0, 2.0], [True, False])
    for logits in ([row, row], ([1.0, 2.0], row), [[[1.0, 2.0]], [row]]):
        with pytest.raises(TypeError, match="logits must not be a masked array"):
            scorefn.softmax(logits)


@pytest.mark.parametrize("function", ["set_num_threads", "set_thread_local_num_threads"])
def test_functions_of_threads(function: str) -> None:
    f = getattr(_core, function)
    before = scorefn.get_num_threads()
    wrong: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        *(
            ((bad,), TypeError, f"num_threads must be an int or None, got {type_name(bad)}")
            for bad in [True, 2.0, "2", np.array([1, 2])]
        ),
        *(((bad,), ValueError, f"num_threads must be at least 1, got {bad}") for bad in [0, -2]),
        ((), TypeError, f"{function}() missing required argument 'num_threads'"),
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error) as info:
            f(*arguments)
        assert (info.type, str(info.value)) == (error, message)
    assert scorefn.get_num_threads() == before
