"""A log of actions and rewards with the propensities of its policy, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import (
    check_finite,
    check_float,
    check_indices,
    check_real,
    check_shape,
    subscript,
    to_array,
)
from .._groups import check_samples
from .._moments import Moments
from .._objective_pass import check_policy
from .counts import counts_of

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Log:
    """A policy and logged samples. Numbers of those that do not count are harmless."""

    policy: Any
    observations: Any
    actions: NDArray[Any]
    where: ArrayLike | None
    valid: ArrayLike | None
    counts: NDArray[np.bool_]
    rewards: Float64
    propensities: Float64
    q: Any  # None, or (..., num_actions): a model's rewards of all actions
    advantages: Float64  # the rewards, minus the model's

    @property
    def rows(self) -> dict[str, Any]:
        return {"where": self.where, "valid": self.valid}

    @property
    def num_samples(self) -> int:
        return int(np.count_nonzero(self.counts))

    def mean_reward(self) -> float:
        return Moments("rewards", self.rewards[self.counts]).mean()

    def check_expected(self, expected: Any) -> Float64:
        """sum_a pi(a) q_a: not finite if the model does not know an action that pi may take."""
        return check_finite(
            "the policy's expectation of action_values", expected.astype(np.float64)
        )


def check_log(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    rewards: ArrayLike,
    propensities: ArrayLike | None,
    q: ArrayLike | None,
    where: ArrayLike | None,
    valid: ArrayLike | None,
    *,
    method: str,
    needs_propensities: bool,
    needs_q: bool,
) -> Log:
    check_policy(policy)
    a = to_array("actions", actions)
    counts = counts_of(valid, a.shape)
    if not counts.any():
        raise ValueError(f"actions must have at least one sample that counts, got {a.shape}")
    r = check_finite("rewards", check_samples("rewards", rewards, valid, shape=a.shape)[0])
    r = r.astype(np.float64, order="C")
    p, model, advantages = np.ones(a.shape), None, r
    if needs_propensities and propensities is None:
        raise ValueError(f"propensities must be given for method={method!r}")
    if needs_q and q is None:
        raise ValueError(f"action_values must be given for method={method!r}")
    if needs_propensities:
        p = _check_propensities(propensities, counts)
    if needs_q:
        model = _check_model(policy, q, a.shape)
        chosen = np.where(counts, a, a.dtype.type(0))
        chosen = check_indices("actions", chosen, model.shape[-1], "actions").astype(np.intp)
        of_action = np.take_along_axis(model, chosen[..., np.newaxis], -1)[..., 0]
        # The model may not know an action that the policy never takes: it has weight 0 anyway.
        with np.errstate(all="ignore"):
            advantages = np.where(counts & np.isfinite(of_action), r - of_action, 0.0)
    return Log(
        policy,
        observations,
        a,
        where,
        valid,
        counts,
        rewards=r,
        propensities=p,
        q=model,
        advantages=advantages if needs_propensities else np.zeros(a.shape),
    )


def _check_propensities(propensities: Any, counts: NDArray[np.bool_]) -> Float64:
    given = check_real("propensities", propensities, shape=counts.shape)
    p = np.ascontiguousarray(np.where(counts, given, 1.0))
    wrong = np.argwhere(~((p > 0.0) & (p <= 1.0)))
    if wrong.size:
        index = tuple(wrong[0])
        raise ValueError(f"{subscript('propensities', index)} must be in (0, 1], got {p[index]}")
    return p


def _check_model(policy: Any, q: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A row for each sample."""
    model = check_float("action_values", q)
    is_array = not hasattr(policy, "logits")
    num_actions = getattr(policy, "num_actions", model.shape[-1] if model.ndim else 0)
    if is_array:
        logits = np.shape(policy)
        num_actions = logits[-1] if logits else 0
        if logits != (*shape, num_actions):
            expected = ", ".join(map(str, (*shape, "num_actions")))
            raise ValueError(
                f"policy must have shape ({expected}), a row of logits for each action, "
                f"got {logits}"
            )
    check_shape("action_values", model, (*shape, num_actions))
    return model
