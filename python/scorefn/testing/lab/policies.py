"""What a problem needs of a policy: probabilities of the actions, and the chain rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._check import check_real, subscript, to_array, type_name
from ...policies import LinearPolicy, LogitsPolicy, TabularPolicy
from ..functions import softmax

Float64 = NDArray[np.float64]


def to_policy(policy: Any) -> Any:
    """The policy, or that of logits: one row for all contexts, or a table with one for each."""
    if hasattr(policy, "logits"):
        return policy
    logits = to_array("policy", policy)
    if logits.dtype.kind not in "iuf" or logits.ndim not in (1, 2):
        raise TypeError(
            "policy must have the methods of a policy, or be an array of logits of shape "
            f"(num_actions,) or (num_states, num_actions), got {type_name(policy)}"
        )
    kind = LogitsPolicy if logits.ndim == 1 else TabularPolicy
    return kind(logits if logits.dtype == np.float32 else logits.astype(np.float64))


def default_observations(policy: Any, observations: Any) -> Any:
    """One for each context; the states of a table, if none are given."""
    if observations is not None:
        return to_array("observations", observations)
    if isinstance(policy, TabularPolicy):
        return np.arange(len(policy.parameters))
    if isinstance(policy, LinearPolicy):
        raise ValueError("observations must be given for a LinearPolicy, got None")
    return None


def distribution(policy: Any, observations: Any, contexts: int, where: Any = None) -> Float64:
    """pi(. | x) in each context."""
    logits = np.asarray(policy.logits(observations), np.float64)
    mask = where
    if isinstance(policy, TabularPolicy) and policy.where is not None:
        mask = policy.where[observations]
    p = softmax(logits, where=mask)
    return np.broadcast_to(p, (contexts, p.shape[-1]))


def adjoint(policy: Any, observations: Any, rows: Float64) -> Float64:
    """The gradient with respect to the parameters, from that with respect to the logits."""
    if isinstance(policy, LogitsPolicy):
        return np.asarray(rows.sum(axis=0))
    if isinstance(policy, TabularPolicy):
        gradient = np.zeros(policy.parameters.shape)
        np.add.at(gradient, observations, rows)
        return gradient
    if isinstance(policy, LinearPolicy):
        return np.asarray(np.asarray(observations, np.float64).T @ rows)
    return np.asarray(policy.adjoint(observations, rows), np.float64)


def check_distribution(
    name: str, values: ArrayLike, shape: tuple[int, ...], *, of_part: bool = False
) -> Float64:
    """Probabilities along the last axis that sum to 1, up to rounding; of a part, at most to 1."""
    p = check_real(name, values, shape=shape)
    rest = 1.0 - p.sum(axis=-1)
    fits = rest >= -1e-12 if of_part else np.abs(rest) <= 1e-12
    good = np.all(p >= 0.0, axis=-1) & fits
    if not np.all(good):
        row = np.argwhere(~good)[0]
        total = "at most 1" if of_part else "1"
        raise ValueError(
            f"{subscript(name, row)} must be probabilities that sum to {total}, "
            f"got {p[tuple(row)].tolist()}"
        )
    return p
