"""References of squared scores: the score of each sample, with all its entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..policies import LinearPolicy, TabularPolicy
from .gradients import linear_gradient, score, tabular_gradient

Float64 = NDArray[np.float64]


def squared_score_norms(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """||s_i||^2 of each sample."""
    scores = _scores(policy, observations, actions, where, valid)
    return np.asarray(np.sum(scores.reshape(*np.shape(actions), -1) ** 2, axis=-1))


def squared_score_sums(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """sum_i w_i s_i^2 of the samples that count."""
    scores = _scores(policy, observations, actions, where, valid)
    counts = np.full(np.shape(actions), True) if valid is None else np.asarray(valid, np.bool_)
    w = np.asarray(weights, dtype=np.float64)
    return np.asarray(np.tensordot(w[counts], scores[counts] ** 2, axes=1))


def coordinate_baseline_gradient(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    rewards: ArrayLike,
    *,
    folds: int = 2,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """1/n sum_i (r_i - b) s_i, with b from the samples of the other folds."""
    scores = _scores(policy, observations, actions, where, valid)
    counts = np.full(np.shape(actions), True) if valid is None else np.asarray(valid, np.bool_)
    s, r = scores[counts], np.asarray(rewards, dtype=np.float64)[counts]
    total = np.zeros(s.shape[1:])
    for fold in np.array_split(np.arange(len(r)), min(folds, len(r))):
        rest = np.delete(np.arange(len(r)), fold)
        squares = np.sum(s[rest] ** 2, axis=0)
        weighted = np.tensordot(r[rest], s[rest] ** 2, axes=1)
        has_score = squares > 0.0
        b = np.where(has_score, weighted / np.where(has_score, squares, 1.0), np.mean(r[rest]))
        for i in fold:
            total += (r[i] - b) * s[i]
    return total / len(r)


def _scores(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    where: ArrayLike | None,
    valid: ArrayLike | None,
) -> Float64:
    """d log pi(a_i | x_i) / dparameters; 0 for samples that do not count."""
    a, theta = np.asarray(actions), np.asarray(policy.parameters, dtype=np.float64)
    counts = np.full(a.shape, True) if valid is None else np.asarray(valid, dtype=np.bool_)
    x = None if observations is None else np.asarray(observations)
    mask = None if where is None else np.asarray(where)
    result = np.zeros((*a.shape, *theta.shape))
    for i in np.ndindex(a.shape):
        if not counts[i]:
            continue
        if x is None:
            result[i] = score(theta, a[i], where=mask)
            continue
        leading = x.shape[:-1] if isinstance(policy, LinearPolicy) else x.shape
        row = i[: len(leading)]
        if isinstance(policy, TabularPolicy):
            one = [x[row]], [a[i]], [1.0]
            result[i] = tabular_gradient(theta, *one, where=policy.where)
        else:
            of_row = mask if mask is None or mask.ndim == 1 else mask[row][np.newaxis]
            result[i] = linear_gradient(x[row][np.newaxis], theta, [a[i]], [1.0], where=of_row)
    return result
