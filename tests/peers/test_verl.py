"""verl's advantages and losses of the GRPO family: from rewards to the gradient of the logits.

pip install --no-deps verl && pytest tests/peers

verl needs ray and more. Its algorithms do not, so their file is loaded with what it imports from
verl itself replaced by names, and by the two masked reductions written out.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn import CISPO, GRPO, ClippedSurrogate

torch = pytest.importorskip("torch")
_spec = importlib.util.find_spec("verl")
if _spec is None or not _spec.submodule_search_locations:
    pytest.skip("verl is not installed", allow_module_level=True)

PEER = "verl"
B, T, K = 6, 5, 7
# verl adds 1e-8 to numbers of tokens, and rounds means and standard deviations of one reward each.
ADDED = 1e-7


class Config(types.SimpleNamespace):
    """The options that a loss reads."""

    def get(self, name: str, default: Any) -> Any:
        return getattr(self, name, default)


def algorithms() -> Any:
    assert _spec is not None
    assert _spec.submodule_search_locations
    path = Path(_spec.submodule_search_locations[0]) / "trainer" / "ppo" / "core_algos.py"

    def masked_mean(x: Any, mask: Any) -> Any:
        return (x * mask).sum() / mask.sum()

    names: dict[str, dict[str, Any]] = {
        "omegaconf": {"DictConfig": dict},
        "verl": {},
        "verl.utils": {"as_torch_index": None, "group_mean_std": None},
        "verl.utils.torch_functional": {
            "masked_sum": lambda x, mask: (x * mask).sum(),
            "masked_mean": masked_mean,
        },
        "verl.utils.import_utils": {"deprecated": lambda *_: lambda function: function},
        "verl.trainer": {},
        "verl.trainer.config": {"AlgoConfig": dict},
        "verl.workers": {},
        "verl.workers.config": {"ActorConfig": Config},
    }
    kept = {name: sys.modules.get(name) for name in names}
    for name, attributes in names.items():
        module: Any = types.ModuleType(name)
        module.__dict__.update(attributes)
        sys.modules[name] = module
    sys.modules["verl.utils"].torch_functional = sys.modules["verl.utils.torch_functional"]  # type: ignore[attr-defined]
    try:
        spec = importlib.util.spec_from_file_location("verl_core_algos", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, old in kept.items():
            sys.modules.pop(name)
            if old is not None:
                sys.modules[name] = old
    return module


VERL = algorithms()
DUAL = {"dual_clip": 3.0}
# Our variant and objective; verl's loss, how it sums up, and its options.
METHODS: dict[str, tuple[Any, str, str, dict[str, Any]]] = {
    "grpo": (ClippedSurrogate(0.2, **DUAL), "vanilla", "seq-mean-token-mean", {}),
    "dr_grpo": (ClippedSurrogate(0.2, **DUAL), "vanilla", "seq-mean-token-sum-norm", {}),
    "bnpo": (ClippedSurrogate(0.2, **DUAL), "vanilla", "token-mean", {}),
    "dapo": (
        ClippedSurrogate((0.2, 0.28), **DUAL),
        "vanilla",
        "token-mean",
        {"clip_ratio_high": 0.28},
    ),
    "gspo": (
        None,
        "gspo",
        "seq-mean-token-mean",
        {"clip_ratio_low": 3e-4, "clip_ratio_high": 4e-4},
    ),
    "gmpo": (None, "geo_mean", "", {"clip_ratio": 0.4}),
    "cispo": (CISPO(clip_range=(0.2, 0.3)), "cispo", "token-mean", {"clip_ratio_high": 0.3}),
    "sapo": (None, "sapo", "seq-mean-token-mean", {"tau_pos": 1.0, "tau_neg": 1.05}),
}


@pytest.mark.parametrize("spread", [0.0, 0.3])
@pytest.mark.parametrize("variant", METHODS)
def test_from_rewards_to_the_gradient(
    variant: Any, spread: float, compare: Callable[..., None]
) -> None:
    rng = np.random.default_rng(0)
    logits, actions = rng.normal(size=(B, T, K)), rng.integers(K, size=(B, T))
    valid = np.arange(T) < np.array([3, 5, 2, 4, 1, 5])[:, np.newaxis]
    rewards, groups = rng.normal(size=B), np.array([0, 0, 1, 1, 1, 2])  # one is alone
    old = scorefn.log_prob(logits, actions) + spread * rng.normal(size=(B, T))

    objective, loss, mode, options = METHODS[variant]
    mask = torch.tensor(valid, dtype=torch.float64)
    given = torch.zeros(B, T, dtype=torch.float64)
    given[:, 0] = torch.tensor(rewards)
    advantages, _ = VERL.compute_grpo_outcome_advantage(
        given, mask, groups, norm_adv_by_std_in_grpo=variant != "dr_grpo"
    )
    leaf = torch.tensor(logits, requires_grad=True)
    log_prob = torch.log_softmax(leaf, -1).gather(-1, torch.tensor(actions)[..., None])[..., 0]
    defaults = {"clip_ratio": 0.2, "clip_ratio_low": None, "clip_ratio_high": None}
    config = Config(**{**defaults, **options}, global_batch_info={})
    value, _ = VERL.get_policy_loss_fn(loss)(
        torch.tensor(old), log_prob, advantages, mask, loss_agg_mode=mode, config=config
    )
    value.backward()

    estimate = GRPO(variant, objective, eps=1e-6, singleton="raw").estimate(
        logits,
        None,
        actions,
        rewards,
        old_log_prob=old,
        groups=groups,
        valid=valid,
        max_length=T if variant == "dr_grpo" else None,
    )
    compare(f"GRPO({variant!r})", estimate.gradient, -leaf.grad.numpy(), ADDED)
    compare(f"GRPO({variant!r})", estimate.objective, -value.item(), ADDED)
