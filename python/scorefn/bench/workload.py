"""What is measured: a function and a size, and the bytes that any solution of it has to move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scorefn._declarations import DECLARATIONS, Declaration

INTEGER = 8  # bytes of an action or a state: int64, NumPy's own


@dataclass(frozen=True)
class Workload:
    function: str
    actions: int
    samples: int
    states: int = 0  # rows of the table
    features: int = 0  # of a linear policy
    accumulate: bool = False  # added to a gradient that exists

    @property
    def name(self) -> str:
        parts = [self.function, f"K={self.actions}", f"N={self.samples}"]
        if self.states:
            parts.append(f"states={self.states}")
        if self.features:
            parts.append(f"features={self.features}")
        if self.accumulate:
            parts.append("accumulate")
        return " ".join(parts)

    @property
    def elements(self) -> int:
        """Logits that are worked through, of which each has its exponential taken once."""
        return self.samples * self.actions

    def bytes_moved(self, itemsize: int) -> int:
        """Each array that goes in read once, each that comes out written once; scalars are free."""
        return BYTES[self.function](self, itemsize)


def _rows(*, matrices: int, floats: int = 0, integers: int = 0) -> Callable[[Workload, int], int]:
    """Bytes of arrays of shape (N, K) and of arrays of shape (N,)."""

    def count(work: Workload, itemsize: int) -> int:
        per_sample = floats * itemsize + integers * INTEGER
        return matrices * work.elements * itemsize + work.samples * per_sample

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
    "tabular_gradient": _tabular,
    "linear_gradient": _linear,
}
