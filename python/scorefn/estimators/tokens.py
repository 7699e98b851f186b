"""The tokens of sequences of actions with one reward each, padded or packed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_float, check_lengths, to_array
from .._groups import check_samples
from ..objectives import Segments
from .counts import all_count, counts_of


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
        if lengths is None:
            self._sizes = np.full(self.shape[0], self.shape[1])
        else:
            self._sizes = check_lengths("lengths", lengths).astype(np.int64)
            total = int(self._sizes.sum())
            if total != size:
                raise ValueError(f"lengths must sum to {size}, the number of tokens, got {total}")
        self.counts = counts_of(valid, self.shape)
        if not self.counts.any():
            raise ValueError(f"actions must have at least one token that counts, got {self.shape}")
        self.lengths: NDArray[np.int64] = self._sizes  # the tokens that count
        if not all_count(self.counts):
            self.lengths = self.sums(self.counts).astype(np.int64)

    def segments(self, **options: Any) -> Segments:
        if len(self.shape) == 2:
            return Segments.of_rows(self.shape, **options)
        return Segments.from_lengths(self._sizes, **options)

    def rewards(self, rewards: ArrayLike, counts: NDArray[np.bool_]) -> NDArray[Any]:
        """One for each sequence, float32 or float64; 0 for those that do not count."""
        r, _ = check_samples("rewards", rewards, counts, shape=self.lengths.shape)
        return check_finite("rewards", check_float("rewards", r))

    def repeat(self, of_sequences: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number of a sequence for each of its tokens."""
        return np.repeat(of_sequences, self._sizes).reshape(self.shape)

    def sums(self, of_tokens: NDArray[Any]) -> NDArray[np.float64]:
        """Over the tokens of each sequence, where those that do not count have 0."""
        if len(self.shape) == 2:
            return np.asarray(np.sum(of_tokens, axis=1, dtype=np.float64))
        sequences = np.repeat(np.arange(self._sizes.size), self._sizes)
        sums = np.bincount(sequences, of_tokens, self._sizes.size)
        return np.asarray(sums, np.float64)


def check_reference(reference_log_prob: Any, kl_coef: float) -> None:
    if (reference_log_prob is None) != (kl_coef == 0.0):
        given = "given" if reference_log_prob is None else "left out"
        raise ValueError(f"reference_log_prob must be {given} for kl_coef={kl_coef}")
