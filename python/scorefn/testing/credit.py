"""References of credit: one step after the other, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]


def discounted_returns(
    rewards: ArrayLike,
    discount: float,
    *,
    terminated: ArrayLike | None = None,
    truncated: ArrayLike | None = None,
    next_values: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """G_t = r_t + discount * (0, next_values_t or G_{t+1}), step by step from the last one."""
    r = np.asarray(rewards, dtype=np.float64)
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    following = _zeros_or(next_values, r.shape)
    result = np.zeros(r.shape)
    for index in np.ndindex(r.shape[1:]):
        later = None  # the return of the next valid step
        for t in reversed(range(len(r))):
            step = (t, *index)
            if not counts[step]:
                continue
            if ends[step]:
                later = 0.0
            elif cuts[step] or later is None:
                later = following[step]
            later = r[step] + (discount * later if discount else 0.0)  # not 0 * inf
            result[step] = later
    return result


def gae(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    gae_lambda: float,
    valid: ArrayLike | None = None,
) -> Float64:
    """A_t = delta_t + discount * gae_lambda * A_{t+1}, step by step (Schulman et al. 2016)."""
    r, v, following = (np.asarray(x, dtype=np.float64) for x in (rewards, values, next_values))
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    result = np.zeros(r.shape)
    for index in np.ndindex(r.shape[1:]):
        later = 0.0  # the advantage of the next valid step
        for t in reversed(range(len(r))):
            step = (t, *index)
            if not counts[step]:
                continue
            if ends[step] or cuts[step]:
                later = 0.0
            after = 0.0 if ends[step] else following[step]
            later = (r[step] + discount * after - v[step]) + discount * gae_lambda * later
            result[step] = later
    return result


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


def _step_flags(
    shape: tuple[int, ...],
    terminated: ArrayLike | None,
    truncated: ArrayLike | None,
    valid: ArrayLike | None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    def flags(x: ArrayLike | None, default: bool) -> NDArray[np.bool_]:
        return np.full(shape, default) if x is None else np.asarray(x, dtype=np.bool_)

    return flags(terminated, False), flags(truncated, False), flags(valid, True)


def _zeros_or(values: ArrayLike | None, shape: tuple[int, ...]) -> Float64:
    return np.zeros(shape) if values is None else np.asarray(values, dtype=np.float64)
