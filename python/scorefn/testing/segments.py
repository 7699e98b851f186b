"""Reference of segments: what the rows of a decision make of it, one decision after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
LOG_PROBS = ("old_log_prob", "reference_log_prob")  # one per row; other numbers are of decisions


def of_decisions(
    formula: Callable[..., Any],
    log_prob: Float64,
    reads: dict[str, Float64],
    options: dict[str, Any],
    segments: Any,
) -> Any:
    """The formula of each decision's log-probability; the derivative is that of each row.

    With x_i = log pi(a_i) - old_i, cut where `row_clip` says (Zhao et al. 2025), the log-ratio of a
    decision is the sum or mean of x_i over its rows; so is its log-probability.
    """
    lengths = np.diff(segments.offsets)
    counts = lengths > 0  # an empty segment does not count
    mean = segments.log_prob == "mean"
    low, high = np.broadcast_to(segments.row_clip, 2)
    old_name = next((name for name in LOG_PROBS if name in reads), None)
    advantages = reads.get("advantages", np.zeros(lengths.size))
    of_decision, old_of_decision = np.zeros(lengths.size), np.zeros(lengths.size)
    slopes = np.ones_like(log_prob)
    for k in np.flatnonzero(counts):
        rows = slice(segments.offsets[k], segments.offsets[k + 1])
        n = lengths[k] if mean else 1
        x = log_prob[rows] - (reads[old_name][rows] if old_name else 0.0)
        cut = np.minimum(x, high) if advantages[k] > 0 else x
        cut = np.maximum(cut, -low) if advantages[k] < 0 else cut
        slopes[rows] = np.where(cut == x, 1.0, 0.0) / n
        of_decision[k] = log_prob[rows].sum() / n
        old_of_decision[k] = of_decision[k] - cut.sum() / n
    of_all = {**reads, **({old_name: old_of_decision} if old_name else {})}
    of_counting = {name: x[counts] for name, x in of_all.items()}
    values = formula(of_decision[counts], **of_counting, **options)
    of_rows = np.repeat(values.derivative, lengths[counts]) * slopes
    writes = tuple(_put(x, counts) for x in values.writes)
    return values._replace(derivative=of_rows, writes=writes)


def _put(x: Float64, counts: NDArray[np.bool_]) -> Float64:
    everywhere = np.zeros(counts.size)
    everywhere[counts] = x
    return everywhere
