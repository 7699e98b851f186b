"""NumPy on ragged rows: reductions by ``reduceat``, and numbers per row repeated along the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, Array, Problem, Solve


def log_softmax_into(z: Array, offsets: Array, out: Array, exponentials: Array) -> Array:
    starts, lengths = offsets[:-1], np.diff(offsets)
    np.subtract(z, np.repeat(np.maximum.reduceat(z, starts), lengths), out=out)
    np.exp(out, out=exponentials)
    out -= np.repeat(np.log(np.add.reduceat(exponentials, starts)), lengths)
    return out


def score_gradient_into(z: Array, offsets: Array, a: Array, w: Array, out: Array) -> Array:
    starts, lengths = offsets[:-1], np.diff(offsets)
    np.subtract(z, np.repeat(np.maximum.reduceat(z, starts), lengths), out=out)
    np.exp(out, out=out)
    out *= np.repeat(-w / np.add.reduceat(out, starts), lengths)
    out[starts + a] += w
    return out


def with_entropy(
    log_p: Array, offsets: Array, a: Array, w: Array, out: Array, scratch: Array
) -> Array:
    """Writes the gradient of sum_i w_i log pi_i(a_i) + c sum_i H_i, and returns the entropies."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    np.exp(log_p, out=out)
    np.multiply(out, log_p, out=scratch)
    entropy = -np.add.reduceat(scratch, starts)
    log_p *= -ENTROPY_COEF
    log_p -= np.repeat(w + ENTROPY_COEF * entropy, lengths)
    out *= log_p
    out[starts + a] += w
    return entropy


def ragged_log_softmax(p: Problem) -> Solve:
    z, offsets, out, scratch = p.logits, p.offsets, p.out, p.scratch()
    return lambda: log_softmax_into(z, offsets, out, scratch)


def ragged_score_gradient(p: Problem) -> Solve:
    z, offsets, a, w, out = p.logits, p.offsets, p.action, p.weights, p.out
    return lambda: score_gradient_into(z, offsets, a, w, out)


def ragged_clipped_surrogate(p: Problem) -> Solve:
    z, offsets, a, out = p.logits, p.offsets, p.action, p.out
    old, advantages, log_p, scratch = p.old_log_prob, p.weights, p.scratch(), p.scratch()

    def solve() -> tuple[Any, ...]:
        log_softmax_into(z, offsets, log_p, scratch)
        chosen = log_p[offsets[:-1] + a]
        log_ratio = chosen - old
        ratio = np.exp(log_ratio)
        free = ratio * advantages
        clipped = np.clip(ratio, 1 - CLIP_RANGE, 1 + CLIP_RANGE) * advantages
        w = np.where(free <= clipped, free, np.zeros_like(free))
        entropy = with_entropy(log_p, offsets, a, w, out, scratch)
        objective = np.minimum(free, clipped).sum() + ENTROPY_COEF * entropy.sum()
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = (np.abs(ratio - 1) > CLIP_RANGE).mean()
        return objective, out, chosen, entropy, ratio, approx_kl, clip_fraction

    return solve
