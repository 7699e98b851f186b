"""What holds for every estimator: its inputs, its result, rows that do not count."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn
from _cases import for_each
from scorefn import A2C, GRPO, PPO, RLOO, AllAction, Estimate, OffPolicy, Reinforce

T, E, K = 4, 3, 3  # steps, environments (or sequences, tokens), actions
Arguments = dict[str, Any]

ESTIMATORS: dict[str, Any] = {
    "reinforce": Reinforce(entropy_coef=0.1, standard_error=True),
    "reinforce, mean": Reinforce("mean", 0.1, normalize_advantages=True, axis=0),
    "reinforce, leave one out": Reinforce("leave_one_out", diagnostics=False),
    "reinforce, values": Reinforce("values", normalize_advantages=True),
    "reinforce, weighted mean": Reinforce("weighted_mean", folds=3),
    "all actions": AllAction(entropy_coef=0.1),
    "a2c": A2C(entropy_coef=0.1, standard_error=True),
    "a2c, normalized": A2C(normalize_advantages=True),
    "ppo": PPO(entropy_coef=0.1, standard_error=True),
    "ppo, raw": PPO(normalize_advantages=False),
    "grpo": GRPO(entropy_coef=0.1, kl_coef=0.1),
    "gspo": GRPO("gspo"),
    "rloo": RLOO(kl_coef=0.1),
    "ips": OffPolicy("ips", entropy_coef=0.1),
    "snips": OffPolicy("snips"),
    "dm": OffPolicy("dm"),
    "dr": OffPolicy("dr", max_weight=2.0),
    "sndr": OffPolicy("sndr"),
}
POLICIES = ["logits", "table", "linear"]


def policy_of(kind: str, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    if kind == "logits":
        return scorefn.LogitsPolicy(rng.normal(size=K).astype(dtype)), None
    if kind == "table":
        policy: Any = scorefn.TabularPolicy(rng.normal(size=(5, K)).astype(dtype))
        return policy, rng.integers(5, size=(T, E))
    return scorefn.LinearPolicy(rng.normal(size=(2, K)).astype(dtype)), rng.normal(
        size=(T, E, 2)
    ).astype(dtype)


def arguments_of(name: str, kind: str, dtype: Any = np.float64, scale: float = 1.0) -> Arguments:
    """Of T x E samples, with numbers of rewards in units of `scale`."""
    policy, x = policy_of(kind, dtype)
    rng = np.random.default_rng(1)
    actions = rng.integers(K, size=(T, E))
    numbers = {key: rng.normal(size=(T, E)) for key in ("rewards", "values", "next_values")}
    logs = {key: np.log(rng.uniform(0.2, 0.5, size=(T, E))) for key in ("old", "reference")}
    rewards = numbers["rewards"] * scale
    q = rng.normal(size=(T, E, K)) * scale
    estimator = ESTIMATORS[name]
    arguments: Arguments = {"policy": policy, "observations": x, "actions": actions}
    if isinstance(estimator, AllAction):
        of_states = rng.normal(size=(5, K)) * scale
        return {
            "policy": policy,
            "observations": x,
            "action_values": of_states if kind == "table" else q,
        }
    if isinstance(estimator, PPO):
        return arguments | {"advantages": rewards, "old_log_prob": logs["old"]}
    if isinstance(estimator, A2C):
        flags = {key: rng.random((T, E)) < 0.3 for key in ("terminated", "truncated")}
        values = {key: numbers[key] * scale for key in ("values", "next_values")}
        return arguments | {"rewards": rewards, **values, **flags}
    if isinstance(estimator, GRPO | RLOO):
        arguments |= {"rewards": rewards[:, 0], "old_log_prob": logs["old"]}
        if estimator.kl_coef:
            arguments["reference_log_prob"] = logs["reference"]
        return arguments
    arguments["rewards"] = rewards
    if isinstance(estimator, OffPolicy):
        if estimator.method != "dm":
            arguments["propensities"] = np.exp(logs["old"])
        if estimator.method in ("dm", "dr", "sndr"):
            arguments["action_values"] = q
    elif estimator.baseline == "values":
        arguments["values"] = numbers["values"] * scale
    elif estimator.baseline == "weighted_mean":
        arguments["weights"] = rng.random((T, E))
    return arguments


def run(name: str, arguments: Arguments) -> Estimate:
    result: Estimate = ESTIMATORS[name].estimate(**arguments)
    return result


def arrays_of(estimate: Estimate) -> list[Any]:
    found = [estimate.gradient, estimate.advantages, estimate.standard_error]
    return [x for x in found if x is not None]


def assert_same(one: Estimate, other: Estimate) -> None:
    """Bit for bit."""
    for x, y in zip(arrays_of(one), arrays_of(other), strict=True):
        np.testing.assert_array_equal(x, y)
    assert one.objective == other.objective
    np.testing.assert_equal(one.diagnostics.__dict__, other.diagnostics.__dict__)


def changed(arguments: Arguments, change: Callable[[Any], Any]) -> Arguments:
    """With other arrays; the policy stays."""
    return {k: change(x) if isinstance(x, np.ndarray) else x for k, x in arguments.items()}


each = pytest.mark.parametrize("name", ESTIMATORS)
each_kind = for_each(kind=POLICIES)


def read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


def strided(x: Any) -> Any:
    """The same numbers, backwards and with gaps in memory."""
    spread = np.zeros((2 * x.shape[0], *x.shape[1:]), x.dtype)[::-2]
    spread[...] = x
    return spread


@each
@each_kind
def test_arrays_of_any_layout_are_left_alone(name: str, kind: str) -> None:
    arguments = arguments_of(name, kind)
    expected = run(name, arguments)
    for change in (read_only, strided, np.asfortranarray):
        given = changed(arguments, change)
        before = copy.deepcopy(given)
        assert_same(run(name, given), expected)
        for key, x in given.items():
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(x, before[key])
        np.testing.assert_array_equal(given["policy"].parameters, before["policy"].parameters)


@each
@each_kind
def test_an_estimate_shares_no_memory(name: str, kind: str) -> None:
    arguments = arguments_of(name, kind)
    estimate = run(name, arguments)
    given = [x for x in arguments.values() if isinstance(x, np.ndarray)]
    for result in arrays_of(estimate):
        assert result.flags.writeable
        assert not any(
            np.shares_memory(result, x) for x in [*given, arguments["policy"].parameters]
        )


@each
@each_kind
def test_rows_that_do_not_count_may_hold_anything(name: str, kind: str) -> None:
    arguments = arguments_of(name, kind)
    valid = np.random.default_rng(2).random((T, E)) < 0.7
    valid[:2] = True  # two samples of each column, and two whole sequences
    estimate = run(name, arguments | {"valid": valid})
    assert np.isfinite(estimate.gradient).all()
    for garbage in (np.nan, np.inf, -1e308):

        def spoilt(x: Any, garbage: float = garbage) -> Any:
            if x.shape[:2] != (T, E) or x.dtype == np.bool_:
                return x
            x = x.copy()
            x[~valid] = -100 if x.dtype.kind == "i" else garbage
            return x

        # The values that AllAction is given are those that it returns.
        other = run(name, changed(arguments, spoilt) | {"valid": valid})
        np.testing.assert_array_equal(other.gradient, estimate.gradient)
        assert other.objective == estimate.objective
        np.testing.assert_equal(other.diagnostics.__dict__, estimate.diagnostics.__dict__)
        if name != "all actions":
            np.testing.assert_array_equal(other.advantages, estimate.advantages)
    with pytest.raises((ValueError, TypeError), match=r"count|sample"):
        run(name, arguments | {"valid": np.zeros((T, E), np.bool_)})


# Their samples need no order, and none is compared with those of its own column.
FLAT = [n for n, e in ESTIMATORS.items() if not isinstance(e, A2C | GRPO | RLOO)]
FLAT.remove("reinforce, mean")


@pytest.mark.parametrize("name", FLAT)
@each_kind
def test_rows_that_do_not_count_are_not_there(name: str, kind: str) -> None:
    arguments = arguments_of(name, kind)
    valid = np.random.default_rng(2).random((T, E)) < 0.7
    estimate = run(name, arguments | {"valid": valid})
    alone = run(name, changed(arguments, lambda x: x[valid] if x.shape[:2] == (T, E) else x))
    np.testing.assert_allclose(estimate.gradient, alone.gradient, rtol=1e-11, atol=1e-15)
    assert estimate.objective == pytest.approx(alone.objective, rel=1e-12)
    for key, number in alone.diagnostics.__dict__.items():
        got = getattr(estimate.diagnostics, key)
        assert got == pytest.approx(number, rel=1e-10, abs=1e-14, nan_ok=True), key


@each
@each_kind
def test_other_dtypes(name: str, kind: str) -> None:
    """Whole numbers of any type are the same numbers."""
    arguments = arguments_of(name, kind)
    inputs = {"rewards", "advantages", "values", "next_values", "action_values"}
    whole = {k: np.rint(4 * x) for k, x in arguments.items() if k in inputs}
    expected = run(name, arguments | whole)
    for dtype in (np.int8, np.int64, np.float16):
        given = arguments | {k: x.astype(dtype) for k, x in whole.items()}
        other = run(name, given)
        np.testing.assert_allclose(other.gradient, expected.gradient, rtol=1e-6, atol=1e-7)
    flags = {k: x > 0 for k, x in whole.items()}
    if flags:
        with pytest.raises(TypeError, match="must be real numbers, got bool"):
            run(name, arguments | flags)


@each
@each_kind
def test_the_same_bits_on_any_number_of_threads(name: str, kind: str) -> None:
    arguments = arguments_of(name, kind)
    with scorefn.threads(1):
        expected = run(name, arguments)
    with scorefn.threads(2):
        assert_same(run(name, arguments), expected)


@each
@each_kind
def test_a_gradient_that_is_not_finite_is_an_error(name: str, kind: str) -> None:
    estimator = ESTIMATORS[name]
    if getattr(estimator, "normalize_advantages", False) or name in ("grpo", "gspo"):
        return  # any rewards give advantages of about 1
    with pytest.raises(ValueError, match=r"(gradient|action_values)\[.*\] must be finite"):
        run(name, arguments_of(name, kind, np.float32, 1e300))


@each
def test_numbers_are_those_of_python(name: str) -> None:
    """NumPy's scalars print and serialise differently."""
    estimate = run(name, arguments_of(name, "table"))
    assert type(estimate.objective) is float
    for key, number in estimate.diagnostics.__dict__.items():
        assert type(number) is (int if key == "num_samples" else float), key


def test_an_estimate_equals_itself_alone() -> None:
    """Arrays have no truth value, and estimates are no values to be compared."""
    one, other = (run("ppo", arguments_of("ppo", "table")) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


@each
def test_estimators_and_estimates_are_pickled(name: str) -> None:
    estimator, arguments = ESTIMATORS[name], arguments_of(name, "table")
    estimate = run(name, arguments)
    for again in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert again == estimator
        assert hash(again) == hash(estimator)
        assert_same(again.estimate(**arguments), estimate)
    assert_same(pickle.loads(pickle.dumps(estimate)), estimate)
    assert eval(repr(estimator), dict(scorefn.__dict__)) == estimator
