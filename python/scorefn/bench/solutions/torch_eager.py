"""PyTorch, one operation after another: ``out=`` and in place where it has that.

Gradients with a formula of one line are written by hand, which is faster than autograd; the
training objectives are left to autograd, as everybody does.
"""

from __future__ import annotations

from typing import Any

import torch

from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, Problem, Solve
from scorefn.bench.solutions import differentiable

VERSION = torch.__version__

LIBRARY = differentiable.Library(
    torch,
    lambda z: torch.log_softmax(z, -1),
    lambda x, a: x.gather(-1, a)[:, 0],
    torch.sigmoid,
    torch.Tensor.detach,
    torch.Tensor.type_as,
)


def configure(threads: int, dtype: str) -> None:
    torch.set_num_threads(threads)


def tensors(*arrays: Any) -> list[Any]:
    """They share the memory of the arrays."""
    return [torch.from_numpy(array) for array in arrays]


def log_softmax(p: Problem) -> Solve:
    z, out = tensors(p.logits, p.out)
    return lambda: torch.log_softmax(z, -1, out=out)


def softmax(p: Problem) -> Solve:
    z, out = tensors(p.logits, p.out)
    return lambda: torch.softmax(z, -1, out=out)


def logsumexp(p: Problem) -> Solve:
    z, out = tensors(p.logits, p.out)
    return lambda: torch.logsumexp(z, -1, out=out)


def log_prob(p: Problem) -> Solve:
    z, a, scratch = tensors(p.logits, p.action[:, None], p.scratch())

    def solve() -> Any:
        return torch.log_softmax(z, -1, out=scratch).gather(-1, a)[:, 0]

    return solve


def entropy(p: Problem) -> Solve:
    z, out, log_p, probabilities = tensors(p.logits, p.out, p.scratch(), p.scratch())

    def solve() -> Any:
        torch.log_softmax(z, -1, out=log_p)
        torch.exp(log_p, out=probabilities).mul_(log_p)
        return torch.sum(probabilities, -1, out=out).neg_()

    return solve


def kl_divergence(p: Problem) -> Solve:
    z_p, z_q, out, log_p, log_q = tensors(p.logits, p.logits_q, p.out, p.scratch(), p.scratch())

    def solve() -> Any:
        torch.log_softmax(z_p, -1, out=log_p)
        torch.log_softmax(z_q, -1, out=log_q)
        torch.sub(log_p, log_q, out=log_q)
        return torch.sum(log_p.exp_().mul_(log_q), -1, out=out)

    return solve


def sample(p: Problem) -> Solve:
    [z] = tensors(p.logits)
    torch.manual_seed(8)

    def solve() -> tuple[Any, Any]:
        policy = torch.distributions.Categorical(logits=z, validate_args=False)
        actions = policy.sample()
        return actions, policy.log_prob(actions)

    return solve


def score(p: Problem) -> Solve:
    z, a, out = tensors(p.logits, p.action[:, None], p.out)
    ones = torch.ones(len(z), 1, dtype=z.dtype)
    return lambda: torch.softmax(z, -1, out=out).neg_().scatter_add_(-1, a, ones)


def score_gradient(p: Problem) -> Solve:
    z, a, w, out = tensors(p.logits, p.action[:, None], p.weights[:, None], p.out)
    minus = -w
    return lambda: torch.softmax(z, -1, out=out).mul_(minus).scatter_add_(-1, a, w)


def objective(z: Any, a: Any, w: Any) -> tuple[Any, Any, Any]:
    """The policy gradient's, with log-probabilities and entropies."""
    log_p = torch.log_softmax(z, -1)
    chosen = log_p.gather(-1, a)[:, 0]
    entropy = -(log_p.exp() * log_p).sum(-1)
    return (w * chosen).sum() + ENTROPY_COEF * entropy.sum(), chosen, entropy


def surrogate(z: Any, a: Any, old: Any, advantages: Any) -> tuple[Any, ...]:
    """The clipped one, with log-probabilities, entropies, ratios and what is watched of them."""
    log_p = torch.log_softmax(z, -1)
    chosen = log_p.gather(-1, a)[:, 0]
    entropy = -(log_p.exp() * log_p).sum(-1)
    log_ratio = chosen - old
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    gain = torch.minimum(ratio * advantages, clipped * advantages).sum()
    fixed = ratio.detach()
    approx_kl = (fixed - 1 - log_ratio.detach()).mean()
    clip_fraction = ((fixed - 1).abs() > CLIP_RANGE).to(z.dtype).mean()
    return gain + ENTROPY_COEF * entropy.sum(), chosen, entropy, ratio, approx_kl, clip_fraction


def policy_gradient(p: Problem) -> Solve:
    z, a, w = tensors(p.logits, p.action[:, None], p.weights)
    return with_autograd(objective, z, a, w)


def clipped_surrogate(p: Problem) -> Solve:
    z, a, old, advantages = tensors(p.logits, p.action[:, None], p.old_log_prob, p.weights)
    return with_autograd(surrogate, z, a, old, advantages)


def declared_objective(p: Problem) -> Solve:
    arrays = tensors(p.logits, p.action[:, None], *p.numbers.values())
    return with_autograd(differentiable.declared_objective(LIBRARY, p), *arrays)


def all_action_objective(p: Problem) -> Solve:
    arrays = tensors(p.logits, p.matrix)
    return with_autograd(differentiable.all_action_objective(LIBRARY, p), *arrays)


def with_autograd(function: Any, z: Any, *arguments: Any) -> Solve:
    """The value, its gradient by the first argument, and the rest of what `function` returns."""
    leaf = z.clone().requires_grad_()

    def solve() -> tuple[Any, ...]:
        leaf.grad = None
        value, *rest = function(leaf, *arguments)
        value.backward()
        return (value.detach(), leaf.grad, *(part.detach() for part in rest))

    return solve


def tabular_gradient(p: Problem) -> Solve:
    table, s, a, w, out, rows = tensors(
        *(p.table, p.state, p.action[:, None], p.weights[:, None], p.out, p.scratch())
    )
    accumulate, minus = p.work.accumulate, -w

    def solve() -> Any:
        torch.index_select(table, 0, s, out=rows)
        torch.softmax(rows, -1, out=rows).mul_(minus).scatter_add_(-1, a, w)
        return (out if accumulate else out.zero_()).index_add_(0, s, rows)

    return solve


def linear_gradient(p: Problem) -> Solve:
    x, coef, a, w, out, rows = tensors(
        *(p.features, p.coef, p.action[:, None], p.weights[:, None], p.out, p.scratch())
    )
    minus = -w

    def solve() -> Any:
        torch.mm(x, coef, out=rows)
        torch.softmax(rows, -1, out=rows).mul_(minus).scatter_add_(-1, a, w)
        return torch.mm(x.t(), rows, out=out)

    return solve
