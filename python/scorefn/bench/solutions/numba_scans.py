"""Numba: the scans over time, each step by its formula, blocks of environments in parallel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import prange

from scorefn.bench.problem import Array, Problem, Solve

ENVIRONMENTS = 256  # of a block

F = TypeVar("F", bound=Callable[..., Any])


def _in_parallel(function: F) -> F:
    compiled: F = numba.njit(parallel=True)(function)
    return compiled


def _scan(step: Callable[..., Any]) -> Any:
    """Loops over blocks, time and environments of step(later, of the numbers and flags).

    A step takes what the step after it hands on, 0 after the last one, and returns its result and
    what it hands on itself. `ends` says that the episode ends, or the arrays do.
    """
    inlined = numba.njit(step, inline="always")

    @_in_parallel
    def run(arrays: Any, terminated: Array, truncated: Array, options: Any, out: Array) -> None:
        steps, environments = out.shape
        for block in prange(-(-environments // ENVIRONMENTS)):
            first = block * ENVIRONMENTS
            last = min(first + ENVIRONMENTS, environments)
            later = np.zeros(last - first)
            for t in range(steps - 1, -1, -1):
                for i in range(first, last):
                    ends = terminated[t, i] or truncated[t, i] or t == steps - 1
                    out[t, i], later[i - first] = inlined(
                        arrays, terminated[t, i], ends, t, i, later[i - first], options
                    )

    return run


def _discounted_returns(
    x: Any, terminated: bool, ends: bool, t: int, i: int, later: float, options: Any
) -> Any:
    rewards, next_values = x
    (discount,) = options
    following = next_values[t, i] if ends else later
    g = rewards[t, i] + (0.0 if terminated else discount * following)
    return g, g


def _lambda_returns(
    x: Any, terminated: bool, ends: bool, t: int, i: int, later: float, options: Any
) -> Any:
    rewards, next_values = x
    discount, lambda_ = options
    following = next_values[t, i]
    if not ends:
        following = (1.0 - lambda_) * following + lambda_ * later
    g = rewards[t, i] + (0.0 if terminated else discount * following)
    return g, g


def _gae(x: Any, terminated: bool, ends: bool, t: int, i: int, later: float, options: Any) -> Any:
    rewards, values, next_values = x
    discount, gae_lambda = options
    delta = rewards[t, i] - values[t, i] + (0.0 if terminated else discount * next_values[t, i])
    a = delta + (0.0 if ends else discount * gae_lambda * later)
    return a, a


def _retrace(
    x: Any, terminated: bool, ends: bool, t: int, i: int, later: float, options: Any
) -> Any:
    """Hands on c_t (G_t - Q_t)."""
    rewards, action_values, next_values, log_ratio = x
    (discount,) = options
    q = action_values[t, i]
    y = rewards[t, i] - q + (0.0 if terminated else discount * next_values[t, i])
    y += 0.0 if ends else discount * later
    return q + y, min(1.0, math.exp(log_ratio[t, i])) * y


def _upgo(x: Any, terminated: bool, ends: bool, t: int, i: int, later: float, options: Any) -> Any:
    rewards, values, next_values = x
    (discount,) = options
    delta = rewards[t, i] - values[t, i] + (0.0 if terminated else discount * next_values[t, i])
    a = delta + (0.0 if ends else discount * later)
    return a, a if delta >= 0.0 else 0.0


@_in_parallel
def _n_step_returns(
    arrays: Any, terminated: Array, truncated: Array, options: Any, out: Array
) -> None:
    """Of each step by the next n ones."""
    rewards, next_values = arrays
    discount, n = options
    steps, environments = out.shape
    for block in prange(-(-environments // ENVIRONMENTS)):
        for start in range(steps):
            first = block * ENVIRONMENTS
            for i in range(first, min(first + ENVIRONMENTS, environments)):
                g, factor, t = 0.0, 1.0, start
                while True:
                    g += factor * rewards[t, i]
                    factor *= discount
                    t += 1
                    is_over = t == steps or t == start + n
                    if is_over or terminated[t - 1, i] or truncated[t - 1, i]:
                        break
                if not terminated[t - 1, i]:
                    g += factor * next_values[t - 1, i]
                out[start, i] = g


@_in_parallel
def _vtrace(
    arrays: Any,
    terminated: Array,
    truncated: Array,
    discount: float,
    targets: Array,
    advantages: Array,
) -> None:
    """All ratios clipped at 1."""
    rewards, values, next_values, log_ratio = arrays
    steps, environments = targets.shape
    for block in prange(-(-environments // ENVIRONMENTS)):
        first = block * ENVIRONMENTS
        last = min(first + ENVIRONMENTS, environments)
        later = np.zeros(last - first)
        for t in range(steps - 1, -1, -1):
            for i in range(first, last):
                following = 0.0 if terminated[t, i] else discount * next_values[t, i]
                x = rewards[t, i] + following - values[t, i]
                if not (terminated[t, i] or truncated[t, i]):
                    x += discount * later[i - first]
                x *= min(1.0, math.exp(log_ratio[t, i]))
                later[i - first] = x
                advantages[t, i] = x
                targets[t, i] = values[t, i] + x


def _arrays(p: Problem) -> tuple[tuple[Array, ...], Array, Array]:
    """The numbers, and the flags; all with an axis of environments."""
    steps = p.work.steps
    x = {name: array.reshape(steps, -1) for name, array in p.scanned.items()}
    terminated, truncated = x.pop("terminated"), x.pop("truncated")
    return tuple(x.values()), terminated, truncated


def _prepared(run: Any, p: Problem) -> Solve:
    arguments = *_arrays(p), tuple(p.scan_options.values()), p.out.reshape(p.work.steps, -1)

    def solve() -> Array:
        run(*arguments)
        return p.out

    return solve


def discounted_returns(p: Problem) -> Solve:
    return _prepared(_scan(_discounted_returns), p)


def lambda_returns(p: Problem) -> Solve:
    return _prepared(_scan(_lambda_returns), p)


def n_step_returns(p: Problem) -> Solve:
    return _prepared(_n_step_returns, p)


def gae(p: Problem) -> Solve:
    return _prepared(_scan(_gae), p)


def vtrace(p: Problem) -> Solve:
    targets, advantages = p.out, np.zeros_like(p.out)
    outs = [x.reshape(p.work.steps, -1) for x in (targets, advantages)]
    arguments = *_arrays(p), p.scan_options["discount"], *outs

    def solve() -> tuple[Array, Array]:
        _vtrace(*arguments)
        return targets, advantages

    return solve


def retrace(p: Problem) -> Solve:
    return _prepared(_scan(_retrace), p)


def upgo(p: Problem) -> Solve:
    return _prepared(_scan(_upgo), p)
