"""The tokens of sequences of actions with one reward each, padded or packed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_float, check_lengths, to_array
from .._groups import check_samples
from ..objectives import Segments
from .surrogate import counts_of


class Tokens:
    """The tokens of sequences: padded, along the last axis of actions, or packed."""

    def __init__(
        self,
        actions: ArrayLike,
        lengths: ArrayLike | None,
        valid: ArrayLike | None,
        offsets: ArrayLike | None,
    ) -> None:
        self.shape = to_array("actions", actions).shape
        size = int(np.prod(self.shape))
        is_packed = lengths is not None or offsets is not None
        if len(self.shape) != (1 if is_packed else 2):
            expected = "(num_tokens,)" if is_packed else "(B, T), or (num_tokens,) with lengths"
            raise ValueError(f"actions must have shape {expected}, got {self.shape}")
        if lengths is None and offsets is not None:
            raise ValueError("lengths must be given, as there are offsets, got None")
        self._lengths = lengths
        if lengths is not None:
            total = int(check_lengths("lengths", lengths).sum())
            if total != size:
                raise ValueError(f"lengths must sum to {size}, the number of tokens, got {total}")
        self.counts = counts_of(valid, self.shape)
        decisions = self.segments().on(size, self.counts)
        self._segment_of_row = decisions.segment_of_row
        self.lengths: NDArray[np.int64] = decisions.num_rows  # the tokens that count
        if not self.counts.any():
            raise ValueError(f"actions must have at least one token that counts, got {self.shape}")

    def segments(self, **options: Any) -> Segments:
        if self._lengths is None:
            return Segments.of_rows(self.shape, **options)
        return Segments.from_lengths(self._lengths, **options)

    def rewards(self, rewards: ArrayLike, counts: NDArray[np.bool_]) -> NDArray[Any]:
        """One for each sequence, float32 or float64; 0 for those that do not count."""
        r, _ = check_samples("rewards", rewards, counts, shape=self.lengths.shape)
        return check_finite("rewards", check_float("rewards", r))

    def repeat(self, of_sequences: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number of a sequence for each of its tokens."""
        return of_sequences[self._segment_of_row].reshape(self.shape)

    def sums(self, of_tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over the tokens of each sequence, where those that do not count have 0."""
        sums = np.bincount(self._segment_of_row, of_tokens.reshape(-1), self.lengths.size)
        return np.asarray(sums, np.float64)


def check_reference(reference_log_prob: Any, kl_coef: float) -> None:
    if (reference_log_prob is None) != (kl_coef == 0.0):
        given = "given" if reference_log_prob is None else "left out"
        raise ValueError(f"reference_log_prob must be {given} for kl_coef={kl_coef}")
