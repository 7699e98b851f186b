"""What every estimator returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .._check import subscript
from .._moments import norm as norm
from .._objective_pass import FloatArray


def check_gradient(gradient: FloatArray) -> FloatArray:
    """A gradient that parameters can take."""
    if not np.isfinite(gradient).all():
        index = np.argwhere(~np.isfinite(gradient))[0]
        raise ValueError(
            f"{subscript('gradient', index)} must be finite in {gradient.dtype}, got "
            f"{gradient[tuple(index)]}: a reward, ratio or value is too large, or a logit is not "
            "finite"
        )
    return gradient


@dataclass(frozen=True, repr=False)
class Diagnostics:
    """What to look at while a policy learns. NaN where an estimator does not know it.

    The repr shows what is not NaN; ``dataclasses.asdict`` has all, for a log.

    Attributes
    ----------
    num_samples : int
        How many samples there are: actions, or sequences.
    mean_reward : float
        Mean of the rewards. `PPO` is given advantages and does not know it.
    advantage_mean, advantage_std : float
        Mean and standard deviation (that of n - 1; NaN for a single sample) of the advantages
        before normalisation.
    entropy : float
        Mean of the policy's entropy over the samples, in nats.
    gradient_norm : float
        Euclidean norm of the gradient.
    gradient_standard_error : float
        Square root of the sum of the estimated variances of the gradient's entries,
        sqrt((mean_i ||g_i||^2 - ||mean_i g_i||^2) / (n - 1)), where sample i adds g_i / n to the
        gradient, entropy bonus included. The advantages are taken as given and the samples as
        independent. A value larger than `gradient_norm` means more noise than signal (McCandlish et
        al. 2018, "An empirical model of large-batch training"). NaN for a single sample. Only
        `Reinforce` knows it, and the other estimators with ``standard_error=True``.
    approx_kl, approx_kl_k1 : float
        Mean of (r - 1) - log r, and of -log r, over the ratios r = pi / pi_old: two estimates of
        KL(pi_old || pi), known as k3 and k1. Of estimators with a ratio.
    clip_fraction, clip_fraction_low, clip_fraction_high : float
        Share of the ratios that are outside the clip range; below it; above it. Of estimators with
        such a range.
    effective_sample_size : float
        (sum_i r_i)^2 / sum_i r_i^2: as many samples of the new policy would be worth as much (Kong
        1992). It is the number of ratios while the policies are equal. `OffPolicy`: of its weights.
    mean_weight, largest_weight : float
        Of the importance weights of `OffPolicy`. The mean of unclipped ones is about 1, if the
        propensities are right.
    explained_variance : float
        1 - Var(returns - values) / Var(returns): what share of the differences between the returns
        the values predict. Of estimators that are given both; NaN for equal returns.

    docs/diagnostics.md says of each what to do when it is off.
    """

    num_samples: int
    mean_reward: float = math.nan
    advantage_mean: float = math.nan
    advantage_std: float = math.nan
    entropy: float = math.nan
    gradient_norm: float = math.nan
    gradient_standard_error: float = math.nan
    approx_kl: float = math.nan
    approx_kl_k1: float = math.nan
    clip_fraction: float = math.nan
    clip_fraction_low: float = math.nan
    clip_fraction_high: float = math.nan
    effective_sample_size: float = math.nan
    mean_weight: float = math.nan
    largest_weight: float = math.nan
    explained_variance: float = math.nan

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        known = (f"{name}={value}" for name, value in values.items() if not math.isnan(value))
        return f"{type(self).__name__}({', '.join(known)})"


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate of the gradient of an objective that is to be maximised.

    Attributes
    ----------
    gradient : array
        Ascent direction, shape and dtype of the policy's parameters; a mean over the samples.
    objective : float
        The sample's value of what `gradient` is the gradient of. `Reinforce`: mean reward +
        entropy_coef * mean entropy.
    advantages : float64 array
        The weight of each sample, shaped like the rewards (normalised, if the estimator does that).
    diagnostics : Diagnostics
        All NaN but `num_samples` if the estimator has ``diagnostics=False``.
    standard_error : array or None
        Of estimators with ``standard_error=True``: the estimated standard deviation of each entry
        of the gradient, from the spread of what the samples add to it. The advantages are taken as
        given and the samples as independent. NaN for a single sample.
    samples : int64 array, optional
        Which samples a minibatch is of, counted along the flat actions. Of `PPO.updates`.
    """

    gradient: FloatArray
    objective: float
    advantages: NDArray[np.float64]
    diagnostics: Diagnostics
    standard_error: NDArray[np.float64] | None = None
    samples: NDArray[np.int64] | None = None

    @property
    def signal_to_noise(self) -> NDArray[np.float64] | None:
        """|gradient| / standard_error, entry by entry; 0 where both are 0."""
        if self.standard_error is None:
            return None
        size = np.abs(self.gradient, dtype=np.float64)
        with np.errstate(all="ignore"):
            return np.where(size == 0.0, 0.0 * self.standard_error, size / self.standard_error)
