"""NumPy: the objectives over all actions, in place.

A formula takes the logits, pi, log pi and the objective's matrix. It writes the gradient to `out`,
without the entropy's, and returns the value of each row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scorefn.bench.problem import ENTROPY_COEF, Array, Problem, Solve
from scorefn.bench.solutions.numpy_by_hand import log_softmax_into


def _dot(x: Array, y: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", x, y))


def expected_reward(z: Array, pi: Array, log_p: Array, q: Array, out: Array) -> Array:
    value = _dot(pi, q)
    np.subtract(q, value[:, None], out=out)
    out *= pi
    return value


def cross_entropy(z: Array, pi: Array, log_p: Array, targets: Array, out: Array) -> Array:
    np.multiply(pi, targets.sum(axis=1, keepdims=True), out=out)
    np.subtract(targets, out, out=out)
    return _dot(targets, log_p)


def regret_matching(z: Array, pi: Array, log_p: Array, q: Array, out: Array) -> Array:
    np.subtract(q, _dot(pi, q)[:, None], out=out)
    np.maximum(out, 0, out=out)
    value = _dot(pi, out)
    out -= value[:, None]
    out *= pi
    return value


def regret_policy_gradient(z: Array, pi: Array, log_p: Array, q: Array, out: Array) -> Array:
    np.subtract(q, _dot(pi, q)[:, None], out=out)
    count = np.count_nonzero(out > 0, axis=1).astype(out.dtype)
    value = -np.maximum(out, 0).sum(axis=1)
    out *= pi
    out *= count[:, None]
    return np.asarray(value)


def neurd(
    z: Array, pi: Array, log_p: Array, q: Array, out: Array, threshold: float = np.inf
) -> Array:
    y = z - z.mean(axis=1, keepdims=True)
    np.subtract(q, _dot(pi, q)[:, None], out=out)
    np.minimum(out, 0, out=out, where=y >= threshold)
    np.maximum(out, 0, out=out, where=y <= -threshold)
    value = _dot(y, out)
    out -= out.mean(axis=1, keepdims=True)
    return value


def reverse_kl(z: Array, pi: Array, log_p: Array, reference: Array, out: Array) -> Array:
    np.subtract(reference, log_p, out=out)
    minus_kl = _dot(pi, out)
    out -= minus_kl[:, None]
    out *= pi
    return -minus_kl


def forward_kl(z: Array, pi: Array, log_p: Array, reference: Array, out: Array) -> Array:
    np.exp(reference, out=out)
    kl = _dot(out, reference - log_p)
    out -= pi
    return kl


def add_entropy(pi: Array, log_p: Array, out: Array) -> Array:
    """Adds its gradient, -c pi (log pi + H), to `out`, and returns it."""
    entropy = -_dot(pi, log_p)
    log_p += entropy[:, None]
    log_p *= pi
    log_p *= ENTROPY_COEF
    np.subtract(out, log_p, out=out)
    return entropy


FORMULAS: dict[str, Callable[..., Array]] = {
    "ExpectedReward": expected_reward,
    "CrossEntropy": cross_entropy,
    "RegretMatching": regret_matching,
    "RegretPolicyGradient": regret_policy_gradient,
    "NeuRD": neurd,
    "ReverseKL": reverse_kl,
    "ForwardKL": forward_kl,
}


def all_action_objective(p: Problem) -> Solve:
    z, x, out, formula, options = p.logits, p.matrix, p.out, FORMULAS[p.work.function], p.options
    sign = -1.0 if p.objective.declaration.is_penalty else 1.0
    log_p, pi = p.scratch(), p.scratch()

    def solve() -> tuple[Any, ...]:
        log_softmax_into(z, log_p, pi)
        np.exp(log_p, out=pi)
        value = formula(z, pi, log_p, x, out, **options)
        entropy = add_entropy(pi, log_p, out)
        return sign * value.sum() + ENTROPY_COEF * entropy.sum(), out, value, entropy

    return solve
