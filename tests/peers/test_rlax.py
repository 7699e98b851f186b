"""Objectives against rlax, which minimises means where scorefn maximises sums.

pip install rlax && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn

jax = pytest.importorskip("jax")
rlax = pytest.importorskip("rlax")

PEER = "rlax"

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
    cols: int,
    offset: float,
    objective: Any,
    loss: Callable[..., Any],
    compare: Callable[..., None],
) -> None:
    rng = np.random.default_rng(cols)
    z, q = rng.normal(scale=2.0, size=(2, 50, cols))
    q += offset
    step = objective.gradient(z, None, action_values=q, weights=1.0 / len(z))
    value, gradient = jax.value_and_grad(loss)(z, q)
    # rlax rounds q - v at the size of the offset.
    rtol = 1e-12 * (1.0 + offset)
    if cols > 1:
        compare(loss.__name__, step.gradient, -np.asarray(gradient), rtol)
    if loss is rlax.qpg_loss:  # whose value is sum_a pi(a) (q(a) - v), which is 0
        assert float(value) == pytest.approx(0.0, abs=rtol)
    elif cols > 1:
        compare(loss.__name__, step.objective, -float(value), rtol)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of rlax
def test_entropy(compare: Callable[..., None]) -> None:
    z = np.random.default_rng(0).normal(size=(50, 7))
    step = scorefn.ExpectedReward(entropy_coef=1.0 / len(z)).gradient(
        z, None, action_values=np.zeros_like(z)
    )
    value, gradient = jax.value_and_grad(rlax.entropy_loss)(z, np.ones(len(z)))
    compare("entropy_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("entropy_loss", step.objective, -float(value), 1e-12)


def test_policy_gradient(compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    z, actions, advantages = rng.normal(size=(50, 7)), rng.integers(7, size=50), rng.normal(size=50)
    step = scorefn.WeightedLogProb().gradient(z, None, actions, weights=advantages / len(z))
    value, gradient = jax.value_and_grad(rlax.policy_gradient_loss)(
        z, actions, advantages, np.ones(len(z))
    )
    compare("policy_gradient_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("policy_gradient_loss", step.objective, -float(value), 1e-12)


def test_clipped_surrogate(compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    z, actions, advantages = rng.normal(size=(50, 7)), rng.integers(7, size=50), rng.normal(size=50)
    old = scorefn.log_prob(z, actions) + rng.normal(scale=0.3, size=50)

    def loss(logits: Any) -> Any:
        log_prob = jax.nn.log_softmax(logits)[np.arange(50), actions]
        ratios = jax.numpy.exp(log_prob - old)
        return rlax.clipped_surrogate_pg_loss(ratios, advantages, 0.2)

    value, gradient = jax.value_and_grad(loss)(z)
    step = scorefn.ClippedSurrogate().gradient(
        z, None, actions, old_log_prob=old, advantages=advantages / len(z)
    )
    compare("clipped_surrogate_pg_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("clipped_surrogate_pg_loss", step.objective, -float(value), 1e-12)
