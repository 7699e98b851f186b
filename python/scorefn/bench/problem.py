"""The arrays of a workload, the same for all of its solutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing
from scorefn.bench.workload import SCANS, Workload

Array = NDArray[Any]
Solve = Callable[[], Any]  # one call: its result is an array or a tuple of arrays

# The functions whose result has the shape of the logits, and those with a number a sample.
MATRICES = ("log_softmax", "softmax", "score", "score_gradient")
VECTORS = ("logsumexp", "log_prob", "entropy", "kl_divergence")
ENTROPY_COEF = 0.01  # of the training objectives
CLIP_RANGE = 0.2
DISCOUNT = 0.99
SCAN_OPTIONS: dict[str, dict[str, Any]] = {
    "lambda_returns": {"lambda_": 0.95},
    "n_step_returns": {"n": 5},
    "gae": {"gae_lambda": 0.95},
}
ENDS = 0.01  # the share of steps that terminate an episode, and of those that truncate one
PADDING = -1e9  # a logit of no action: finite, as 0 times it is to be 0
RESULTS = {
    "sample": ("actions", "log_prob"),
    "vtrace": ("targets", "advantages"),
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
        return self._normal(0, *self._shape, scale=3.0)

    @cached_property
    def logits_q(self) -> Array:
        noise = self._normal(1, self.work.samples, self.work.actions)
        return self.logits + noise

    @cached_property
    def offsets(self) -> Array:
        """Of ragged rows, whose lengths come in random order."""
        lengths = np.random.default_rng(9).permutation(self.work.row_lengths())
        return scorefn.offsets_from_lengths(lengths)

    @cached_property
    def action(self) -> Array:
        work = self.work
        actions = np.diff(self.offsets) if work.shortest else work.actions
        return np.random.default_rng(2).integers(actions, size=work.samples)

    @cached_property
    def weights(self) -> Array:
        """One per decision."""
        return self._normal(3, self.work.segments or self.work.samples)

    @cached_property
    def old_log_prob(self) -> Array:
        """Of a policy a step ago: some ratios lie outside of the clip range.

        None lies so near to its ends that rounding decides whether it does: on one side the
        gradient is 0, on the other it is not.
        """
        work = self.work
        decisions = work.segments or work.samples
        log_ratio = 0.2 * self._normal(4, decisions).astype(np.float64)
        margin = np.abs(np.abs(np.exp(log_ratio) - 1.0) - CLIP_RANGE)
        log_ratio[margin < 0.01] = 0.0
        rows = work.samples // decisions
        log_ratio = np.repeat(log_ratio if work.mean else log_ratio / rows, rows)
        # In slices, as the reference takes some float64 matrices.
        step = max(1, (1 << 20) // work.actions)
        log_prob = []
        for i in range(0, work.samples, step):
            logits, offsets = self.rows(i, i + step)
            log_prob.append(testing.log_prob(logits, self.action[i : i + step], **offsets))
        return (np.concatenate(log_prob) - log_ratio).astype(self.dtype)

    def rows(self, start: int, stop: int) -> tuple[Array, dict[str, Array]]:
        """The logits of some rows, and the argument that says where ragged ones begin."""
        if not self.work.shortest:
            return self.logits[start:stop], {}
        offsets = self.offsets[start : stop + 1]
        return self.logits[offsets[0] : offsets[-1]], {"offsets": offsets - offsets[0]}

    @cached_property
    def objective(self) -> Any:
        """The declared objective of the workload, or the one over all actions."""
        return getattr(scorefn, self.work.function)(entropy_coef=ENTROPY_COEF)

    @property
    def options(self) -> dict[str, Any]:
        """Its own options."""
        declared = self.objective.declaration
        options = declared.options if hasattr(declared, "options") else [declared.option]
        return {o.name: getattr(self.objective, o.name) for o in options if o is not None}

    @cached_property
    def matrix(self) -> Array:
        """What an objective over all actions reads beside the logits."""
        noise = self._normal(1, *self._shape)
        make: dict[str, Callable[[], Array]] = {
            "action_values": lambda: noise,
            "targets": lambda: scorefn.softmax(noise),
            "reference": lambda: scorefn.log_softmax(self.logits + noise),
        }
        return make[self.objective.declaration.matrix.name]()

    @cached_property
    def segment_offsets(self) -> Array:
        work = self.work
        return np.arange(work.segments + 1) * (work.samples // work.segments)

    def segments(self, count: int | None = None) -> Any:
        """All of them, or the first ones."""
        offsets = self.segment_offsets[: None if count is None else count + 1]
        return scorefn.Segments(offsets, "mean" if self.work.mean else "sum")

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

    def whole_decisions(self, rows: int) -> int:
        """The most of the first rows, but at least one decision, that are whole decisions."""
        length = len(self.action) // len(self.weights) if self.work.segments else 1
        return min(self.work.samples, max(1, rows // length) * length)

    @cached_property
    def scanned(self) -> dict[str, Array]:
        """The arrays of a scan, (T, N), or (T,) of one environment."""
        rng = np.random.default_rng(10)
        arrays = {
            name: self._normal(11 + i, *self._shape, scale=0.2 if name == "log_ratio" else 1.0)
            for i, name in enumerate(SCANS[self.work.function])
        }
        flags = {
            name: rng.random(self._shape, dtype=np.float32) < ENDS
            for name in ("terminated", "truncated")
        }
        return {**arrays, **flags}

    @property
    def scan_options(self) -> dict[str, Any]:
        return {"discount": DISCOUNT, **SCAN_OPTIONS.get(self.work.function, {})}

    @cached_property
    def padded(self) -> Problem:
        """The same of ragged rows that are padded to the longest."""
        padded = Problem(replace(self.work, shortest=0), self.dtype, self.threads)
        logits = np.full((self.work.samples, self.work.actions), PADDING, self.dtype)
        logits[self._is_there] = self.logits
        same = ("action", "weights", "old_log_prob")
        vars(padded).update(logits=logits, **{name: getattr(self, name) for name in same})
        return padded

    def unpadded(self, part: Any) -> Any:
        """Of a result: without the padding, if it has some."""
        is_padded = self.work.shortest and np.ndim(part) == 2
        return np.asarray(part)[self._is_there] if is_padded else part

    @property
    def _is_there(self) -> Array:
        return np.arange(self.work.actions) < np.diff(self.offsets)[:, np.newaxis]

    @cached_property
    def every(self) -> Array:
        return np.arange(self.work.samples)

    @cached_property
    def out(self) -> Array:
        """What `scorefn` writes its main result to."""
        work = self.work
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys((*VECTORS, "sample"), (work.samples,)),
            "tabular_gradient": (work.states, work.actions),
            "linear_gradient": (work.features, work.actions),
        }
        return np.zeros(shapes.get(work.function, self._shape), dtype=self.dtype)

    @cached_property
    def out_actions(self) -> Array:
        return np.zeros(self.work.samples, dtype=np.int64)

    def scratch(self) -> Array:
        """Memory of the shape of the logits, for a solution's intermediate results."""
        return np.zeros(self._shape, dtype=self.dtype)

    def poison(self) -> None:
        """So that nobody passes a check by what another has written."""
        self.out.fill(0.0 if self.work.accumulate else np.nan)
        if "padded" in vars(self):
            self.padded.poison()
        if self.work.function == "sample":
            self.out_actions.fill(-1)

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of the logits; of the arrays of a scan."""
        work = self.work
        if work.steps:
            return (work.steps, work.samples) if work.samples > 1 else (work.steps,)
        return (work.elements,) if work.shortest else (work.samples, work.actions)

    def _normal(self, seed: int, *shape: int, scale: float = 1.0) -> Array:
        dtype: Any = np.dtype(self.dtype)
        values = np.random.default_rng(seed).standard_normal(shape, dtype=dtype)
        values *= scale
        return values
