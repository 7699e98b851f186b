"""The objectives as users of automatic differentiation write them, in PyTorch or JAX alike.

Each formula gives a value whose gradient is right: what an objective holds constant is detached.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from scorefn.bench.problem import ENTROPY_COEF, Problem


class Library(NamedTuple):
    """The functions that PyTorch and JAX call by different names or keep in different places."""

    np: Any  # torch, or jax.numpy
    log_softmax: Callable[[Any], Any]  # along the rows
    choose: Callable[[Any, Any], Any]  # an entry of each row
    sigmoid: Callable[[Any], Any]
    constant: Callable[[Any], Any]
    cast: Callable[[Any, Any], Any]  # to the dtype of another


Decisions = Callable[[Any], Any]  # numbers of rows to numbers of decisions


class Values(NamedTuple):
    """One value per decision; what else is reported of each, and in the mean."""

    value: Any
    writes: tuple[Any, ...] = ()
    means: tuple[Any, ...] = ()


def clipped_surrogate(
    lib: Library,
    chosen: Any,
    decisions: Decisions,
    old_log_prob: Any,
    advantages: Any,
    clip_range: float,
    dual_clip: float,  # infinite: there is none
) -> Values:
    log_ratio = decisions(chosen - old_log_prob)
    ratio = lib.np.exp(log_ratio)
    clipped = lib.np.clip(ratio, 1 - clip_range, 1 + clip_range)
    value = lib.np.minimum(ratio * advantages, clipped * advantages)
    outside = lib.cast(lib.np.abs(ratio - 1) > clip_range, ratio)
    return Values(value, (ratio,), (ratio - 1 - log_ratio, outside))


def cispo(
    lib: Library,
    chosen: Any,
    decisions: Decisions,
    old_log_prob: Any,
    advantages: Any,
    clip_range: tuple[float, float],
) -> Values:
    log_ratio = chosen - old_log_prob
    ratio = lib.constant(lib.np.exp(log_ratio))
    clipped = lib.np.clip(ratio, 1 - clip_range[0], 1 + clip_range[1])
    outside = lib.cast(clipped != ratio, ratio)
    kl = ratio - 1 - lib.constant(log_ratio)
    return Values(clipped * advantages * chosen, (ratio,), (kl, outside))


def sapo(
    lib: Library,
    chosen: Any,
    decisions: Decisions,
    old_log_prob: Any,
    advantages: Any,
    tau_pos: float,
    tau_neg: float,
) -> Values:
    log_ratio = chosen - old_log_prob
    ratio = lib.np.exp(log_ratio)
    tau = tau_neg + (tau_pos - tau_neg) * lib.cast(advantages > 0, advantages)
    value = 4 / tau * lib.sigmoid(tau * (ratio - 1)) * advantages
    return Values(value, (ratio,), (ratio - 1 - log_ratio,))


def kl_penalty(
    lib: Library,
    chosen: Any,
    decisions: Decisions,
    weights: Any,
    reference_log_prob: Any,
    value: str,
    derivative: str,
) -> Values:
    x = chosen - reference_log_prob
    estimates = {"k1": lambda: x, "k2": lambda: x**2 / 2, "k3": lambda: lib.np.expm1(-x) + x}
    slope, k = estimates[derivative](), lib.constant(estimates[value]())
    # The value of the one and the gradient of the other.
    return Values(-weights * (k + slope - lib.constant(slope)), (), (k,))


def importance_sampling(
    lib: Library,
    chosen: Any,
    decisions: Decisions,
    propensities: Any,
    advantages: Any,
    weighting: str,  # the plain one, which has no option
    **options: float,
) -> Values:
    ratio = lib.np.exp(chosen) / propensities
    return Values(ratio * advantages, (ratio,), (ratio, ratio**2))


FORMULAS: dict[str, Callable[..., Values]] = {
    "ClippedSurrogate": clipped_surrogate,
    "KLPenalty": kl_penalty,
    "CISPO": cispo,
    "SAPO": sapo,
    "ImportanceSampling": importance_sampling,
}


def declared_objective(lib: Library, p: Problem) -> Callable[..., tuple[Any, ...]]:
    """Of logits, actions and the numbers that the objective reads: its value, and the rest."""
    formula, options, names = FORMULAS[p.work.function], p.options, list(p.numbers)
    segments, mean = p.work.segments, p.work.mean

    def decisions(x: Any) -> Any:
        if not segments:
            return x
        rows = x.reshape(segments, -1)
        return rows.mean(-1) if mean else rows.sum(-1)

    def objective(z: Any, a: Any, *numbers: Any) -> tuple[Any, ...]:
        log_p = lib.log_softmax(z)
        chosen = lib.choose(log_p, a)
        entropy = -(lib.np.exp(log_p) * log_p).sum(-1)
        numbers_by_name = dict(zip(names, numbers, strict=True))
        values = formula(lib, chosen, decisions, **numbers_by_name, **options)
        total = values.value.sum() + ENTROPY_COEF * entropy.sum()
        return total, chosen, entropy, *values.writes, *(x.mean() for x in values.means)

    return objective


def expected_reward(lib: Library, z: Any, log_p: Any, q: Any) -> Any:
    return (lib.np.exp(log_p) * q).sum(-1)


def cross_entropy(lib: Library, z: Any, log_p: Any, targets: Any) -> Any:
    return (targets * log_p).sum(-1)


def _advantages(lib: Library, log_p: Any, q: Any) -> Any:
    return q - expected_reward(lib, None, log_p, q)[:, None]


def regret_matching(lib: Library, z: Any, log_p: Any, q: Any) -> Any:
    regrets = lib.constant(lib.np.clip(_advantages(lib, log_p, q), 0.0, math.inf))
    return (lib.np.exp(log_p) * regrets).sum(-1)


def regret_policy_gradient(lib: Library, z: Any, log_p: Any, q: Any) -> Any:
    return -lib.np.clip(_advantages(lib, log_p, q), 0.0, math.inf).sum(-1)


def neurd(lib: Library, z: Any, log_p: Any, q: Any, threshold: float) -> Any:
    y = z - z.mean(-1)[:, None]
    advantages = _advantages(lib, log_p, q)
    is_beyond = ((y >= threshold) & (advantages > 0)) | ((y <= -threshold) & (advantages < 0))
    return (y * lib.constant(lib.np.where(is_beyond, 0.0, advantages))).sum(-1)


def reverse_kl(lib: Library, z: Any, log_p: Any, reference: Any) -> Any:
    return (lib.np.exp(log_p) * (log_p - reference)).sum(-1)


def forward_kl(lib: Library, z: Any, log_p: Any, reference: Any) -> Any:
    return (lib.np.exp(reference) * (reference - log_p)).sum(-1)


ALL_ACTIONS: dict[str, Callable[..., Any]] = {
    "ExpectedReward": expected_reward,
    "CrossEntropy": cross_entropy,
    "RegretMatching": regret_matching,
    "RegretPolicyGradient": regret_policy_gradient,
    "NeuRD": neurd,
    "ReverseKL": reverse_kl,
    "ForwardKL": forward_kl,
}


def all_action_objective(lib: Library, p: Problem) -> Callable[..., tuple[Any, ...]]:
    """Of logits and the objective's matrix: its value, and the values and entropies of the rows."""
    formula, options = ALL_ACTIONS[p.work.function], p.options
    sign = -1 if p.objective.declaration.is_penalty else 1

    def objective(z: Any, x: Any) -> tuple[Any, ...]:
        log_p = lib.log_softmax(z)
        entropy = -(lib.np.exp(log_p) * log_p).sum(-1)
        value = formula(lib, z, log_p, x, **options)
        return sign * value.sum() + ENTROPY_COEF * entropy.sum(), value, entropy

    return objective
