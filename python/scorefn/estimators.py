"""Estimators of the gradient of an expected reward: credit + objective + policy.

``Reinforce().estimate(policy, observations, actions, rewards)`` gives an `Estimate`; a step of
gradient ascent is ``policy.parameters += learning_rate * estimate.gradient``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import credit
from ._check import check_number, check_real
from ._row_policy import FloatArray
from .credit import Baseline
from .policies import Policy

__all__ = ["Diagnostics", "Estimate", "Reinforce"]


@dataclass(frozen=True)
class Diagnostics:
    """What to look at while a policy learns.

    Attributes
    ----------
    num_samples : int
    mean_reward : float
    advantage_mean, advantage_std : float
        Of the advantages before normalisation; the standard deviation is that of n - 1 samples (NaN
        for a single one).
    entropy : float
        Mean over the samples of the policy's entropy, in nats.
    gradient_norm : float
        Euclidean norm of the gradient.
    gradient_standard_error : float
        Square root of the sum of the estimated variances of the gradient's entries,
        sqrt((mean_i ||g_i||^2 - ||mean_i g_i||^2) / (n - 1)), where sample i adds g_i / n to the
        gradient, entropy bonus included. The advantages are taken as given and the samples as
        independent. Larger than `gradient_norm`: more noise than signal (McCandlish et al. 2018,
        "An empirical model of large-batch training"). NaN for a single sample.
    """

    num_samples: int
    mean_reward: float
    advantage_mean: float
    advantage_std: float
    entropy: float
    gradient_norm: float
    gradient_standard_error: float


@dataclass(frozen=True)
class Estimate:
    """An estimate of the gradient of an objective that is to be maximised.

    Attributes
    ----------
    gradient : array
        Ascent direction, shape and dtype of the policy's parameters; a mean over the samples.
    objective : float
        The sample's value of what `gradient` is the gradient of: mean reward + entropy_coef * mean
        entropy.
    advantages : float64 array
        The weight of each sample, shaped like the rewards (normalised, if the estimator does that).
    diagnostics : Diagnostics
    """

    gradient: FloatArray
    objective: float
    advantages: NDArray[np.float64]
    diagnostics: Diagnostics


@dataclass(frozen=True)
class Reinforce:
    """REINFORCE (Williams 1992, "Simple statistical gradient-following algorithms").

    gradient = 1/n sum_i (A_i d log pi(a_i | x_i) + entropy_coef dH(pi(. | x_i)))

    with the advantages A = rewards - baseline estimates the gradient of
    E[reward] + entropy_coef E[H]  from actions that the policy itself drew. The entropy's part is
    exact for the given observations. The estimate is unbiased but for two options:
    ``baseline="mean"`` scales the expected reward part by (n - 1) / n; `normalize_advantages`
    divides it by the standard deviation of the sample at hand, which changes its length and, as
    that deviation is random too, a little its expected direction.

    Parameters
    ----------
    baseline : {"none", "mean", "leave_one_out", "values"}
        See `scorefn.credit.advantages`.
    entropy_coef : float
        Weight of the policy's entropy in the objective.
    normalize_advantages : bool
        Scale the advantages to mean 0 and standard deviation 1: `scorefn.credit.normalize`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.LogitsPolicy(np.zeros(3))
    >>> actions, _ = policy.sample(None, num_samples=1000, rng=0)
    >>> rewards = np.array([0.0, 1.0, 3.0])[actions]
    >>> reinforce = scorefn.Reinforce(baseline="leave_one_out")
    >>> estimate = reinforce.estimate(policy, None, actions, rewards)
    >>> bool(np.argmax(estimate.gradient) == 2)
    True
    """

    baseline: Baseline = "none"
    entropy_coef: float = 0.0
    normalize_advantages: bool = False

    def __post_init__(self) -> None:
        credit.check_baseline(self.baseline)
        check_number("entropy_coef", self.entropy_coef)
        if not isinstance(self.normalize_advantages, bool | np.bool_):
            got = type(self.normalize_advantages).__name__
            raise TypeError(f"normalize_advantages must be a bool, got {got}")

    def estimate(
        self,
        policy: Policy,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        values: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from samples.

        Parameters
        ----------
        policy : Policy
            The policy that drew the actions, with the parameters it had then.
        observations : array
            What the policy takes; None for `LogitsPolicy`.
        actions : (...) integer array
        rewards : (...) array
            What is credited to each action: for episodes their returns or advantages from
            `scorefn.credit`.
        values : (...) array, optional
            The baseline of each sample, for ``baseline="values"``.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.

        Returns
        -------
        Estimate

        Raises
        ------
        TypeError
            An array of the wrong kind.
        ValueError
            A wrong shape, no samples, fewer than two where the baseline or the normalisation needs
            them, or a reward that is not finite.
        IndexError
            An action or state out of range.
        """
        r = check_real("rewards", rewards, shape=np.shape(actions))
        n = r.size
        if n == 0:
            raise ValueError(f"rewards must not be empty, got shape {r.shape}")
        raw = credit.advantages(r, self.baseline, values=values)
        advantages = credit.normalize(raw) if self.normalize_advantages else raw
        gradient = policy.gradient(
            observations, actions, advantages / n, entropy_coef=self.entropy_coef / n, where=where
        )
        terms = policy.sample_terms(
            observations, actions, advantages, entropy_coef=self.entropy_coef, where=where
        )

        mean_reward = float(r.mean())
        entropy = float(terms.entropy.mean())
        norm = float(np.linalg.norm(gradient.astype(np.float64)))
        variance = (np.mean(terms.gradient_norm**2) - norm**2) / (n - 1) if n > 1 else math.nan
        diagnostics = Diagnostics(
            num_samples=n,
            mean_reward=mean_reward,
            advantage_mean=float(raw.mean()),
            advantage_std=float(raw.std(ddof=1)) if n > 1 else math.nan,
            entropy=entropy,
            gradient_norm=norm,
            gradient_standard_error=math.sqrt(max(variance, 0.0)) if n > 1 else math.nan,
        )
        return Estimate(
            gradient, mean_reward + self.entropy_coef * entropy, advantages, diagnostics
        )
