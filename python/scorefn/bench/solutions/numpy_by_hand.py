"""NumPy, in place: no temporary array of the size of the logits that a line can do without."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, Array, Problem, Solve
from scorefn.testing.objectives import FORMULAS

VERSION = np.__version__


def configure(threads: int, dtype: str) -> None:
    """It has threads in matrix products alone, which the run limits for all."""


def softmax_into(z: Array, out: Array) -> Array:
    np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def log_softmax_into(z: Array, out: Array, exponentials: Array) -> Array:
    np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=exponentials)
    out -= np.log(exponentials.sum(axis=1, keepdims=True))
    return out


def logsumexp_into(z: Array, out: Array, exponentials: Array) -> Array:
    top = z.max(axis=1, keepdims=True)
    np.subtract(z, top, out=exponentials)
    np.exp(exponentials, out=exponentials)
    np.sum(exponentials, axis=1, out=out)
    np.log(out, out=out)
    out += top[:, 0]
    return out


def score_gradient_into(z: Array, a: Array, w: Array, every: Array, out: Array) -> Array:
    softmax_into(z, out)
    out *= -w[:, None]
    out[every, a] += w
    return out


def log_softmax(p: Problem) -> Solve:
    z, out, scratch = p.logits, p.out, p.scratch()
    return lambda: log_softmax_into(z, out, scratch)


def softmax(p: Problem) -> Solve:
    z, out = p.logits, p.out
    return lambda: softmax_into(z, out)


def logsumexp(p: Problem) -> Solve:
    z, out, scratch = p.logits, p.out, p.scratch()
    return lambda: logsumexp_into(z, out, scratch)


def log_prob(p: Problem) -> Solve:
    z, a, out, every, scratch = p.logits, p.action, p.out, p.every, p.scratch()
    return lambda: np.subtract(z[every, a], logsumexp_into(z, out, scratch), out=out)


def entropy(p: Problem) -> Solve:
    """H = log sum exp z - sum pi z, which needs no logarithm an entry."""
    z, out, scratch, e = p.logits, p.out, p.scratch(), p.scratch()

    def solve() -> Array:
        np.subtract(z, z.max(axis=1, keepdims=True), out=scratch)
        np.exp(scratch, out=e)
        total = e.sum(axis=1)
        mean = np.einsum("ij,ij->i", e, scratch, out=out)
        mean /= total
        np.subtract(np.log(total), mean, out=mean)
        return mean

    return solve


def kl_divergence(p: Problem) -> Solve:
    z_p, z_q, out = p.logits, p.logits_q, p.out
    log_p, log_q, scratch = p.scratch(), p.scratch(), p.scratch()

    def solve() -> Array:
        log_softmax_into(z_p, log_p, scratch)
        log_softmax_into(z_q, log_q, scratch)
        np.exp(log_p, out=scratch)
        np.subtract(log_p, log_q, out=log_p)
        return np.einsum("ij,ij->i", scratch, log_p, out=out)

    return solve


def sample(p: Problem) -> Solve:
    """By inversion of the cumulative sum."""
    z, every, probabilities, cumulative = p.logits, p.every, p.scratch(), p.scratch()
    rng = np.random.default_rng(8)

    def solve() -> tuple[Array, Array]:
        softmax_into(z, probabilities)
        np.cumsum(probabilities, axis=1, out=cumulative)
        u = rng.random((len(z), 1), dtype=z.dtype.type)
        actions = np.minimum((cumulative <= u).sum(axis=1), z.shape[1] - 1)
        return actions, np.log(probabilities[every, actions])

    return solve


def score(p: Problem) -> Solve:
    z, a, out, every = p.logits, p.action, p.out, p.every

    def solve() -> Array:
        softmax_into(z, out)
        np.negative(out, out=out)
        out[every, a] += 1
        return out

    return solve


def score_gradient(p: Problem) -> Solve:
    z, a, w, every, out = p.logits, p.action, p.weights, p.every, p.out
    return lambda: score_gradient_into(z, a, w, every, out)


def _with_entropy(p: Problem, log_p: Array, w: Array, out: Array) -> tuple[Array, Array]:
    """The gradient of sum_i w_i log pi_i(a_i) + c sum_i H_i, and the entropies.

    Of the entropy it is dH/dz_j = -pi_j (log pi_j + H).
    """
    np.exp(log_p, out=out)
    entropy = -np.einsum("ij,ij->i", out, log_p)
    log_p *= -ENTROPY_COEF
    log_p -= (w + ENTROPY_COEF * entropy)[:, None]
    out *= log_p
    out[p.every, p.action] += w
    return out, entropy


def policy_gradient(p: Problem) -> Solve:
    z, a, w, every, out = p.logits, p.action, p.weights, p.every, p.out
    log_p, scratch = p.scratch(), p.scratch()

    def solve() -> tuple[Any, ...]:
        log_softmax_into(z, log_p, scratch)
        chosen = log_p[every, a]
        gradient, entropy = _with_entropy(p, log_p, w, out)
        return w @ chosen + ENTROPY_COEF * entropy.sum(), gradient, chosen, entropy

    return solve


def clipped_surrogate(p: Problem) -> Solve:
    z, a, old, advantages, every, out = (
        *(p.logits, p.action, p.old_log_prob, p.weights, p.every, p.out),
    )
    log_p, scratch = p.scratch(), p.scratch()

    def solve() -> tuple[Any, ...]:
        log_softmax_into(z, log_p, scratch)
        chosen = log_p[every, a]
        log_ratio = chosen - old
        ratio = np.exp(log_ratio)
        free = ratio * advantages
        clipped = np.clip(ratio, 1 - CLIP_RANGE, 1 + CLIP_RANGE) * advantages
        w = np.where(free <= clipped, free, np.zeros_like(free))
        gradient, entropy = _with_entropy(p, log_p, w, out)
        objective = np.minimum(free, clipped).sum() + ENTROPY_COEF * entropy.sum()
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = (np.abs(ratio - 1) > CLIP_RANGE).mean()
        return objective, gradient, chosen, entropy, ratio, approx_kl, clip_fraction

    return solve


def declared_objective(p: Problem) -> Solve:
    """By the formula of the references, which is one of arrays. Segments are equally long."""
    z, a, every, out, numbers = p.logits, p.action, p.every, p.out, p.numbers
    formula, options = FORMULAS[p.work.function], p.options
    log_p, scratch = p.scratch(), p.scratch()
    segments = p.work.segments or len(z)
    rows = len(z) // segments
    divisor = rows if p.work.mean else 1

    def of_decisions(x: Array) -> Array:
        return x if rows == 1 else x.reshape(segments, rows).sum(axis=1) / divisor

    def solve() -> tuple[Any, ...]:
        log_softmax_into(z, log_p, scratch)
        chosen = log_p[every, a]
        of_these = {k: of_decisions(x) if len(x) == len(z) else x for k, x in numbers.items()}
        terms = formula(of_decisions(chosen), **of_these, **options)
        w = np.repeat(terms.derivative / divisor, rows).astype(z.dtype, copy=False)
        gradient, entropy = _with_entropy(p, log_p, w, out)
        objective = terms.value.sum() + ENTROPY_COEF * entropy.sum()
        means = (x.mean() for x in terms.means)
        return objective, gradient, chosen, entropy, *terms.writes, *means

    return solve


def tabular_gradient(p: Problem) -> Solve:
    table, s, a, w, every, out = p.table, p.state, p.action, p.weights, p.every, p.out
    rows = p.scratch()
    states, actions = table.shape
    # Sums by column: bincount adds up faster than np.add.at, but passes over the whole table.
    use_bincount = not p.work.accumulate

    def solve() -> Array:
        np.take(table, s, axis=0, out=rows)
        score_gradient_into(rows, a, w, every, rows)
        if use_bincount:
            for j in range(actions):
                out[:, j] = np.bincount(s, rows[:, j], states)
        else:
            np.add.at(out, s, rows)
        return out

    return solve


def linear_gradient(p: Problem) -> Solve:
    x, coef, a, w, every, out = p.features, p.coef, p.action, p.weights, p.every, p.out
    rows = p.scratch()

    def solve() -> Array:
        np.matmul(x, coef, out=rows)
        score_gradient_into(rows, a, w, every, rows)
        return np.matmul(x.T, rows, out=out)

    return solve
