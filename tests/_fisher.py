"""Policies, observations and gradients for the tests of the Fisher matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn import ExpectedReward, LinearPolicy, LogitsPolicy, TabularPolicy

Array = NDArray[Any]
N, K = 12, 4
NAMES = [
    "logits",
    "logits, mask",
    "table",
    "table, mask",
    "linear",
    "linear, mask",
    "linear, masks",
]


def case(name: str, dtype: Any = np.float64) -> tuple[Any, Any, dict[str, Any]]:
    """Policy, observations and masks. State 4 is visited by no observation that counts."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, K)).astype(dtype)
    features, states = rng.normal(size=(N, 3)).astype(dtype), np.arange(N, dtype=np.uint8) % 5
    mask = np.array([False, True, True, True])
    masks = np.ones((N, K), bool)
    masks[::2, 0] = False
    table[2, 1] = -np.inf
    cases: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "logits": (LogitsPolicy(table[2]), None, {}),
        "logits, mask": (LogitsPolicy(table[0]), None, {"where": mask}),
        "table": (TabularPolicy(table), states, {}),
        "table, mask": (TabularPolicy(table, where=np.tile(mask, (5, 1))), states, {}),
        "linear": (LinearPolicy(table[[0, 1, 3]]), features, {}),
        "linear, mask": (LinearPolicy(table[[0, 1, 3]]), features, {"where": mask}),
        "linear, masks": (LinearPolicy(table[[0, 1, 3]]), features, {"where": masks}),
    }
    return cases[name]


def with_padding(policy: Any, x: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Some observations do not count and hold what they cannot."""
    valid = np.arange(N) % 5 < 4
    if isinstance(policy, LinearPolicy):
        x = np.where(valid[:, None], x, np.nan).astype(policy.parameters.dtype)
    elif isinstance(policy, TabularPolicy):
        x = np.where(valid, x, 100).astype(np.uint8)
    return x, {**options, "valid": valid}


def gradient_of(policy: Any, x: Any, options: dict[str, Any], seed: int = 1) -> Array:
    """A mean over the observations that count of an all-action gradient with random values."""
    rng = np.random.default_rng(seed)
    shape = policy.parameters.shape[-1:] if x is None else (N, policy.num_actions)
    n = 1 if x is None else np.count_nonzero(options.get("valid", np.full(N, True)))
    if x is None:
        options = {name: value for name, value in options.items() if name != "valid"}
    step = ExpectedReward().gradient(
        policy,
        x,
        action_values=rng.normal(size=shape),
        weights=1.0 / n,
        per_sample=True,
        **options,
    )
    return np.asarray(step.gradient)
