"""PyTorch under ``torch.compile``: formulas that it can fuse, compiled for each shape.

A result that is copied into ``out`` at the end of a formula is written there at once.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import torch

from scorefn.bench.problem import Problem, Solve
from scorefn.bench.solutions import differentiable, torch_eager

VERSION = torch.__version__


SMALLEST = 500_000  # elements; each shape is compiled for seconds, which small ones cannot pay


# Of its own for each run: Ctrl-C reaches the C++ compiler too, and what that leaves half-written in
# the cache that all share would fail forever.
_cache = tempfile.TemporaryDirectory(prefix="scorefn-bench-")


def configure(threads: int, dtype: str) -> None:
    torch_eager.configure(threads, dtype)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = _cache.name  # read when the first function is compiled


def _solve(function: Any, problem: Problem, *arrays: Any) -> Solve | None:
    if problem.work.elements < SMALLEST:
        return None
    arguments = torch_eager.tensors(*arrays)
    torch.compiler.reset()  # else the functions before this one count against a limit
    # Anything that it cannot compile is an error, not a step back to eager execution.
    run = torch.compile(function, fullgraph=True, dynamic=False)

    def solve() -> Any:
        with torch.no_grad():
            return run(*arguments)

    return solve


def log_softmax(p: Problem) -> Solve | None:
    return _solve(lambda z, out: out.copy_(torch.log_softmax(z, -1)), p, p.logits, p.out)


def softmax(p: Problem) -> Solve | None:
    return _solve(lambda z, out: out.copy_(torch.softmax(z, -1)), p, p.logits, p.out)


def logsumexp(p: Problem) -> Solve | None:
    return _solve(lambda z, out: out.copy_(torch.logsumexp(z, -1)), p, p.logits, p.out)


def log_prob(p: Problem) -> Solve | None:
    def function(z: Any, a: Any, out: Any) -> Any:
        return out.copy_(z.gather(-1, a[:, None])[:, 0] - torch.logsumexp(z, -1))

    return _solve(function, p, p.logits, p.action, p.out)


def entropy(p: Problem) -> Solve | None:
    def function(z: Any, out: Any) -> Any:
        log_p = torch.log_softmax(z, -1)
        return out.copy_(-(log_p.exp() * log_p).sum(-1))

    return _solve(function, p, p.logits, p.out)


def kl_divergence(p: Problem) -> Solve | None:
    def function(z_p: Any, z_q: Any, out: Any) -> Any:
        log_p, log_q = torch.log_softmax(z_p, -1), torch.log_softmax(z_q, -1)
        return out.copy_((log_p.exp() * (log_p - log_q)).sum(-1))

    return _solve(function, p, p.logits, p.logits_q, p.out)


def _gradient(z: Any, a: Any, w: Any) -> Any:
    """A choice an entry, which is fused with the rest, where a scatter would not be."""
    is_action = torch.arange(z.shape[-1]) == a[:, None]
    return torch.where(is_action, w[:, None], 0.0) - w[:, None] * torch.softmax(z, -1)


def score(p: Problem) -> Solve | None:
    def function(z: Any, a: Any, out: Any) -> Any:
        is_action = torch.arange(z.shape[-1]) == a[:, None]
        return out.copy_(is_action.to(z.dtype) - torch.softmax(z, -1))

    return _solve(function, p, p.logits, p.action, p.out)


def score_gradient(p: Problem) -> Solve | None:
    def function(z: Any, a: Any, w: Any, out: Any) -> Any:
        return out.copy_(_gradient(z, a, w))

    return _solve(function, p, p.logits, p.action, p.weights, p.out)


def policy_gradient(p: Problem) -> Solve | None:
    return _differentiated(torch_eager.objective, p, p.logits, p.action[:, None], p.weights)


def clipped_surrogate(p: Problem) -> Solve | None:
    arrays = p.logits, p.action[:, None], p.old_log_prob, p.weights
    return _differentiated(torch_eager.surrogate, p, *arrays)


def declared_objective(p: Problem) -> Solve | None:
    function = differentiable.declared_objective(torch_eager.LIBRARY, p)
    return _differentiated(function, p, p.logits, p.action[:, None], *p.numbers.values())


def all_action_objective(p: Problem) -> Solve | None:
    function = differentiable.all_action_objective(torch_eager.LIBRARY, p)
    return _differentiated(function, p, p.logits, p.matrix)


def _differentiated(function: Any, problem: Problem, *arrays: Any) -> Solve | None:
    """Value and gradient in one compiled function, which fuses the two."""

    def split(*arguments: Any) -> tuple[Any, tuple[Any, ...]]:
        value, *rest = function(*arguments)
        return value, (value, *rest)

    differentiate = torch.func.grad(split, has_aux=True)

    def evaluate(out: Any, *arguments: Any) -> tuple[Any, ...]:
        gradient, (value, *rest) = differentiate(*arguments)
        return (value, out.copy_(gradient), *rest)

    return _solve(evaluate, problem, problem.out, *arrays)


def tabular_gradient(p: Problem) -> Solve | None:
    def function(table: Any, s: Any, a: Any, w: Any, out: Any) -> Any:
        rows = _gradient(table[s], a, w)
        return out.index_add_(0, s, rows)

    def fresh(table: Any, s: Any, a: Any, w: Any, out: Any) -> Any:
        return function(table, s, a, w, out.zero_())

    solve = function if p.work.accumulate else fresh
    return _solve(solve, p, p.table, p.state, p.action, p.weights, p.out)


def linear_gradient(p: Problem) -> Solve | None:
    def function(x: Any, coef: Any, a: Any, w: Any, out: Any) -> Any:
        return torch.mm(x.t(), _gradient(x @ coef, a, w), out=out)

    return _solve(function, p, p.features, p.coef, p.action, p.weights, p.out)
