"""What estimators with a ratio have in common: their objective, their numbers, their `Estimate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_bool, check_finite, check_real, subscript, to_array, type_name
from .._moments import Moments
from .._two_passes import log_probs
from ..objectives import CustomObjective
from .estimate import Diagnostics, Estimate, norm


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
            + (objective.__name__ if isinstance(objective, type) else type_name(objective))
        )
    for name in ("entropy_coef", "kl_coef"):
        if np.any(np.not_equal(getattr(objective, name), 0.0)):
            raise ValueError(
                f"{name} of the objective must be 0, as {estimator} takes means over the samples, "
                f"got {getattr(objective, name)}"
            )


def counts_of(valid: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which samples count; all of them if `valid` is None."""
    return (
        np.broadcast_to(True, shape) if valid is None else check_bool("valid", valid, shape=shape)
    )


def check_log_prob(name: str, values: ArrayLike, counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Finite where samples count, and 0 where they do not."""
    x = check_real(name, values, shape=counts.shape)
    return check_finite(name, np.where(counts, x, 0.0))


def old_or_own(
    old_log_prob: ArrayLike | None,
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    counts: NDArray[np.bool_],
    **rows: Any,
) -> NDArray[np.float64]:
    """The log-probabilities of the old policy; those of the policy itself if none are given."""
    if old_log_prob is not None:
        return check_log_prob("old_log_prob", old_log_prob, counts)
    own = log_probs(policy, observations, actions, **rows)
    impossible = np.argwhere((own == -np.inf) & counts)
    if impossible.size:
        action = to_array("actions", actions)[tuple(impossible[0])]
        raise ValueError(
            f"{subscript('actions', impossible[0])} = {action} has probability 0: its logit is "
            "-inf or masked"
        )
    return np.where(counts, own, 0.0)


def estimate_of(
    step: Any,
    advantages: NDArray[np.float64],
    raw_advantages: NDArray[np.float64],
    counts: NDArray[np.bool_],
    *,
    num_samples: int,
    diagnostics: bool,
    decisions: NDArray[np.bool_] | None = None,
    objective: Any = None,
    standard_error: NDArray[np.float64] | None = None,
    **known: float,
) -> Estimate:
    """The gradient and the objective of a step, and what it tells; `known` are more diagnostics.

    `decisions` says which decisions count, where they are not the samples.
    """
    done = (step.gradient, float(step.objective), advantages)
    if not diagnostics:
        return Estimate(*done, Diagnostics(num_samples), standard_error)
    of_raw = Moments("advantages", raw_advantages)
    of_ratios = {}
    if hasattr(step, "ratio"):
        counted = step.ratio[counts if decisions is None else decisions]
        of_ratios = _of_ratios(counted.astype(np.float64), step, objective)
    if standard_error is not None:
        known["gradient_standard_error"] = norm(standard_error)
    return Estimate(
        *done,
        Diagnostics(
            num_samples=num_samples,
            advantage_mean=of_raw.mean(),
            advantage_std=of_raw.standard_deviation(),
            entropy=_mean_entropy(step, counts),
            gradient_norm=norm(step.gradient),
            **of_ratios,
            **known,
        ),
        standard_error,
    )


def _mean_entropy(step: Any, counts: NDArray[np.bool_]) -> float:
    """Over the samples that count; several may share a row of logits, and its entropy."""
    h = np.asarray(step.entropy, dtype=np.float64)
    h = h if h.ndim in (0, counts.ndim) else h[..., np.newaxis]
    return float(np.broadcast_to(h, counts.shape)[counts].mean())


def _of_ratios(ratio: NDArray[np.float64], step: Any, objective: Any) -> dict[str, float]:
    """What the ratios that count tell; the means of k3 and of clipping are the step's own."""
    with np.errstate(all="ignore"):
        r = ratio / max(float(ratio.max(initial=0.0)), math.ulp(0.0))
        of = {
            "approx_kl": float(getattr(step, "approx_kl", math.nan)),
            "approx_kl_k1": float(-np.log(ratio).mean()),
            "effective_sample_size": float(r.sum() ** 2 / np.square(r).sum()),
        }
    clip_range = getattr(objective, "clip_range", None)
    if clip_range is not None:
        high = clip_range[1] if isinstance(clip_range, tuple | list) else clip_range
        of["clip_fraction"] = float(step.clip_fraction)
        of["clip_fraction_high"] = float(np.mean(ratio > 1.0 + high))
        of["clip_fraction_low"] = max(of["clip_fraction"] - of["clip_fraction_high"], 0.0)
    return of
