"""Products with the Fisher matrix: those of the dense one, for all shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from _cases import for_each
from _fisher import NAMES, K, N, case, with_padding
from scorefn import LogitsPolicy, _core, testing
from scorefn.estimators import fisher_vector_product


@for_each(name=NAMES, padded=[False, True], dtype=[np.float32, np.float64])
def test_products_are_those_of_the_dense_matrix(name: str, padded: bool, dtype: Any) -> None:
    policy, x, options = case(name, dtype)
    if padded:
        x, options = with_padding(policy, x, options)
    v = np.random.default_rng(2).normal(size=policy.parameters.shape)
    result = fisher_vector_product(policy, x, v, **options)
    assert result.dtype == dtype
    expected = testing.fisher_vector_product(policy, x, v, **options)
    # The products x @ coef and x @ v are rounded to the dtype, and so are pi and the result.
    np.testing.assert_allclose(result, expected, rtol=0, atol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("cols", [1, 2, 3, 5, 8, 17, 33, 150])
@for_each(dtype=[np.float32, np.float64], features=[1, 3, 9, 70], strided=[False, True])
def test_linear_products_of_all_shapes(cols: int, dtype: Any, features: int, strided: bool) -> None:
    """Samples in lanes, actions in lanes, and one set of sums for all; whole tiles or not."""
    rng = np.random.default_rng(3)
    n = 53
    x, coef, v = (
        rng.normal(size=shape).astype(dtype)
        for shape in ((n, features), (features, cols), (features, cols))
    )
    mask = rng.random((n, cols)) < 0.8
    mask[:, cols // 2] = True
    valid = rng.random(n) < 0.7
    p = _core.softmax(x @ coef, where=mask, valid=valid)
    t = (x @ v).astype(np.float64)
    mean = np.sum(p * t, axis=-1, keepdims=True)
    g = np.where(valid[:, None], p * (t - mean), 0.0)
    expected = x.astype(np.float64).T @ g
    x[~valid] = np.nan
    if strided:
        x, p = np.asfortranarray(x), np.asfortranarray(p)
        coef, v = coef.repeat(2, axis=1)[:, ::2], np.asfortranarray(v)
    # x @ v is rounded to the dtype with an error that grows with the number of features.
    size = np.abs(x[valid]).astype(np.float64).T @ np.max(np.abs(t[valid]), axis=-1)
    bound = 16 * np.sqrt(features) * np.finfo(dtype).eps * size[:, None]
    product = _core.fisher_vector_product(x, coef, v, where=mask, valid=valid)
    assert (np.abs(product - expected) <= bound).all()
    p[~valid] = np.nan
    cached = _core.fisher_product_of_probabilities(x, p, v, valid=valid)
    assert (np.abs(cached - expected) <= bound).all()


def test_a_vector_that_is_equal_for_all_actions_gives_0() -> None:
    """No distribution changes. The linear policy's mean is off by a rounding of a rounding."""
    logits = LogitsPolicy(np.array([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(fisher_vector_product(logits, None, np.full(3, 0.1)), 0.0)
    for dtype in (np.float32, np.float64):
        policy, x, _ = case("linear", dtype)
        v = np.repeat(np.array([[1e7], [3.0], [-1e6]], dtype), K, axis=1)
        product = fisher_vector_product(policy, x, v)
        assert np.abs(product).max() <= 4 * np.finfo(dtype).eps ** 2 * 1e7


def test_wrong_vectors_and_rows() -> None:
    policy, x, _ = case("linear")
    with pytest.raises(ValueError, match=r"vector must have shape \(3, 4\), got \(4,\)"):
        fisher_vector_product(policy, x, np.zeros(4))
    with pytest.raises(ValueError, match=r"features must have shape \(\.\.\., 3\)"):
        fisher_vector_product(policy, x[:, :2], np.zeros((3, 4)))
    masks = np.ones((N, K), bool)
    masks[7] = False
    with pytest.raises(ValueError, match=r"features\[7\] @ coef .*allowed action"):
        fisher_vector_product(policy, x, np.zeros((3, 4)), where=masks)
    with pytest.raises(ValueError, match=r"allowed action"):
        fisher_vector_product(LogitsPolicy(np.zeros(2)), None, [0, 0], where=[False, False])
    coef = policy.parameters
    with pytest.raises(ValueError, match=r"probabilities must have shape \(12, 3\), got \(4, 3\)"):
        _core.fisher_product_of_probabilities(x, np.zeros((4, 3)), coef)
    with pytest.raises(ValueError, match=r"vector must have shape \(3, 5\), got \(3, 4\)"):
        _core.fisher_product_of_probabilities(x, np.zeros((12, 5)), coef)
