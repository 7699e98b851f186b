"""References of credit: one step after the other, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
    following = zeros_or(next_values, r.shape)
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


def lambda_returns(
    rewards: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float,
    valid: ArrayLike | None = None,
) -> Float64:
    """G_t = r_t + discount * ((1 - lambda) * next_values_t + lambda * G_{t+1}), step by step."""
    r, following = (np.asarray(x, dtype=np.float64) for x in (rewards, next_values))
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    result = np.zeros(r.shape)
    for steps in _trajectories(counts):
        for i in reversed(range(len(steps))):
            t = steps[i]
            result[t] = r[t]
            if ends[t]:
                continue
            if cuts[t] or i + 1 == len(steps):
                result[t] += discount * following[t]
                continue
            if lambda_ < 1.0:
                result[t] += discount * ((1.0 - lambda_) * following[t])
            if discount * lambda_:  # not 0 * inf
                result[t] += discount * lambda_ * result[steps[i + 1]]
    return result


def n_step_returns(
    rewards: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    n: int,
    valid: ArrayLike | None = None,
) -> Float64:
    """r_t + discount * (r_{t+1} + ... discount * (r_{t+n-1} + discount * next_values_{t+n-1}))."""
    r, following = (np.asarray(x, dtype=np.float64) for x in (rewards, next_values))
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    result = np.zeros(r.shape)
    for steps in _trajectories(counts):
        for i, start in enumerate(steps):
            window = steps[i : i + n]
            for k, t in enumerate(window):
                if ends[t] or cuts[t]:
                    window = window[: k + 1]
                    break
            last = window[-1]
            sum_ = 0.0 if ends[last] else following[last]
            for t in reversed(window):
                sum_ = r[t] + (discount * sum_ if discount else 0.0)  # not 0 * inf
            result[start] = sum_
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


class VTrace(NamedTuple):
    """What `vtrace` returns."""

    targets: Float64
    advantages: Float64


def vtrace(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    log_ratio: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
    clip_pg_rho: float = 1.0,
    alpha: float = 1.0,
    lambda_in_advantages: bool = False,
    valid: ArrayLike | None = None,
) -> VTrace:
    """x_t = rho_t delta_t + discount c_t x_{t+1}, step by step (Espeholt et al. 2018)."""
    r, v, following, log_r = (
        np.asarray(x, dtype=np.float64) for x in (rewards, values, next_values, log_ratio)
    )
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    result = VTrace(np.zeros(r.shape), np.zeros(r.shape))

    def leaky(ratio: float, clip: float) -> float:
        low = min(clip, ratio)
        return low if alpha == 1.0 else alpha * low + (1.0 - alpha) * ratio

    for steps in _trajectories(counts):
        x = 0.0  # of the next step
        for t in reversed(steps):
            if ends[t] or cuts[t]:
                x = 0.0
            ratio = _exp(log_r[t])
            after = 0.0 if ends[t] else following[t]
            delta = r[t] + discount * after - v[t]
            share = lambda_ if lambda_in_advantages else 1.0
            result.advantages[t] = min(clip_pg_rho, ratio) * (delta + discount * share * x)
            x = leaky(ratio, clip_rho) * delta + discount * (lambda_ * leaky(ratio, clip_c)) * x
            result.targets[t] = v[t] + x
    return result


def retrace(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    log_ratio: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    clip: float = 1.0,
    valid: ArrayLike | None = None,
) -> Float64:
    """G_t = Q_t + delta_t + discount * c_{t+1} * (G_{t+1} - Q_{t+1}) (Munos et al. 2016)."""
    with np.errstate(all="ignore"):
        ratios = np.exp(np.asarray(log_ratio, dtype=np.float64))
    traces = lambda_ * np.minimum(clip, ratios)
    flags = _step_flags(np.shape(rewards), terminated, truncated, valid)
    return _traced(rewards, action_values, next_values, traces, discount, *flags)


def q_lambda(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    valid: ArrayLike | None = None,
) -> Float64:
    """The same with c_t = lambda (Harutyunyan et al. 2016)."""
    traces = np.full(np.shape(rewards), lambda_)
    flags = _step_flags(np.shape(rewards), terminated, truncated, valid)
    return _traced(rewards, action_values, next_values, traces, discount, *flags)


def tree_backup(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    log_prob: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    valid: ArrayLike | None = None,
) -> Float64:
    """The same with c_t = lambda * pi(a_t) (Precup et al. 2000)."""
    with np.errstate(all="ignore"):
        traces = lambda_ * np.exp(np.asarray(log_prob, dtype=np.float64))
    flags = _step_flags(np.shape(rewards), terminated, truncated, valid)
    return _traced(rewards, action_values, next_values, traces, discount, *flags)


def upgo(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    valid: ArrayLike | None = None,
) -> Float64:
    """A_t = delta_t + discount * (A_{t+1} if delta_{t+1} >= 0 else 0) (Vinyals et al. 2019)."""
    r, v, following = (np.asarray(x, dtype=np.float64) for x in (rewards, values, next_values))
    ends, cuts, counts = _step_flags(r.shape, terminated, truncated, valid)
    result = np.zeros(r.shape)
    for steps in _trajectories(counts):
        later = 0.0  # the advantage of the next step if that step does well
        for t in reversed(steps):
            if ends[t] or cuts[t]:
                later = 0.0
            after = 0.0 if ends[t] else following[t]
            delta = r[t] + discount * after - v[t]
            result[t] = delta + (discount * later if discount else 0.0)  # not 0 * inf
            later = result[t] if delta >= 0.0 else 0.0
    return result


def _traced(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    traces: Float64,
    discount: float,
    ends: NDArray[np.bool_],
    cuts: NDArray[np.bool_],
    counts: NDArray[np.bool_],
) -> Float64:
    r, q, following = (
        np.asarray(x, dtype=np.float64) for x in (rewards, action_values, next_values)
    )
    result = np.zeros(r.shape)
    for steps in _trajectories(counts):
        later = 0.0  # c_{t+1} (G_{t+1} - Q_{t+1})
        for t in reversed(steps):
            if ends[t] or cuts[t]:
                later = 0.0
            after = 0.0 if ends[t] else following[t]
            delta = r[t] + discount * after - q[t]
            result[t] = q[t] + (delta + discount * later)
            later = traces[t] * delta + discount * traces[t] * later
    return result


def _exp(x: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.exp(x))


def _trajectories(counts: NDArray[np.bool_]) -> Iterator[list[tuple[int, ...]]]:
    """The valid steps of each environment, as indices, the first one first."""
    for env in np.ndindex(counts.shape[1:]):
        yield [(int(t), *env) for t in np.flatnonzero(counts[(slice(None), *env)])]


def _step_flags(
    shape: tuple[int, ...],
    terminated: ArrayLike | None,
    truncated: ArrayLike | None,
    valid: ArrayLike | None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    def flags(x: ArrayLike | None, default: bool) -> NDArray[np.bool_]:
        return np.full(shape, default) if x is None else np.asarray(x, dtype=np.bool_)

    return flags(terminated, False), flags(truncated, False), flags(valid, True)


def zeros_or(values: ArrayLike | None, shape: tuple[int, ...]) -> Float64:
    return np.zeros(shape) if values is None else np.asarray(values, dtype=np.float64)
