"""Actions of shape (n, S), as `sample(num_samples=S)` draws them, in every function of actions.

Each sample has its log-probability, ratio and score. A gradient has the shape of what it is taken
with respect to, and is the sum over all samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from _functions import GRADIENTS, OBJECTIVES, arguments_of, call_with, same_bits, written
from scorefn import ClippedSurrogate, LinearPolicy, LogitsPolicy, TabularPolicy, WeightedLogProb

DTYPES = [np.float32, np.float64]
NUM_SAMPLES = [0, 1, 3, 40]
PER_SAMPLE = ["actions", "weights", "old_log_prob", "advantages"]
FUNCTIONS = ["log_prob", "score", *GRADIENTS, *OBJECTIVES]


def several(function: str, num_samples: int, dtype: Any = np.float64, **options: Any) -> Any:
    """A good call with this many samples per row, on an axis at the end."""
    rng = np.random.default_rng([3, num_samples])
    arguments = {**arguments_of(function, dtype), **options}
    shape = (2, 3, num_samples)
    for name in PER_SAMPLE:
        if name == "actions":
            arguments[name] = rng.integers(4, size=shape)
        elif name in arguments:
            mean = -1.0 if name == "old_log_prob" else 0.0
            arguments[name] = rng.normal(mean, size=shape).astype(dtype)
    if arguments.get("where") is not None and function != "tabular_gradient":
        # An allowed action in place of a forbidden one, whose log-probability is -inf.
        allowed = np.take_along_axis(arguments["where"], arguments["actions"], -1)
        arguments["actions"][~allowed] = 1
    return arguments


def one_by_one(function: str, arguments: dict[str, Any]) -> list[Any]:
    """The results of a call for each sample of a row."""
    num_samples = arguments["actions"].shape[-1]
    return [
        call_with(
            function,
            **{name: x[..., s] if name in PER_SAMPLE else x for name, x in arguments.items()},
        )
        for s in range(num_samples)
    ]


def assert_is_sum(gradient: Any, parts: list[Any], dtype: Any, size: int) -> None:
    """Each of `size` summands and the result are rounded to the dtype, the sums are in float64."""
    gradients = np.array([written(part) for part in parts], dtype=np.float64)
    expected = gradients.sum(axis=0)
    bound = (np.abs(gradients).sum(axis=0) + size) * 8 * np.finfo(dtype).eps
    assert gradient.dtype == dtype
    assert gradient.shape == expected.shape
    assert (np.abs(gradient - expected) <= bound).all()


@pytest.mark.parametrize("num_samples", NUM_SAMPLES)
@for_each(dtype=DTYPES, masked=[False, True])
def test_sample_and_log_prob_agree_to_the_bit(num_samples: int, masked: bool, dtype: Any) -> None:
    arguments = arguments_of("entropy", dtype)
    logits, where = arguments["logits"], arguments["where"] if masked else None
    for z, mask in ((logits, where), (logits[0, 0], where[0, 0] if masked else None)):
        actions, log_probs = scorefn.sample(z, rng=0, num_samples=num_samples, where=mask)
        assert same_bits(scorefn.log_prob(z, actions, where=mask), log_probs)


@pytest.mark.parametrize("num_samples", NUM_SAMPLES[1:])
@pytest.mark.parametrize("function", ["log_prob", "score"])
@for_each(dtype=DTYPES, masked=[False, True])
def test_one_result_per_sample(function: str, num_samples: int, masked: bool, dtype: Any) -> None:
    arguments = several(function, num_samples, dtype)
    if not masked:
        del arguments["where"]
    axis = 2 if function == "score" else -1
    expected = np.stack(one_by_one(function, arguments), axis=axis)
    assert same_bits(call_with(function, **arguments), expected)


@pytest.mark.parametrize("num_samples", NUM_SAMPLES[1:])
@pytest.mark.parametrize("function", GRADIENTS)
@for_each(dtype=DTYPES, masked=[False, True], entropy_coef=[0.0, 0.4])
def test_gradients(
    function: str, num_samples: int, entropy_coef: float, masked: bool, dtype: Any
) -> None:
    arguments = several(function, num_samples, dtype, entropy_coef=entropy_coef)
    if not masked:
        del arguments["where"]
    parts = one_by_one(function, arguments)
    # Up to 6 samples share a state, all share the coefficients.
    assert_is_sum(call_with(function, **arguments), parts, dtype, 6 * num_samples)


@pytest.mark.parametrize("num_samples", NUM_SAMPLES[1:])
@pytest.mark.parametrize("function", OBJECTIVES)
@for_each(dtype=DTYPES, masked=[False, True], entropy_coef=[0.0, 0.4])
def test_objectives(
    function: str, num_samples: int, entropy_coef: float, masked: bool, dtype: Any
) -> None:
    arguments = several(function, num_samples, dtype, entropy_coef=entropy_coef)
    if not masked:
        del arguments["where"]
    result, parts = call_with(function, **arguments), one_by_one(function, arguments)
    assert_is_sum(result.gradient, parts, dtype, num_samples)
    close = 8 * np.finfo(dtype).eps
    # Both round the exact log-probability, here from the softmax that the samples of a row share.
    log_prob = np.stack([part.log_prob for part in parts], axis=-1)
    np.testing.assert_allclose(result.log_prob, log_prob, rtol=close)
    assert result.entropy.shape == (2, 3)  # one per row, as `sample` has it
    # Both round the exact entropy, which is at most log 4.
    np.testing.assert_allclose(result.entropy, parts[0].entropy, rtol=close, atol=close)
    size = sum(abs(part.objective) for part in parts) + 6 * num_samples
    assert abs(result.objective - sum(part.objective for part in parts)) <= size * close
    if function == "clipped_surrogate":
        ratio = np.stack([part.ratio for part in parts], axis=-1)
        # exp of a difference from log-probabilities of less than 8 in size.
        np.testing.assert_allclose(result.ratio, ratio, rtol=8 * close)
        for name in ("approx_kl", "clip_fraction"):
            mean = np.mean([getattr(part, name) for part in parts])
            np.testing.assert_allclose(getattr(result, name), mean, atol=8 * close)


@pytest.mark.parametrize("dtype", DTYPES)
def test_score_gradient_is_the_gradient_of_a_table(dtype: Any) -> None:
    arguments = several("score_gradient", 5, dtype, entropy_coef=0.3)
    logits = arguments.pop("logits")
    expected = scorefn.tabular_gradient(
        logits.reshape(6, 4),
        np.arange(6).reshape(2, 3),
        **{**arguments, "where": arguments["where"].reshape(6, 4)},
    )
    gradient = scorefn.score_gradient(logits, **arguments)
    assert same_bits(gradient, expected.reshape(2, 3, 4))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", OBJECTIVES)
def test_an_objective_is_that_of_a_table(function: str, dtype: Any) -> None:
    """To the bit: the rows are its states."""
    arguments = several(function, 5, dtype, entropy_coef=0.3)
    result = call_with(function, **arguments)
    table = TabularPolicy(arguments.pop("logits").reshape(6, 4), arguments["where"].reshape(6, 4))
    numbers = {name: arguments[name] for name in PER_SAMPLE[1:] if name in arguments}
    objectives = {"policy_gradient": WeightedLogProb, "clipped_surrogate": ClippedSurrogate}
    step = objectives[function](entropy_coef=0.3).gradient(
        table, np.arange(6).reshape(2, 3), arguments["actions"], **numbers
    )
    step = step._replace(gradient=step.gradient.reshape(2, 3, 4))
    assert all(same_bits(x, y) for x, y in zip(result, step, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_and_a_table_in_buckets(dtype: Any) -> None:
    """Tables of over 2^15 entries are worked on in another way."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3)).astype(dtype)
    actions, weights = rng.integers(3, size=(20_000, 3)), rng.normal(size=(20_000, 3))
    gradient = scorefn.score_gradient(logits, actions, weights)
    for num_threads in (1, 3):
        again = scorefn.score_gradient(logits, actions, weights, num_threads=num_threads)
        assert same_bits(again, gradient)
    one_hot = (np.eye(3)[actions] * weights[..., None]).sum(axis=1)
    p = scorefn.softmax(logits.astype(np.float64))
    # Sums of 3 weights near 1, less their product with a probability.
    atol = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(gradient, one_hot - weights.sum(1)[:, None] * p, atol=atol)


@pytest.mark.parametrize("function", OBJECTIVES)
def test_sums_over_samples_are_taken_in_float64(function: str) -> None:
    """In float32, a sum of 2^17 equal rows would be off by far more than a rounding."""
    n = 1 << 17
    z, actions, ones = np.array([0.3, -0.2, 1.1], np.float32), np.zeros(n, int), np.full(n, 0.1)
    old = {} if function == "policy_gradient" else {"old_log_prob": np.full(n, -1.5)}
    names = ("actions", "weights" if function == "policy_gradient" else "advantages")
    many = call_with(function, logits=z, **dict(zip(names, (actions, ones), strict=True)), **old)
    one = {name: x[0] for name, x in old.items()}
    row = call_with(function, logits=z, **dict(zip(names, (0, 0.1), strict=True)), **one).gradient
    # Both round the exact gradient and the derivative.
    np.testing.assert_allclose(many.gradient, n * row, rtol=8 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("function", [*GRADIENTS, *OBJECTIVES])
@for_each(dtype=DTYPES)
def test_out_and_accumulate(function: str, dtype: Any) -> None:
    arguments = several(function, 3, dtype, entropy_coef=0.2)
    expected = written(call_with(function, **arguments))
    out = np.full_like(expected, 2.0)
    assert written(call_with(function, **arguments, out=out)) is out
    assert same_bits(out, expected)
    out[...] = 2.0
    call_with(function, **arguments, out=out, accumulate=True)
    # One rounding of a number of up to 2 + 6 * 3 weights near 1.
    np.testing.assert_allclose(out - 2.0, expected, atol=32 * np.finfo(dtype).eps)
    # Into the very logits, as a step that is taken in place does it.
    name = {"tabular_gradient": "table", "linear_gradient": "coef"}.get(function, "logits")
    for accumulate in (False, True):
        own = arguments[name].copy()
        wanted = own.copy() if accumulate else np.zeros_like(own)
        call_with(function, **arguments, out=wanted, accumulate=accumulate)
        call_with(function, **{**arguments, name: own}, out=own, accumulate=accumulate)
        assert same_bits(own, wanted)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts_and_kinds_of_masks(function: str) -> None:
    arguments = several(function, 3)
    expected = call_with(function, **arguments)
    turned = {
        name: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
        if name in PER_SAMPLE
        else np.asfortranarray(x)
        for name, x in arguments.items()
    }
    assert same_bits(call_with(function, **turned), expected)
    small = {**arguments, "actions": arguments["actions"].astype(np.int8)}
    small["where"] = arguments["where"].astype(np.int8)
    assert same_bits(call_with(function, **small), expected)
    row = {**arguments, "where": np.array([True, True, False, True])}
    full = {**row, "where": np.broadcast_to(row["where"], arguments["where"].shape)}
    assert same_bits(call_with(function, **row), call_with(function, **full))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_samples(function: str) -> None:
    result = call_with(function, **several(function, 0))
    if function in ("log_prob", "score"):
        assert result.shape == ((2, 3, 0) if function == "log_prob" else (2, 3, 0, 4))
        return
    assert not written(result).any()
    if function in OBJECTIVES:
        assert result.objective == 0.0
        assert result.entropy.shape == (2, 3)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_single_row(function: str) -> None:
    """Logits (num_actions,) with actions (S,); a state or a row of features with as many."""
    arguments = several(function, 5)
    whole = ("table", "coef", "where") if function == "tabular_gradient" else ("coef",)
    one = {name: x if name in whole else x[1, 2] for name, x in arguments.items()}
    row = {name: x if name in whole else x[1:2, 2] for name, x in arguments.items()}
    result, expected = call_with(function, **one), call_with(function, **row)
    if function in OBJECTIVES:
        assert result.log_prob.shape == (5,)
        assert result.entropy.shape == ()
        result, expected = result.gradient, expected.gradient
    is_parameter = function in ("tabular_gradient", "linear_gradient")
    assert same_bits(result, expected if is_parameter else expected[0])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_broadcast_where_n_is_s(function: str) -> None:
    arguments = {**arguments_of(function), "where": None}
    for name in set(arguments) & set(PER_SAMPLE):
        arguments[name] = np.zeros((2, 3, 3), int)
    call_with(function, **arguments)
    for name in sorted(set(arguments) & {*PER_SAMPLE} - {"actions"}):
        for shape in ((2, 3), (3, 3), (2, 3, 1), (3,), ()):
            with pytest.raises(ValueError, match=rf"^{name} must have shape \(2, 3, 3\), got"):
                call_with(function, **{**arguments, name: np.zeros(shape)})
    for shape in ((3, 3), (3, 2, 3), (2, 3, 3, 1), (3, 2)):
        message = r"^actions must have shape \(2, 3\) or \(2, 3, num_samples\), got"
        with pytest.raises(ValueError, match=message):
            call_with(function, **{**arguments, "actions": np.zeros(shape, int)})


@pytest.mark.parametrize("function", OBJECTIVES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_row_is_nan_and_harms_no_other(function: str, bad: float) -> None:
    arguments = several(function, 3, entropy_coef=0.1)
    del arguments["where"]
    good = call_with(function, **arguments)
    arguments["logits"][1, 0, 2] = bad
    result = call_with(function, **arguments)
    assert np.isnan(result.gradient[1, 0]).all()
    assert np.isnan(result.log_prob[1, 0]).all()
    others = np.ones((2, 3), bool)
    others[1, 0] = False
    for name in ("gradient", "log_prob", "entropy"):
        assert same_bits(getattr(result, name)[others], getattr(good, name)[others])


@pytest.mark.parametrize("kind", ["logits", "tabular", "linear"])
@for_each(masked=[False, True], leading=[(), (4,), (2, 3)])
def test_policies(kind: str, leading: tuple[int, ...], masked: bool) -> None:
    rng = np.random.default_rng(1)
    where = None
    if kind == "logits":
        policy: Any = LogitsPolicy(rng.normal(size=4))
        x, where = None, np.array([True, False, True, True]) if masked else None
    elif kind == "tabular":
        mask = np.arange(5)[:, None] != np.arange(4) if masked else None
        policy, x = (
            TabularPolicy(rng.normal(size=(5, 4)), where=mask),
            rng.integers(5, size=leading),
        )
    else:
        policy, x = LinearPolicy(rng.normal(size=(3, 4))), rng.normal(size=(*leading, 3))
        where = rng.random((*leading, 4)) < 0.7
        where[..., 0] = True
        where = where if masked else None
    actions, log_probs = policy.sample(x, rng=2, num_samples=6, where=where)
    np.testing.assert_allclose(
        policy.log_prob(x, actions, where=where), log_probs, rtol=4e-15, atol=4e-15
    )
    weights = rng.normal(size=actions.shape)
    # The same samples, each with an observation of its own.
    axis = -2 if kind == "linear" else -1
    y = None if x is None else np.stack([x] * 6, axis=axis)
    own = np.stack([where] * 6, axis=-2) if where is not None and kind == "linear" else where
    gradient = policy.gradient(x, actions, weights, entropy_coef=0.3, where=where)
    expected = policy.gradient(y, actions, weights, entropy_coef=0.3, where=own)
    assert same_bits(gradient, expected)
    statistics = policy.gradient_statistics(x, actions, weights, entropy_coef=0.3, where=where)
    wanted = policy.gradient_statistics(y, actions, weights, entropy_coef=0.3, where=own)
    assert same_bits(statistics.gradient, gradient)
    assert statistics[1:] == wanted[1:]


def test_the_shape_of_actions_of_one_row() -> None:
    with pytest.raises(ValueError, match=r"shape \(\) or \(num_samples,\), got \(1, 2\)"):
        scorefn.log_prob(np.zeros(3), [[1, 2]])
