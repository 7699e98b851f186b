"""NumPy: the scans over time. All but one are x_t = u_t + v_t x_{t+1}, with u and v made at once.

The loop over time is one of vectors, or of Python's numbers where there is one environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scorefn.bench.problem import Array, Problem, Solve


class Steps:
    """What the formulas need of the steps: an episode's end, and what follows a step."""

    def __init__(self, p: Problem) -> None:
        arrays = p.scanned
        self.dtype = arrays["rewards"].dtype
        self.ended = arrays["terminated"] | arrays["truncated"]
        zero, discount = self.dtype.type(0), self.dtype.type(p.scan_options["discount"])
        # The discount factor where the episode goes on, and the discounted values of what follows.
        self.going_on = np.where(self.ended, zero, discount)
        self.following = np.where(arrays["terminated"], zero, discount)
        self.following *= arrays["next_values"]


def _backward(u: Array, v: Array, out: Array) -> Array:
    """x_t = u_t + v_t x_{t+1}, with 0 after the last step."""
    if u.ndim == 1:
        x, steps = 0.0, []
        for a, b in zip(u[::-1].tolist(), v[::-1].tolist(), strict=True):
            x = a + b * x
            steps.append(x)
        out[::-1] = steps
        return out
    out[-1] = u[-1]
    for t in range(len(u) - 2, -1, -1):
        np.multiply(v[t], out[t + 1], out=out[t])
        out[t] += u[t]
    return out


def _next(x: Array) -> Array:
    """x_{t+1}, and 0 after the last step."""
    return np.concatenate([x[1:], np.zeros_like(x[:1])])


def _prepared(p: Problem, formula: Callable[..., Any]) -> Solve:
    options = {name: x for name, x in p.scan_options.items() if name != "discount"}
    numbers = {name: x for name, x in p.scanned.items() if x.dtype.kind == "f"}
    numbers.pop("next_values")
    return lambda: formula(Steps(p), p.out, **numbers, **options)


def _lambda_returns(steps: Steps, out: Array, rewards: Array, lambda_: float) -> Array:
    """G_t = r_t + discount ((1 - lambda) next_value_t + lambda G_{t+1})."""
    share = np.where(steps.ended, steps.dtype.type(1), steps.dtype.type(1 - lambda_))
    share[-1] = 1
    share *= steps.following
    share += rewards
    steps.going_on *= steps.dtype.type(lambda_)
    return _backward(share, steps.going_on, out)


def discounted_returns(p: Problem) -> Solve:
    def formula(steps: Steps, out: Array, rewards: Array) -> Array:
        return _lambda_returns(steps, out, rewards, 1.0)

    return _prepared(p, formula)


def lambda_returns(p: Problem) -> Solve:
    return _prepared(p, _lambda_returns)


def n_step_returns(p: Problem) -> Solve:
    """n times G_t = r_t + discount G_{t+1} for all steps, from the values that follow them."""

    def formula(steps: Steps, out: Array, rewards: Array, n: int) -> Array:
        np.add(rewards, steps.following, out=out)
        at_end = out.copy()
        stops = steps.ended.copy()
        stops[-1] = True
        for _ in range(n - 1):
            later = _next(out)
            later *= steps.going_on
            later += rewards
            np.copyto(out, np.where(stops, at_end, later))
        return out

    return _prepared(p, formula)


def _deltas(steps: Steps, rewards: Array, values: Array) -> Array:
    """r_t + discount next_value_t - value_t."""
    steps.following += rewards
    steps.following -= values
    return np.asarray(steps.following)


def gae(p: Problem) -> Solve:
    def formula(
        steps: Steps, out: Array, rewards: Array, values: Array, gae_lambda: float
    ) -> Array:
        steps.going_on *= steps.dtype.type(gae_lambda)
        return _backward(_deltas(steps, rewards, values), steps.going_on, out)

    return _prepared(p, formula)


def vtrace(p: Problem) -> Solve:
    """With x_t = rho_t delta_t + discount c_t x_{t+1}, and all ratios clipped at 1."""

    def formula(
        steps: Steps, out: Array, rewards: Array, values: Array, log_ratio: Array
    ) -> tuple[Array, Array]:
        delta = _deltas(steps, rewards, values)
        ratio = np.minimum(np.exp(log_ratio), 1)
        _backward(ratio * delta, ratio * steps.going_on, out)
        steps.going_on *= _next(out)
        delta += steps.going_on
        delta *= ratio
        out += values
        return out, delta

    return _prepared(p, formula)


def retrace(p: Problem) -> Solve:
    """Of G_t - Q_t, with traces that are clipped at 1."""

    def formula(
        steps: Steps, out: Array, rewards: Array, action_values: Array, log_ratio: Array
    ) -> Array:
        steps.going_on *= _next(np.minimum(np.exp(log_ratio), 1))
        _backward(_deltas(steps, rewards, action_values), steps.going_on, out)
        out += action_values
        return out

    return _prepared(p, formula)


def upgo(p: Problem) -> Solve:
    def formula(steps: Steps, out: Array, rewards: Array, values: Array) -> Array:
        delta = _deltas(steps, rewards, values)
        steps.going_on[:-1] *= delta[1:] >= 0
        return _backward(delta, steps.going_on, out)

    return _prepared(p, formula)
