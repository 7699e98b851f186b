"""Ragged rows, and the dense calls that each of their rows is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import scorefn

Array = NDArray[Any]


class Ragged(NamedTuple):
    """Offsets, and the arrays of a call: flat ones have an entry for each logit."""

    offsets: Array
    flat: dict[str, Array]
    rows: dict[str, Array]

    @property
    def lengths(self) -> Array:
        return np.diff(self.offsets)

    @property
    def arrays(self) -> dict[str, Array]:
        return {**self.flat, **self.rows}

    def of_length(self) -> Iterator[tuple[Array, dict[str, Array]]]:
        """For each length its rows, and the arrays of a dense call of these."""
        for length in np.unique(self.lengths):
            of = np.flatnonzero(self.lengths == length)
            entries = self.offsets[of, np.newaxis] + np.arange(length)
            arrays = {name: x[entries] for name, x in self.flat.items()}
            yield of, {**arrays, **{name: x[of] for name, x in self.rows.items()}}

    def gathered(self, flat: Array, rows: Array) -> Array:
        """Of a flat result, these rows of one length."""
        return flat[self.offsets[rows, np.newaxis] + np.arange(self.lengths[rows[0]])]


def ragged_of(lengths: Any, dtype: Any, *, seed: int = 0) -> Ragged:
    """Logits of which some leave the range of exp, some are -inf, and numbers for their actions.

    Each call returns copies.
    """
    made = _make_ragged(tuple(np.asarray(lengths).tolist()), np.dtype(dtype), seed)
    flat, rows = ({name: x.copy() for name, x in of.items()} for of in (made.flat, made.rows))
    return Ragged(made.offsets.copy(), flat, rows)


@lru_cache(maxsize=50)  # Many tests use the same arrays.
def _make_ragged(lengths: tuple[int, ...], dtype: Any, seed: int) -> Ragged:
    rng = np.random.default_rng([seed, len(lengths)])
    offsets = scorefn.offsets_from_lengths(lengths)
    size, rows = offsets[-1], len(lengths)
    scale = np.repeat(rng.choice([1.0, 1.0, 30.0, 1000.0], rows), lengths)
    where = rng.random(size) < 0.7
    where[offsets[:-1]] = True
    logits = rng.normal(size=size) * scale
    logits[(rng.random(size) < 0.1)] = -np.inf
    logits[offsets[:-1]] = 0.0
    flat = {
        "logits": logits.astype(dtype),
        "logits_q": rng.normal(size=size).astype(dtype),
        "where": where,
    }
    weights = rng.normal(size=rows)
    weights[rng.random(rows) < 0.1] = 0.0
    return Ragged(
        offsets,
        flat,
        {
            "actions": rng.integers(lengths),
            "weights": weights.astype(dtype),
            "old_log_prob": (-rng.random(rows)).astype(dtype),
            "valid": rng.random(rows) < 0.7,
        },
    )


def mixed_lengths(longest: int = 40, rows: int = 700, *, seed: int = 0) -> Array:
    """Short rows of all lengths, and some long ones among them."""
    lengths = np.random.default_rng([seed, rows]).integers(1, longest + 1, rows)
    lengths[[5, 300, 301]] = [5000, 70_000, 129]
    return lengths
