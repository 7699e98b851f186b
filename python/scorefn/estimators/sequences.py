"""Estimators of sequences of actions with one reward each: RLOO, and GRPO with its variants."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_choice, check_finite, check_flag, check_number, check_real, to_array
from .._two_passes import log_probs
from ..credit import Reduction, normalize, sequence_weights
from ..credit import advantages as over_baseline
from ..objectives import CISPO, SAPO, ClippedSurrogate, KLPenalty, Segments
from .estimate import Estimate
from .surrogate import estimate_of


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


@dataclass(frozen=True)
class GRPO:
    """Group relative policy optimization (Shao et al. 2024, "DeepSeekMath"), and its variants.

    Several sequences of actions, such as the completions of a prompt, are a group. The advantage of
    a sequence, and of each of its tokens, is its reward compared with those of its group:

    A_i = (R_i - mean R) / (std R + eps),

    with the standard deviation of n - 1; 0 for a group of one sequence or of equal rewards. With B
    sequences of len_i tokens, which have the ratios r = pi / pi_old:

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
        ``ClippedSurrogate(clip_range=(0.1, 0.3), dual_clip=3.0)``.
    kl_coef : float
        Weight of the penalty k3 for leaving a reference policy, with the weights of tokens above;
        TRL's `beta`. Its derivative is that of k3 itself, as published: see `KLPenalty`.
    entropy_coef : float
        Weight of the entropy of each token, with the same weights.
    eps : float
        TRL has 1e-4, verl 1e-6.
    count_empty : bool
        Whether a sequence without a token that counts is one of the B, as it is in TRL.

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

    def __post_init__(self) -> None:
        check_choice("variant", self.variant, get_args(VariantName))
        for name in ("kl_coef", "entropy_coef", "eps"):
            if check_number(name, getattr(self, name)) < 0.0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        check_flag("count_empty", self.count_empty)

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        old_log_prob: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        reference_log_prob: ArrayLike | None = None,
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
        old_log_prob : array shaped like actions, optional
            log pi_old(a): what drew the tokens. Default: the policy itself, so that all ratios
            are 1.
        lengths : (B,) integer array, optional
            The number of tokens of each packed sequence.
        groups : (B,) integer array, optional
            Sequences with the same id are compared with each other. Default: all of them.
        reference_log_prob : array shaped like actions, optional
            For `kl_coef`.
        max_length : float, optional
            For the variant "dr_grpo", and only for it.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : bool array shaped like actions, optional
            Tokens that count (True). The others may hold anything.
        offsets : integer array, optional
            Ragged rows of logits: see the objectives.

        Returns
        -------
        Estimate
            `advantages` has one entry for each sequence.

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, a number that is not finite, an action out of
            range.
        """
        method = VARIANTS[self.variant]
        check_reference(reference_log_prob, self.kl_coef)
        tokens = Tokens(actions, lengths, valid)
        r = check_finite("rewards", check_real("rewards", rewards, shape=(tokens.num_sequences,)))
        raw = over_baseline(r, "mean", groups=groups, singleton="zero")
        a = raw
        if method.divides_by_std:
            a = normalize(r, groups=groups, eps=self.eps, singleton="zero")
        weights = sequence_weights(
            tokens.lengths, method.reduction, max_length=max_length, count_empty=self.count_empty
        )
        rows: dict[str, Any] = {"where": where, "valid": valid, "offsets": offsets}
        if old_log_prob is None:
            old_log_prob = log_probs(policy, observations, actions, *rows.values())
        of_tokens = tokens.repeat(weights)
        objective = self.objective if self.objective is not None else method.objective
        if self.entropy_coef != 0.0:
            objective = dataclasses.replace(objective, entropy_coef=self.entropy_coef * of_tokens)
        if method.segments is None:
            step = objective.gradient(
                policy,
                observations,
                actions,
                old_log_prob=old_log_prob,
                advantages=tokens.repeat(a * weights),
                **rows,
            )
        else:
            step = objective.gradient(
                policy,
                observations,
                actions,
                old_log_prob=old_log_prob,
                advantages=a * weights * tokens.lengths,
                segments=tokens.segments(**method.segments),
                **rows,
            )
        if reference_log_prob is not None:
            penalty = KLPenalty(derivative="k3").gradient(
                policy,
                observations,
                actions,
                reference_log_prob=reference_log_prob,
                weights=self.kl_coef * of_tokens,
                statistics=False,
                **rows,
            )
            step = step._replace(
                gradient=step.gradient + penalty.gradient,
                objective=step.objective + penalty.objective,
            )
        return estimate_of(
            step, a, raw, valid, num_samples=tokens.num_sequences, mean_reward=float(np.mean(r))
        )


@dataclass(frozen=True)
class RLOO:
    """REINFORCE with the mean reward of the other sequences of the group as the baseline.

    A_i = R_i - mean_{j != i} R_j (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for
    free!"; Ahmadian et al. 2024, "Back to basics"). Each sequence is one decision, whose
    log-probability is the sum over its tokens, and the objective is a mean over the sequences:
    min(r_i A_i, clip(r_i) A_i) with the sequence's ratio r_i. On samples of the policy itself the
    gradient is that of E[R], unbiased.

    Parameters
    ----------
    objective : objective
        Any with `old_log_prob` and `advantages`.
    kl_coef : float
        Weight of log(pi_old / pi_ref) of the whole sequence, which is subtracted from its reward;
        TRL's `beta`.

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

    def __post_init__(self) -> None:
        check_number("kl_coef", self.kl_coef)

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        old_log_prob: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        reference_log_prob: ArrayLike | None = None,
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
        tokens = Tokens(actions, lengths, valid)
        r = check_finite("rewards", check_real("rewards", rewards, shape=(tokens.num_sequences,)))
        mean_reward = float(np.mean(r))
        rows: dict[str, Any] = {"where": where, "valid": valid, "offsets": offsets}
        if old_log_prob is None:
            old_log_prob = log_probs(policy, observations, actions, *rows.values())
        if reference_log_prob is not None:
            old = check_real("old_log_prob", old_log_prob, shape=tokens.shape)
            ref = check_real("reference_log_prob", reference_log_prob, shape=tokens.shape)
            r = r - self.kl_coef * tokens.sums(old - ref)
        a = over_baseline(r, "leave_one_out", groups=groups)
        step = self.objective.gradient(
            policy,
            observations,
            actions,
            old_log_prob=old_log_prob,
            advantages=a / tokens.num_sequences,
            segments=tokens.segments(log_prob="sum"),
            **rows,
        )
        return estimate_of(
            step, a, a, valid, num_samples=tokens.num_sequences, mean_reward=mean_reward
        )


def check_reference(reference_log_prob: ArrayLike | None, kl_coef: float) -> None:
    if (reference_log_prob is None) != (kl_coef == 0.0):
        given = "given" if reference_log_prob is None else "left out"
        raise ValueError(f"reference_log_prob must be {given} for kl_coef={kl_coef}")


class Tokens:
    """The tokens of sequences: padded, along the last axis of actions, or packed."""

    def __init__(
        self, actions: ArrayLike, lengths: ArrayLike | None, valid: ArrayLike | None
    ) -> None:
        self.shape = to_array("actions", actions).shape
        expected = 2 if lengths is None else 1
        if len(self.shape) != expected:
            shape = "(B, T), as there are no lengths" if lengths is None else "(num_tokens,)"
            raise ValueError(f"actions must have shape {shape}, got {self.shape}")
        self._lengths = lengths
        decisions = self.segments().on(int(np.prod(self.shape)), valid)
        self._segment_of_row, self._counts = decisions.segment_of_row, decisions.counts
        self.lengths: NDArray[np.int64] = decisions.num_rows  # the tokens that count
        self.num_sequences = self.lengths.size
        if self.num_sequences == 0:
            raise ValueError(f"actions must have at least one sequence, got shape {self.shape}")

    def segments(self, **options: Any) -> Segments:
        if self._lengths is None:
            return Segments.of_rows(self.shape, **options)
        return Segments.from_lengths(self._lengths, **options)

    def repeat(self, of_sequences: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number of a sequence for each of its tokens."""
        return of_sequences[self._segment_of_row].reshape(self.shape)

    def sums(self, of_tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over the tokens of each sequence that count."""
        x = of_tokens.reshape(-1)[self._counts]
        return np.bincount(self._segment_of_row[self._counts], x, self.num_sequences).astype(float)
