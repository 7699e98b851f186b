"""Values of a policy from a log, and their gradients, by the passes of the objectives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._errstate import divided, product
from .._objective_pass import FloatArray
from .._two_passes import second_pass
from ..objectives import ExpectedReward, ImportanceSampling, WeightedLogProb
from ..policies import LogitsPolicy, TabularPolicy
from .logged import Log
from .logged_weights import Float64, log_probs_of, normalized_weights


class Step(NamedTuple):
    """A value and its gradient, with numbers of the samples."""

    objective: float
    gradient: FloatArray
    entropy: Any
    advantages: Float64
    ratios: Float64 | None = None


def expected_rewards(log: Log) -> Float64:
    """sum_a pi(a | x_i) q_ia."""
    step = ExpectedReward().gradient(
        log.policy, log.observations, action_values=log.q, per_sample=True, **log.rows
    )
    return log.check_expected(step.value)


def model_step(log: Log, entropy_coef: float = 0.0) -> Step:
    """mean_i sum_a pi(a | x_i) q_ia + entropy_coef mean_i H(pi(. | x_i))."""
    n = log.num_samples
    step = ExpectedReward(entropy_coef=entropy_coef / n).gradient(
        log.policy,
        log.observations,
        action_values=log.q,
        weights=1.0 / n,
        per_sample=True,
        **log.rows,
    )
    log.check_expected(step.value)
    return Step(step.objective, step.gradient, step.entropy, log.advantages)


def ratio_step(log: Log, objective: ImportanceSampling) -> Step:
    """mean_i w(r_i) A_i, and the model's term. The objective has entropy_coef / n."""
    n = log.num_samples

    def run(q: Any) -> Step:
        step = objective.gradient(
            log.policy,
            log.observations,
            log.actions,
            propensities=log.propensities,
            advantages=divided(log.advantages, n),
            action_values=q,
            **log.rows,
        )
        if q is not None:
            log.check_expected(step.expected_value)
        ratios = step.ratio.astype(np.float64)
        return Step(step.objective, step.gradient, step.entropy, log.advantages, ratios)

    return _with_model(log, run)


def normalized_step(log: Log, entropy_coef: float) -> Step:
    """V = sum_i r_i A_i / sum_i r_i, whose gradient is  sum_i r_i (A_i - V) s_i / sum_i r_i."""
    n, log_prob = log.num_samples, log_probs_of(log)
    w = normalized_weights(log_prob, log.propensities)
    with np.errstate(all="ignore"):
        ratios = np.exp(log_prob) / log.propensities
        value = float(np.sum(w * log.advantages))
        centred = np.where(log.counts, log.advantages - value, 0.0)

    def run(q: Any) -> Step:
        objective, step = second_pass(
            WeightedLogProb(entropy_coef=entropy_coef / n),
            value,
            log.policy,
            log.observations,
            log.actions,
            derivatives=product(w, centred),
            valid=log.valid,
            where=log.where,
            matrix={"action_values": q},
            statistics=True,
        )
        if q is not None:
            log.check_expected(step.expected_value)
        return Step(objective, step.gradient, step.entropy, centred, ratios)

    return _with_model(log, run)


def _with_model(log: Log, run: Callable[[Any], Step]) -> Step:
    """The step with the model's term, in the same pass where the logits have a row per sample."""
    if log.q is None:
        return run(None)
    if not isinstance(log.policy, LogitsPolicy | TabularPolicy):
        return run(divided(log.q, log.num_samples))
    model, step = model_step(log), run(None)
    return step._replace(
        objective=step.objective + model.objective, gradient=step.gradient + model.gradient
    )
