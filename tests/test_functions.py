"""Every function against SciPy and the references of scorefn.testing, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

import scorefn
from _cases import for_each
from _functions import (
    ARGUMENTS,
    DTYPES,
    FEW_LENGTHS,
    FUNCTIONS,
    GRADIENTS,
    LENGTHS,
    OBJECTIVES,
    ROW_FUNCTIONS,
    call,
    inputs_for,
    mask_for,
    same_bits,
    take_rows,
)
from _strategies import examples
from _tolerance import assert_near, row_gradient_scale
from scorefn import testing

INF, NAN = np.inf, np.nan
# All but sample and the objectives, which have files of their own.
NUMERIC = [function for function in FUNCTIONS if function not in ("sample", *OBJECTIVES)]
BATCHES = [0, 1, 3, 16, 17, 100]
MOST_ENTRIES = 17 * 4099  # A batch of long rows has fewer of them.


# --- Against other implementations ----------------------------------------------------------------


@pytest.mark.parametrize("cols", LENGTHS)
@for_each(rows=BATCHES, dtype=DTYPES)
def test_softmax_family_agrees_with_scipy(rows, cols, dtype):
    if rows * cols > MOST_ENTRIES:
        return
    z = inputs_for(rows, cols, dtype)["logits"]
    wide = z.astype(np.float64)
    # SciPy's own rounding in float64, and four ULP of ours; a logsumexp near 0 has cancelled.
    close = {"rtol": 4.0 * float(np.finfo(dtype).eps) + 1e-13, "atol": 1e-13}
    axis = {"axis": -1}
    np.testing.assert_allclose(
        scorefn.log_softmax(z), scipy.special.log_softmax(wide, **axis), **close
    )
    np.testing.assert_allclose(scorefn.softmax(z), scipy.special.softmax(wide, **axis), **close)
    close["atol"] += 4.0 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(scorefn.logsumexp(z), scipy.special.logsumexp(wide, **axis), **close)


@pytest.mark.parametrize("function", NUMERIC)
@pytest.mark.parametrize("dtype", DTYPES)
@for_each(cols=LENGTHS)
def test_agrees_with_the_reference(function, cols, dtype):
    for rows in BATCHES:
        if rows * cols <= MOST_ENTRIES:
            assert_near(function, inputs_for(rows, cols, dtype))


@pytest.mark.parametrize("function", NUMERIC)
@for_each(cols=LENGTHS, dtype=DTYPES)
def test_masked_agrees_with_the_reference(function, cols, dtype):
    inputs = inputs_for(17, cols, dtype)
    where = mask_for(function, inputs)
    result = assert_near(function, inputs, where=where)
    if result.shape == where.shape:
        assert (result[~where] == (-INF if function == "log_softmax" else 0.0)).all()
    # One mask for all rows; action 0 is allowed.
    for_all = where[0] | (np.arange(cols) == 0)
    repeated = np.broadcast_to(for_all, where.shape)
    assert same_bits(call(function, inputs, where=for_all), call(function, inputs, where=repeated))


@pytest.mark.parametrize("function", GRADIENTS)
@pytest.mark.parametrize("entropy_coef", [0.7, -2.0])
@for_each(cols=LENGTHS, dtype=DTYPES)
def test_entropy_coef_agrees_with_the_reference(function, cols, dtype, entropy_coef):
    inputs = inputs_for(17, cols, dtype)
    assert_near(function, inputs, entropy_coef=entropy_coef)
    assert_near(function, inputs, entropy_coef=entropy_coef, where=mask_for(function, inputs))


@pytest.mark.parametrize("cols", FEW_LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
def test_a_shared_row_is_a_table_with_one_state(cols, dtype, entropy_coef):
    inputs = inputs_for(100, cols, dtype, states=1)
    inputs["states"] = np.zeros(100, dtype=np.int64)
    options = {"entropy_coef": entropy_coef}
    table = assert_near("tabular_gradient", inputs, **options)
    samples = inputs["actions"], inputs["weights"]
    for where in (None, mask_for("tabular_gradient", inputs)[0]):
        shared = scorefn.score_gradient(inputs["table"][0], *samples, where=where, **options)
        table = call("tabular_gradient", inputs, where=where, **options)
        assert same_bits(shared, table[0])


# --- Values that are not finite -------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(cols=FEW_LENGTHS, dtype=DTYPES)
def test_a_masked_slot_may_hold_anything(function, cols, dtype):
    inputs = inputs_for(17, cols, dtype)
    where = mask_for(function, inputs)
    sources = {"tabular_gradient": ["table"], "linear_gradient": ["coef"]}
    names = sources.get(function, ["logits", "logits_q"])
    if names == ["coef"]:  # of an action that is masked for all samples
        where = where[0]
    expected = call(function, inputs, where=where)
    for garbage in (-INF, INF, NAN, np.finfo(dtype).max):
        spoiled = dict(inputs)
        for name in names:
            spoiled[name] = np.where(where, inputs[name], dtype(garbage))
        assert same_bits(call(function, spoiled, where=where), expected)
        if garbage == -INF and names != ["coef"]:  # a coef of -inf times a feature of 0 is NaN
            assert same_bits(call(function, spoiled), expected)


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@for_each(cols=FEW_LENGTHS, dtype=DTYPES, bad=[NAN, INF])
def test_a_bad_row_is_nan_and_harms_no_other(function, cols, dtype, bad):
    clean = inputs_for(35, cols, dtype)
    clean["weights"][:] = 1.5
    expected = call(function, clean)
    bad_rows = [0, 7, 16, 34]
    for name in ("logits", "logits_q") if function == "kl_divergence" else ("logits",):
        inputs = {**clean, name: clean[name].copy()}
        for row, slot in zip(bad_rows, [0, cols // 2, cols - 1, cols // 3], strict=True):
            inputs[name][row, slot] = bad
        result = call(function, inputs)
        assert np.isnan(result[bad_rows]).all()
        good = np.setdiff1d(np.arange(35), bad_rows)
        assert same_bits(result[good], expected[good])
        if function in GRADIENTS:
            result = call(function, inputs, entropy_coef=0.5)
            assert np.isnan(result[bad_rows]).all()
        # The same slots masked: nothing is bad any more.
        if cols > 1:
            where = np.isfinite(inputs[name])
            assert same_bits(
                call(function, inputs, where=where), call(function, clean, where=where)
            )


@for_each(cols=FEW_LENGTHS, dtype=DTYPES)
def test_a_weight_of_0_contributes_exactly_0(cols, dtype):
    inputs = inputs_for(35, cols, dtype)
    inputs["weights"][:] = 2.0
    bad_rows = [1, 16, 33]
    inputs["weights"][bad_rows] = 0.0
    spoiled = {**inputs, "logits": inputs["logits"].copy(), "features": inputs["features"].copy()}
    spoiled["logits"][bad_rows] = np.array([NAN, INF, NAN])[:, None]
    spoiled["features"][bad_rows] = np.array([NAN, INF, -INF])[:, None]

    result = call("score_gradient", spoiled)
    assert (result[bad_rows] == 0.0).all()
    assert same_bits(result, call("score_gradient", inputs))
    assert same_bits(call("linear_gradient", spoiled), call("linear_gradient", inputs))

    # A table: state 0 is NaN, and visited with weights of 0 only.
    inputs["states"][:] = 1 + inputs["states"] % 5
    inputs["states"][bad_rows] = 0
    spoiled = {**inputs, "table": inputs["table"].copy()}
    spoiled["table"][0] = NAN
    result = call("tabular_gradient", spoiled)
    assert (result[0] == 0.0).all()
    assert same_bits(result, call("tabular_gradient", inputs))
    spoiled["weights"] = np.ones_like(inputs["weights"])
    result = call("tabular_gradient", spoiled)
    assert np.isnan(result[0]).all()
    assert not np.isnan(result[1:]).any()

    # Neither does the log-prob -inf of a forbidden action, which a weight other than 0 counts.
    if cols > 1:
        z = inputs["logits"].copy()
        z[np.arange(35), inputs["actions"]] = -INF
        result = scorefn.score_gradient(z, inputs["actions"], inputs["weights"])
        assert (result[bad_rows] == 0.0).all()
        assert np.isfinite(result).all()


@for_each(cols=[n for n in FEW_LENGTHS if n > 1], dtype=DTYPES)
def test_kl_divergence_from_one_that_forbids(cols, dtype):
    inputs = inputs_for(35, cols, dtype)
    p, q = inputs["logits"], inputs["logits_q"].copy()
    q[::2, cols // 2] = -INF
    result = scorefn.kl_divergence(p, q)
    assert (result[::2] == INF).all()
    assert np.isfinite(result[1::2]).all()


@for_each(dtype=DTYPES, cols=[3, 40])
def test_weights_that_cancel_do_not_hide_a_bad_row(dtype, cols):
    row = np.full(cols, NAN, dtype)
    for shared in (
        scorefn.score_gradient(row, [0, 0], [1.0, -1.0]),
        scorefn.tabular_gradient(row[None], [0, 0], [0, 0], [1.0, -1.0])[0],
    ):
        assert np.isnan(shared).all()


@pytest.mark.parametrize("function", FUNCTIONS)
@for_each(cols=FEW_LENGTHS, dtype=DTYPES)
def test_no_allowed_action(function, cols, dtype):
    inputs = inputs_for(18, cols, dtype)
    where = mask_for(function, inputs)
    row = len(where) - 1
    where[row] = False
    inputs["states"][-1] = row
    name = {
        "kl_divergence": "logits_p",
        "tabular_gradient": "table",
        "linear_gradient": "features",
    }.get(function, "logits")
    with pytest.raises(ValueError, match=rf"^{name}\[{row}\].* has no allowed action: "):
        call(function, inputs, where=where)


# --- out and accumulate ---------------------------------------------------------------------------


@pytest.mark.parametrize("function", GRADIENTS)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@for_each(cols=FEW_LENGTHS, dtype=DTYPES)
def test_accumulate_adds_to_out(function, cols, dtype, entropy_coef):
    inputs = inputs_for(19, cols, dtype)
    options = {"entropy_coef": entropy_coef}
    gradient = call(function, inputs, **options)
    start = np.random.default_rng(1).normal(size=gradient.shape).astype(dtype)
    out = start.copy()
    assert call(function, inputs, out=out, accumulate=True, **options) is out
    # The gradient and the sum, each rounded once.
    ulp = np.spacing(np.maximum(np.abs(start), np.abs(gradient)).astype(dtype))
    assert (np.abs(out - (start + gradient)) <= 2.0 * ulp).all()


@pytest.mark.parametrize("function", NUMERIC)
@for_each(cols=FEW_LENGTHS, dtype=DTYPES)
def test_out_has_the_bits_of_a_fresh_result(function, cols, dtype):
    inputs = inputs_for(19, cols, dtype)
    fresh = call(function, inputs)
    out = np.full_like(fresh, 123.0)
    assert call(function, inputs, out=out) is out
    assert same_bits(out, fresh)
    for name in {"logits", "table", "coef"}.intersection(ARGUMENTS[function]):
        if inputs[name].shape == fresh.shape:
            in_place = {**inputs, name: inputs[name].copy()}
            assert call(function, in_place, out=in_place[name]) is in_place[name]
            assert same_bits(in_place[name], fresh)


# --- Invariances ----------------------------------------------------------------------------------

few_examples = examples(25)  # there are many functions
cols_and_rows = {
    "seed": st.integers(0, 2**32 - 1),
    "rows": st.integers(1, 40),
    "cols": st.one_of(st.integers(1, 70), st.sampled_from(LENGTHS[:-1])),
    "dtype": st.sampled_from(DTYPES),
}


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@few_examples
@given(**cols_and_rows)
def test_permuted_rows_give_permuted_results(function, seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    order = np.random.default_rng(seed).permutation(rows)
    expected = call(function, inputs)[order]
    assert same_bits(call(function, take_rows(inputs, order)), expected)


@pytest.mark.parametrize("function", [*ROW_FUNCTIONS, "sample"])
@few_examples
@given(cut=st.integers(0, 40), **cols_and_rows)
def test_a_batch_may_be_split(function, cut, seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    whole = call(function, inputs)
    cut = min(cut, rows)
    head = call(function, take_rows(inputs, slice(None, cut)))
    if function == "sample":  # its draws depend on the row's number
        assert same_bits(head, tuple(x[:cut] for x in whole))
    else:
        tail = call(function, take_rows(inputs, slice(cut, None)))
        assert same_bits(np.concatenate([head, tail]), whole)


@pytest.mark.parametrize("function", FUNCTIONS)
@few_examples
@given(**cols_and_rows)
def test_a_mask_that_allows_all_is_no_mask(function, seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    where = np.ones_like(mask_for(function, inputs))
    assert same_bits(call(function, inputs, where=where), call(function, inputs))


@pytest.mark.parametrize(
    "function", ["log_softmax", "softmax", "logsumexp", "log_prob", "entropy", "score"]
)
@few_examples
@given(shift=st.integers(-1024, 1024), **cols_and_rows)
def test_a_shift_of_all_logits_changes_only_rounding(function, shift, seed, rows, cols, dtype):
    """Logits and shift are multiples of 2^-10 below 2^11, so that their sums are exact.

    exp is taken of z - N ln 2, whose rounding depends on N. Where a result is within so many ULP of
    the true one, it and the shifted one are within twice as many of each other.
    """
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    inputs["logits"] = np.round(inputs["logits"] * 1024) / dtype(1024)
    by_row = (shift + np.arange(rows) % 7).astype(dtype)[:, None]
    shifted = {**inputs, "logits": inputs["logits"] + by_row}
    actual, expected = call(function, shifted), call(function, inputs)
    if function == "logsumexp":  # the maximum and the logarithm of the sum are added: rounded once
        step = 0.5 * (np.spacing(np.abs(actual)) + np.spacing(np.abs(expected)))
        wide = actual.astype(np.float64) - by_row[:, 0]
        eps = np.finfo(np.float64).eps * (2048.0 + np.abs(expected))
        assert (np.abs(wide - expected) <= step + eps).all()
    else:
        limit = 4.0 if dtype is np.float32 else 8.0
        assert testing.ulp_error(actual, expected.astype(np.float64)).max() <= 2 * limit


@few_examples
@given(**cols_and_rows)
def test_log_prob_is_log_softmax_at_the_action(seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    expected = scorefn.log_softmax(inputs["logits"])
    expected = np.take_along_axis(expected, inputs["actions"][:, None], axis=-1)[:, 0]
    # Each rounds twice or thrice: log_softmax the logarithm of the sum to its dtype, for one.
    assert testing.ulp_error(call("log_prob", inputs), expected).max() <= 4.0


@few_examples
@given(**cols_and_rows)
def test_score_is_onehot_minus_softmax(seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    onehot = np.arange(cols) == inputs["actions"][:, None]
    # Both are within four ULP, here of 1 at most; onehot - softmax rounds, but score does not.
    atol = 9.0 * float(np.finfo(dtype).eps)
    expected = onehot - call("softmax", inputs)
    np.testing.assert_allclose(call("score", inputs), expected, rtol=0.0, atol=atol)


@few_examples
@given(**cols_and_rows)
def test_score_gradient_of_weight_1_is_the_score(seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    inputs["weights"][:] = 1.0
    for where in (None, mask_for("score", inputs)):
        score = call("score", inputs, where=where)
        assert same_bits(call("score_gradient", inputs, where=where), score)


@few_examples
@given(power=st.integers(-20, 20), **cols_and_rows)
def test_a_weight_that_is_a_power_of_two_scales_exactly(power, seed, rows, cols, dtype):
    """No result is subnormal: then a factor of 2^n changes no digit, and -1 none either."""
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    for function in GRADIENTS:
        expected = call(function, inputs)
        for factor in (2.0**power, -1.0):
            weights = inputs["weights"] * dtype(factor)
            scaled = call(function, {**inputs, "weights": weights})
            assert np.array_equal(scaled, expected * dtype(factor))


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@few_examples
@given(**cols_and_rows)
def test_a_table_of_distinct_states_has_the_rows_of_score_gradient(
    entropy_coef, seed, rows, cols, dtype
):
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    states = np.random.default_rng(seed).permutation(rows)
    table = np.empty_like(inputs["logits"])
    table[states] = inputs["logits"]
    options = {"entropy_coef": entropy_coef}
    samples = inputs["actions"], inputs["weights"]
    actual = scorefn.tabular_gradient(table, states, *samples, **options)[states]
    expected = call("score_gradient", inputs, **options)
    scale = row_gradient_scale(inputs["logits"], inputs, entropy_coef, None)
    # Both are within four ULP of the terms that are added up.
    assert (np.abs(actual - expected) <= 8.0 * np.finfo(dtype).eps * scale).all()


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@few_examples
@given(**cols_and_rows)
def test_identity_features_give_the_rows_of_score_gradient(entropy_coef, seed, rows, cols, dtype):
    """features = I and coef = logits: sample i has the logits of row i, without any rounding."""
    inputs = inputs_for(rows, cols, dtype, seed=seed)
    options = {"entropy_coef": entropy_coef}
    inputs |= {"features": np.eye(rows, dtype=dtype), "coef": inputs["logits"]}
    actual = call("linear_gradient", inputs, **options)
    assert np.array_equal(actual, call("score_gradient", inputs, **options))


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@few_examples
@given(**cols_and_rows)
def test_a_constant_feature_gives_the_sum_over_the_samples(entropy_coef, seed, rows, cols, dtype):
    inputs = inputs_for(rows, cols, dtype, seed=seed, features=1)
    inputs["features"][:] = 1.0
    row, samples = inputs["coef"][0], (inputs["actions"], inputs["weights"])
    linear = call("linear_gradient", inputs, entropy_coef=entropy_coef)[0]
    shared = scorefn.score_gradient(row, *samples, entropy_coef=entropy_coef)
    repeated = {**inputs, "logits": np.tile(row, (rows, 1))}
    scale = row_gradient_scale(repeated["logits"], repeated, entropy_coef, None).sum(axis=0)
    # Both within four ULP of the terms that are added up.
    assert (np.abs(linear - shared) <= 8.0 * np.finfo(dtype).eps * scale).all()


@for_each(dtype=[np.float32, np.float64], cols=[1, 2, 3, 5, 8, 9, 16, 17])
def test_the_first_of_many_rows_without_an_allowed_action(cols: int, dtype: type) -> None:
    """Rows without one are looked for many at a time; the result array keeps what it holds."""
    rng = np.random.default_rng(cols)
    logits = rng.normal(size=(300, cols)).astype(dtype)
    logits[rng.random(logits.shape) < 0.3] = -INF
    logits[:, -1] = 1.0
    out = np.full_like(logits, 7.0)
    for array in (logits, np.repeat(logits, 2, axis=1)[:, ::2]):
        assert np.isfinite(scorefn.softmax(array, out=out)).all()
    for row in (299, 65, 64, 63, 0):
        logits[row] = -INF
        out[:] = 7.0
        for array in (logits, np.repeat(logits, 2, axis=1)[:, ::2]):
            with pytest.raises(ValueError, match=rf"logits\[{row}\] has no allowed action"):
                scorefn.softmax(array, out=out)
            assert (out == 7.0).all()
