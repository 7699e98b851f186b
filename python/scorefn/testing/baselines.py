"""References of baselines and weights: one sample after the other, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .credit import zeros_or

Float64 = NDArray[np.float64]


def advantages(
    rewards: ArrayLike,
    baseline: str = "none",
    *,
    values: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    folds: int | None = None,
    axis: int | None = None,
    groups: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    singleton: str = "error",
) -> Float64:
    """rewards - baseline, for one sample after the other."""
    r = np.asarray(rewards, dtype=np.float64)
    v = np.broadcast_to(zeros_or(values, r.shape), r.shape)
    w = zeros_or(weights, r.shape)
    result = np.zeros(r.shape)
    for members in _groups_of(r.shape, axis, groups, valid):
        parts = np.array_split(np.arange(len(members)), folds or 1)
        fold = [k for k, part in enumerate(parts) for _ in part]
        for at, i in enumerate(members):
            if baseline not in ("none", "values") and len(members) == 1:
                result[i] = r[i] if singleton == "raw" else 0.0
            elif baseline == "mean":
                result[i] = np.mean([r[i] - r[j] for j in members])
            elif baseline == "leave_one_out":
                result[i] = np.mean([r[i] - r[j] for j in members if j != i])
            elif baseline == "weighted_mean":
                used = [j for k, j in zip(fold, members, strict=True) if not folds or k != fold[at]]
                total = sum(w[j] for j in used)
                shares = {j: w[j] / total if total else 1 / len(used) for j in used}
                result[i] = sum(shares[j] * (r[i] - r[j]) for j in used)
            else:
                result[i] = r[i] - v[i]
    return result


def normalize(
    advantages: ArrayLike,
    *,
    axis: int | None = None,
    groups: ArrayLike | None = None,
    eps: float = 1e-8,
    ddof: int = 1,
    valid: ArrayLike | None = None,
    singleton: str = "error",
) -> Float64:
    """(A - mean A) / (std A + eps) for one group after the other.

    Exactly equal numbers are 0. Those that are only equal up to rounding are not, other than in
    `scorefn.credit.normalize`.
    """
    a = np.asarray(advantages, dtype=np.float64)
    result = np.zeros(a.shape)
    for members in _groups_of(a.shape, axis, groups, valid):
        x = np.array([a[i] for i in members])
        if len(x) == 1 and singleton == "raw":
            normalized = x / (1.0 + eps)
        elif np.all(x == x[0]):
            normalized = np.zeros(len(x))
        else:
            normalized = (x - x.mean()) / (x.std(ddof=ddof) + eps)
        for i, value in zip(members, normalized, strict=True):
            result[i] = value
    return result


def _groups_of(
    shape: tuple[int, ...], axis: int | None, groups: ArrayLike | None, valid: ArrayLike | None
) -> list[list[tuple[int, ...]]]:
    """The indices of each group's samples that count."""
    counts = np.full(shape, True) if valid is None else np.asarray(valid, dtype=np.bool_)
    members: dict[Any, list[tuple[int, ...]]] = {}
    for index in np.ndindex(shape):
        if not counts[index]:
            continue
        if groups is not None:
            key: Any = int(np.asarray(groups)[index])
        elif axis is not None:
            key = tuple(np.delete(index, axis).tolist())
        else:
            key = None
        members.setdefault(key, []).append(index)
    return list(members.values())


def sequence_weights(
    lengths: ArrayLike,
    reduction: str,
    *,
    max_length: float | None = None,
    count_empty: bool = False,
) -> Float64:
    """The weight of each token of a sequence, from the definition of each mean."""
    n = np.asarray(lengths, dtype=np.int64)
    sequences = sum(1 for length in n.flat if count_empty or length > 0)
    result = np.zeros(n.shape)
    for index in np.ndindex(n.shape):
        if n[index] == 0:
            continue
        divisors = {
            "sequence_mean": sequences * int(n[index]),
            "token_mean": sum(n.flat),
            "constant": sequences * (max_length or 1),
            "sum": 1,
        }
        result[index] = 1 / divisors[reduction]
    return result
