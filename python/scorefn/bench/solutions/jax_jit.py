"""JAX under ``jax.jit``. A call gives its last result back (donates it), to be written over."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp as log_sum_exp

from scorefn.bench.problem import CLIP_RANGE, ENTROPY_COEF, Problem, Solve
from scorefn.bench.solutions import differentiable

VERSION = jax.__version__


def configure(threads: int, dtype: str) -> None:
    os.environ["NPROC"] = str(threads)  # read when the first array is made
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", dtype == "float64")


def _solve(function: Any, problem: Problem, *arrays: Any) -> Solve:
    """`function` of the arrays; its main result takes the memory of that of the call before."""
    arguments = [jnp.asarray(array) for array in arrays]

    def evaluate(previous: Any, *arguments: Any) -> Any:
        return function(*arguments)

    run = jax.jit(evaluate, donate_argnums=0, keep_unused=True)
    previous = jnp.zeros(problem.out.shape, problem.out.dtype)

    def solve() -> Any:
        nonlocal previous
        result = jax.block_until_ready(run(previous, *arguments))
        previous = result if isinstance(result, jax.Array) else result[1]
        return result

    return solve


def log_softmax(p: Problem) -> Solve:
    return _solve(jax.nn.log_softmax, p, p.logits)


def softmax(p: Problem) -> Solve:
    return _solve(jax.nn.softmax, p, p.logits)


def logsumexp(p: Problem) -> Solve:
    return _solve(lambda z: log_sum_exp(z, -1), p, p.logits)


def _chosen(z: Any, a: Any) -> Any:
    return jnp.take_along_axis(z, a[:, None], -1)[:, 0]


def log_prob(p: Problem) -> Solve:
    return _solve(lambda z, a: _chosen(z, a) - log_sum_exp(z, -1), p, p.logits, p.action)


def _entropy(log_p: Any) -> Any:
    return -(jnp.exp(log_p) * log_p).sum(-1)


def entropy(p: Problem) -> Solve:
    return _solve(lambda z: _entropy(jax.nn.log_softmax(z)), p, p.logits)


def kl_divergence(p: Problem) -> Solve:
    def function(z_p: Any, z_q: Any) -> Any:
        log_p, log_q = jax.nn.log_softmax(z_p), jax.nn.log_softmax(z_q)
        return (jnp.exp(log_p) * (log_p - log_q)).sum(-1)

    return _solve(function, p, p.logits, p.logits_q)


def sample(p: Problem) -> Solve:
    z = jnp.asarray(p.logits)
    key = jax.random.key(8)

    def draw(key: Any, z: Any) -> Any:
        key, subkey = jax.random.split(key)
        actions = jax.random.categorical(subkey, z)
        return key, actions, _chosen(z, actions) - log_sum_exp(z, -1)

    run = jax.jit(draw)

    def solve() -> tuple[Any, Any]:
        nonlocal key
        key, actions, log_prob = jax.block_until_ready(run(key, z))
        return actions, log_prob

    return solve


def score(p: Problem) -> Solve:
    def function(z: Any, a: Any) -> Any:
        return jax.nn.one_hot(a, z.shape[-1], dtype=z.dtype) - jax.nn.softmax(z)

    return _solve(function, p, p.logits, p.action)


def _gradient(z: Any, a: Any, w: Any) -> Any:
    return w[:, None] * (jax.nn.one_hot(a, z.shape[-1], dtype=z.dtype) - jax.nn.softmax(z))


def score_gradient(p: Problem) -> Solve:
    return _solve(_gradient, p, p.logits, p.action, p.weights)


def _differentiated(function: Any) -> Any:
    differentiate = jax.value_and_grad(function, has_aux=True)

    def evaluate(*arguments: Any) -> tuple[Any, ...]:
        (value, rest), gradient = differentiate(*arguments)
        return (value, gradient, *rest)

    return evaluate


def policy_gradient(p: Problem) -> Solve:
    def objective(z: Any, a: Any, w: Any) -> Any:
        log_p = jax.nn.log_softmax(z)
        chosen, entropies = _chosen(log_p, a), _entropy(log_p)
        return w @ chosen + ENTROPY_COEF * entropies.sum(), (chosen, entropies)

    return _solve(_differentiated(objective), p, p.logits, p.action, p.weights)


def clipped_surrogate(p: Problem) -> Solve:
    def surrogate(z: Any, a: Any, old: Any, advantages: Any) -> Any:
        log_p = jax.nn.log_softmax(z)
        chosen, entropies = _chosen(log_p, a), _entropy(log_p)
        ratio = jnp.exp(chosen - old)
        clipped = jnp.clip(ratio, 1 - CLIP_RANGE, 1 + CLIP_RANGE)
        gain = jnp.minimum(ratio * advantages, clipped * advantages).sum()
        approx_kl = (ratio - 1 - (chosen - old)).mean()
        clip_fraction = (jnp.abs(ratio - 1) > CLIP_RANGE).astype(z.dtype).mean()
        rest = chosen, entropies, ratio, approx_kl, clip_fraction
        return gain + ENTROPY_COEF * entropies.sum(), rest

    arrays = p.logits, p.action, p.old_log_prob, p.weights
    return _solve(_differentiated(surrogate), p, *arrays)


LIBRARY = differentiable.Library(
    jnp,
    jax.nn.log_softmax,
    _chosen,
    jax.nn.sigmoid,
    jax.lax.stop_gradient,
    lambda x, like: x.astype(like.dtype),
)


def _split(function: Any) -> Any:
    """The value, and the rest in a tuple."""

    def evaluate(*arguments: Any) -> tuple[Any, tuple[Any, ...]]:
        value, *rest = function(*arguments)
        return value, tuple(rest)

    return _differentiated(evaluate)


def declared_objective(p: Problem) -> Solve:
    function = _split(differentiable.declared_objective(LIBRARY, p))
    return _solve(function, p, p.logits, p.action, *p.numbers.values())


def all_action_objective(p: Problem) -> Solve:
    function = _split(differentiable.all_action_objective(LIBRARY, p))
    return _solve(function, p, p.logits, p.matrix)


def tabular_gradient(p: Problem) -> Solve:
    arrays = p.table, p.state, p.action, p.weights
    if not p.work.accumulate:

        def function(table: Any, s: Any, a: Any, w: Any) -> Any:
            return jnp.zeros_like(table).at[s].add(_gradient(table[s], a, w))

        return _solve(function, p, *arrays)

    arguments = [jnp.asarray(array) for array in arrays]
    gradient = jnp.zeros(p.out.shape, p.out.dtype)

    def add(gradient: Any, table: Any, s: Any, a: Any, w: Any) -> Any:
        return gradient.at[s].add(_gradient(table[s], a, w))

    run = jax.jit(add, donate_argnums=0)

    def solve() -> Any:
        nonlocal gradient
        gradient = jax.block_until_ready(run(gradient, *arguments))
        return gradient

    return solve


def linear_gradient(p: Problem) -> Solve:
    def function(x: Any, coef: Any, a: Any, w: Any) -> Any:
        return x.T @ _gradient(x @ coef, a, w)

    return _solve(function, p, p.features, p.coef, p.action, p.weights)
