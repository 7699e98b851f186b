"""Importance weights of logged actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._check import subscript
from .._errstate import without_float_errors
from .._moments import effective_sample_size
from .._two_passes import log_probs
from .logged import Log

Float64 = NDArray[np.float64]


def log_probs_of(log: Log) -> Float64:
    """log pi(a_i), and -inf for samples that do not count."""
    log_prob = log_probs(
        log.policy, log.observations, log.actions, log.where, log.valid, None
    ).astype(np.float64)
    wrong = np.argwhere(np.isnan(log_prob) & log.counts)
    if wrong.size:
        raise ValueError(f"log pi of {subscript('actions', wrong[0])} must be a number, got nan")
    return np.where(log.counts, log_prob, -np.inf)


@without_float_errors
def importance_weights(ratios: Float64, weighting: str | None, option: float = 0.0) -> Float64:
    """w(r) of `scorefn.ImportanceSampling`, with the option of that weighting."""
    if weighting == "clipped":
        return np.minimum(ratios, option)
    if weighting == "switch":
        return np.where(ratios > option, 0.0, ratios)
    if weighting == "sub_gaussian":
        total = 1.0 - option + option * ratios
        return np.divide(ratios, total, out=np.zeros_like(ratios), where=total > 0.0)
    if weighting == "optimistic_shrinkage":
        return np.asarray(ratios / (1.0 + ratios / option * ratios))
    return ratios


@without_float_errors
def normalized_weights(log_prob: Float64, propensities: Float64) -> Float64:
    """r_i / sum r with r = pi / propensity: a softmax of the log-ratios, which cannot overflow."""
    log_ratio = log_prob - np.log(propensities)
    largest = float(log_ratio.max())
    if largest == -np.inf:
        raise ValueError(
            "actions must have one that the policy can take, but all have probability 0"
        )
    r = np.exp(log_ratio - largest)
    return np.asarray(r / r.sum())


@without_float_errors
@without_float_errors
def weight_diagnostics(weights: Float64) -> dict[str, float]:
    return {
        "effective_sample_size": effective_sample_size(weights),
        "mean_weight": float(weights.mean()),
        "largest_weight": float(weights.max()),
    }
