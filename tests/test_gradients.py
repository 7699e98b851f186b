"""Every gradient is the derivative of its objective, and needs little memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import mpmath
import numpy as np
import pytest

import scorefn
import scorefn.testing
from _cases import for_each
from _functions import DTYPES, GRADIENTS, Array, call, inputs_for, mask_for, same_bits
from scorefn.testing import central_difference

INF = np.inf
COLS = [1, 2, 5, 18, 40]
SAMPLES = 9
# Central differences with a step h = 2^-17 and objectives J below: h^2 / 6 J''' is below 1e-9, as
# the third derivatives of 9 log-probabilities and entropies, times weights and features of up to 4,
# add up to less than 100; the rounding of J, a sum of terms up to 100, adds 1e-14 / h = 2e-9.
DIFFERENCE = 3e-9


def logits_of(function: str, parameters: Array, inputs: dict[str, Array]) -> Array:
    """One row of logits a sample."""
    if function == "score_gradient":
        return np.broadcast_to(parameters, (SAMPLES, parameters.shape[-1]))
    if function == "tabular_gradient":
        return parameters[inputs["states"]]
    return inputs["features"] @ parameters


def objective(
    function: str,
    parameters: Array,
    inputs: dict[str, Array],
    entropy_coef: float,
    where: Array | None,
) -> float:
    """sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)."""
    logits = logits_of(function, parameters, inputs)
    if function == "tabular_gradient" and where is not None and where.ndim == 2:
        where = where[inputs["states"]]
    log_prob = scorefn.log_prob(logits, inputs["actions"], where=where)
    entropy = scorefn.entropy(logits, where=where).sum()
    return float(inputs["weights"] @ log_prob + entropy_coef * entropy)


def allowed_actions(function: str, inputs: dict[str, Array], where: Array) -> Array:
    """Actions that the mask allows, so that the objective is finite."""
    by_state = function == "tabular_gradient" and where.ndim == 2
    rows = where[inputs["states"]] if by_state else where
    rows = np.broadcast_to(rows, (SAMPLES, where.shape[-1]))
    return np.array([np.flatnonzero(row)[i % row.sum()] for i, row in enumerate(rows)])


CASES = {
    "rows": ("score_gradient", "logits"),
    "shared": ("score_gradient", "logits"),
    "tabular": ("tabular_gradient", "table"),
    "linear": ("linear_gradient", "coef"),
}


def case_for(case: str, cols: int) -> tuple[str, str, dict[str, Array]]:
    """The function, the name of its parameters, and inputs with weights of both signs and 0."""
    function, name = CASES[case]
    inputs = inputs_for(SAMPLES, cols, np.float64)
    inputs["weights"] = np.array([1.5, -2.0, 0.0, 0.5, 1.0, -0.25, 3.0, -1.0, 2.0])
    inputs["states"] = inputs["states"] % 5  # state 5 is not visited
    if case == "shared":
        inputs["logits"] = inputs["logits"][0]
    return function, name, inputs


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cols", COLS)
@for_each(entropy_coef=[0.0, 0.7, -1.5], mask=["none", "each", "one_for_all"])
def test_gradient_is_the_central_difference(case, cols, entropy_coef, mask):
    function, name, inputs = case_for(case, cols)
    where = None
    if mask != "none":
        where = mask_for(function, {**inputs, "logits": np.zeros((SAMPLES, cols))})
        if mask == "one_for_all" or case == "shared":
            where = where[0]
        inputs["actions"] = allowed_actions(function, inputs, where)
    options = {"entropy_coef": entropy_coef, "where": where}
    gradient = call(function, inputs, **options)
    difference = central_difference(
        lambda x: objective(function, x, inputs, **options), inputs[name]
    )
    np.testing.assert_allclose(gradient, difference, rtol=0.0, atol=DIFFERENCE)
    if where is not None and case != "linear":
        assert (gradient[~np.broadcast_to(where, gradient.shape)] == 0.0).all()
    if case == "tabular":
        assert (gradient[5] == 0.0).all()


@pytest.mark.parametrize("cols", COLS)
@pytest.mark.parametrize("masked", [False, True])
def test_score_is_the_central_difference_of_log_prob(cols, masked):
    _, _, inputs = case_for("rows", cols)
    where = mask_for("score", inputs) if masked else None
    if where is not None:
        inputs["actions"] = allowed_actions("score", inputs, where)
    difference = central_difference(
        lambda z: scorefn.log_prob(z, inputs["actions"], where=where).sum(), inputs["logits"]
    )
    score = call("score", inputs, where=where)
    np.testing.assert_allclose(score, difference, rtol=0.0, atol=DIFFERENCE)


@pytest.mark.parametrize("cols", COLS[1:])
def test_logits_of_minus_infinity_have_no_gradient(cols):
    """The derivative with respect to the other logits, and exactly 0 for the forbidden one."""
    _, _, inputs = case_for("rows", cols)
    inputs["actions"] %= cols - 1
    open_logits = inputs["logits"][:, :-1].copy()

    def with_forbidden(z: Array) -> dict[str, Array]:
        return {**inputs, "logits": np.column_stack([z, np.full(SAMPLES, -INF)])}

    options: dict[str, Any] = {"entropy_coef": 0.7}
    difference = central_difference(
        lambda z: objective(
            "score_gradient", with_forbidden(z)["logits"], inputs, **options, where=None
        ),
        open_logits,
    )
    gradient = call("score_gradient", with_forbidden(open_logits), **options)
    np.testing.assert_allclose(gradient[:, :-1], difference, rtol=0.0, atol=DIFFERENCE)
    assert (gradient[:, -1] == 0.0).all()


def test_the_gradient_of_the_entropy_is_0_where_the_policy_is_uniform_or_sure():
    actions, weights = [0, 0], [0.0, 0.0]
    for row in ([0.25] * 7, [0.0] + [-INF] * 6, [0.0] + [-2000.0] * 6):
        rows = np.array([row, row])
        gradient = scorefn.score_gradient(rows, actions, weights, entropy_coef=1.0)
        assert np.abs(gradient).max() <= np.finfo(float).eps  # of log 7 + H, which cancel


@pytest.mark.parametrize("function", GRADIENTS)
@for_each(dtype=DTYPES, cols=COLS)
def test_gradient_is_linear_in_the_weights(function, dtype, cols):
    """A weight of -w cancels one of w: samples come twice, and the sum is 0 up to rounding."""
    inputs = inputs_for(40, cols, dtype)
    gradient = call(function, inputs)
    negative = call(function, {**inputs, "weights": -inputs["weights"]})
    assert np.array_equal(negative, -gradient)
    if function == "score_gradient":
        return
    twice = {
        name: x if name in ("table", "coef") else np.concatenate([x, x])
        for name, x in inputs.items()
    }
    twice["weights"] = np.concatenate([inputs["weights"], -inputs["weights"]])
    scale = np.abs(inputs["weights"]).sum() * max(1.0, np.abs(inputs["features"]).max())
    assert np.abs(call(function, twice)).max() <= np.finfo(np.float64).eps * 80 * scale


@pytest.mark.parametrize("function", GRADIENTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("accumulate", "writeable", "num_threads", "weight_dtype"),
    [
        (False, False, 1, np.float32),
        (False, True, 5, np.int8),
        (True, False, 5, np.float64),
        (True, True, 2, np.float32),
    ],
)
def test_out_accumulate_read_only_and_threads(
    function, dtype, accumulate, writeable, num_threads, weight_dtype
):
    rows = 20_000  # more than one block or chunk for each thread
    inputs = inputs_for(rows, 7, dtype)
    inputs["weights"] = (3.0 * inputs["weights"]).astype(weight_dtype)
    expected = call(function, inputs, num_threads=1)
    for x in inputs.values():
        x.flags.writeable = writeable
    before = {name: x.copy() for name, x in inputs.items()}
    out = np.full_like(expected, 2.0)
    options = {"accumulate": accumulate, "out": out, "num_threads": num_threads}
    assert call(function, inputs, **options) is out
    if accumulate:
        # The gradient and the sum are each rounded once.
        ulp = np.spacing(np.maximum(2.0, np.abs(expected)).astype(dtype))
        assert (np.abs(out - (2.0 + expected)) <= 2.0 * ulp).all()
    else:
        assert same_bits(out, expected)
    assert all(same_bits(inputs[name], x) for name, x in before.items())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [0.0, 300.0])  # of the logits: from within the window, and beyond
def test_weights_of_any_size_keep_their_digits(dtype, shift):
    """As exact as a score is, wherever the result is a normal number."""
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp - 1, 11)
    logits = np.array([0.0, -3.0, -40.0, -0.8 * info.maxexp * np.log(2)]).astype(dtype)
    rows = np.tile(logits, (exponents.size, 1)) + dtype(shift)
    rows[:, 2] = rows[:, 1] - 37
    for sign in (1.0, -1.0):
        weights = np.ldexp(dtype(sign * 1.1), exponents)
        gradient = scorefn.score_gradient(rows, np.zeros(exponents.size, int), weights)
        for row, weight, got in zip(rows, weights, gradient, strict=True):
            with mpmath.workdps(50):
                terms = [mpmath.exp(mpmath.mpf(float(z)) - float(row[0])) for z in row]
                total = mpmath.fsum(terms)
                first = mpmath.fsum(terms[1:]) / total
                exact = [float(weight) * x for x in (first, *(-t / total for t in terms[1:]))]
            for x, wanted in zip(got, exact, strict=True):
                if info.tiny < abs(wanted) < info.max:
                    # 4 or 8 units in the last place: contract C2
                    assert abs(float(x) - wanted) <= (4 if dtype == np.float32 else 8) * np.spacing(
                        dtype(abs(wanted))
                    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [0.0, 300.0])
@pytest.mark.parametrize("entropy_coef", [0.004, -1.0, 3.0, 1e6])
def test_weights_of_any_size_beside_entropies(dtype, shift, entropy_coef):
    """The last probabilities are no normal numbers; the one before is 0 whatever its logit.

    The last but one times 2^24 (float64: 2^53) is normal. The last is not: with a weight above that
    the product may be normal all the same.
    """
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp - 1, 11)
    last = {np.float32: [-132, -155, -183], np.float64: [-1055, -1080, -1140]}[dtype]
    logits = np.array([0.0, -3.0, info.min, *(np.log(2) * np.array(last))]).astype(dtype)
    row = logits + dtype(shift)
    with mpmath.workdps(50):
        terms = [mpmath.exp(mpmath.mpf(float(z)) - float(row[0])) for z in row]
        p = [t / mpmath.fsum(terms) for t in terms]
        log_p = [mpmath.log(x) for x in p]
        h = -mpmath.fsum(x * y for x, y in zip(p, log_p, strict=True))
        bonus = [entropy_coef * x * (y + h) for x, y in zip(p, log_p, strict=True)]
    for sign in (1.0, -1.0):
        for weight in np.ldexp(dtype(sign * 1.1), exponents):
            (got,) = scorefn.score_gradient(row[None], [0], [weight], entropy_coef=entropy_coef)
            for j, x in enumerate(got):
                score = float(weight) * (1 - p[j] if j == 0 else -p[j])
                scale = float(abs(score) + abs(bonus[j]))
                if scale < info.max / 4:
                    # 8 units in the last place of the terms, which may cancel.
                    unit = np.spacing(dtype(scale))
                    assert abs(float(score - bonus[j]) - float(x)) <= 8 * unit, (weight, j)


def test_float64_weights_of_float32_logits_keep_their_digits():
    """A sum over samples is accumulated in float64: 1e8 + 1 - 1e8 is 1."""
    row = np.zeros((1, 2), np.float32)
    actions, weights = np.zeros(3, int), np.array([1e8, 1.0, -1e8])
    states, features = np.zeros(3, int), np.ones((3, 1), np.float32)
    for gradient in (
        scorefn.score_gradient(row[0], actions, weights),
        scorefn.tabular_gradient(row, states, actions, weights)[0],
        scorefn.linear_gradient(features, row, actions, weights)[0],
    ):
        assert gradient.tolist() == [0.5, -0.5]


# --- Many parameters ------------------------------------------------------------------------------

# Cut otherwise than few parameters are: a table into ranges of states, features into blocks whose
# actions the threads share.


def large_table() -> dict[str, Array]:
    inputs = inputs_for(5_000, 18, np.float32, states=20_000)
    inputs["states"][:2_000] = np.arange(2_000) % 40  # several samples of a state
    return inputs


@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
def test_a_large_table_is_near_the_reference(entropy_coef):
    inputs = large_table()
    expected = call("tabular_gradient", inputs, module=scorefn.testing, entropy_coef=entropy_coef)
    actual = call("tabular_gradient", inputs, entropy_coef=entropy_coef)
    # The exponentials are within 4 ULP in float32; terms of up to 50 samples, each below 6, add up.
    assert np.abs(actual - expected).max() < 50 * 6 * 4 * 2.0**-24
    visited = np.unique(inputs["states"])
    assert not np.delete(actual, visited, axis=0).any()
    start = np.full_like(inputs["table"], 0.5)
    out = start.copy()
    call("tabular_gradient", inputs, entropy_coef=entropy_coef, out=out, accumulate=True)
    assert same_bits(out, start + actual)


def test_a_large_table_may_hold_anything_where_no_sample_is():
    inputs = large_table()
    expected = call("tabular_gradient", inputs)
    unvisited = np.setdiff1d(np.arange(20_000), inputs["states"])
    inputs["table"][unvisited[::2]] = np.nan
    inputs["table"][unvisited[1::2]] = -INF
    assert same_bits(call("tabular_gradient", inputs), expected)


def test_a_large_table_without_an_allowed_action_is_not_written():
    inputs = large_table()
    bad = np.sort(np.setdiff1d(inputs["states"], range(10_000)))[:2]
    inputs["table"][bad] = -INF
    out = np.full_like(inputs["table"], 7.0)
    for options in ({}, {"out": out}, {"out": out, "accumulate": True}):
        message = rf"^table\[{bad[0]}\] has no allowed action"
        with pytest.raises(ValueError, match=message):
            call("tabular_gradient", {**inputs, "weights": np.ones(5_000)}, **options)
    assert (out == 7.0).all()
    inputs["weights"][np.isin(inputs["states"], bad)] = 0.0  # no visits then
    assert np.isfinite(call("tabular_gradient", inputs)).all()


@pytest.mark.parametrize(
    ("samples", "features", "cols"),
    [(6_200, 1_000, 8), (1_100, 1_000, 9), (1_100, 20, 1_000), (64, 2_050, 130)],
)
def test_linear_gradient_of_many_parameters_is_near_the_reference(samples, features, cols):
    inputs = inputs_for(samples, cols, np.float32, features=features)
    inputs["coef"] /= np.float32(np.sqrt(features))
    expected = call("linear_gradient", inputs, module=scorefn.testing)
    actual = call("linear_gradient", inputs, num_threads=2)
    # Logits of up to 5, rounded, and exponentials within 4 ULP make each entry of a row's gradient
    # wrong by 8 ULP at most. The sums, in float64 but for a dozen roundings, add 6 ULP.
    rows = np.abs(inputs["weights"].astype(np.float64))[:, None]
    sum_of_absolute_values = (np.abs(inputs["features"]) * rows).sum(axis=0)[:, None]
    assert (np.abs(actual - expected) < 14 * 2.0**-23 * sum_of_absolute_values).all()


@pytest.mark.parametrize("cols", [1, 2, 3, 4, 5, 6, 7, 8, 9, 33])
@for_each(dtype=[np.float32, np.float64], features=[1, 2, 3, 4, 5, 8, 9])
def test_linear_gradient_of_few_actions(features, cols, dtype):
    """A vector is of samples for few features and actions, else of actions or features. The last
    block of samples is shorter than the one before, and no whole number of vectors."""
    inputs = inputs_for(4_621, cols, dtype, features=features)
    inputs["weights"][::3] = 0.0
    inputs["features"][3::9, -1] = np.nan  # without weight: contributes nothing
    gradient = call("linear_gradient", inputs)
    expected = call("linear_gradient", inputs, module=scorefn.testing)
    # A sample's entries are within 8 ULP; the sums are in float64.
    finite = np.where(np.isfinite(inputs["features"]), inputs["features"], 0.0)
    weights = np.abs(inputs["weights"].astype(np.float64))[:, None]
    bound = 8 * np.finfo(dtype).eps * (np.abs(finite) * weights).sum(axis=0)[:, None]
    assert (np.abs(gradient - expected) < bound).all()


# --- Memory ---------------------------------------------------------------------------------------

# VmHWM is the peak of this program alone; ru_maxrss would start from that of its parent.
MEMORY = """
import numpy as np
import scorefn

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

rng = np.random.default_rng(0)
def samples(count, cols):
    actions = rng.integers(cols, size=count, dtype=np.int16)
    return actions, rng.random(count, dtype=np.float32)
"""
TABULAR = """
count, table = 2_000_000, np.zeros((10, 64), np.float32)
states = rng.integers(10, size=count, dtype=np.int8)
actions, weights = samples(count, 64)
def gradient(n):
    scorefn.tabular_gradient(table, states[:n], actions[:n], weights[:n], entropy_coef=0.1)
"""
SHARED = """
count, logits = 2_000_000, np.zeros(64, np.float32)
actions, weights = samples(count, 64)
def gradient(n):
    scorefn.score_gradient(logits, actions[:n], weights[:n], entropy_coef=0.1)
"""
LINEAR = """
count, coef = 500_000, np.zeros((4, 256), np.float32)
features = rng.random((count, 4), dtype=np.float32)
actions, weights = samples(count, 256)
def gradient(n):
    scorefn.linear_gradient(features[:n], coef, actions[:n], weights[:n], entropy_coef=0.1)
"""
WIDE = """
count, coef = 60_000, np.zeros((64, 2048), np.float32)
features = rng.random((count, 64), dtype=np.float32)
actions, weights = samples(count, 2048)
def gradient(n):
    scorefn.linear_gradient(features[:n], coef, actions[:n], weights[:n], entropy_coef=0.1)
"""
FISHER = """
count, policy = 500_000, scorefn.LinearPolicy(np.zeros((4, 256), np.float32))
features = rng.random((count, 4), dtype=np.float32)
direction = rng.random((4, 256), dtype=np.float32)
def gradient(n):
    scorefn.NaturalGradient(damping=0.1, iterations=2).step(policy, features[:n], direction)
"""
GROWTH = """
gradient(20_000)  # threads and their buffers
before = peak()
gradient(count)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [TABULAR, SHARED, LINEAR, WIDE, FISHER],
    ids=["tabular", "shared", "linear", "wide", "natural"],
)
def test_no_array_of_samples_by_actions_is_made(case):
    """It would take 490 MB, and one of the largest input 8 to 15 MB: less than 16 MB are taken."""
    child = subprocess.run(
        [sys.executable, "-c", MEMORY + case + GROWTH],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 16e6
