"""All-action policy gradients: the sum over the actions in place of a sample of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_bool, check_flag, check_number, check_real, got_name
from .._parameters import Parameters
from ..objectives import ExpectedReward
from ..policies import TabularPolicy
from .estimate import Diagnostics, Estimate, check_gradient, norm
from .surrogate import check_coefficients


@dataclass(frozen=True)
class AllAction(Parameters):
    """All-action policy gradient, from the values of all actions.

    gradient = 1/n sum_i (d sum_a pi(a | x_i) q_ia + entropy_coef dH(pi(. | x_i)))

    with the values q held constant (Sutton et al. 2000, "Policy gradient methods"; Allen et al.
    2017, "Mean actor-critic"). No action is sampled, so none adds noise: with exact values the
    gradient is that of the expected reward of these observations. Errors of the values are errors
    of the gradient.

    Parameters
    ----------
    objective : objective
        Any of action values, with coefficients of 0: `ExpectedReward`, or one of regrets, such as
        ``NeuRD()``.
    entropy_coef : float
        Weight of the policy's entropy.
    diagnostics : bool
        As for `Reinforce`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.LinearPolicy(np.zeros((2, 3)))
    >>> x = np.array([[1.0, 0.0], [1.0, 1.0]])
    >>> q = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    >>> estimate = scorefn.AllAction().estimate(policy, x, action_values=q)
    >>> estimate.objective, estimate.gradient.round(2).tolist()
    (1.0, [[0.17, -0.17, 0.0], [0.33, -0.17, -0.17]])
    """

    objective: Any = field(default_factory=ExpectedReward)
    entropy_coef: float = 0.0
    diagnostics: bool = True

    def __post_init__(self) -> None:
        declared = getattr(self.objective, "declaration", None)
        matrix = getattr(declared, "matrix", None)
        if isinstance(self.objective, type) or matrix is None or matrix.name != "action_values":
            raise TypeError(
                "objective must be one of action values, such as ExpectedReward(), got "
                + got_name(self.objective)
            )
        check_coefficients(self.objective, "AllAction takes means over the observations")
        check_number("entropy_coef", self.entropy_coef)
        check_flag("diagnostics", self.diagnostics)

    def estimate(
        self,
        policy: Any,
        observations: Any,
        action_values: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        per_sample: bool = False,
    ) -> Estimate:
        """Estimate the gradient from the values of all actions.

        Parameters
        ----------
        policy : Policy or array
            Any policy, or the logits of the observations.
        observations : array
            What the policy takes; None for logits and for `LogitsPolicy`.
        action_values : (..., num_actions) array
            q: one for each action, shaped like the logits; for a `TabularPolicy` like its table,
            unless `per_sample` is True. Those of forbidden actions may be anything.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : bool array, one flag per observation, optional
            Observations that count (True). The others may hold anything.
        offsets : integer array, optional
            Ragged rows of logits: see the objectives.
        per_sample : bool
            For a `TabularPolicy`: the action values have a row per observation.

        Returns
        -------
        Estimate
            `advantages` are the action values as they are given.

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, no observation that counts, a value that makes the
            gradient infinite or NaN, a state out of range.
        """
        q = check_real("action_values", action_values)
        if isinstance(policy, TabularPolicy):
            rows = np.shape(observations)
        else:
            rows = q.shape[:-1] if offsets is None else (len(np.asarray(offsets)) - 1,)
        counts = None if valid is None else check_bool("valid", valid, shape=rows)
        n = int(np.prod(rows) if counts is None else np.count_nonzero(counts))
        if n == 0:
            raise ValueError(f"there must be at least one observation that counts, got {rows}")
        step = dataclasses.replace(self.objective, entropy_coef=self.entropy_coef / n).gradient(
            policy,
            observations,
            action_values=action_values,
            weights=1.0 / n,
            where=where,
            valid=valid,
            offsets=offsets,
            per_sample=per_sample,
            statistics=self.diagnostics,
        )
        check_gradient(step.gradient)
        diagnostics = Diagnostics(n)
        if self.diagnostics:
            h = np.asarray(step.entropy if counts is None else step.entropy[counts])
            mean = float(h.mean(dtype=np.float64))
            diagnostics = Diagnostics(n, entropy=mean, gradient_norm=norm(step.gradient))
        return Estimate(step.gradient, float(step.objective), q.copy(), diagnostics)
