"""scorefn: the result is written into memory that exists."""

from __future__ import annotations

from typing import Any

import numpy as np

import scorefn
from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, RESULTS, Problem, Solve

VERSION = scorefn.__version__


def configure(threads: int, dtype: str) -> None:
    """The run sets its threads, and sets them back at its end."""


def log_softmax(p: Problem) -> Solve:
    return lambda: scorefn.log_softmax(p.logits, out=p.out)


def softmax(p: Problem) -> Solve:
    return lambda: scorefn.softmax(p.logits, out=p.out)


def logsumexp(p: Problem) -> Solve:
    return lambda: scorefn.logsumexp(p.logits, out=p.out)


def log_prob(p: Problem) -> Solve:
    return lambda: scorefn.log_prob(p.logits, p.action, out=p.out)


def entropy(p: Problem) -> Solve:
    return lambda: scorefn.entropy(p.logits, out=p.out)


def kl_divergence(p: Problem) -> Solve:
    return lambda: scorefn.kl_divergence(p.logits, p.logits_q, out=p.out)


def sample(p: Problem) -> Solve:
    rng, out = np.random.default_rng(8), (p.out_actions, p.out)
    return lambda: scorefn.sample(p.logits, rng=rng, out=out)


def score(p: Problem) -> Solve:
    return lambda: scorefn.score(p.logits, p.action, out=p.out)


def score_gradient(p: Problem) -> Solve:
    return lambda: scorefn.score_gradient(p.logits, p.action, p.weights, out=p.out)


def policy_gradient(p: Problem) -> Solve:
    function: Any = scorefn.policy_gradient
    options = {"entropy_coef": ENTROPY_COEF, "out": p.out}
    count = len(RESULTS["policy_gradient"])  # without the results of terms that there are not
    return lambda: function(p.logits, p.action, p.weights, **options)[:count]


def clipped_surrogate(p: Problem) -> Solve:
    return _clipped_surrogate(p)


def _clipped_surrogate(p: Problem, **offsets: Any) -> Solve:
    function: Any = scorefn.clipped_surrogate
    options = {"clip_range": CLIP_RANGE, "entropy_coef": ENTROPY_COEF, "out": p.out, **offsets}
    count = len(RESULTS["clipped_surrogate"])
    return lambda: function(p.logits, p.action, p.old_log_prob, p.weights, **options)[:count]


def declared_objective(p: Problem) -> Solve:
    objective, numbers = p.objective, p.numbers
    segments = {"segments": p.segments()} if p.work.segments else {}
    return lambda: objective.gradient(p.logits, None, p.action, **numbers, **segments)


def all_action_objective(p: Problem) -> Solve:
    objective, matrix = p.objective, {p.objective.declaration.matrix.name: p.matrix}
    return lambda: objective.gradient(p.logits, None, **matrix)


def ragged_log_softmax(p: Problem) -> Solve:
    return lambda: scorefn.log_softmax(p.logits, out=p.out, offsets=p.offsets)


def ragged_score_gradient(p: Problem) -> Solve:
    return lambda: scorefn.score_gradient(
        p.logits, p.action, p.weights, out=p.out, offsets=p.offsets
    )


def ragged_clipped_surrogate(p: Problem) -> Solve:
    return _clipped_surrogate(p, offsets=p.offsets)


def tabular_gradient(p: Problem) -> Solve:
    return lambda: scorefn.tabular_gradient(
        p.table, p.state, p.action, p.weights, out=p.out, accumulate=p.work.accumulate
    )


def linear_gradient(p: Problem) -> Solve:
    return lambda: scorefn.linear_gradient(p.features, p.coef, p.action, p.weights, out=p.out)


def _scan(p: Problem) -> Solve:
    function, arguments = getattr(scorefn, p.work.function), {**p.scanned, **p.scan_options}
    return lambda: function(**arguments)


discounted_returns = lambda_returns = n_step_returns = gae = vtrace = retrace = upgo = _scan
