"""SciPy's log_softmax, softmax and logsumexp, and NumPy for what is left."""

from __future__ import annotations

import numpy as np
import scipy
from scipy import special

from scorefn.bench.problem import Array, Problem, Solve

VERSION = scipy.__version__


def configure(threads: int, dtype: str) -> None:
    """It has no threads."""


def log_softmax(p: Problem) -> Solve:
    return lambda: special.log_softmax(p.logits, axis=1)


def softmax(p: Problem) -> Solve:
    return lambda: special.softmax(p.logits, axis=1)


def logsumexp(p: Problem) -> Solve:
    return lambda: special.logsumexp(p.logits, axis=1)


def log_prob(p: Problem) -> Solve:
    return lambda: p.logits[p.every, p.action] - special.logsumexp(p.logits, axis=1)


def entropy(p: Problem) -> Solve:
    def solve() -> Array:
        probabilities = special.softmax(p.logits, axis=1)
        return np.asarray(special.entr(probabilities, out=probabilities).sum(axis=1))

    return solve


def kl_divergence(p: Problem) -> Solve:
    def solve() -> Array:
        mine, other = (special.softmax(z, axis=1) for z in (p.logits, p.logits_q))
        return np.asarray(special.rel_entr(mine, other, out=mine).sum(axis=1))

    return solve


def score(p: Problem) -> Solve:
    def solve() -> Array:
        out = special.softmax(p.logits, axis=1)
        np.negative(out, out=out)
        out[p.every, p.action] += 1
        return np.asarray(out)

    return solve


def score_gradient(p: Problem) -> Solve:
    def solve() -> Array:
        out = special.softmax(p.logits, axis=1)
        out *= -p.weights[:, None]
        out[p.every, p.action] += p.weights
        return np.asarray(out)

    return solve
