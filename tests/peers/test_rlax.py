"""The objectives over all actions against rlax, which minimises means where scorefn maximises sums.

pip install rlax && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn

jax = pytest.importorskip("jax")
rlax = pytest.importorskip("rlax")

Array = NDArray[Any]

OBJECTIVES = [
    (scorefn.ExpectedReward(), rlax.qpg_loss),
    (scorefn.RegretMatching(), rlax.rm_loss),
    (scorefn.RegretPolicyGradient(), rlax.rpg_loss),
]


@pytest.fixture(autouse=True)
def in_float64() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(
    ("objective", "loss"), OBJECTIVES, ids=lambda x: getattr(x, "__name__", "")
)
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("cols", [1, 2, 7, 100])
def test_objective_is_minus_the_loss(
    cols: int, offset: float, objective: Any, loss: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(cols)
    z, q = rng.normal(scale=2.0, size=(2, 50, cols))
    q += offset
    step = objective.gradient(z, None, action_values=q, weights=1.0 / len(z))
    value, gradient = jax.value_and_grad(loss)(z, q)
    # rlax rounds q - v at the size of the offset.
    atol = 1e-12 * (1.0 + offset)
    np.testing.assert_allclose(step.gradient, -np.asarray(gradient), rtol=1e-10, atol=atol)
    if loss is rlax.qpg_loss:  # whose value is sum_a pi(a) (q(a) - v), which is 0
        assert float(value) == pytest.approx(0.0, abs=atol)
    else:
        assert step.objective == pytest.approx(-float(value), rel=1e-10, abs=atol * cols)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of rlax
def test_entropy() -> None:
    z = np.random.default_rng(0).normal(size=(50, 7))
    step = scorefn.ExpectedReward(entropy_coef=1.0 / len(z)).gradient(
        z, None, action_values=np.zeros_like(z)
    )
    value, gradient = jax.value_and_grad(rlax.entropy_loss)(z, np.ones(len(z)))
    np.testing.assert_allclose(step.gradient, -np.asarray(gradient), rtol=1e-10, atol=1e-15)
    assert step.objective == pytest.approx(-float(value), rel=1e-12)
