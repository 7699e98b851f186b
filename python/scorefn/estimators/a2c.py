"""Advantage actor-critic."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_flag, check_float, check_fraction, check_number, to_array
from .._errstate import divided
from .._moments import Moments
from .._parameters import Parameters, with_presets
from .._two_passes import log_probs
from ..credit import gae
from ..credit.explained_variance import explained_share
from ..credit.normalization import rounding_of
from ..objectives import WeightedLogProb
from .comparison import compare
from .counts import counting, counts_of, num_counting
from .estimate import Estimate
from .presets import PRESETS
from .standard_errors import standard_errors
from .surrogate import check_possible, estimate_of


@with_presets(PRESETS["A2C"])
@dataclass(frozen=True)
class A2C(Parameters):
    """Advantage actor-critic (Mnih et al. 2016, "Asynchronous methods for deep RL").

    gradient = 1/n sum_t (A_t d log pi(a_t | x_t) + entropy_coef dH(pi(. | x_t)))

    with the advantages A of `scorefn.gae`, from steps that the policy itself has taken. The
    defaults are those of Stable-Baselines3. Targets for the critic are ``advantages + values``,
    with the advantages before they are normalised.

    Parameters
    ----------
    discount : float in [0, 1]
        The discount factor (gamma).
    gae_lambda : float in [0, 1]
        1: the discounted return up to the end of the recording, minus the value.
    entropy_coef : float
        Weight of the policy's entropy.
    normalize_advantages : bool
        Scale the advantages to mean 0 and standard deviation 1: `scorefn.credit.normalize`.
    diagnostics, standard_error : bool
        As for `Reinforce`.
    preset : {"sb3"}, optional
        Options of a library, where none are given: see `scorefn.estimators.presets`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.TabularPolicy(np.zeros((5, 2)))
    >>> states = np.array([[0, 3], [1, 4], [2, 0]])  # three steps of two environments
    >>> actions, _ = policy.sample(states, rng=0)
    >>> estimate = scorefn.A2C().estimate(
    ...     policy,
    ...     states,
    ...     actions,
    ...     rewards=np.ones((3, 2)),
    ...     values=np.zeros((3, 2)),
    ...     next_values=np.zeros((3, 2)),
    ...     terminated=np.array([[False, True], [False, False], [True, False]]),
    ...     truncated=np.zeros((3, 2), bool),
    ... )
    >>> estimate.advantages.round(2)
    array([[2.97, 1.  ],
           [1.99, 1.99],
           [1.  , 1.  ]])
    """

    discount: float = 0.99
    gae_lambda: float = 1.0
    entropy_coef: float = 0.0
    normalize_advantages: bool = False
    diagnostics: bool = True
    standard_error: bool = False
    preset: InitVar[Literal["sb3"] | None] = field(default=None, kw_only=True)

    def __post_init__(self, preset: str | None) -> None:
        check_fraction("discount", self.discount)
        check_fraction("gae_lambda", self.gae_lambda)
        check_number("entropy_coef", self.entropy_coef)
        for name in ("normalize_advantages", "diagnostics", "standard_error"):
            check_flag(name, getattr(self, name))

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        values: ArrayLike,
        next_values: ArrayLike,
        *,
        terminated: ArrayLike,
        truncated: ArrayLike,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from the steps of episodes.

        Parameters
        ----------
        policy : Policy or array
            The policy that took the steps, or its logits.
        observations : array
            What the policy takes; None for logits.
        actions : (T, ...) integer array
            Time first: one action for each step, of each environment.
        rewards, values, next_values, terminated, truncated, valid
            As `scorefn.gae` takes them, shaped like `actions`.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.

        Returns
        -------
        Estimate

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, no step that counts, a number or a gradient that is
            not finite, an action out of range or, unless its advantage is 0, with probability 0.
        """
        shape = to_array("actions", actions).shape
        counts = counts_of(valid, shape)
        n = num_counting(counts)
        if n == 0:
            raise ValueError(f"actions must have at least one step that counts, got {shape}")
        raw = gae(
            rewards,
            values,
            next_values,
            terminated=terminated,
            truncated=truncated,
            discount=self.discount,
            gae_lambda=self.gae_lambda,
            valid=valid,
        )
        compared = compare("advantages", raw, counts, normalizes=self.normalize_advantages)
        before, after = compared.divisors(n, self.normalize_advantages)
        w, bonus = divided(compared.advantages, before), float(self.entropy_coef) / before
        rows: dict[str, Any] = {"where": where, "valid": valid}
        step = WeightedLogProb(entropy_coef=bonus).gradient(
            policy, observations, actions, weights=w, statistics=self.diagnostics, **rows
        )
        if not math.isfinite(step.objective):  # log pi of an action may be -inf
            log_prob = log_probs(policy, observations, actions, **rows, offsets=None)
            check_possible(np.where(w == 0.0, 0.0, log_prob), actions, counts)
        errors = None
        if self.standard_error:
            samples = (policy, observations, actions, w, bonus)
            errors = standard_errors(*samples, step.gradient, after, **rows)
        known: dict[str, Any] = {}
        if self.diagnostics:
            r, v = check_float("rewards", rewards), check_float("values", values)
            known["mean_reward"] = Moments("rewards", counting(r, counts)).mean()
            of_returns = Moments("returns", counting(v + raw, counts))
            known["explained_variance"] = explained_share(
                of_returns, compared.of_raw, rounding_of(to_array("values", values), raw)
            )
        return estimate_of(
            step,
            compared.advantages,
            compared.of_raw,
            counts,
            num_samples=n,
            divisor=after,
            diagnostics=self.diagnostics,
            standard_error=errors,
            **known,
        )
