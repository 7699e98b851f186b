"""What estimators with a ratio have in common: their objective, their numbers, their `Estimate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_float, got_name, subscript, to_array
from .._errstate import divided
from .._moments import Moments, effective_sample_size
from .._two_passes import log_probs
from ..objectives import CustomObjective
from .counts import all_count, num_counting
from .estimate import Diagnostics, Estimate, check_gradient, norm


def check_objective(objective: Any, estimator: str, *, of_sequences: bool = False) -> None:
    """One of ratios and advantages, whose coefficients are left to the estimator.

    A sequence has one ratio, which a function of one's own would have to make of the tokens'.
    """
    declaration = getattr(objective, "declaration", None)
    numbers = {n.name for n in declaration.reads} if declaration else set()
    is_own = isinstance(objective, CustomObjective) and not of_sequences
    if isinstance(objective, type) or not (is_own or numbers == {"old_log_prob", "advantages"}):
        raise TypeError(
            "objective must be one of old_log_prob and advantages, such as ClippedSurrogate(), got "
            + got_name(objective)
        )
    check_coefficients(objective, f"{estimator} takes means over the samples")


def check_coefficients(objective: Any, reason: str) -> None:
    """Those of the terms over all actions are left to the estimator."""
    for name in ("entropy_coef", "kl_coef"):
        if np.any(np.not_equal(getattr(objective, name), 0.0)):
            raise ValueError(
                f"{name} of the objective must be 0, as {reason}, got {getattr(objective, name)}"
            )


def check_log_prob(name: str, values: ArrayLike, counts: NDArray[np.bool_]) -> NDArray[Any]:
    """Finite float32 or float64 where samples count, and 0 where they do not."""
    x = check_float(name, values, shape=counts.shape)
    return check_finite(name, x if all_count(counts) else np.where(counts, x, x.dtype.type(0)))


def log_prob_of(
    name: str,
    given: Any,
    observations: Any,
    actions: ArrayLike,
    counts: NDArray[np.bool_],
    **rows: Any,
) -> NDArray[np.float64]:
    """Log-probabilities that are given, or those of a policy that is."""
    if not hasattr(given, "logits"):
        return check_log_prob(name, given, counts)
    return check_possible(
        log_probs(given, observations, actions, **rows), actions, counts, f" in {name}"
    )


def old_or_own(
    old_log_prob: Any,
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    counts: NDArray[np.bool_],
    **rows: Any,
) -> NDArray[np.float64]:
    """The log-probabilities of the old policy; those of the policy itself if none are given."""
    if old_log_prob is not None:
        return log_prob_of("old_log_prob", old_log_prob, observations, actions, counts, **rows)
    return check_possible(log_probs(policy, observations, actions, **rows), actions, counts)


def check_possible(
    log_prob: NDArray[Any], actions: ArrayLike, counts: NDArray[np.bool_], of: str = ""
) -> NDArray[np.float64]:
    """Of actions that the policy can take, and 0 where samples do not count."""
    impossible = np.argwhere((log_prob == -np.inf) & counts)
    if impossible.size:
        action = to_array("actions", actions)[tuple(impossible[0])]
        raise ValueError(
            f"{subscript('actions', impossible[0])} = {action} has probability 0{of}: its logit is "
            "-inf or masked"
        )
    return np.where(counts, log_prob, 0.0).astype(np.float64, copy=False)


def estimate_of(
    step: Any,
    advantages: NDArray[np.float64],
    of_raw: Moments,
    counts: NDArray[np.bool_],
    *,
    num_samples: int,
    divisor: int = 1,
    diagnostics: bool,
    old_log_prob: NDArray[np.float64] | None = None,
    decisions: NDArray[np.bool_] | None = None,
    objective: Any = None,
    standard_error: NDArray[np.float64] | None = None,
    **known: float,
) -> Estimate:
    """From a step, whose sums are to be divided; `known` are diagnostics that it does not tell.

    `of_raw` are the moments of the advantages before they were normalised.
    Ratios are those of the old log-probabilities, or of decisions, if it is said which count.
    """
    gradient = check_gradient(divided(step.gradient, divisor))
    done = (gradient, float(step.objective) / divisor, advantages)
    if not diagnostics:
        return Estimate(*done, Diagnostics(num_samples), standard_error)
    if standard_error is not None:
        known["gradient_standard_error"] = norm(standard_error)
    if old_log_prob is not None:
        known |= _of_ratios(step, objective, old_log_prob, counts, decisions)
    return Estimate(
        *done,
        Diagnostics(
            num_samples=num_samples,
            advantage_mean=of_raw.mean(),
            advantage_std=of_raw.standard_deviation(),
            entropy=mean_entropy(step, counts),
            gradient_norm=norm(gradient),
            **known,
        ),
        standard_error,
    )


def mean_entropy(step: Any, counts: NDArray[np.bool_]) -> float:
    """Over the samples that count; several may share a row of logits, and its entropy."""
    h = np.asarray(step.entropy)
    if h.shape == counts.shape and all_count(counts):
        return float(h.mean(dtype=np.float64))
    h = h if h.ndim in (0, counts.ndim) else h[..., np.newaxis]
    return float(np.broadcast_to(h, counts.shape)[counts].mean(dtype=np.float64))


def _of_ratios(
    step: Any,
    objective: Any,
    old_log_prob: NDArray[Any],
    counts: NDArray[np.bool_],
    decisions: NDArray[np.bool_] | None,
) -> dict[str, float]:
    """What the ratios tell. Those that do not count are 0, as their log-probabilities are."""
    ratio = getattr(step, "ratio", None)
    if ratio is None:
        return {}
    n = num_counting(counts if decisions is None else decisions)
    of = {"approx_kl": float(getattr(step, "approx_kl", math.nan))}
    with np.errstate(all="ignore"):
        if decisions is None:
            sums = old_log_prob.sum(dtype=np.float64), step.log_prob.sum(dtype=np.float64)
            of["approx_kl_k1"] = float(sums[0] - sums[1]) / n
        else:
            of["approx_kl_k1"] = -float(np.log(ratio[decisions]).mean(dtype=np.float64))
    of["effective_sample_size"] = effective_sample_size(ratio)
    clip_range = getattr(objective, "clip_range", None)
    if clip_range is not None:
        high = clip_range[1] if isinstance(clip_range, tuple | list) else clip_range
        of["clip_fraction"] = float(step.clip_fraction)
        of["clip_fraction_high"] = int(np.count_nonzero(ratio > 1.0 + high)) / n
        of["clip_fraction_low"] = max(of["clip_fraction"] - of["clip_fraction_high"], 0.0)
    return of
