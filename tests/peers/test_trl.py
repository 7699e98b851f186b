"""The losses of TRL's GRPO trainer, on padded sequences, against objectives and segments.

pip install trl && pytest tests/peers
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn

torch = pytest.importorskip("torch")
trainer_module = pytest.importorskip("trl.trainer.grpo_trainer")

PEER = "trl"
Array = NDArray[Any]

B, T, K = 6, 9, 11
LENGTHS = np.array([9, 4, 1, 6, 3, 8])
MASK = np.arange(T) < LENGTHS[:, None]


class Batch:
    """Logits of the tokens, what was drawn, and advantages."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.logits = rng.normal(size=(B, T, K))
        self.actions = rng.integers(K, size=(B, T))
        log_prob = scorefn.log_prob(self.logits, self.actions)
        self.old = log_prob + rng.normal(scale=0.3, size=(B, T))
        self.reference = log_prob + rng.normal(scale=0.3, size=(B, T))
        self.advantages = rng.normal(size=B)


def trl_loss(batch: Batch, **options: Any) -> tuple[float, Array]:
    """The loss that TRL computes, and its gradient with respect to the logits."""
    args = {
        "loss_type": "grpo",
        "importance_sampling_level": "token",
        "beta": 0.0,
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "delta": None,
        **options,
    }
    logits = torch.tensor(batch.logits, requires_grad=True)
    log_probs = torch.log_softmax(logits, -1)
    of_actions = log_probs.gather(-1, torch.tensor(batch.actions)[..., None])[..., 0]
    entropies = -(log_probs.exp() * log_probs).sum(-1)
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (of_actions, entropies, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        max_completion_length=T,
        current_gradient_accumulation_steps=1,
        model=SimpleNamespace(training=False),
        _metrics=defaultdict(lambda: defaultdict(list)),
        accelerator=SimpleNamespace(
            num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x
        ),
        args=SimpleNamespace(
            delta=args["delta"],
            use_bias_correction_kl=False,
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.25,  # exact in float32, to which TRL rounds it
        ),
        **{k: v for k, v in args.items() if k != "delta"},
    )
    inputs = {
        "prompt_ids": torch.zeros((B, 1), dtype=torch.long),
        "prompt_mask": torch.ones((B, 1)),
        "completion_ids": torch.tensor(batch.actions),
        "completion_mask": torch.tensor(MASK, dtype=torch.float64),
        "advantages": torch.tensor(batch.advantages),
        "old_per_token_logps": torch.tensor(batch.old),
        "ref_per_token_logps": torch.tensor(batch.reference),
        "num_items_in_batch": torch.tensor(float(MASK.sum())),
    }
    loss = trainer_module.GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    return loss.item(), logits.grad.numpy()


# Weights of tokens for each reduction.
PER_SEQUENCE, PER_TOKEN, CONSTANT = (
    scorefn.credit.sequence_weights(LENGTHS, reduction, max_length=most)[:, None] * MASK
    for reduction, most in [("sequence_mean", None), ("token_mean", None), ("constant", T)]
)


def test_advantages(compare: Callable[..., None]) -> None:
    """Of groups of one size; NaN is a reward that no function gave."""
    utils = pytest.importorskip("trl.trainer.utils")
    rng = np.random.default_rng(1)
    rewards = rng.integers(0, 4, size=(30, 4)).astype(np.float64)
    rewards[rng.random((30, 4)) < 0.2] = np.nan
    rewards[0] = np.nan
    rewards[1, 1:] = np.nan
    grouped = torch.tensor(rewards)
    mean, deviation = grouped.nanmean(dim=1), utils.nanstd(grouped, dim=1)
    scaled = torch.nan_to_num((grouped - mean[:, None]) / (deviation[:, None] + 1e-4), nan=0.0)
    count = (~grouped.isnan()).sum(dim=1, keepdim=True)
    others = (grouped.nansum(dim=1, keepdim=True) - grouped) / (count - 1)
    over_others = torch.nan_to_num(grouped - others, nan=0.0)
    options: Any = {"axis": 1, "valid": ~np.isnan(rewards), "singleton": "zero"}
    result = scorefn.credit.normalize(rewards, eps=1e-4, **options)
    # TRL rounds n / (n - 1) to float32.
    compare("scale_rewards=group", result, scaled.numpy(), 1e-7)
    result = scorefn.credit.advantages(rewards, "leave_one_out", **options)
    compare("RLOO", result, over_others.numpy(), 1e-14)


CASES = {
    "grpo": (scorefn.ClippedSurrogate(), PER_SEQUENCE, {"loss_type": "grpo"}),
    "bnpo": (scorefn.ClippedSurrogate(), PER_TOKEN, {"loss_type": "bnpo"}),
    "dr_grpo": (scorefn.ClippedSurrogate(), CONSTANT, {"loss_type": "dr_grpo"}),
    "dapo": (
        scorefn.ClippedSurrogate(clip_range=(0.2, 0.28)),
        PER_TOKEN,
        {"loss_type": "dapo", "epsilon_high": 0.28},
    ),
    "two-sided clip": (
        scorefn.ClippedSurrogate(dual_clip=1.5),
        PER_SEQUENCE,
        {"loss_type": "grpo", "delta": 1.5},
    ),
    "cispo": (
        scorefn.CISPO(clip_range=(np.inf, 0.3)),
        PER_TOKEN,
        {"loss_type": "cispo", "epsilon_high": 1.3},  # which is the largest ratio itself
    ),
    "sapo": (scorefn.SAPO(tau_neg=1.25), PER_SEQUENCE, {"loss_type": "sapo"}),
}


@pytest.mark.parametrize("name", CASES)
def test_token_level(name: str, compare: Callable[..., None]) -> None:
    batch = Batch()
    objective, token_weights, options = CASES[name]
    value, gradient = trl_loss(batch, **options)
    step = objective.gradient(
        batch.logits,
        None,
        batch.actions,
        valid=MASK,
        old_log_prob=batch.old,
        advantages=batch.advantages[:, None] * token_weights,
    )
    compare(name, step.objective, -value)
    compare(name, step.gradient, -gradient)


def test_gspo(compare: Callable[..., None]) -> None:
    """importance_sampling_level="sequence" with loss_type="grpo"."""
    batch = Batch()
    value, gradient = trl_loss(
        batch, importance_sampling_level="sequence", epsilon_low=3e-4, epsilon_high=4e-4
    )
    step = scorefn.ClippedSurrogate(clip_range=(3e-4, 4e-4)).gradient(
        batch.logits,
        None,
        batch.actions,
        valid=MASK,
        segments=scorefn.Segments.of_rows((B, T), log_prob="mean"),
        old_log_prob=batch.old,
        advantages=batch.advantages / B,
    )
    compare("gspo", step.objective, -value, 1e-12)
    compare("gspo", step.gradient, -gradient, 1e-12)


def test_kl_penalty(compare: Callable[..., None]) -> None:
    """beta times k3, with its own gradient."""
    batch = Batch()
    batch.advantages[:] = 0.0
    value, gradient = trl_loss(batch, beta=0.04)
    step = scorefn.KLPenalty(value="k3", derivative="k3").gradient(
        batch.logits,
        None,
        batch.actions,
        valid=MASK,
        weights=0.04 * PER_SEQUENCE,
        reference_log_prob=batch.reference,
    )
    compare("beta (k3)", step.objective, -value, 1e-12)
    compare("beta (k3)", step.gradient, -gradient, 1e-12)


@pytest.mark.parametrize("variant", [*(n for n in CASES if n != "two-sided clip"), "gspo"])
def test_estimators(variant: Any, compare: Callable[..., None]) -> None:
    """From rewards to the gradient; TRL's epsilon for CISPO is the largest ratio itself."""
    batch = Batch()
    rewards, groups = np.array([1.0, 0.0, 0.5, 0.0, 1.0, 1.0]), np.array([0, 1, 0, 1, 0, 1])
    divides = 0.0 if variant == "dr_grpo" else 1.0
    for group in (0, 1):  # as GRPOTrainer._generate_and_score_completions has it
        r = torch.tensor(rewards[groups == group])
        scale = (r.std() + 1e-4) if divides else torch.tensor(1.0)
        batch.advantages[groups == group] = ((r - r.mean()) / scale).numpy()
    options: dict[str, Any] = dict(CASES[variant][2]) if variant in CASES else {}
    if variant == "gspo":
        options = {
            "importance_sampling_level": "sequence",
            "epsilon_low": 3e-4,
            "epsilon_high": 4e-4,
        }
    value, gradient = trl_loss(batch, beta=0.04, **options)
    objective = CASES[variant][0] if variant in ("cispo", "sapo") else None
    result = scorefn.GRPO(variant, objective=objective, kl_coef=0.04).estimate(
        batch.logits,
        None,
        batch.actions,
        rewards,
        groups=groups,
        old_log_prob=batch.old,
        reference_log_prob=batch.reference,
        max_length=T if variant == "dr_grpo" else None,
        valid=MASK,
    )
    compare(f"GRPO({variant!r})", result.objective, -value)
    compare(f"GRPO({variant!r})", result.gradient, -gradient)


def test_presets_are_the_defaults_of_the_library(compare: Callable[..., None]) -> None:
    """The options that its configurations have, and the loss that they make, of its own trainer."""
    configs = pytest.importorskip("trl")
    grpo, rloo = (
        {name: f.default for name, f in config.__dataclass_fields__.items()}
        for config in (configs.GRPOConfig, configs.RLOOConfig)
    )
    assert scorefn.GRPO(preset="trl").kl_coef == grpo["beta"]
    assert scorefn.GRPO(preset="trl").entropy_coef == grpo["entropy_coef"]
    assert grpo["scale_rewards"] == "group"
    assert scorefn.RLOO(preset="trl").kl_coef == rloo["beta"]
    assert scorefn.RLOO(preset="trl").objective.clip_range == rloo["epsilon"]
    assert (rloo["epsilon_high"], rloo["normalize_advantages"]) == (None, False)
    batch = Batch()
    rewards, groups = np.array([1.0, 0.0, 0.5, 0.0, 1.0, 1.0]), np.array([0, 1, 0, 1, 0, 1])
    for group in (0, 1):
        r = torch.tensor(rewards[groups == group])
        batch.advantages[groups == group] = ((r - r.mean()) / (r.std() + 1e-4)).numpy()
    high = grpo["epsilon"] if grpo["epsilon_high"] is None else grpo["epsilon_high"]
    value, gradient = trl_loss(
        batch,
        loss_type=grpo["loss_type"],
        importance_sampling_level=grpo["importance_sampling_level"],
        epsilon_low=grpo["epsilon"],
        epsilon_high=high,
        delta=grpo["delta"],
        beta=grpo["beta"],
    )
    result = scorefn.GRPO(preset="trl").estimate(
        batch.logits,
        None,
        batch.actions,
        rewards,
        groups=groups,
        old_log_prob=batch.old,
        valid=MASK,
    )
    compare('GRPO(preset="trl")', result.objective, -value)
    compare('GRPO(preset="trl")', result.gradient, -gradient)
