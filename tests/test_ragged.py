"""Ragged rows have the bits of dense ones. Bad offsets are refused before anything is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _cases import for_each
from _functions import ARGUMENTS, DTYPES, ROW_FUNCTIONS, same_bits
from _ragged import Ragged, mixed_lengths, ragged_of
from scorefn import testing

Array = NDArray[Any]

FLAT = ["log_softmax", "softmax", "score", "score_gradient"]  # an entry of the result per logit
FUNCTIONS = [name for name in ARGUMENTS if "logits" in ARGUMENTS[name]]
LENGTHS = {
    "mixed": mixed_lengths(),
    "equal": np.full(300, 7),
    "one row": np.array([9]),
    "ones": np.ones(5000, int),
    "few": np.array([3, 1, 200, 3, 2000, 2]),
    "many windows": np.random.default_rng(2).integers(1, 300, 2000),
}


def call(function: str, arrays: dict[str, Array], **options: Any) -> Any:
    if function == "sample":
        options = {"rng": 0, "entropy": True, **options}
    return getattr(scorefn, function)(*(arrays[a] for a in ARGUMENTS[function]), **options)


def masks(arrays: dict[str, Array], names: tuple[str, ...]) -> dict[str, Array]:
    return {name: arrays[name] for name in names}


def assert_rows_are_dense(
    ragged: Ragged, function: str, result: Any, with_masks: tuple[str, ...], **options: Any
) -> None:
    for rows, arrays in ragged.of_length():
        dense = call(function, arrays, **masks(arrays, with_masks), **options)
        if function in FLAT:
            assert same_bits(ragged.gathered(result, rows), dense)
        else:
            assert same_bits(result[rows], dense)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@for_each(with_masks=[(), ("where",), ("valid",), ("where", "valid")])
def test_rows_have_the_bits_of_dense_ones(
    dtype: Any, function: str, lengths: str, with_masks: tuple[str, ...]
) -> None:
    ragged = ragged_of(LENGTHS[lengths], dtype)
    result = call(
        function, ragged.arrays, offsets=ragged.offsets, **masks(ragged.arrays, with_masks)
    )
    assert_rows_are_dense(ragged, function, result, with_masks)


@pytest.mark.parametrize("dtype", DTYPES)
def test_entropy_bonus(dtype: Any) -> None:
    ragged = ragged_of(mixed_lengths(), dtype)
    result = call("score_gradient", ragged.arrays, offsets=ragged.offsets, entropy_coef=0.3)
    assert_rows_are_dense(ragged, "score_gradient", result, (), entropy_coef=0.3)


@pytest.mark.parametrize("with_masks", [(), ("where", "valid")])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_draws_as_in_a_dense_call(
    dtype: Any, lengths: str, with_masks: tuple[str, ...]
) -> None:
    sizes = np.minimum(LENGTHS[lengths], 300)[:900]
    ragged = ragged_of(sizes, dtype)
    drawn = call(
        "sample", ragged.arrays, offsets=ragged.offsets, **masks(ragged.arrays, with_masks)
    )
    for rows, arrays in ragged.of_length():
        # A call of as many rows, of which the others are of no interest.
        logits = np.zeros((len(sizes), sizes[rows[0]]), dtype)
        logits[rows] = arrays["logits"]
        options: dict[str, Any] = {"rng": 0, "entropy": True}
        if with_masks:
            options["where"] = np.ones(logits.shape, bool)
            options["where"][rows] = arrays["where"]
            options["valid"] = ragged.rows["valid"]
        for of_ragged, dense in zip(drawn, scorefn.sample(logits, **options), strict=True):
            assert same_bits(of_ragged[rows], dense[rows])


def test_a_long_row_draws_as_in_a_dense_call() -> None:
    lengths = np.array([3, 70_000, 5, 3000, 5])
    ragged = ragged_of(lengths, np.float32)
    drawn = scorefn.sample(ragged.flat["logits"], rng=0, offsets=ragged.offsets)
    for i, length in enumerate(lengths):
        logits = np.zeros((5, length), np.float32)
        logits[i] = ragged.flat["logits"][ragged.offsets[i] : ragged.offsets[i + 1]]
        assert drawn.actions[i] == scorefn.sample(logits, rng=0).actions[i]


@pytest.mark.parametrize("lengths", ["mixed", "many windows"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_number_of_threads(dtype: Any, function: str, lengths: str) -> None:
    ragged = ragged_of(LENGTHS[lengths], dtype)
    results = [
        call(
            function,
            ragged.arrays,
            offsets=ragged.offsets,
            num_threads=n,
            **masks(ragged.arrays, ("where", "valid")),
        )
        for n in (1, 2, 3)
    ]
    assert same_bits(results[1], results[0])
    assert same_bits(results[2], results[0])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_references_take_offsets(function: str) -> None:
    ragged = ragged_of(mixed_lengths(rows=400)[:60], np.float64)
    arrays = {**ragged.arrays, "logits": np.clip(ragged.flat["logits"], -3, 3)}
    options: dict[str, Any] = {"rng": 0} if function == "sample" else {}
    options.update(offsets=ragged.offsets, where=arrays["where"])
    arguments = [arrays[a] for a in ARGUMENTS[function]]
    actual = getattr(scorefn, function)(*arguments, **options)
    expected = getattr(testing, function)(*arguments, **options)
    pairs = (
        zip(actual, expected, strict=True) if isinstance(actual, tuple) else [(actual, expected)]
    )
    for a, e in pairs:
        if e is None:
            continue
        # Sums over rows of 5000 entries at most, in double on both sides.
        np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lengths", ["mixed", "equal"])
@pytest.mark.parametrize("function", FLAT)
def test_out(function: str, lengths: str) -> None:
    ragged = ragged_of(LENGTHS[lengths], np.float32)
    expected = call(function, ragged.arrays, offsets=ragged.offsets)
    logits = ragged.flat["logits"].copy()  # in place
    arrays = {**ragged.arrays, "logits": logits}
    assert call(function, arrays, offsets=ragged.offsets, out=logits) is logits
    assert same_bits(logits, expected)
    strided = np.zeros((logits.size, 2), np.float32)
    call(function, ragged.arrays, offsets=ragged.offsets, out=strided[:, 0])
    assert same_bits(strided[:, 0], expected)
    assert not strided[:, 1].any()


@pytest.mark.parametrize("lengths", ["mixed", "equal"])
def test_accumulate(lengths: str) -> None:
    ragged = ragged_of(LENGTHS[lengths], np.float64)
    gradient = call("score_gradient", ragged.arrays, offsets=ragged.offsets)
    out = np.ones_like(gradient)
    call("score_gradient", ragged.arrays, offsets=ragged.offsets, out=out, accumulate=True)
    assert same_bits(out, 1.0 + gradient)


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(dtype=[np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint64])
def test_indices_of_any_dtype_and_arrays_with_strides(function: str, dtype: Any) -> None:
    ragged = ragged_of(np.random.default_rng(1).integers(1, 6, 30), np.float64)
    expected = call(function, ragged.arrays, offsets=ragged.offsets, where=ragged.flat["where"])

    def apart(x: Array) -> Array:
        return np.repeat(x, 2)[::2]

    arrays = {name: apart(x) for name, x in ragged.arrays.items()}
    arrays["actions"] = arrays["actions"].astype(dtype)
    actual = call(
        function, arrays, offsets=apart(ragged.offsets).astype(dtype), where=arrays["where"]
    )
    assert same_bits(actual, expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_rows(function: str) -> None:
    ragged = ragged_of(np.zeros(0, int), np.float32)
    result = call(function, ragged.arrays, offsets=ragged.offsets, where=ragged.flat["where"])
    for x in result if isinstance(result, tuple) else (result,):
        assert x is None or np.size(x) == 0 or np.isnan(x) or x == 0.0


BAD_OFFSETS = [
    ([0, 5, 4, 9], r"offsets\[2\] must be greater than offsets\[1\] = 5, .* got 4"),
    (
        [0, 5, 5, 9],
        r"offsets\[2\] must be greater than offsets\[1\] = 5, as each row has an action",
    ),
    ([0, 12, 9], r"offsets\[1\] must be at most 9, the number of logits, got 12"),
    ([0, -2, 9], r"offsets\[1\] must be at most 9, the number of logits, got -2"),
    ([0, 2**63, 9], r"offsets\[1\] must be at most 9, .* got 9223372036854775808"),
    ([1, 5, 9], r"offsets\[0\] must be 0, got 1"),
    ([0, 5, 8], r"offsets\[2\] must be 9, the number of logits, got 8"),
    ([0], r"offsets\[0\] must be 9, the number of logits, got 0"),
    ([], r"offsets must have shape \(num_rows \+ 1,\), got \(0,\)"),
    ([[0, 9]], r"offsets must have shape \(num_rows \+ 1,\), got \(1, 2\)"),
]


@pytest.mark.parametrize(("offsets", "message"), BAD_OFFSETS)
@for_each(function=FUNCTIONS)
def test_bad_offsets(function: str, offsets: Any, message: str) -> None:
    rows = max(np.size(offsets) - 1, 0)
    arrays = {name: np.zeros(9) for name in ("logits", "logits_q")}
    arrays |= {name: np.zeros(rows) for name in ("weights", "old_log_prob")}
    arrays["actions"] = np.zeros(rows, int)
    dtype = np.uint64 if 2**63 in np.ravel(offsets) else np.int64
    with pytest.raises(ValueError, match=message):
        call(function, arrays, offsets=np.array(offsets, dtype))


@pytest.mark.parametrize("lengths", [[2, 5, 3], [5, 5, 5]])
def test_bad_rows_are_named_and_nothing_is_written(lengths: list[int]) -> None:
    offsets = scorefn.offsets_from_lengths(lengths)
    logits, actions = np.zeros(offsets[-1]), np.zeros(3, int)
    out = np.full_like(logits, 7.0)
    logits[offsets[1] : offsets[2]] = -np.inf
    with pytest.raises(ValueError, match=r"logits\[1\] has no allowed action"):
        scorefn.softmax(logits, offsets=offsets, out=out)
    with pytest.raises(ValueError, match=r"logits\[1\] has no allowed action"):
        scorefn.softmax(logits, offsets=offsets)
    logits[:] = 0.0
    actions[2] = 6
    match = rf"actions\[2\] = 6 is out of range for {lengths[2]} actions"
    for given in (out, None):
        with pytest.raises(IndexError, match=match):
            scorefn.score(logits, actions, offsets=offsets, out=given)
    with pytest.raises(ValueError, match=r"logits_q\[0\] has no allowed action"):
        scorefn.kl_divergence(
            logits, np.where(np.arange(offsets[-1]) < offsets[1], -np.inf, 0.0), offsets=offsets
        )
    logits[-1] = np.nan
    with pytest.raises(ValueError, match=r"logits\[2\] has NaN or \+inf"):
        scorefn.sample(logits, offsets=offsets)
    assert np.all(out == 7.0)


def test_rows_that_do_not_count_may_hold_anything() -> None:
    lengths = [2, 5, 3, 5]
    offsets = scorefn.offsets_from_lengths(lengths)
    valid = np.array([True, False, True, True])
    logits, actions = np.arange(15.0), np.array([1, -3, 0, 4])
    expected = scorefn.score(logits, np.maximum(actions, 0), offsets=offsets)
    expected[2:7] = 0.0
    logits[2:7] = [np.nan, -np.inf, -np.inf, np.inf, np.nan]
    out = np.empty(15)
    scorefn.score(logits, actions, offsets=offsets, valid=valid, out=out)
    assert same_bits(out, expected)


def test_what_makes_no_sense() -> None:
    offsets, logits = [0, 2, 5], np.zeros(5)
    with pytest.raises(ValueError, match="axis must be left out with offsets, got 0"):
        scorefn.softmax(logits, axis=0, offsets=offsets)
    with pytest.raises(ValueError, match="num_samples must be None with offsets, got 3"):
        scorefn.sample(logits, num_samples=3, offsets=offsets)
    with pytest.raises(ValueError, match=r"logits must have shape \(num_logits,\) with offsets"):
        scorefn.softmax(np.zeros((1, 5)), offsets=offsets)
    with pytest.raises(
        ValueError, match=r"actions must have shape \(2,\) with offsets, got \(2, 3\)"
    ):
        scorefn.log_prob(logits, np.zeros((2, 3), int), offsets=offsets)
    with pytest.raises(TypeError, match="offsets must be integers, got float64"):
        scorefn.softmax(logits, offsets=[0.0, 2.0, 5.0])
