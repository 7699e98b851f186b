"""Optimizers: their formulas, the numbers of PyTorch, schedules, clipping and their state."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn.optimizers import SGD, Adam, Constant, CosineDecay, LinearDecay, clip_by_norm

GRADIENTS = [[0.5, -2.0, 0.0], [1.5, 1.0, 1e-6], [-0.25, 3.0, -4.0]]
OPTIMIZERS: list[Any] = [SGD(0.1), SGD(0.1, 0.9), Adam(0.01), Adam(0.01, (0.8, 0.95), 1e-5)]
# torch.optim.SGD and torch.optim.Adam 2.13 with maximize=True, from the parameters below.
OF_TORCH = [
    [1.175, -0.7999999999999998, 0.10000009999999993],
    [1.3955000000000002, -1.052, 0.1000001899999999],
    [1.0251869443905102, -1.008769472449866, 0.5009494899714849],
    [1.0249898265087798, -1.0073876553231114, 0.49359659760805064],
]


def start(dtype: Any = np.float64) -> Any:
    return np.array([1.0, -1.0, 0.5], dtype)


@pytest.mark.parametrize(("optimizer", "expected"), [*zip(OPTIMIZERS, OF_TORCH, strict=True)])
def test_numbers_of_torch(optimizer: Any, expected: list[float]) -> None:
    for dtype, rtol in ((np.float64, 1e-14), (np.float32, 1e-6)):
        # Some roundings in each of three steps.
        own, parameters = copy.deepcopy(optimizer), start(dtype)
        for gradient in GRADIENTS:
            own.step(parameters, gradient)
        assert parameters.dtype == dtype
        assert all(array.dtype == dtype for array in own._state.values())
        np.testing.assert_allclose(parameters, expected, rtol=rtol)


def test_adam_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    (b1, b2), eps, gradients = (0.7, 0.9), 0.1, rng.normal(size=(6, 4, 3))
    adam, parameters = Adam(LinearDecay(0.5, num_steps=4), (b1, b2), eps), np.zeros((4, 3))
    expected = np.zeros((4, 3))
    for t in range(1, 7):
        adam.step(parameters, gradients[t - 1])
        ages = np.arange(t)[::-1, np.newaxis, np.newaxis]
        mean = np.sum((1 - b1) * b1**ages * gradients[:t], axis=0) / (1 - b1**t)
        square = np.sum((1 - b2) * b2**ages * gradients[:t] ** 2, axis=0) / (1 - b2**t)
        expected += max(0.5 * (1 - (t - 1) / 4), 0.0) * mean / (np.sqrt(square) + eps)
    # Sums of six terms.
    np.testing.assert_allclose(parameters, expected, rtol=1e-12)
    assert adam.num_steps == 6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parameters_of_any_layout(optimizer: Any) -> None:
    """Without axes, without entries, with strides."""
    gradients = np.random.default_rng(0).normal(size=(3, 4, 5))
    expected, plain = np.zeros((4, 5)), copy.deepcopy(optimizer)
    strided, of_strided = np.zeros((10, 4))[::2].T, copy.deepcopy(optimizer)
    scalar, of_scalar = np.zeros(()), copy.deepcopy(optimizer)
    empty, of_empty = np.zeros((0, 3)), copy.deepcopy(optimizer)
    for gradient in gradients:
        plain.step(expected, gradient)
        of_strided.step(strided, gradient.astype(np.float64, order="F"))
        of_scalar.step(scalar, gradient[1, 2])
        of_empty.step(empty, np.zeros((0, 3)))
    np.testing.assert_array_equal(strided, expected)
    assert scalar == expected[1, 2]
    again = copy.deepcopy(optimizer)
    again.load_arrays(of_scalar.arrays())
    assert all(type(array) is np.ndarray for array in of_scalar.arrays().values())


def test_the_first_step_goes_uphill_at_the_first_learning_rate() -> None:
    adam, parameters = Adam(LinearDecay(0.5, num_steps=4)), start()
    adam.step(parameters, [1.0, 1.0, 1.0])
    np.testing.assert_allclose(parameters - start(), 0.5, rtol=1e-7)


def test_forbidden_actions_stay_forbidden() -> None:
    for optimizer in (SGD(0.1, 0.9), Adam(eps=0.0), Adam(eps=1e-60)):
        parameters = np.array([-np.inf, 0.0], np.float32)  # where 1e-60 is 0
        optimizer.step(parameters, [0.0, 1.0])
        assert parameters[0] == -np.inf
        assert parameters[1] > 0.0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_is_saved_and_brought_back(optimizer: Any, tmp_path: Any) -> None:
    one, p = copy.deepcopy(optimizer), start()
    again = copy.deepcopy(optimizer)
    again.load_arrays(one.arrays())  # before the first step
    for gradient in GRADIENTS[:2]:
        one.step(p, gradient)
    np.savez(tmp_path / "optimizer.npz", **one.arrays())
    with np.load(tmp_path / "optimizer.npz") as saved:
        again.load_arrays(saved)
    of = {"saved": again, "copied": copy.deepcopy(one), "pickled": pickle.loads(pickle.dumps(one))}
    results = {name: p.copy() for name in of}
    before = {name: array.copy() for name, array in one.arrays().items()}
    taken = one.arrays()
    one.step(p, GRADIENTS[2])
    for name, other in of.items():
        other.step(results[name], GRADIENTS[2])
        np.testing.assert_array_equal(results[name], p)
        assert other.num_steps == one.num_steps == 3
    for name, array in taken.items():  # not those of a later step
        np.testing.assert_array_equal(array, before[name])


def test_a_wrong_state_changes_nothing() -> None:
    adam, p = Adam(), start()
    adam.step(p, GRADIENTS[0])
    saved = adam.arrays()
    for change, error, message in (
        ({"mean": None}, ValueError, "saved arrays must be mean, num_steps, square, got"),
        ({"other": saved["mean"]}, ValueError, "saved arrays must be mean, num_steps, square, got"),
        ({"square": saved["mean"][:2]}, ValueError, r"square must be float64 of shape \(3,\), got"),
        ({"mean": np.zeros(3, int)}, TypeError, "mean must be float32 or float64, got int64"),
        ({"mean": saved["mean"] * np.nan}, ValueError, r"mean\[0\] must be finite, got nan"),
        ({"square": -saved["square"]}, ValueError, "square must be at least 0, got -"),
        ({"num_steps": np.array(-1)}, ValueError, "num_steps must be at least 0, got -1"),
        ({"num_steps": np.array(1.0)}, ValueError, "num_steps must be int64 of shape"),
        ({"mean": None, "square": None}, ValueError, "num_steps must be 0 without mean, got 1"),
    ):
        arrays: dict[str, Any] = {**saved, **change}
        with pytest.raises(error, match=message):
            adam.load_arrays({name: array for name, array in arrays.items() if array is not None})
        assert adam.num_steps == 1
        np.testing.assert_array_equal(adam.arrays()["mean"], saved["mean"])


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.1)])
def test_a_wrong_step_changes_nothing(optimizer: Any) -> None:
    one, p = copy.deepcopy(optimizer), start()
    one.step(p, GRADIENTS[0])
    before, saved = p.copy(), one.arrays()
    read_only = p.copy()
    read_only.flags.writeable = False
    for parameters, gradient, error, message in (
        ([1.0], [1.0], TypeError, "parameters must be a NumPy array, got list"),
        (np.zeros(3, int), [1.0] * 3, TypeError, "parameters must be float32 or float64, got int"),
        (read_only, [1.0] * 3, ValueError, "parameters must be writeable"),
        (np.ma.array(p), [1.0] * 3, TypeError, "parameters must not be a masked array"),
        (p, [1.0], ValueError, r"gradient must have shape \(3,\), got \(1,\)"),
        (p, ["a"] * 3, TypeError, "gradient must be real numbers"),
        (p, [1.0, np.nan, 1.0], ValueError, r"gradient\[1\] must be finite, got nan"),
        (np.zeros(2), [1.0] * 2, ValueError, r"must be float64 of shape \(3,\) as before, got fl"),
        (p.astype(np.float32), [1.0] * 3, ValueError, "as before, got float32 of shape"),
    ):
        with pytest.raises(error, match=message):
            one.step(parameters, gradient)
    with pytest.raises(ValueError, match=r"finite"):
        copy.copy(one).set_params(learning_rate=1e308).step(p, [1e150] * 3)
    np.testing.assert_array_equal(p, before)
    assert one.num_steps == 1
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, saved[name])


def test_squares_that_overflow_are_an_error() -> None:
    p = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="gradient must have squares that are finite in float32"):
        Adam().step(p, [1e20, 1.0])
    assert not p.any()


def test_schedules() -> None:
    assert [Constant(0.1)(step) for step in (0, 9)] == [0.1, 0.1]
    linear, cosine = LinearDecay(0.3, 7, 0.1), CosineDecay(0.3, 7, 0.1)
    for step in range(10):
        t = min(step / 7, 1.0)
        assert linear(step) == pytest.approx(0.3 - 0.2 * t, rel=1e-15)
        expected = 0.1 + 0.2 * (1 + math.cos(math.pi * t)) / 2
        assert cosine(step) == pytest.approx(expected, rel=1e-15)
    assert linear(7) == cosine(7) == linear(8) == 0.1
    assert linear(0) == cosine(0) == 0.3
    sgd, p = SGD(linear), np.zeros(())
    for step in range(3):
        before = float(p)
        sgd.step(p, 1.0)
        assert float(p) - before == pytest.approx(linear(step), rel=1e-14)


def test_clipping() -> None:
    g = np.array([[3.0, 0.0], [0.0, -4.0]])
    np.testing.assert_array_equal(clip_by_norm(g, 5.0), g)
    np.testing.assert_allclose(clip_by_norm(g, 1.0), g / 5.0, rtol=1e-15)
    np.testing.assert_allclose(clip_by_norm(g, 1.0, eps=1e-6), g / (5.0 + 1e-6), rtol=1e-15)
    large = clip_by_norm(np.array([1e300]), 1e299, eps=1e300)
    np.testing.assert_allclose(large, [5e298], rtol=1e-15)
    assert clip_by_norm(g, np.inf) is not g
    first, second = clip_by_norm((g, np.full(1, 12.0, np.float32)), 1.3)
    np.testing.assert_allclose(first, g / 10.0, rtol=1e-15)
    assert second.dtype == np.float32
    np.testing.assert_allclose(second, [1.2], rtol=1e-7)
    np.testing.assert_array_equal(clip_by_norm(np.zeros(2), 1.0), np.zeros(2))
    assert clip_by_norm([], 1.0) == []
    # The norm itself overflows.
    np.testing.assert_allclose(clip_by_norm(np.full(4, 1e308), 1.0), 0.5, rtol=1e-15)
    np.testing.assert_array_equal(clip_by_norm(np.full(4, 3e38, np.float32), 1.0), np.float32(0.5))


def test_options() -> None:
    adam = Adam(preset="sb3")
    assert repr(adam) == "Adam(learning_rate=0.0003, eps=1e-05)"
    assert Adam(1e-2, preset="sb3").get_params() == {
        "learning_rate": 1e-2,
        "betas": (0.9, 0.999),
        "eps": 1e-5,
    }
    adam.step(np.zeros(2), [1.0, 2.0])
    adam.set_params(learning_rate=LinearDecay(1.0, num_steps=4), learning_rate__final=0.5)
    assert repr(adam.learning_rate) == "LinearDecay(initial=1.0, num_steps=4, final=0.5)"
    assert adam.num_steps == 1  # an option is no state


def test_wrong_options() -> None:
    for call, error, message in (
        (lambda: SGD(-0.1), ValueError, "learning_rate must be at least 0, got -0.1"),
        (lambda: SGD("a"), TypeError, "learning_rate must be a real number, got str"),
        (lambda: SGD(0.1, 1.5), ValueError, "momentum must be from 0 to 1, got 1.5"),
        (lambda: Adam(betas=0.9), TypeError, "betas must be two real numbers, got float"),
        (lambda: Adam(betas=(0.9, 1.0)), ValueError, r"betas\[1\] must be from 0 to below 1, got"),
        (lambda: Adam(eps=-1.0), ValueError, "eps must be at least 0, got -1.0"),
        (lambda: Adam(preset="trl"), ValueError, "preset must be one of sb3, got 'trl'"),
        (lambda: Constant(np.nan), ValueError, "value must be finite, got nan"),
        (lambda: LinearDecay(1.0, 0), ValueError, "num_steps must be at least 1, got 0"),
        (lambda: CosineDecay(1.0, 4, -1.0), ValueError, "final must be at least 0, got -1.0"),
        (
            lambda: SGD(lambda step: -1.0).step(np.zeros(1), [1.0]),
            ValueError,
            r"learning_rate\(0\) must be at least 0, got -1.0",
        ),
        (lambda: clip_by_norm([1.0], 0.0), ValueError, "max_norm must be larger than 0, got 0.0"),
        (lambda: clip_by_norm(np.ones(1), 1, eps=-1), ValueError, "eps must be at least 0, got"),
        (lambda: clip_by_norm(np.full(1, np.nan), 1), ValueError, r"gradient\[0\] must be finite"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_public_names() -> None:
    assert sorted(scorefn.optimizers.__all__) == sorted(set(scorefn.optimizers.__all__))
