"""What all scans over time have in common: references, bits, layouts, axes, errors."""

from __future__ import annotations

import inspect
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from _functions import same_bits
from _scans import ARRAYS, SCANS, WITH_RATIOS, arguments_of, map_arrays, numbers_of, reference, scan

SHAPES: list[tuple[int, ...]] = [(1,), (700,), (40, 3), (5, 2, 30), (12, 700)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SCANS)
def test_reference_in_float64(name: str, shape: tuple[int, ...]) -> None:
    """Every bit, unless ratios are exponentials, some tens of which are off by an ULP each."""
    arguments = arguments_of(name, 3, shape, np.float64)
    for actual, expected in zip(scan(name, arguments), reference(name, arguments), strict=True):
        assert actual.dtype == np.float64
        if name in WITH_RATIOS:
            np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-13)
        else:
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", SCANS)
def test_reference_in_float32(name: str, dtype: Any) -> None:
    """The reference rounded once, as sums are float64. Ratios may lead to the neighbour."""
    arguments = arguments_of(name, 4, (300, 5), dtype)
    for actual, expected in zip(scan(name, arguments), reference(name, arguments), strict=True):
        assert actual.dtype == np.float32
        if name in WITH_RATIOS:
            np.testing.assert_array_max_ulp(actual, expected.astype(np.float32), maxulp=1)
        else:
            np.testing.assert_array_equal(actual, expected.astype(np.float32))


LAYOUTS = {
    "time last": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SCANS)
def test_layouts_and_threads_change_no_bit(name: str, dtype: Any, layout: str) -> None:
    arguments = arguments_of(name, 5, (30, 1500), dtype)
    expected = scan(name, arguments)
    alone = map_arrays(arguments, lambda x: x[:, 700])
    assert same_bits(scan(name, alone), tuple(x[:, 700].copy() for x in expected))
    moved = map_arrays(arguments, LAYOUTS[layout])
    for num_threads in (1, 3):
        with scorefn.threads(num_threads):
            assert same_bits(scan(name, moved), expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3, np.int64(1)])
@pytest.mark.parametrize("name", SCANS)
def test_axis(name: str, axis: int) -> None:
    arguments = arguments_of(name, 6, (4, 5, 6), np.float32)
    expected = scan(name, arguments)
    moved = map_arrays(arguments, lambda x: np.moveaxis(x, 0, axis).copy())
    for actual, x in zip(scan(name, {**moved, "axis": axis}), expected, strict=True):
        assert same_bits(actual, np.moveaxis(x, 0, axis))
        assert axis not in (2, -1) or actual.flags.c_contiguous


@pytest.mark.parametrize("name", SCANS)
def test_bad_axis(name: str) -> None:
    arguments = arguments_of(name, 6, (4, 5), np.float32)
    with pytest.raises(ValueError, match=r"axis must be an axis of shape \(4, 5\), got 2"):
        scan(name, {**arguments, "axis": 2})
    for wrong, kind in ((None, "NoneType"), (1.0, "float"), (True, "bool")):
        with pytest.raises(TypeError, match=f"axis must be an int.*, got {kind}"):
            scan(name, {**arguments, "axis": wrong})
    for x in (np.float64(1.0), 2.0):
        with pytest.raises(ValueError, match=r"rewards must have an axis of time, got shape \(\)"):
            scan(name, {**arguments, **dict.fromkeys(numbers_of(arguments), x)})


@pytest.mark.parametrize("name", SCANS)
def test_steps_that_do_not_count_may_hold_anything(name: str) -> None:
    """They are passed over: as if they were not there."""
    arguments = arguments_of(name, 7, (60,), np.float64)
    valid = arguments["valid"]
    kept = map_arrays(arguments, lambda x: x[valid])
    for number in numbers_of(arguments):
        arguments[number][~valid] = [np.nan, np.inf, -np.inf][len(number) % 3]
    for actual, expected in zip(scan(name, arguments), scan(name, kept), strict=True):
        assert same_bits(actual[valid], expected)
        np.testing.assert_array_equal(actual[~valid], 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("shape", "axis"), [((9,), 0), ((9, 700), 0), ((2, 9, 3), 1), ((3, 9), 1)])
@pytest.mark.parametrize("name", SCANS)
def test_the_first_number_that_is_not_finite_is_named(
    name: str, shape: tuple[int, ...], axis: int, bad: float
) -> None:
    arguments = {**arguments_of(name, 8, shape, np.float32), "axis": axis}
    for flag in ("terminated", "truncated"):
        arguments[flag][...] = False
    arguments["valid"][...] = True
    last = tuple(n - 1 for n in shape)
    last_of_first = tuple(n - 1 if i == axis else 0 for i, n in enumerate(shape))  # environment
    for number, place in itertools.product(numbers_of(arguments), (last, last_of_first)):
        is_log = number.startswith("log")
        if is_log and bad == -np.inf:
            continue
        x = arguments[number].copy()
        x[place] = bad
        index = ", ".join(map(str, place))
        expected = "finite or -inf" if is_log else "finite"
        message = rf"{number}\[{index}\] must be {expected}, got {bad}"
        with pytest.raises(ValueError, match=message):
            scan(name, {**arguments, number: x})


@pytest.mark.parametrize("name", SCANS)
def test_what_follows_a_terminated_step_is_not_read(name: str) -> None:
    arguments = arguments_of(name, 9, (50, 3), np.float64)
    expected = scan(name, arguments)
    arguments["next_values"][arguments["terminated"]] = np.nan
    assert same_bits(scan(name, arguments), expected)


@pytest.mark.parametrize("name", SCANS)
def test_wrong_arguments(name: str) -> None:
    arguments = arguments_of(name, 10, (4, 3), np.float64)
    for array in ARRAYS[name][1:]:
        with pytest.raises(ValueError, match=rf"{array} must have shape \(4, 3\), got \(4, 1\)"):
            scan(name, {**arguments, array: np.zeros((4, 1))})
        with pytest.raises(TypeError, match=f"{array} must be real numbers, got complex128"):
            scan(name, {**arguments, array: np.zeros((4, 3), complex)})
    for flag in ("terminated", "truncated", "valid"):
        with pytest.raises(ValueError, match=rf"{flag} must have shape \(4, 3\), got \(3,\)"):
            scan(name, {**arguments, flag: np.zeros(3, bool)})
        with pytest.raises(TypeError, match=f"{flag} must be bool"):
            scan(name, {**arguments, flag: np.zeros((4, 3))})
    for option in ("discount", "lambda_", "gae_lambda", "alpha"):
        if option in arguments:
            for wrong in (-0.5, 1.5, np.nan):
                with pytest.raises(ValueError, match=f"{option} must be .*, got {wrong}"):
                    scan(name, {**arguments, option: wrong})
            with pytest.raises(TypeError, match=f"{option} must be a real number, got str"):
                scan(name, {**arguments, option: "1"})
    for option in ("clip", "clip_rho", "clip_c", "clip_pg_rho"):
        if option in arguments:
            for wrong in (-0.5, np.nan):
                with pytest.raises(ValueError, match=f"{option} must be at least 0, got {wrong}"):
                    scan(name, {**arguments, option: wrong})
            with pytest.raises(TypeError, match=f"{option} must be a real number, got str"):
                scan(name, {**arguments, option: "1"})


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (2, 0, 3)])
@pytest.mark.parametrize("name", SCANS)
def test_nothing(name: str, shape: tuple[int, ...]) -> None:
    for result in scan(name, arguments_of(name, 11, shape, np.float32)):
        assert result.shape == shape
        assert result.dtype == np.float32


@pytest.mark.parametrize("name", SCANS)
def test_options_are_keywords(name: str) -> None:
    parameters = inspect.signature(getattr(scorefn, name)).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    extra = ["discount"] if name == "discounted_returns" else []
    assert positional == ARRAYS[name] + extra


BITS = """
from _scans import SCANS, arguments_of, scan
import hashlib
digest = hashlib.sha256()
for name in SCANS:
    for dtype in ("float32", "float64"):
        for shape in ((300,), (20, 3), (9, 700)):
            for x in scan(name, arguments_of(name, 1, shape, dtype)):
                digest.update(x.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_instruction_sets_change_no_bit() -> None:
    hashes = set()
    for isa in scorefn.show_config().available_isas:
        environment = {**os.environ, "SCOREFN_ISA": isa}
        command = [sys.executable, "-c", BITS]
        folder = Path(__file__).parent
        hashes.add(subprocess.check_output(command, env=environment, cwd=folder, text=True))
    assert len(hashes) == 1
