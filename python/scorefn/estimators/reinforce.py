"""REINFORCE, with any baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_axis, check_choice, check_flag, check_number, to_array
from .._errstate import divided
from .._groups import check_samples
from .._objective_pass import check_policy
from .._parameters import Parameters
from ..credit.baselines import Baseline, Singleton, check_folds
from ..credit.explained_variance import explained_share
from ..credit.normalization import rounding_of
from ..objectives import WeightedLogProb
from ..policies import GradientStatistics
from .comparison import compare
from .counts import counts_of
from .estimate import Diagnostics, Estimate, check_gradient, norm
from .standard_errors import rounding_of_equal_samples, standard_errors
from .surrogate import check_possible, mean_entropy


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
    baseline : {"none", "mean", "leave_one_out", "weighted_mean", "values"}
        See `scorefn.credit.advantages`.
    entropy_coef : float
        Weight of the policy's entropy in the objective.
    normalize_advantages : bool
        Scale the advantages to mean 0 and standard deviation 1: `scorefn.credit.normalize`.
    axis : int, optional
        The samples that are compared with each other, by the baseline and by the normalisation, lie
        along this axis: -1 for actions of shape (n, S) from ``policy.sample(x, num_samples=S)``.
        None: all of them.
    folds : int, optional
        For ``baseline="weighted_mean"``: see `scorefn.credit.advantages`.
    singleton : {"error", "zero", "raw"}
        What a sample gets that has no others to be compared with: see `scorefn.credit.advantages`.
    diagnostics : bool
        False: `Estimate.diagnostics` has nothing but the number of samples, which saves the
        statistics of the policy's samples. Then nothing says that an action has probability 0.
    standard_error : bool
        True: `Estimate.standard_error` is given, for the library's policies. It takes a pass of its
        own.

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
    folds: int | None = None
    singleton: Singleton = "error"
    diagnostics: bool = True
    standard_error: bool = False

    def __post_init__(self) -> None:
        check_choice("baseline", self.baseline, get_args(Baseline))
        check_number("entropy_coef", self.entropy_coef)
        check_flag("normalize_advantages", self.normalize_advantages)
        check_axis(self.axis)
        check_folds(self.baseline, self.folds)
        check_choice("singleton", self.singleton, get_args(Singleton))
        check_flag("diagnostics", self.diagnostics)
        check_flag("standard_error", self.standard_error)

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        values: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from samples.

        Parameters
        ----------
        policy : Policy or array
            The policy that drew the actions, with the parameters it had then, or the logits of the
            samples. A policy of your own needs the methods ``logits(x)`` and ``adjoint(x, g)``.
        observations : array
            What the policy takes; None for logits and for `LogitsPolicy`.
        actions : (...) integer array
            One action per observation, or (..., S): S actions per observation.
        rewards : (...) array
            Shaped like `actions`.
            What is credited to each action: for episodes their returns or advantages from
            `scorefn.credit`.
        values : (...) array or float, optional
            The baseline of each sample, for ``baseline="values"``.
        weights : (...) array, optional
            The weight of each sample in its baseline, for ``baseline="weighted_mean"``:
            `squared_score_norms` for the constant of least variance.
        groups : (...) integer array, optional
            In place of `axis`: samples with the same id are compared with each other.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : (...) bool array, optional
            Samples that count (True). The others, such as padding, may hold anything.

        Returns
        -------
        Estimate

        Raises
        ------
        TypeError
            An array of the wrong kind.
        ValueError
            A wrong shape, no samples, fewer than two where the baseline or the normalisation needs
            them, a reward or a gradient that is not finite, or an action that the policy cannot
            take (its probability is 0, as it is where sampling and learning have different masks).
            A sample whose advantage is exactly 0 is exempt: it adds nothing.
        IndexError
            An action or state out of range.
        """
        actions = to_array("actions", actions)
        given, counts = check_samples("rewards", rewards, valid, shape=actions.shape)
        n = given.size if counts is None else int(np.count_nonzero(counts))
        if n == 0:
            which = "must not be empty" if given.size == 0 else "must have a sample that counts"
            raise ValueError(f"rewards {which}, got shape {given.shape}")
        check_axis(self.axis, given.shape)
        compared = compare(
            "rewards",
            given,
            counts,
            self.baseline,
            values=values,
            axis=self.axis,
            normalizes=self.normalize_advantages,
            singleton=self.singleton,
            weights=weights,
            folds=self.folds,
            groups=groups,
        )
        before, after = compared.divisors(n, self.normalize_advantages)
        w, bonus = divided(compared.advantages, before), float(self.entropy_coef) / before
        rows: dict[str, Any] = {"where": where, "valid": valid}
        gradient, entropy, root_sum_square = self._gradient(
            policy, observations, actions, w, bonus, **rows
        )
        errors = None
        if self.standard_error:
            samples = (policy, observations, actions, w, bonus)
            errors = standard_errors(*samples, gradient, after, **rows)
        with np.errstate(all="ignore"):
            gradient = check_gradient(gradient / after)
            entropy /= n
            mean_reward = compared.of_samples.mean()
            objective = mean_reward
            if self.entropy_coef != 0.0:
                objective += self.entropy_coef * entropy
            diagnostics = Diagnostics(n)
            if self.diagnostics:
                size = norm(gradient)
                explained = math.nan
                if values is not None:
                    rounding = rounding_of(given, to_array("values", values))
                    explained = explained_share(compared.of_samples, compared.of_raw, rounding)
                noise = _standard_error(root_sum_square / after, size, n, gradient.dtype)
                diagnostics = Diagnostics(
                    num_samples=n,
                    mean_reward=mean_reward,
                    advantage_mean=compared.of_raw.mean(),
                    advantage_std=compared.of_raw.standard_deviation(),
                    entropy=entropy,
                    gradient_norm=size,
                    gradient_standard_error=noise,
                    explained_variance=explained,
                )
        return Estimate(gradient, objective, compared.advantages, diagnostics, errors)

    def _gradient(
        self,
        policy: Any,
        observations: Any,
        actions: NDArray[Any],
        weights: NDArray[np.float64],
        entropy_coef: float,
        **rows: Any,
    ) -> GradientStatistics:
        """The entropy is part of the objective, so that a bonus needs the statistics, too."""
        check_policy(policy)
        samples = (observations, actions, weights)
        needs_statistics = self.diagnostics or entropy_coef != 0.0
        if not hasattr(policy, "gradient_statistics"):  # logits, or those of a policy of your own
            return _of_logits(policy, *samples, entropy_coef, needs_statistics, **rows)
        if needs_statistics:
            known: GradientStatistics = policy.gradient_statistics(
                *samples, entropy_coef=entropy_coef, **rows
            )
            return known
        return GradientStatistics(policy.gradient(*samples, **rows), math.nan, math.nan)


def _of_logits(
    policy: Any,
    observations: Any,
    actions: NDArray[Any],
    weights: NDArray[np.float64],
    entropy_coef: float,
    needs_statistics: bool,
    *,
    where: ArrayLike | None,
    valid: ArrayLike | None,
) -> GradientStatistics:
    """What each sample adds is not known here, so the sum of squares is NaN."""
    step = WeightedLogProb(entropy_coef=entropy_coef).gradient(
        policy,
        observations,
        actions,
        weights=weights,
        where=where,
        valid=valid,
        statistics=needs_statistics,
    )
    if not needs_statistics:
        return GradientStatistics(step.gradient, math.nan, math.nan)
    counts = counts_of(valid, actions.shape)
    check_possible(step.log_prob, actions, counts & (weights != 0.0))
    entropy = mean_entropy(step, counts) * int(np.count_nonzero(counts))
    return GradientStatistics(step.gradient, entropy, math.nan)


def _standard_error(root_sum_square: float, norm: float, n: int, dtype: Any) -> float:
    """((n sum_i ||g_i||^2 - ||sum_i g_i||^2) / (n - 1))^(1/2).

    0 if all g_i are equal up to rounding.
    """
    if n == 1:
        return math.nan
    largest = math.sqrt(n) * root_sum_square
    if largest == 0.0:
        return 0.0
    difference = 1.0 - (norm / largest) ** 2
    is_rounding = difference <= rounding_of_equal_samples(n, dtype)
    return 0.0 if is_rounding else largest * math.sqrt(difference / (n - 1))
