"""TorchRL's clipped PPO loss.

pip install torchrl && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
pytest.importorskip("torchrl")

from tensordict import TensorDict  # noqa: E402
from tensordict.nn import TensorDictModule  # noqa: E402
from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator  # noqa: E402
from torchrl.objectives import ClipPPOLoss  # noqa: E402

PEER = "torchrl"


@pytest.mark.parametrize("clip_range", [0.2, (0.2, 0.28)])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.01])
def test_clip_ppo_loss(
    entropy_coef: float,
    clip_range: float | tuple[float, float],
    compare: Callable[..., None],
) -> None:
    rng = np.random.default_rng(0)
    n, k = 40, 5
    logits, actions = rng.normal(size=(n, k)), rng.integers(k, size=n)
    old = scorefn.log_prob(logits, actions) + rng.normal(scale=0.3, size=n)
    advantages = rng.normal(size=n)

    z = torch.tensor(logits, requires_grad=True)
    actor = ProbabilisticActor(
        TensorDictModule(lambda x: z + 0.0 * x, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        distribution_class=OneHotCategorical,
    )
    critic = ValueOperator(torch.nn.Linear(k, 1).double(), in_keys=["observation"])
    loss = ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=clip_range,
        entropy_bonus=entropy_coef > 0,
        entropy_coeff=entropy_coef,
        normalize_advantage=False,
    )
    batch = TensorDict(
        {
            "observation": torch.zeros((n, k), dtype=torch.float64),
            "action": torch.nn.functional.one_hot(torch.tensor(actions), k),
            "action_log_prob": torch.tensor(old),
            "sample_log_prob": torch.tensor(old),
            "advantage": torch.tensor(advantages)[:, None],
            "value_target": torch.zeros((n, 1), dtype=torch.float64),
        },
        [n],
    )
    result = loss(batch)
    total = result["loss_objective"]
    if entropy_coef > 0:
        total = total + result["loss_entropy"]
    total.backward()
    step = scorefn.ClippedSurrogate(clip_range, entropy_coef=entropy_coef / n).gradient(
        logits, None, actions, old_log_prob=old, advantages=advantages / n
    )
    # TorchRL keeps the clip range as float32.
    compare("ClipPPOLoss", step.objective, -total.item(), 1e-7)
    compare("ClipPPOLoss", step.gradient, -z.grad.numpy(), 1e-7)
