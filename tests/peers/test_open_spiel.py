"""The objectives over all actions against OpenSpiel's losses, which are means to be minimised.

pip install open-spiel torch && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
losses = pytest.importorskip("open_spiel.python.pytorch.losses.rl_losses")

PEER = "open-spiel"
OBJECTIVES = [
    (scorefn.ExpectedReward(), losses.BatchQPGLoss),
    (scorefn.RegretMatching(), losses.BatchRMLoss),
    (scorefn.RegretPolicyGradient(), losses.BatchRPGLoss),
    (scorefn.NeuRD(), losses.BatchNeuRDLoss),
]


@pytest.mark.parametrize(
    ("objective", "loss"), OBJECTIVES, ids=[loss.__name__ for _, loss in OBJECTIVES]
)
@pytest.mark.parametrize("cols", [1, 2, 7, 100])
def test_objective_is_minus_the_loss(
    cols: int, objective: Any, loss: Any, compare: Callable[..., None]
) -> None:
    rng = np.random.default_rng(cols)
    z, q = rng.normal(scale=2.0, size=(2, 50, cols)).astype(np.float32)
    step = objective.gradient(z, None, action_values=q, weights=1.0 / len(z))
    logits = torch.tensor(z, requires_grad=True)
    value = loss().loss(logits, torch.tensor(q))
    value.backward()
    if cols > 1:
        # float32: OpenSpiel rounds advantages of up to 10.
        compare(loss.__name__, step.gradient, -logits.grad.numpy(), 1e-5)
    if loss is losses.BatchQPGLoss:  # whose value is sum_a pi(a) (q(a) - v), which is 0
        assert value.item() == pytest.approx(0.0, abs=1e-5)
    elif cols > 1:
        compare(loss.__name__, step.objective, -value.item(), 1e-5)


def test_a_positive_entropy_cost_is_a_negative_bonus() -> None:
    """OpenSpiel adds the entropy to what it minimises."""
    z = np.random.default_rng(0).normal(size=(50, 7))
    logits = torch.tensor(z, requires_grad=True)
    losses.BatchQPGLoss(entropy_cost=0.3).loss(logits, torch.zeros(50, 7)).backward()
    step = scorefn.ExpectedReward(entropy_coef=-0.3 / len(z)).gradient(
        z, None, action_values=np.zeros_like(z)
    )
    np.testing.assert_allclose(step.gradient, -logits.grad.numpy(), rtol=1e-6, atol=1e-9)
