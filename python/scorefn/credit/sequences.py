"""Weights of tokens: how the sum over a batch of sequences becomes a mean."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_choice, check_flag, check_lengths, check_number

Reduction = Literal["sequence_mean", "token_mean", "constant", "sum"]


def sequence_weights(
    lengths: ArrayLike,
    reduction: Reduction,
    *,
    max_length: float | None = None,
    count_empty: bool = False,
) -> NDArray[np.float64]:
    """The weight of each token of a sequence, for B sequences with len_i tokens.

    Parameters
    ----------
    lengths : integer array
        len_i, the number of tokens that count in each sequence: ``valid.sum(axis=-1)`` of padded
        sequences.
    reduction : {"sequence_mean", "token_mean", "constant", "sum"}
        ``"sequence_mean"``: 1 / (B len_i), the mean over the sequences of the mean over their
        tokens. GRPO (Shao et al. 2024, "DeepSeekMath"). TRL: "grpo", verl: "seq-mean-token-mean".

        ``"token_mean"``: 1 / sum_i len_i, the mean over all tokens. DAPO (Yu et al. 2025). TRL:
        "dapo" with the lengths of the whole batch, "bnpo" with those of one device. verl:
        "token-mean".

        ``"constant"``: 1 / (B max_length), which does not depend on the lengths. Dr. GRPO (Liu et
        al. 2025, "Understanding R1-Zero-like training"). TRL: "dr_grpo", verl:
        "seq-mean-token-sum-norm".

        ``"sum"``: 1.
    max_length : float, optional
        For ``reduction="constant"``, and only for it: larger than 0. TRL's `max_completion_length`.
    count_empty : bool
        Whether an empty sequence counts in B, as it does in TRL. By default it does not.

    Returns
    -------
    float64 array shaped like lengths
        0 for empty sequences. For packed tokens, repeat them: ``np.repeat(weights, lengths)``. For
        padded tokens, take ``weights[:, None] * valid``.

    Raises
    ------
    TypeError
        Lengths that are not integers, or an option of the wrong kind.
    ValueError
        A negative length, an unknown reduction, `max_length` missing, superfluous or not positive.

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.sequence_weights([1, 0, 4], "sequence_mean")
    array([0.5  , 0.   , 0.125])
    >>> credit.sequence_weights([1, 0, 4], "token_mean")
    array([0.2, 0. , 0.2])
    >>> credit.sequence_weights([1, 0, 4], "constant", max_length=5)
    array([0.1, 0. , 0.1])
    """
    n = check_lengths("lengths", lengths).astype(np.float64)
    check_choice("reduction", reduction, get_args(Reduction))
    if (max_length is not None) != (reduction == "constant"):
        given = "given" if max_length is None else "left out"
        raise ValueError(f"max_length must be {given} for reduction={reduction!r}")
    longest = 1.0 if max_length is None else check_number("max_length", max_length)
    if longest <= 0.0:
        raise ValueError(f"max_length must be larger than 0, got {max_length}")
    check_flag("count_empty", count_empty)
    has_tokens = n > 0.0
    sequences = n.size if count_empty else int(np.count_nonzero(has_tokens))
    divisors: dict[Reduction, float | NDArray[np.float64]] = {
        "sequence_mean": sequences * n,
        "token_mean": n.sum(),
        "constant": sequences * longest,
        "sum": 1.0,
    }
    with np.errstate(all="ignore"):
        return np.where(has_tokens, 1.0 / np.asarray(divisors[reduction]), 0.0)
