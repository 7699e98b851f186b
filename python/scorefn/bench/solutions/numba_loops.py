"""Numba: loops over the entries of a row, rows in parallel, exact arithmetic (no fastmath).

Sums are float64, as Python's numbers are; ``cache`` keeps the compiled loops for the next run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import prange

from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, Array, Problem, Solve

VERSION = numba.__version__

F = TypeVar("F", bound=Callable[..., Any])


def configure(threads: int, dtype: str) -> None:
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def _rows_in_parallel(function: F) -> F:
    compiled: F = numba.njit(parallel=True, cache=True)(function)
    return compiled


def _inlined(function: F) -> F:
    compiled: F = numba.njit(cache=True)(function)
    return compiled


@_inlined
def _max(z: Array) -> Any:
    top = z[0]
    for j in range(1, len(z)):
        top = max(top, z[j])
    return top


@_inlined
def _exponentials(z: Array, out: Array) -> tuple[Any, Any]:
    """The maximum, and the sum of the exponentials that are written to `out`."""
    top, total = _max(z), 0.0
    for j in range(len(z)):
        e = math.exp(z[j] - top)
        out[j] = e
        total += e
    return top, total


@_inlined
def _logsumexp(z: Array) -> Any:
    top, total = _max(z), 0.0
    for j in range(len(z)):
        total += math.exp(z[j] - top)
    return top + math.log(total)


@_inlined
def _row_gradient(z: Array, a: int, w: float, out: Array) -> None:
    """w (onehot(a) - softmax(z))."""
    _, total = _exponentials(z, out)
    factor = out.dtype.type(-w / total)
    for j in range(len(z)):
        out[j] *= factor
    out[a] += w


@_rows_in_parallel
def _log_softmax(z: Array, out: Array) -> None:
    for i in prange(len(z)):
        shift = z.dtype.type(_logsumexp(z[i]))
        for j in range(z.shape[1]):
            out[i, j] = z[i, j] - shift


@_rows_in_parallel
def _softmax(z: Array, out: Array) -> None:
    for i in prange(len(z)):
        _, total = _exponentials(z[i], out[i])
        factor = z.dtype.type(1.0 / total)
        for j in range(z.shape[1]):
            out[i, j] *= factor


@_rows_in_parallel
def _logsumexps(z: Array, out: Array) -> None:
    for i in prange(len(z)):
        out[i] = _logsumexp(z[i])


@_rows_in_parallel
def _log_probs(z: Array, a: Array, out: Array) -> None:
    for i in prange(len(z)):
        out[i] = z[i, a[i]] - _logsumexp(z[i])


@_inlined
def _entropy(z: Array) -> Any:
    """log sum exp z - sum pi z, of the logits less the largest."""
    top, total, mean = _max(z), 0.0, 0.0
    for j in range(len(z)):
        shifted = z[j] - top
        e = math.exp(shifted)
        total += e
        mean += e * shifted
    return math.log(total) - mean / total


@_rows_in_parallel
def _entropies(z: Array, out: Array) -> None:
    for i in prange(len(z)):
        out[i] = _entropy(z[i])


@_rows_in_parallel
def _kl_divergences(z_p: Array, z_q: Array, out: Array) -> None:
    for i in prange(len(z_p)):
        shift = _logsumexp(z_q[i]) - _logsumexp(z_p[i])
        top, total, mean = _max(z_p[i]), 0.0, 0.0
        for j in range(z_p.shape[1]):
            e = math.exp(z_p[i, j] - top)
            total += e
            mean += e * (z_p[i, j] - z_q[i, j])
        out[i] = mean / total + shift


@_rows_in_parallel
def _samples(z: Array, u: Array, actions: Array, log_probs: Array) -> None:
    """By inversion: the first action whose cumulative sum is above u times the whole."""
    for i in prange(len(z)):
        top, total = _max(z[i]), 0.0
        for j in range(z.shape[1]):
            total += math.exp(z[i, j] - top)
        left = u[i] * total
        a = z.shape[1] - 1
        for j in range(z.shape[1]):
            left -= math.exp(z[i, j] - top)
            if left < 0.0:
                a = j
                break
        actions[i] = a
        log_probs[i] = z[i, a] - top - math.log(total)


@_rows_in_parallel
def _score_gradients(z: Array, a: Array, w: Array, out: Array) -> None:
    for i in prange(len(z)):
        _row_gradient(z[i], a[i], w[i], out[i])


@_rows_in_parallel
def _scores(z: Array, a: Array, out: Array) -> None:
    for i in prange(len(z)):
        _row_gradient(z[i], a[i], 1.0, out[i])


@_inlined
def _row_with_entropy(z: Array, shift: float, a: int, w: float, out: Array) -> Any:
    """The gradient of w log pi(a) + c H, where log pi = z - shift; the entropy."""
    entropy = 0.0
    for j in range(len(z)):
        log_p = z[j] - shift
        p = math.exp(log_p)
        out[j] = p
        entropy -= p * log_p
    for j in range(len(z)):
        out[j] *= -(w + ENTROPY_COEF * (z[j] - shift + entropy))
    out[a] += w
    return entropy


@_rows_in_parallel
def _policy_gradients(
    z: Array, a: Array, w: Array, out: Array, log_probs: Array, entropies: Array
) -> Any:
    objective = 0.0
    for i in prange(len(z)):
        shift = z.dtype.type(_logsumexp(z[i]))
        entropy = _row_with_entropy(z[i], shift, a[i], w[i], out[i])
        log_probs[i] = z[i, a[i]] - shift
        entropies[i] = entropy
        objective += w[i] * log_probs[i] + ENTROPY_COEF * entropy
    return objective


@_rows_in_parallel
def _clipped_surrogates(
    z: Array,
    a: Array,
    old: Array,
    advantages: Array,
    out: Array,
    log_probs: Array,
    entropies: Array,
    ratios: Array,
) -> Any:
    objective, divergence, clipped = 0.0, 0.0, 0.0
    for i in prange(len(z)):
        shift = z.dtype.type(_logsumexp(z[i]))
        log_ratio = np.float64(z[i, a[i]] - shift - old[i])
        ratio, advantage = math.exp(log_ratio), np.float64(advantages[i])
        free = ratio * advantage
        bounded = min(max(ratio, 1.0 - CLIP_RANGE), 1.0 + CLIP_RANGE) * advantage
        w = z.dtype.type(free if free <= bounded else 0.0)
        entropy = _row_with_entropy(z[i], shift, a[i], w, out[i])
        log_probs[i] = z[i, a[i]] - shift
        entropies[i] = entropy
        ratios[i] = ratio
        objective += min(free, bounded) + ENTROPY_COEF * entropy
        divergence += ratio - 1.0 - log_ratio
        clipped += 1.0 if abs(ratio - 1.0) > CLIP_RANGE else 0.0
    return objective, divergence / len(z), clipped / len(z)


@_rows_in_parallel
def _rows_of_table(table: Array, s: Array, a: Array, w: Array, rows: Array) -> None:
    for i in prange(len(s)):
        _row_gradient(table[s[i]], a[i], w[i], rows[i])


@_inlined
def _add_rows(s: Array, rows: Array, out: Array) -> None:
    for i in range(len(s)):
        for j in range(rows.shape[1]):
            out[s[i], j] += rows[i, j]


def log_softmax(p: Problem) -> Solve:
    return _into_out(_log_softmax, p, p.logits)


def softmax(p: Problem) -> Solve:
    return _into_out(_softmax, p, p.logits)


def logsumexp(p: Problem) -> Solve:
    return _into_out(_logsumexps, p, p.logits)


def log_prob(p: Problem) -> Solve:
    return _into_out(_log_probs, p, p.logits, p.action)


def entropy(p: Problem) -> Solve:
    return _into_out(_entropies, p, p.logits)


def kl_divergence(p: Problem) -> Solve:
    return _into_out(_kl_divergences, p, p.logits, p.logits_q)


def score(p: Problem) -> Solve:
    return _into_out(_scores, p, p.logits, p.action)


def score_gradient(p: Problem) -> Solve:
    return _into_out(_score_gradients, p, p.logits, p.action, p.weights)


def _into_out(kernel: Any, p: Problem, *arrays: Array) -> Solve:
    def solve() -> Array:
        kernel(*arrays, p.out)
        return p.out

    return solve


def sample(p: Problem) -> Solve:
    rng = np.random.default_rng(8)
    z, actions, log_probs = p.logits, p.out_actions, p.out

    def solve() -> tuple[Array, Array]:
        _samples(z, rng.random(len(z)), actions, log_probs)
        return actions, log_probs

    return solve


def policy_gradient(p: Problem) -> Solve:
    arrays = p.logits, p.action, p.weights
    log_probs, entropies = np.zeros_like(p.weights), np.zeros_like(p.weights)

    def solve() -> tuple[Any, ...]:
        objective = _policy_gradients(*arrays, p.out, log_probs, entropies)
        return objective, p.out, log_probs, entropies

    return solve


def clipped_surrogate(p: Problem) -> Solve:
    arrays = p.logits, p.action, p.old_log_prob, p.weights
    outs = [np.zeros_like(p.weights) for _ in range(3)]  # log-probabilities, entropies, ratios

    def solve() -> tuple[Any, ...]:
        objective, approx_kl, clip_fraction = _clipped_surrogates(*arrays, p.out, *outs)
        return objective, p.out, *outs, approx_kl, clip_fraction

    return solve


def tabular_gradient(p: Problem) -> Solve:
    """The rows in parallel, their sum in one thread: two might add to one state."""
    table, s, a, w, out, rows = p.table, p.state, p.action, p.weights, p.out, p.scratch()

    def solve() -> Array:
        _rows_of_table(table, s, a, w, rows)
        if not p.work.accumulate:
            out.fill(0.0)
        _add_rows(s, rows, out)
        return out

    return solve


def linear_gradient(p: Problem) -> Solve:
    x, coef, a, w, out, rows = p.features, p.coef, p.action, p.weights, p.out, p.scratch()

    def solve() -> Array:
        np.matmul(x, coef, out=rows)
        _score_gradients(rows, a, w, rows)
        return np.matmul(x.T, rows, out=out)

    return solve
