"""What is measured: a function and a size, and the bytes that any solution of it has to move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorefn._all_actions import ALL_ACTION_CLASSES
from scorefn._declarations import DECLARATIONS, Declaration

INTEGER = 8  # bytes of an action or a state: int64, NumPy's own


@dataclass(frozen=True)
class Workload:
    function: str
    actions: int  # of the longest row, if rows differ
    samples: int  # environments of a scan
    states: int = 0  # rows of the table
    features: int = 0  # of a linear policy
    accumulate: bool = False  # added to a gradient that exists
    shortest: int = 0  # actions of the shortest of ragged rows
    segments: int = 0  # decisions, each of equally many rows
    mean: bool = False  # the log-ratio of a decision is the mean over its rows, not the sum
    steps: int = 0  # of time, in a scan

    @property
    def name(self) -> str:
        parts = [self.function]
        if self.steps:
            parts.append(f"T={self.steps}")
        elif self.shortest:
            parts.append(f"K={self.shortest}-{self.actions}")
        else:
            parts.append(f"K={self.actions}")
        parts.append(f"N={self.samples}")
        if self.states:
            parts.append(f"states={self.states}")
        if self.features:
            parts.append(f"features={self.features}")
        if self.accumulate:
            parts.append("accumulate")
        if self.segments:
            parts.append(f"segments={self.segments}")
        if self.mean:
            parts.append("mean")
        return " ".join(parts)

    @property
    def solution(self) -> str:
        """The name of the function that solves it, in the modules of solutions."""
        if self.function in DECLARED or self.segments:
            return "declared_objective"
        if self.function in ALL_ACTION_CLASSES:
            return "all_action_objective"
        return f"ragged_{self.function}" if self.shortest else self.function

    @property
    def is_in_grid(self) -> bool:
        """Of a function that is measured for many numbers of actions, and nothing else about it."""
        others = (self.states, self.features, self.shortest, self.segments, self.steps)
        return not any(others) and self.function not in {*DECLARED, *ALL_ACTION_CLASSES}

    @property
    def elements(self) -> int:
        """Logits that are worked through, each with one exponential; of a scan its steps."""
        if self.shortest:
            return int(self.row_lengths().sum())
        return self.samples * (self.steps or self.actions)

    def row_lengths(self) -> NDArray[np.int64]:
        """Of ragged rows: each length as often as every other."""
        count = self.actions - self.shortest + 1
        return self.shortest + np.arange(self.samples, dtype=np.int64) % count

    def bytes_moved(self, itemsize: int) -> int:
        """Each array that goes in read once, each that comes out written once; scalars are free."""
        return BYTES[self.function](self, itemsize)


def _rows(*, matrices: int, floats: int = 0, integers: int = 0) -> Callable[[Workload, int], int]:
    """Bytes of arrays of shape (N, K), of arrays of shape (N,), and of offsets."""

    def count(work: Workload, itemsize: int) -> int:
        per_sample = floats * itemsize + integers * INTEGER
        offsets = (work.samples + 1) * INTEGER if work.shortest else 0
        return matrices * work.elements * itemsize + work.samples * per_sample + offsets

    return count


def _tabular(work: Workload, itemsize: int) -> int:
    """The rows of all states are written, or those that are visited are read and written."""
    visited = min(work.samples, work.states)
    rows = visited + (2 * visited if work.accumulate else work.states)
    return rows * work.actions * itemsize + work.samples * (2 * INTEGER + itemsize)


def _linear(work: Workload, itemsize: int) -> int:
    features = work.samples * work.features * itemsize
    coef = work.features * work.actions * itemsize
    return features + 2 * coef + work.samples * (INTEGER + itemsize)


def _objective(declared: Declaration) -> Callable[[Workload, int], int]:
    """On logits; beside the numbers that it declares, log-probabilities and entropies come out."""
    floats = len(declared.reads) + len(declared.writes) + 2
    return _rows(matrices=2, floats=floats, integers=1)


def _segments(work: Workload, itemsize: int) -> int:
    """Old log-probabilities in and two numbers out per row; advantages in, ratios out."""
    of_rows = _rows(matrices=2, floats=3, integers=1)(work, itemsize)
    return of_rows + 2 * work.segments * itemsize + (work.segments + 1) * INTEGER


def _scan(work: Workload, itemsize: int) -> int:
    """The numbers that it reads, two flags per step, and its result, of which V-trace has two."""
    results = 2 if work.function == "vtrace" else 1
    return work.elements * ((len(SCANS[work.function]) + results) * itemsize + 2)


# The scans over time, and the numbers per step that they read.
SCANS = {
    "discounted_returns": ("rewards", "next_values"),
    "lambda_returns": ("rewards", "next_values"),
    "n_step_returns": ("rewards", "next_values"),
    "gae": ("rewards", "values", "next_values"),
    "vtrace": ("rewards", "values", "next_values", "log_ratio"),
    "retrace": ("rewards", "action_values", "next_values", "log_ratio"),
    "upgo": ("rewards", "values", "next_values"),
}

# The declared objectives that have no function of their own.
DECLARED = {
    d.name: d for d in DECLARATIONS if d.name not in ("WeightedLogProb", "ClippedSurrogate")
}

# In the order in which they are measured and shown.
BYTES: Mapping[str, Callable[[Workload, int], int]] = {
    "log_softmax": _rows(matrices=2),
    "softmax": _rows(matrices=2),
    "logsumexp": _rows(matrices=1, floats=1),
    "log_prob": _rows(matrices=1, floats=1, integers=1),
    "entropy": _rows(matrices=1, floats=1),
    "kl_divergence": _rows(matrices=2, floats=1),
    "sample": _rows(matrices=1, floats=1, integers=1),
    "score": _rows(matrices=2, integers=1),
    "score_gradient": _rows(matrices=2, floats=1, integers=1),
    # Weights in; log-probabilities and entropies out.
    "policy_gradient": _rows(matrices=2, floats=3, integers=1),
    # Old log-probabilities and advantages in; log-probabilities, entropies and ratios out.
    "clipped_surrogate": _rows(matrices=2, floats=5, integers=1),
    **{name: _objective(declared) for name, declared in DECLARED.items()},
    # Rows that are one decision.
    "ClippedSurrogate": _segments,
    # A second matrix in; values and entropies out.
    **dict.fromkeys(ALL_ACTION_CLASSES, _rows(matrices=3, floats=2)),
    "tabular_gradient": _tabular,
    "linear_gradient": _linear,
    **dict.fromkeys(SCANS, _scan),
}
