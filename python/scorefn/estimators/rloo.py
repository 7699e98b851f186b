"""RLOO: the mean reward of the other sequences of the group as the baseline."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_flag, check_number
from .._errstate import divided
from .._moments import Moments
from .._parameters import Parameters, with_presets
from ..credit import advantages as over_baseline
from ..objectives import ClippedSurrogate
from .estimate import Estimate
from .presets import PRESETS
from .surrogate import check_objective, estimate_of, log_prob_of, old_or_own
from .tokens import Tokens, check_reference


@with_presets(PRESETS["RLOO"])
@dataclass(frozen=True)
class RLOO(Parameters):
    """REINFORCE with the mean reward of the other sequences of the group as the baseline.

    A_i = R_i - mean_{j != i} R_j (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for
    free!"; Ahmadian et al. 2024, "Back to basics"). Each sequence is one decision, whose
    log-probability is the sum over its tokens, and the objective is a mean over the sequences:
    min(r_i A_i, clip(r_i) A_i) with the sequence's ratio r_i. On samples of the policy itself the
    gradient is that of E[R], unbiased. A sequence without a token that counts is none: its reward
    is not looked at.

    Parameters
    ----------
    objective : objective
        Any with `old_log_prob` and `advantages`, with coefficients of 0, but no `CustomObjective`.
    kl_coef : float
        Weight of log(pi_old / pi_ref) of the whole sequence, which is subtracted from its reward;
        TRL's `beta`.
    diagnostics : bool
        As for `Reinforce`.
    preset : {"trl"}, optional
        Options of a library, where none are given: see `scorefn.estimators.presets`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.TabularPolicy(np.zeros((10, 7)))
    >>> states = np.arange(12).reshape(4, 3) % 10
    >>> actions, old_log_prob = policy.sample(states, rng=0)
    >>> rewards = np.array([1.0, 0.0, 0.0, 1.0])
    >>> estimate = scorefn.RLOO().estimate(policy, states, actions, rewards)
    >>> estimate.advantages.round(2)
    array([ 0.67, -0.67, -0.67,  0.67])
    """

    objective: Any = field(default_factory=ClippedSurrogate)
    kl_coef: float = 0.0
    diagnostics: bool = True
    preset: InitVar[Literal["trl"] | None] = field(default=None, kw_only=True)

    def __post_init__(self, preset: str | None) -> None:
        check_objective(self.objective, "RLOO", of_sequences=True)
        check_number("kl_coef", self.kl_coef, at_least=0)
        check_flag("diagnostics", self.diagnostics)

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        old_log_prob: Any = None,
        lengths: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        reference_log_prob: Any = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from sequences.

        Parameters
        ----------
        policy, observations, actions, rewards, old_log_prob, lengths, groups, reference_log_prob, \
where, valid, offsets
            As for `GRPO.estimate`.

        Returns
        -------
        Estimate
            `advantages` has one entry for each sequence.

        Raises
        ------
        TypeError, ValueError, IndexError
            As for `GRPO.estimate`; and a group of one sequence, which has no others.
        """
        check_reference(reference_log_prob, self.kl_coef)
        tokens = Tokens(actions, lengths, valid, offsets)
        counts = tokens.lengths > 0
        r = tokens.rewards(rewards, counts)
        rows: dict[str, Any] = {"where": where, "valid": valid, "offsets": offsets}
        old = old_or_own(old_log_prob, policy, observations, actions, tokens.counts, **rows)
        penalized = r
        if reference_log_prob is not None:
            of_reference = ("reference_log_prob", reference_log_prob, observations, actions)
            ref = log_prob_of(*of_reference, tokens.counts, **rows)
            with np.errstate(all="ignore"):
                penalized = r - self.kl_coef * tokens.sums(old - ref)
        a = over_baseline(penalized, "leave_one_out", groups=groups, valid=counts)
        n = int(np.count_nonzero(counts))
        step = self.objective.gradient(
            policy,
            observations,
            actions,
            old_log_prob=old,
            advantages=divided(a, n),
            segments=tokens.segments(log_prob="sum"),
            statistics=self.diagnostics,
            **rows,
        )
        return estimate_of(
            step,
            a,
            Moments("advantages", a[counts]),
            tokens.counts,
            num_samples=n,
            diagnostics=self.diagnostics,
            old_log_prob=old,
            decisions=counts,
            objective=self.objective,
            mean_reward=Moments("rewards", r[counts]).mean(),
        )
