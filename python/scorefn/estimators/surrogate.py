"""An `Estimate` of a step of an objective, most of them with a ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._moments import Moments
from .estimate import Diagnostics, Estimate, norm


def estimate_of(
    step: Any,
    advantages: NDArray[np.float64],
    raw_advantages: NDArray[np.float64],
    valid: ArrayLike | None,
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
        entropy=_mean_entropy(step, valid),
        gradient_norm=norm(step.gradient),
        approx_kl=float(getattr(step, "approx_kl", math.nan)),
        clip_fraction=float(getattr(step, "clip_fraction", math.nan)),
        effective_sample_size=_effective_sample_size(getattr(step, "ratio", None)),
    )
    return Estimate(step.gradient, float(step.objective), advantages, diagnostics)


def _mean_entropy(step: Any, valid: ArrayLike | None) -> float:
    """Over the samples that count; several may share a row of logits, and its entropy."""
    shape = step.log_prob.shape
    h = np.asarray(step.entropy, dtype=np.float64)
    h = np.broadcast_to(h if h.ndim in (0, len(shape)) else h[..., np.newaxis], shape)
    counts = np.broadcast_to(True, shape) if valid is None else np.asarray(valid, dtype=bool)
    return float(h[counts].mean()) if counts.any() else math.nan


def _effective_sample_size(ratio: NDArray[Any] | None) -> float:
    """Ratios that do not count are 0."""
    if ratio is None:
        return math.nan
    with np.errstate(all="ignore"):
        r = ratio.astype(np.float64) / max(float(ratio.max(initial=0.0)), math.ulp(0.0))
        return float(r.sum() ** 2 / np.square(r).sum())
