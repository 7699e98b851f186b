"""GRPO with its variants: groups of sequences of actions, with one reward each."""

from __future__ import annotations

import dataclasses
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_choice, check_flag, check_number
from .._errstate import product
from .._moments import Moments
from .._parameters import Parameters, with_presets
from ..credit import Reduction, normalize, sequence_weights
from ..credit import advantages as over_baseline
from ..objectives import CISPO, SAPO, ClippedSurrogate, KLPenalty
from .estimate import Estimate
from .presets import PRESETS
from .surrogate import check_objective, estimate_of, log_prob_of, old_or_own
from .tokens import Tokens, check_reference


class Variant(NamedTuple):
    """What differs between the methods of the family."""

    objective: Any
    reduction: Reduction = "sequence_mean"
    divides_by_std: bool = True
    # Of methods with one ratio for each sequence.
    segments: dict[str, Any] | None = None


VariantName = Literal["grpo", "dr_grpo", "bnpo", "dapo", "gspo", "gmpo", "cispo", "sapo"]
VARIANTS: dict[VariantName, Variant] = {
    "grpo": Variant(ClippedSurrogate()),
    "dr_grpo": Variant(ClippedSurrogate(), "constant", divides_by_std=False),
    "bnpo": Variant(ClippedSurrogate(), "token_mean"),
    "dapo": Variant(ClippedSurrogate(clip_range=(0.2, 0.28)), "token_mean"),
    "gspo": Variant(ClippedSurrogate(clip_range=(3e-4, 4e-4)), segments={"log_prob": "mean"}),
    "gmpo": Variant(
        ClippedSurrogate(clip_range=np.inf), segments={"log_prob": "mean", "row_clip": 0.4}
    ),
    "cispo": Variant(CISPO(), "token_mean"),
    "sapo": Variant(SAPO()),
}


@with_presets(PRESETS["GRPO"])
@dataclass(frozen=True)
class GRPO(Parameters):
    """Group relative policy optimization (Shao et al. 2024, "DeepSeekMath"), and its variants.

    Several sequences of actions, such as the completions of a prompt, are a group. The advantage of
    a sequence, and of each of its tokens, is its reward compared with those of its group:

    A_i = (R_i - mean R) / (std R + eps),

    with the standard deviation of n - 1; 0 for a group of equal rewards, or of one sequence (see
    `singleton`). With B sequences of len_i tokens, which have the ratios r = pi / pi_old:

    ========= ========================================= ============================= ==============
    variant   value of a token or sequence              weight                        source
    ========= ========================================= ============================= ==============
    "grpo"    min(r A, clip(r) A), clip range 0.2       1 / (B len_i)                 Shao 2024
    "dr_grpo" the same, with A_i = R_i - mean R         1 / (B max_length)            Liu 2025
    "bnpo"    that of "grpo"                            1 / all tokens                TRL
    "dapo"    the same, clip range (0.2, 0.28)          1 / all tokens                Yu 2025
    "gspo"    one ratio for each sequence, the          1 / B                         Zheng 2025
              geometric mean; clip range (3e-4, 4e-4)
    "gmpo"    that ratio, of log-ratios within 0.4      1 / B                         Zhao 2025
    "cispo"   sg(clip(r)) A log pi                      1 / all tokens                MiniMax 2025
    "sapo"    a smooth gate in place of the clip        1 / (B len_i)                 Gao 2025
    ========= ========================================= ============================= ==============

    The baseline includes the sequence's own reward, and the standard deviation, the clip and the
    weight 1 / len_i bias the gradient too: "dr_grpo" on samples of the policy itself gives
    (n - 1) / n times that of E[R] / max_length, the others have no such formula.

    Parameters
    ----------
    variant : str
        One of the names above.
    objective : objective, optional
        In place of the variant's: any with `old_log_prob` and `advantages`, such as
        ``ClippedSurrogate(clip_range=(0.1, 0.3), dual_clip=3.0)``, with coefficients of 0.
    kl_coef : float
        Weight of the penalty k3 for leaving a reference policy, with the weights of tokens above;
        TRL's `beta`. Its derivative is that of k3 itself, as published: see `KLPenalty`.
    entropy_coef : float
        Weight of the entropy of each token, with the same weights.
    eps : float
        TRL has 1e-4, verl 1e-6.
    count_empty : bool
        Whether a sequence without a token that counts is one of the B and of its group, as it is in
        TRL. By default its reward is not looked at.
    singleton : {"zero", "raw"}
        The advantage of a sequence alone in its group: 0 as in TRL, or its reward as in verl, which
        divides it by 1 + eps where others are divided by their standard deviation.
    diagnostics : bool
        As for `Reinforce`.
    preset : {"trl", "verl"}, optional
        Options of a library, where none are given: see `scorefn.estimators.presets`.

    Examples
    --------
    Four completions of one prompt and two of another, padded to five tokens:

    >>> import numpy as np, scorefn
    >>> policy = scorefn.TabularPolicy(np.zeros((10, 7)))
    >>> states = np.arange(30).reshape(6, 5) % 10
    >>> actions, old_log_prob = policy.sample(states, rng=0)
    >>> valid = np.arange(5) < np.array([3, 5, 2, 4, 1, 5])[:, np.newaxis]
    >>> rewards = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    >>> estimate = scorefn.GRPO("dapo").estimate(
    ...     policy,
    ...     states,
    ...     actions,
    ...     rewards,
    ...     old_log_prob=old_log_prob,
    ...     groups=[0, 0, 0, 0, 1, 1],
    ...     valid=valid,
    ... )
    >>> estimate.gradient.shape, estimate.advantages.round(2)
    ((10, 7), array([ 0.87, -0.87, -0.87,  0.87, -0.71,  0.71]))
    """

    variant: VariantName = "grpo"
    objective: Any = None
    kl_coef: float = 0.0
    entropy_coef: float = 0.0
    eps: float = 1e-4
    count_empty: bool = False
    singleton: Literal["zero", "raw"] = "zero"
    diagnostics: bool = True
    preset: InitVar[Literal["trl", "verl"] | None] = field(default=None, kw_only=True)

    def __post_init__(self, preset: str | None) -> None:
        check_choice("variant", self.variant, get_args(VariantName))
        for name in ("kl_coef", "entropy_coef", "eps"):
            check_number(name, getattr(self, name), at_least=0)
        check_flag("count_empty", self.count_empty)
        check_choice("singleton", self.singleton, ("zero", "raw"))
        check_flag("diagnostics", self.diagnostics)
        if self.objective is not None:
            of_sequences = VARIANTS[self.variant].segments is not None
            check_objective(self.objective, "GRPO", of_sequences=of_sequences)

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
        max_length: float | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from sequences.

        Parameters
        ----------
        policy : Policy or array
            Any policy, or the logits of the tokens.
        observations : array
            What the policy takes for each token; None for logits.
        actions : (B, T) or (num_tokens,) integer array
            The tokens: padded, with ``valid=``, or packed one sequence after the other, with
            ``lengths=``.
        rewards : (B,) array
            One for each sequence.
        old_log_prob : array shaped like actions, or policy, optional
            log pi_old(a) of what drew the tokens; of a policy it is computed. Default: the policy
            itself, so that all ratios are 1 up to rounding.
        lengths : (B,) integer array, optional
            The number of tokens of each packed sequence.
        groups : (B,) integer array, optional
            Sequences with the same id are compared with each other. Default: all of them.
        reference_log_prob : array shaped like actions, or policy, optional
            For `kl_coef`.
        max_length : float, optional
            For the variant "dr_grpo", and only for it.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : bool array shaped like actions, optional
            Tokens that count (True). The others may hold anything.
        offsets : integer array, optional
            Ragged rows of logits, of packed tokens: see the objectives.

        Returns
        -------
        Estimate
            `advantages` has one entry for each sequence.

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, a number or a gradient that is not finite, an
            action out of range.
        """
        method = VARIANTS[self.variant]
        check_reference(reference_log_prob, self.kl_coef)
        if (max_length is not None) != (method.reduction == "constant"):
            given = "given" if max_length is None else "left out"
            raise ValueError(f"max_length must be {given} for variant={self.variant!r}")
        tokens = Tokens(actions, lengths, valid, offsets)
        counts = np.full(tokens.lengths.shape, self.count_empty) | (tokens.lengths > 0)
        r = tokens.rewards(rewards, counts)
        of_groups: dict[str, Any] = {"groups": groups, "singleton": self.singleton, "valid": counts}
        raw = over_baseline(r, "mean", **of_groups)
        a = raw
        if method.divides_by_std:
            a = normalize(r, eps=self.eps, **of_groups)
        weights = sequence_weights(
            tokens.lengths, method.reduction, max_length=max_length, count_empty=self.count_empty
        )
        rows: dict[str, Any] = {"where": where, "valid": valid, "offsets": offsets}
        old = old_or_own(old_log_prob, policy, observations, actions, tokens.counts, **rows)
        objective = self.objective if self.objective is not None else method.objective
        if self.entropy_coef != 0.0:
            of_tokens = tokens.repeat(product(self.entropy_coef, weights))
            objective = dataclasses.replace(objective, entropy_coef=of_tokens)
        if method.segments is None:
            segments, of_decisions = None, tokens.repeat(product(a, weights))
        else:
            segments = tokens.segments(**method.segments)
            of_decisions = product(a, weights * tokens.lengths)
        step = objective.gradient(
            policy,
            observations,
            actions,
            old_log_prob=old,
            advantages=of_decisions,
            segments=segments,
            statistics=self.diagnostics,
            **rows,
        )
        if reference_log_prob is not None:
            penalty = KLPenalty(derivative="k3").gradient(
                policy,
                observations,
                actions,
                reference_log_prob=log_prob_of(
                    "reference_log_prob",
                    reference_log_prob,
                    observations,
                    actions,
                    tokens.counts,
                    **rows,
                ),
                weights=tokens.repeat(product(self.kl_coef, weights)),
                statistics=False,
                **rows,
            )
            step = step._replace(
                gradient=step.gradient + penalty.gradient,
                objective=step.objective + penalty.objective,
            )
        return estimate_of(
            step,
            a,
            Moments("advantages", raw[counts]),
            tokens.counts,
            num_samples=int(np.count_nonzero(counts)),
            diagnostics=self.diagnostics,
            old_log_prob=old,
            decisions=None if segments is None else tokens.lengths > 0,
            objective=objective,
            mean_reward=Moments("rewards", r[counts]).mean(),
        )
