"""Decisions of several rows: the tokens of a sequence, the heads of an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import check_integers, check_lengths


def offsets_from_lengths(lengths: ArrayLike) -> NDArray[np.int64]:
    """Where rows or segments of these lengths begin, and where the last one ends.

    Parameters
    ----------
    lengths : (count,) integer array

    Returns
    -------
    (count + 1,) int64 array
        For ``offsets=`` of ragged rows, or for `Segments`.

    Raises
    ------
    TypeError, ValueError
        Lengths of the wrong kind or shape; a negative one.

    Examples
    --------
    An action of three heads with 2, 3 and 4 choices (`nvec` of a MultiDiscrete space), whose logits
    a network gives as 9 numbers. The heads are rows of different lengths, and one decision: it has
    one ratio, which is clipped as a whole. Its entropy is the sum over its heads, and is exact.

    >>> import numpy as np, scorefn
    >>> nvec, num_decisions = [2, 3, 4], 5
    >>> logits = np.zeros((num_decisions, sum(nvec)))
    >>> offsets = scorefn.offsets_from_lengths(np.tile(nvec, num_decisions))
    >>> heads = scorefn.Segments.of_rows((num_decisions, len(nvec)))
    >>> allowed = np.ones(logits.shape, dtype=bool)
    >>> allowed[:, -1] = False  # the last choice of the last head
    >>> where = allowed.ravel()
    >>> drawn = scorefn.sample(logits.ravel(), rng=0, where=where, offsets=offsets)
    >>> drawn.actions.reshape(num_decisions, len(nvec)).shape
    (5, 3)
    >>> step = scorefn.ClippedSurrogate(entropy_coef=0.01).gradient(
    ...     logits.ravel(),
    ...     None,
    ...     drawn.actions,
    ...     old_log_prob=drawn.log_prob,
    ...     advantages=np.ones(num_decisions),
    ...     where=where,
    ...     offsets=offsets,
    ...     segments=heads,
    ... )
    >>> step.ratio
    array([1., 1., 1., 1., 1.])
    >>> step.gradient.reshape(logits.shape).shape
    (5, 9)
    """
    sizes = check_lengths("lengths", lengths)
    if sizes.ndim != 1:
        raise ValueError(f"lengths must have shape (count,), got {sizes.shape}")
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


@dataclass(frozen=True, eq=False)
class Segments:
    """Which rows are one decision, with one ratio.

    The log-probability of a decision is the sum of those of its rows (tokens, heads), and so is its
    log-ratio; or both are means. An objective with ``segments=`` is one of decisions: its
    advantages or weights have one entry per segment, old_log_prob has one per row.

    Parameters
    ----------
    offsets : (num_segments + 1,) integer array
        Segment k has the rows offsets[k], ..., offsets[k + 1] - 1, counted in the order of the
        flattened actions. The first offset is 0 and the last is the number of rows. A segment may
        be empty: it does not count, as one whose rows are all invalid.
    log_prob : {"sum", "mean"}
        "sum" gives the probability of the whole decision, as for the heads of an action. "mean"
        gives its geometric mean over the rows: the sequence-level ratio of GSPO (Zheng et al. 2025,
        "Group sequence policy optimization").
    row_clip : float or (low, high), default inf
        Each row's log-ratio counts as `high` at most where the advantage is positive, and as -`low`
        at least where it is negative; where that changes it, the row has no gradient. With
        ``log_prob="mean"`` and ``ClippedSurrogate(clip_range=inf)`` that is GMPO (Zhao et al. 2025,
        "Geometric-mean policy optimization", where it is 0.4).
    shape : tuple of int, optional
        That of the actions, which is checked.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> tokens = scorefn.Segments.from_lengths([2, 3])
    >>> logits, actions = np.zeros((5, 4)), [0, 1, 2, 3, 0]
    >>> old = scorefn.log_prob(logits, actions)
    >>> ppo = scorefn.ClippedSurrogate()
    >>> step = ppo.gradient(
    ...     logits, None, actions, segments=tokens, old_log_prob=old, advantages=[1.0, -1.0]
    ... )
    >>> step.ratio
    array([1., 1.])
    """

    offsets: Any
    log_prob: Literal["sum", "mean"] = "sum"
    row_clip: Any = float("inf")
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.log_prob not in ("sum", "mean"):
            raise ValueError(f"log_prob must be 'sum' or 'mean', got {self.log_prob!r}")
        if not np.all(np.greater_equal(self.row_clip, 0.0)):
            raise ValueError(f"row_clip must be at least 0, got {self.row_clip!r}")
        offsets = check_integers("segments", self.offsets)
        if offsets.ndim != 1 or offsets.size == 0:
            raise ValueError(f"segments must have shape (num_segments + 1,), got {offsets.shape}")
        if offsets[0] != 0:
            raise ValueError(f"segments[0] must be 0, got {offsets[0]}")
        falls = np.flatnonzero(offsets[1:] < offsets[:-1])
        if falls.size:
            k = int(falls[0])
            raise ValueError(
                f"segments[{k + 1}] must be at least segments[{k}] = {offsets[k]}, "
                f"got {offsets[k + 1]}"
            )
        object.__setattr__(self, "offsets", offsets)  # the dataclass is frozen

    @classmethod
    def from_lengths(
        cls,
        lengths: ArrayLike,
        *,
        log_prob: Literal["sum", "mean"] = "sum",
        row_clip: Any = float("inf"),
    ) -> Segments:
        """Segments of these lengths, one after the other.

        Parameters
        ----------
        lengths : (num_segments,) integer array
        log_prob, row_clip
            As for `Segments`.

        Returns
        -------
        Segments
        """
        return cls(offsets_from_lengths(lengths), log_prob, row_clip)

    @classmethod
    def of_rows(
        cls,
        shape: tuple[int, ...],
        *,
        log_prob: Literal["sum", "mean"] = "sum",
        row_clip: Any = float("inf"),
    ) -> Segments:
        """One segment for each entry of all axes but the last, along which its rows lie.

        Parameters
        ----------
        shape : tuple of int
            That of the actions: (num_sequences, most_tokens) with ``valid=`` for the padding, or
            (num_decisions, num_heads). Tokens and heads are on the last axis. Numbers of segments
            are flat all the same, of shape (num_segments,).
        log_prob, row_clip
            As for `Segments`.

        Returns
        -------
        Segments
        """
        if not isinstance(shape, tuple) or not shape:
            raise TypeError(f"shape must be a tuple of int, that of the actions, got {shape!r}")
        *leading, rows = shape
        count = int(np.prod(leading, dtype=np.int64))
        return cls(np.arange(count + 1, dtype=np.int64) * rows, log_prob, row_clip, shape)

    def check_shape(self, actions: ArrayLike) -> None:
        """Of actions, which may be flat."""
        if self.shape is None or np.shape(actions) in (self.shape, (self.offsets[-1],)):
            return
        raise ValueError(
            f"actions must have shape {self.shape} as segments has, got {np.shape(actions)}"
        )

    def on(self, rows: int, valid: ArrayLike | None) -> Decisions:
        """The decisions of so many rows. The core does the same for the declared objectives."""
        last = len(self.offsets) - 1
        if self.offsets[last] != rows:
            raise ValueError(
                f"segments[{last}] = {self.offsets[last]} must be the number of rows, {rows}"
            )
        lengths: NDArray[np.int64] = np.diff(self.offsets.astype(np.int64)).astype(np.int64)
        segment_of_row = np.repeat(np.arange(lengths.size), lengths)
        counts = np.ones(rows, bool) if valid is None else np.asarray(valid, bool).reshape(-1)
        num_rows = np.bincount(segment_of_row[counts], minlength=lengths.size)
        divisors = np.maximum(num_rows, 1) if self.log_prob == "mean" else np.ones_like(num_rows)
        return Decisions(segment_of_row, counts, num_rows, divisors)


class Decisions(NamedTuple):
    """The segment of each row, which rows count, and the numbers of these; 1 or that number."""

    segment_of_row: NDArray[np.int64]
    counts: NDArray[np.bool_]
    num_rows: NDArray[np.int64]
    divisors: NDArray[np.int64]

    def log_prob(self, of_rows: NDArray[Any]) -> NDArray[np.float64]:
        x = of_rows.astype(np.float64).reshape(-1)[self.counts]
        sums = np.bincount(self.segment_of_row[self.counts], x, self.num_rows.size)
        return np.asarray(sums / self.divisors)

    def derivative_of_rows(self, derivative: NDArray[Any]) -> NDArray[np.float64]:
        of_rows = (derivative / self.divisors)[self.segment_of_row]
        return np.where(self.counts, of_rows, 0.0)


def to_segments(segments: Any) -> Segments:
    """Offsets alone are segments whose log-probabilities add up."""
    return segments if isinstance(segments, Segments) else Segments(segments)
