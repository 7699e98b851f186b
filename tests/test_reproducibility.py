"""Contract C1: the same bits for every instruction set, thread count, batch, position and stride.

Run as a script it prints the hashes of all results for the instruction set in use, as JSON; the
tests run it once for each instruction set of the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import scorefn
from _backoff import back_off, regions_alone
from _cases import for_each
from _functions import (
    ARGUMENTS,
    DTYPES,
    FEW_LENGTHS,
    GRADIENTS,
    LENGTHS,
    OBJECTIVES,
    ROW_FUNCTIONS,
    Array,
    call,
    inputs_for,
    mask_for,
    same_bits,
    take_rows,
)

THREADS = [1, 2, 3, 5]

# --- The hashes -----------------------------------------------------------------------------------


def big_inputs(function: str, cols: int, dtype: Any) -> dict[str, Array]:
    """Three or more of the blocks or chunks that `function` hands to threads.

    Blocks of rows hold up to 32768 entries and 4096 rows; chunks of samples 16384 samples of a
    tabular and 4096 of a linear policy, or as many as there are parameters. The linear policies of
    the longest rows have more parameters than samples, so their actions are shared out instead.
    """
    rows = min(8_301, 68_000 // cols)
    if function == "tabular_gradient":
        rows = 50_000 if cols < 2000 else 80_000
    if function == "linear_gradient":
        rows = 8_301 if cols < 500 else 300
    # Only what the function takes, as the rest may be large.
    few = inputs_for(2, cols, dtype, features=5)
    rng = np.random.default_rng(cols)
    few["states"] = rng.integers(6, size=rows)
    few["actions"] = rng.integers(cols, size=rows)
    few["weights"] = rng.normal(size=rows).astype(dtype)
    few["features"] = rng.normal(size=(rows, 5)).astype(dtype)
    few["old_log_prob"] = (rng.normal(size=rows) - np.log(cols)).astype(dtype)
    for name in (name for name in ARGUMENTS[function] if name.startswith("logits")):
        z = rng.normal(scale=5.0, size=(rows, cols)).astype(dtype)
        z[1::7, cols // 2] = 80.0  # dominant
        z[2::7, 1:] = -np.inf
        if function != "sample":  # which refuses such rows
            z[3::97] = -dtype(np.nan)  # its sign may not come through
            z[4::97, 0] = np.inf
        few[name] = z
    return few


def large_parameters(cols: int, dtype: Any) -> dict[str, Array]:
    """More parameters than samples: a table in 17 or more ranges of states, and features in three
    blocks of 512 samples."""
    states = 17 * max(16, 16384 // (cols + 1)) if cols > 1 else 17 * 8192
    inputs = inputs_for(1_100, cols, dtype, states=states, features=max(8, 8192 // cols))
    # Several samples of a state, and states that no sample visits.
    inputs["states"] = np.random.default_rng(cols).integers(states, size=300).repeat(4)[:1_100]
    return inputs


def variants(function: str, inputs: dict[str, Array]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", {}
    shaped_like = {"tabular_gradient": "table", "linear_gradient": "coef"}
    columns = inputs[shaped_like.get(function, "logits")].shape[-1]
    yield "masked", {"where": np.arange(columns) % 3 != 1}
    if function in (*GRADIENTS, *OBJECTIVES):
        yield "entropy_coef", {"entropy_coef": 0.3}
    if function == "sample":
        yield "num_samples", {"num_samples": 3}
        yield "entropy", {"entropy": True}


def spoil(inputs: dict[str, Array]) -> dict[str, Array]:
    """A NaN with a sign in the parameters and one in a sample: every entry they meet is NaN."""
    spoiled = {name: inputs[name].copy() for name in ("table", "features", "coef")}
    for x in spoiled.values():
        x[3 % len(x), 0] = -x.dtype.type(np.nan)
    return {**inputs, **spoiled}


def sha256(result: Any) -> str:
    parts = result if isinstance(result, tuple) else (result,)
    digest = hashlib.sha256()
    for part in parts:
        if part is not None:  # what a step has only where it is asked for
            digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()


def all_hashes() -> dict[str, list[str]]:
    """The hashes of each case for one and two threads, or, of a few lengths, for more."""
    hashes: dict[str, list[str]] = {}

    def add(case: str, function: str, inputs: dict[str, Array], **options: Any) -> None:
        counts = THREADS if cols in FEW_LENGTHS else THREADS[:2]
        results = [call(function, inputs, num_threads=n, **options) for n in counts]
        first = sha256(results[0])
        hashes[case] = [first if same_bits(x, results[0]) else sha256(x) for x in results]

    for dtype in DTYPES:
        for cols in LENGTHS:
            for function in ARGUMENTS:
                inputs = big_inputs(function, cols, dtype)
                for variant, options in variants(function, inputs):
                    case = f"{function} {np.dtype(dtype)} {cols} {variant}"
                    add(case, function, inputs, **options)
                if function in OBJECTIVES:  # sums that no row of NaN hides
                    finite = {**inputs, "logits": np.nan_to_num(inputs["logits"], neginf=-9.0)}
                    finite["logits"] = np.minimum(finite["logits"], dtype(9.0))
                    add(f"{function} {np.dtype(dtype)} {cols} finite", function, finite)
            # One row for all samples.
            samples = big_inputs("tabular_gradient", cols, dtype)
            shared = {**samples, "logits": samples["table"][0]}
            add(f"shared {np.dtype(dtype)} {cols}", "score_gradient", shared)
            for function in ("tabular_gradient", "linear_gradient"):
                few = spoil(inputs_for(50, cols, dtype))
                add(f"{function} {np.dtype(dtype)} {cols} bad", function, few)
                large = large_parameters(cols, dtype)
                add(f"{function} {np.dtype(dtype)} {cols} large", function, large)
    return hashes


def run_python(*arguments: str, timeout: float = 1200.0, **environment: str) -> Any:
    """A child, killed after `timeout` seconds, with these variables in its environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def hashes_of_isa() -> dict[str, dict[str, list[str]]]:
    hashes = {}
    for isa in scorefn.show_config().available_isas:
        child = run_python(__file__, SCOREFN_ISA=isa)
        assert child.returncode == 0, child.stderr
        answer = json.loads(child.stdout)
        assert answer["isa"] == isa
        hashes[isa] = answer["hashes"]
    return hashes


@pytest.mark.slow
@pytest.mark.parametrize("cols", LENGTHS)
def test_every_isa_and_thread_count_gives_the_same_bits(hashes_of_isa, cols):
    cases = [case for case in next(iter(hashes_of_isa.values())) if case.split()[2] == str(cols)]
    assert len(cases) == len(DTYPES) * (
        2 * len(ARGUMENTS) + len(GRADIENTS) + 2 * len(OBJECTIVES) + 7
    )
    different = {
        case: by_isa
        for case in cases
        for by_isa in [{isa: hashes[case] for isa, hashes in hashes_of_isa.items()}]
        if len({digest for digests in by_isa.values() for digest in digests}) != 1
    }
    assert not different, f"for {THREADS} threads"


@pytest.mark.slow
def test_the_isa_in_use_is_one_of_the_available(hashes_of_isa):
    config = scorefn.show_config()
    assert config.isa in config.available_isas
    assert config.available_isas[0] == "baseline"
    assert set(hashes_of_isa) == set(config.available_isas)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["avx1024", "AVX2", " "])
def test_unknown_isa(name):
    names = ", ".join(scorefn.show_config().available_isas)
    for use in ("scorefn.softmax([0.0])", "scorefn.show_config()"):
        child = run_python("-c", f"import scorefn; {use}", SCOREFN_ISA=name)
        assert child.returncode == 1
        message = f"RuntimeError: SCOREFN_ISA must be one of {names} on this CPU, got '{name}'"
        assert child.stderr.splitlines()[-1] == message


@pytest.mark.slow
def test_an_empty_isa_is_none():
    child = run_python("-c", "import scorefn; print(scorefn.show_config().isa)", SCOREFN_ISA="")
    assert child.stdout.split() == [scorefn.show_config().available_isas[-1]]


# --- Batch, position and strides ------------------------------------------------------------------

# More than two tiles of 16 rows, the last one not full.
ROWS = 35


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@for_each(cols=LENGTHS, dtype=DTYPES)
def test_a_row_alone_has_the_bits_it_has_in_a_batch(function, cols, dtype):
    inputs = inputs_for(ROWS, cols, dtype)
    batch = call(function, inputs)
    alone = [call(function, take_rows(inputs, slice(i, i + 1))) for i in range(ROWS)]
    assert same_bits(np.concatenate(alone), batch)
    # In every place of a tile, among other neighbours, and without an axis for rows.
    for start in range(1, 17):
        part = slice(start, start + 9)
        assert same_bits(call(function, take_rows(inputs, part)), batch[part])
    if function != "score_gradient":  # which takes a single row for one that samples share
        assert same_bits(call(function, take_rows(inputs, 5)), batch[5])


@pytest.mark.parametrize("function", ARGUMENTS)
@pytest.mark.parametrize("dtype", DTYPES)
@for_each(cols=LENGTHS)
def test_strides_do_not_change_the_bits(function, cols, dtype):
    inputs = inputs_for(ROWS, cols, dtype)
    where = mask_for(function, inputs)

    def laid_out(layout: Any) -> dict[str, Array]:
        return {name: layout(x) for name, x in inputs.items()}

    def every_other(x: Array) -> Array:
        wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
        view = wide[(slice(None, None, 2),) * x.ndim]
        view[...] = x
        return view

    def reversed_axes(x: Array) -> Array:
        flipped = (slice(None, None, -1),) * x.ndim
        return x[flipped].copy()[flipped]

    for options in ({}, {"where": where}):
        expected = call(function, inputs, **options)
        for layout in (np.asfortranarray, every_other, reversed_axes):
            assert same_bits(call(function, laid_out(layout), **options), expected)


@pytest.mark.parametrize("function", GRADIENTS)
def test_threads_do_not_change_what_is_accumulated(function):
    inputs = big_inputs(function, 33, np.float32)
    start = np.full_like(call(function, inputs), 0.1)
    results = []
    for num_threads in THREADS:
        out = start.copy()
        call(function, inputs, out=out, accumulate=True, num_threads=num_threads)
        results.append(out)
    assert all(same_bits(result, results[0]) for result in results)


SHARED_COLS = 70_001  # of a row that threads share out


@pytest.mark.parametrize("function", [*ROW_FUNCTIONS, *OBJECTIVES, "sample"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_that_share_out_rows_do_not_change_their_bits(function, dtype):
    inputs = inputs_for(2, SHARED_COLS, dtype)
    for name in (name for name in inputs if name.startswith("logits")):
        inputs[name][1, : SHARED_COLS // 2] = -np.inf  # whole parts without an allowed action
        inputs[name][1, inputs["actions"][1]] = 3.0
    wide = np.zeros((2, 2 * SHARED_COLS), dtype)
    wide[:, ::2] = inputs["logits"]
    options: dict[str, Any] = {"rng": 3} if function == "sample" else {}
    for where in (None, np.arange(SHARED_COLS) % 3 != 1):
        if where is not None:
            inputs["actions"] = inputs["actions"] // 3 * 3
            options["where"] = where
        for rows in (slice(0, 1), slice(0, 2)):
            few = take_rows(inputs, rows)
            results = [call(function, few, num_threads=n, **options) for n in THREADS]
            strided = call(function, {**few, "logits": wide[rows, ::2]}, num_threads=3, **options)
            assert {sha256(x) for x in results} == {sha256(strided)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_that_share_out_a_row_write_what_one_writes(dtype):
    inputs = inputs_for(1, SHARED_COLS, dtype)
    expected = call("score_gradient", inputs, num_threads=1)
    in_place = inputs["logits"].copy()
    call("score_gradient", {**inputs, "logits": in_place}, out=in_place, num_threads=3)
    assert same_bits(in_place, expected)
    twice = expected.copy()
    call("score_gradient", inputs, out=twice, accumulate=True, num_threads=3)
    assert same_bits(twice, 2 * expected)


def test_a_shared_row_without_an_allowed_action_is_an_error_and_one_with_nan_is_nan():
    inputs = inputs_for(1, SHARED_COLS, np.float32)
    inputs["logits"][0, 40_000] = np.nan
    assert np.isnan(call("log_softmax", inputs, num_threads=3)).all()
    inputs["logits"][:] = -np.inf
    out = np.full_like(inputs["logits"], 7)
    with pytest.raises(ValueError, match="has no allowed action"):
        call("log_softmax", inputs, out=out, num_threads=3)
    assert (out == 7).all()


def test_out_and_accumulate_do_not_change_the_bits_of_large_gradients():
    """A fresh array may be written as the sums go, one that is given only once all is well."""
    inputs = large_parameters(9, np.float32)
    for function in ("tabular_gradient", "linear_gradient"):
        expected = call(function, inputs)
        assert same_bits(call(function, inputs, out=np.empty_like(expected)), expected)
        out = np.zeros_like(expected)
        assert np.array_equal(call(function, inputs, out=out, accumulate=True), expected)


def test_every_way_to_set_the_threads_gives_the_same_bits():
    inputs = big_inputs("linear_gradient", 9, np.float32)
    expected = call("linear_gradient", inputs, num_threads=1)
    with scorefn.threads(3):
        assert same_bits(call("linear_gradient", inputs), expected)
    scorefn.set_num_threads(2)
    try:
        assert same_bits(call("linear_gradient", inputs), expected)
    finally:
        scorefn.set_num_threads(None)


# --- Threads of the caller ------------------------------------------------------------------------

CALLERS = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import scorefn

rng = np.random.default_rng(0)
z = [rng.normal(size=(8000, 18)) for _ in range(8)]
actions = rng.integers(18, size=8000)

def gradient(logits):
    return scorefn.score_gradient(logits, actions, np.ones(8000), num_threads=2).tobytes()

expected = [gradient(logits) for logits in z]
with ThreadPoolExecutor(4) as pool:
    for _ in range(5):
        assert list(pool.map(gradient, z)) == expected
print("same")
"""


LONE = [*((f, 18) for f in ARGUMENTS), ("score_gradient", SHARED_COLS), ("sample", SHARED_COLS)]


@pytest.mark.thread_unsafe(reason="regions of other threads count, too")
@pytest.mark.parametrize(("function", "cols"), LONE)
def test_a_thread_that_works_alone_gives_the_same_bits(function, cols):
    """Because the machine is busy: some or all regions of a call are not shared then."""
    if cols == SHARED_COLS:
        inputs = inputs_for(1, cols, np.float32)
    else:
        inputs = big_inputs(function, cols, np.float32)
    options: dict[str, Any] = {"rng": 1} if function == "sample" else {}
    expected = sha256(call(function, inputs, num_threads=1, **options))
    was_alone = False
    while not was_alone:  # the thread may share again before it is called
        back_off()
        before = regions_alone()
        assert sha256(call(function, inputs, num_threads=2, **options)) == expected
        was_alone = regions_alone() > before


@pytest.mark.slow
def test_calls_from_several_threads_at_once_give_the_same_bits():
    child = run_python("-c", CALLERS, timeout=60.0)
    assert child.stdout == "same\n", child.stderr


if __name__ == "__main__":
    json.dump({"isa": scorefn.show_config().isa, "hashes": all_hashes()}, sys.stdout)
