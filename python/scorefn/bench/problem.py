"""The arrays of a workload, the same for all of its solutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing
from scorefn.bench.workload import Workload

Array = NDArray[Any]
Solve = Callable[[], Any]  # one call: its result is an array or a tuple of arrays

# The functions whose result has the shape of the logits, and those with a number a sample.
MATRICES = ("log_softmax", "softmax", "score", "score_gradient")
VECTORS = ("logsumexp", "log_prob", "entropy", "kl_divergence")
ENTROPY_COEF = 0.01  # of the training objectives
CLIP_RANGE = 0.2
RESULTS = {
    "sample": ("actions", "log_prob"),
    "policy_gradient": ("objective", "gradient", "log_prob", "entropy"),
    "clipped_surrogate": (
        *("objective", "gradient", "log_prob", "entropy"),
        *("ratio", "approx_kl", "clip_fraction"),
    ),
}


@dataclass(frozen=True)
class Problem:
    """Arrays are made when they are first asked for. `out` is shared by all who can write there."""

    work: Workload
    dtype: str
    threads: int

    @cached_property
    def logits(self) -> Array:
        return self._normal(0, self.work.samples, self.work.actions, scale=3.0)

    @cached_property
    def logits_q(self) -> Array:
        noise = self._normal(1, self.work.samples, self.work.actions)
        return self.logits + noise

    @cached_property
    def action(self) -> Array:
        return np.random.default_rng(2).integers(self.work.actions, size=self.work.samples)

    @cached_property
    def weights(self) -> Array:
        return self._normal(3, self.work.samples)

    @cached_property
    def old_log_prob(self) -> Array:
        """Of a policy a step ago: some ratios lie outside of the clip range.

        None lies so near to its ends that rounding decides whether it does: on one side the
        gradient is 0, on the other it is not.
        """
        log_ratio = 0.2 * self._normal(4, self.work.samples).astype(np.float64)
        margin = np.abs(np.abs(np.exp(log_ratio) - 1.0) - CLIP_RANGE)
        log_ratio[margin < 0.01] = 0.0
        # In slices, as the reference takes some float64 matrices.
        step = max(1, (1 << 20) // self.work.actions)
        log_prob = [
            testing.log_prob(self.logits[i : i + step], self.action[i : i + step])
            for i in range(0, self.work.samples, step)
        ]
        return (np.concatenate(log_prob) - log_ratio).astype(self.dtype)

    @cached_property
    def objective(self) -> Any:
        """The declared objective of the workload."""
        return getattr(scorefn, self.work.function)(entropy_coef=ENTROPY_COEF)

    @cached_property
    def numbers(self) -> dict[str, Array]:
        """What it reads."""
        arrays = {
            "weights": self.weights,
            "advantages": self.weights,
            "old_log_prob": self.old_log_prob,
            "reference_log_prob": self.old_log_prob,
            "propensities": np.minimum(np.exp(self.old_log_prob), self.old_log_prob.dtype.type(1)),
        }
        return {n.name: arrays[n.name] for n in self.objective.declaration.reads}

    @cached_property
    def table(self) -> Array:
        return self._normal(0, self.work.states, self.work.actions, scale=3.0)

    @cached_property
    def state(self) -> Array:
        """Each as often as every other, in random order."""
        return np.random.default_rng(5).permutation(self.work.samples) % self.work.states

    @cached_property
    def features(self) -> Array:
        return self._normal(6, self.work.samples, self.work.features)

    @cached_property
    def coef(self) -> Array:
        """Such that the logits spread as those of the other workloads."""
        scale = 3.0 / np.sqrt(self.work.features)
        return self._normal(7, self.work.features, self.work.actions, scale=scale)

    @cached_property
    def every(self) -> Array:
        return np.arange(self.work.samples)

    @cached_property
    def out(self) -> Array:
        """What `scorefn` writes its main result to."""
        work = self.work
        if work.function in (*VECTORS, "sample"):
            return np.zeros(work.samples, dtype=self.dtype)
        rows = {"tabular_gradient": work.states, "linear_gradient": work.features}
        shape = rows.get(work.function, work.samples), work.actions
        return np.zeros(shape, dtype=self.dtype)

    @cached_property
    def out_actions(self) -> Array:
        return np.zeros(self.work.samples, dtype=np.int64)

    def scratch(self) -> Array:
        """Memory of the shape of the logits, for a solution's intermediate results."""
        return np.zeros((self.work.samples, self.work.actions), dtype=self.dtype)

    def poison(self) -> None:
        """So that nobody passes a check by what another has written."""
        self.out.fill(0.0 if self.work.accumulate else np.nan)
        if self.work.function == "sample":
            self.out_actions.fill(-1)

    def _normal(self, seed: int, *shape: int, scale: float = 1.0) -> Array:
        dtype: Any = np.dtype(self.dtype)
        values = np.random.default_rng(seed).standard_normal(shape, dtype=dtype)
        values *= scale
        return values
