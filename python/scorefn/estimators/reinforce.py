"""REINFORCE, with any baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._check import (
    check_axis,
    check_choice,
    check_flag,
    check_float,
    check_number,
    check_real_array,
    to_array,
)
from .._moments import Moments
from .._parameters import Parameters
from ..credit.baselines import Baseline, check_values, over_baseline
from ..credit.normalization import normalized, rounding_of
from ..policies import Policy
from .estimate import Diagnostics, Estimate, norm

# Those of `credit.advantages` that need nothing but rewards and values.
_BASELINES = ("none", "mean", "leave_one_out", "values")


@dataclass(frozen=True)
class Reinforce(Parameters):
    """REINFORCE (Williams 1992, "Simple statistical gradient-following algorithms").

    gradient = 1/n sum_i (A_i d log pi(a_i | x_i) + entropy_coef dH(pi(. | x_i)))

    with the advantages A = rewards - baseline estimates the gradient of
    E[reward] + entropy_coef E[H]  from actions that the policy itself drew. The entropy's part is
    exact for the given observations. The estimate is unbiased except for two options.
    ``baseline="mean"`` scales the expected reward part by (n - 1) / n. `normalize_advantages`
    introduces a slight bias, because the scale is estimated from the same samples.

    Parameters
    ----------
    baseline : {"none", "mean", "leave_one_out", "values"}
        See `scorefn.credit.advantages`.
    entropy_coef : float
        Weight of the policy's entropy in the objective.
    normalize_advantages : bool
        Scale the advantages to mean 0 and standard deviation 1: `scorefn.credit.normalize`.
    axis : int, optional
        The samples that are compared with each other, by the baseline and by the normalisation, lie
        along this axis: -1 for actions of shape (n, S) from ``policy.sample(x, num_samples=S)``.
        None: all of them.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.LogitsPolicy(np.zeros(3))
    >>> actions, _ = policy.sample(num_samples=1000, rng=0)
    >>> rewards = np.array([0.0, 1.0, 3.0])[actions]
    >>> reinforce = scorefn.Reinforce(baseline="leave_one_out")
    >>> estimate = reinforce.estimate(policy, None, actions, rewards)
    >>> bool(np.argmax(estimate.gradient) == 2)
    True
    """

    baseline: Baseline = "none"
    entropy_coef: float = 0.0
    normalize_advantages: bool = False
    axis: int | None = None

    def __post_init__(self) -> None:
        check_choice("baseline", self.baseline, _BASELINES)
        check_number("entropy_coef", self.entropy_coef)
        check_flag("normalize_advantages", self.normalize_advantages)
        check_axis(self.axis)

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
            One action per observation, or (..., S): S actions per observation.
        rewards : (...) array
            Shaped like `actions`.
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
            them, a reward that is not finite, or an action that the policy cannot take (its
            probability is 0, as it is where sampling and learning have different masks). A sample
            whose advantage is exactly 0 is exempt: it adds nothing, so padding may hold any action.
        IndexError
            An action or state out of range.
        """
        actions = to_array("actions", actions)
        given = check_real_array("rewards", rewards, shape=actions.shape)
        r = check_float("rewards", given)
        n = r.size
        if n == 0:
            raise ValueError(f"rewards must not be empty, got shape {r.shape}")
        check_axis(self.axis, r.shape)
        v = check_values(self.baseline, values, r.shape)
        of_rewards = Moments("rewards", r)
        by_group = of_rewards if self.axis is None else Moments("rewards", r, self.axis)
        raw = over_baseline(r, by_group, self.baseline, v, self.axis)
        of_raw = of_rewards if raw is r else Moments("advantages", raw)
        if self.normalize_advantages:
            largest = by_group.largest
            if v is not None:
                largest = np.maximum(largest, Moments("values", v, self.axis).largest)
            groups = of_raw if self.axis is None else Moments("advantages", raw, self.axis)
            largest = np.maximum(largest, groups.largest)
            rounding = rounding_of(given, None if v is None else to_array("values", values))
            advantages = normalized(
                raw, groups, largest, self.axis, rounding=rounding, in_place=raw is not r
            )
        else:
            advantages = raw.astype(np.float64, copy=raw is r)
        # The sum is divided by n, or large terms are, whose sum may overflow.
        is_large = not self.normalize_advantages and of_raw.largest.item() > _LARGE
        before, after = (n, 1) if is_large else (1, n)
        with np.errstate(all="ignore"):
            weights = advantages / n if is_large else advantages
        gradient, entropy, root_sum_square = policy.gradient_statistics(
            observations, actions, weights, entropy_coef=self.entropy_coef / before, where=where
        )
        with np.errstate(all="ignore"):
            gradient = gradient / after
            entropy /= n
            mean_reward = of_rewards.mean()
            size = norm(gradient)
            diagnostics = Diagnostics(
                num_samples=n,
                mean_reward=mean_reward,
                advantage_mean=of_raw.mean(),
                advantage_std=of_raw.standard_deviation(),
                entropy=entropy,
                gradient_norm=size,
                gradient_standard_error=_standard_error(root_sum_square / after, size, n),
            )
        return Estimate(
            gradient, mean_reward + self.entropy_coef * entropy, advantages, diagnostics
        )


# A sum of as many samples as any memory holds, each this large, is a float32.
_LARGE = 1e20


def _standard_error(root_sum_square: float, norm: float, n: int) -> float:
    """((n sum_i ||g_i||^2 - ||sum_i g_i||^2) / (n - 1))^(1/2).

    0 if all g_i are equal up to rounding: the sum of squares, its root and the norm have at most 8
    roundings in equal samples.
    """
    if n == 1:
        return math.nan
    largest = math.sqrt(n) * root_sum_square
    if largest == 0.0:
        return 0.0
    difference = 1.0 - (norm / largest) ** 2
    is_rounding = difference <= 8.0 * np.finfo(np.float64).eps
    return 0.0 if is_rounding else largest * math.sqrt(difference / (n - 1))
