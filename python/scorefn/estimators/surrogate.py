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
    return _possible(
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
    return _possible(log_probs(policy, observations, actions, **rows), actions, counts)


def _possible(
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
    return np.where(counts, log_prob, 0.0)


def estimate_of(
    step: Any,
    advantages: NDArray[np.float64],
    raw_advantages: NDArray[np.float64],
    counts: NDArray[np.bool_],
    *,
    num_samples: int,
    mean_reward: float = math.nan,
) -> Estimate:
    """The gradient and the objective of a step with statistics, and what these tell."""
    of_raw = Moments("advantages", raw_advantages)
    diagnostics = Diagnostics(
        num_samples=num_samples,
        mean_reward=mean_reward,
        advantage_mean=of_raw.mean(),
        advantage_std=of_raw.standard_deviation(),
        entropy=_mean_entropy(step, counts),
        gradient_norm=norm(step.gradient),
        approx_kl=float(getattr(step, "approx_kl", math.nan)),
        clip_fraction=float(getattr(step, "clip_fraction", math.nan)),
        effective_sample_size=_effective_sample_size(getattr(step, "ratio", None)),
    )
    return Estimate(step.gradient, float(step.objective), advantages, diagnostics)


def _mean_entropy(step: Any, counts: NDArray[np.bool_]) -> float:
    """Over the samples that count; several may share a row of logits, and its entropy."""
    h = np.asarray(step.entropy, dtype=np.float64)
    h = h if h.ndim in (0, counts.ndim) else h[..., np.newaxis]
    return float(np.broadcast_to(h, counts.shape)[counts].mean())


def _effective_sample_size(ratio: NDArray[Any] | None) -> float:
    """Ratios that do not count are 0."""
    if ratio is None:
        return math.nan
    with np.errstate(all="ignore"):
        r = ratio.astype(np.float64) / max(float(ratio.max(initial=0.0)), math.ulp(0.0))
        return float(r.sum() ** 2 / np.square(r).sum())
