"""Whether a solution gives the right answer, and its largest error in ULP.

The first million entries of a result are compared with `scorefn.testing`, in float64. The errors
that are allowed are far above what any sound program makes and far below those of a wrong formula;
how good an answer is can be seen in the ULP.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn import testing
from scorefn.bench.problem import (
    CLIP_RANGE,
    ENTROPY_COEF,
    MATRICES,
    RESULTS,
    VECTORS,
    Problem,
    Solve,
)
from scorefn.bench.references import (
    CHECKED,
    exact_linear_gradient,
    exact_scan,
    exact_step,
    exact_tabular_gradient,
    last_steps,
)
from scorefn.bench.workload import SCANS

Float64 = NDArray[np.float64]

# Relative. A sum of 128256 terms, one after another, may lose 17 of a float32's 24 bits.
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}
# Absolute, as a part of the former, in units of the numbers that cancel: 1 - p of a likely action
# keeps the error of p, and z - log sum exp z that of z.
CANCELLED = 0.01
# The share of the entries that may be so near to a jump of their row's gradient that rounding
# decides on which side: an advantage near 0, or a logit near NeuRD's threshold.
AT_A_JUMP, WITH_JUMPS = 1e-5, ("RegretPolicyGradient", "NeuRD")
DRAWS, MOST_CALLS = 256, 256  # that are enough to know a sampler by
MOST_SIGMAS = 7.0  # a right sampler is beyond them once in 10^11 times, a wrong one always


class WrongAnswerError(Exception):
    """What is wrong, in a few words."""


class Checker:
    """The reference of a problem: computed once, on the first call."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        function = problem.work.function
        self._parts = RESULTS.get(function, (function,))
        self._rows = problem.whole_decisions(max(1, CHECKED // problem.work.actions))

    def check(self, solve: Solve) -> float:
        """The largest error of the call's result in ULP; of several results, of the main one."""
        self._problem.poison()
        if self._problem.work.function == "sample":
            return self._check_sampler(solve)
        result = solve()
        if self._problem.work.solution in ("declared_objective", "all_action_objective"):
            return self._check_step(result)
        if self._problem.work.function in SCANS:
            return self._check_scan(result)
        parts = dict(zip(self._parts, result if len(self._parts) > 1 else (result,), strict=True))
        parts = {name: self._problem.unpadded(part) for name, part in parts.items()}
        errors = {name: self._compare(name, part) for name, part in parts.items()}
        if "objective" in parts:
            self._check_sums(parts)
        return errors.get("gradient", errors[self._parts[0]])

    def _check_step(self, result: tuple[Any, ...]) -> float:
        """Of an objective: what it gives of each sample; its sums and means of all, if known."""
        p, n = self._problem, self._rows
        parts = (x if x is None else np.asarray(x) for x in result)
        step, exact = p.objective.step(*parts), self._exact_step
        # The derivative may be a small difference of log-probabilities, times a weight.
        unit = np.abs(exact.gradient).max(axis=1, keepdims=True) + self._factor
        for name in exact._fields:
            actual, expected = getattr(step, name), getattr(exact, name)
            if expected is None:
                continue
            if name == "gradient":
                self._check_near(name, actual[:n], expected, unit, spared=self._spared)
            elif np.ndim(expected):
                terms = float(p.work.actions) if name == "value" else 1.0
                self._check_near(name, actual[: len(expected)], expected, terms)
            elif n == p.work.samples:
                self._check_near(name, np.array([actual]), np.array([expected]), float(n))
        return float(testing.ulp_error(step.gradient[:n], exact.gradient).max())

    @cached_property
    def _exact_step(self) -> Any:
        return exact_step(self._problem, self._rows)

    @property
    def _factor(self) -> Any:
        """What the scores of each row are multiplied by, roughly."""
        p = self._problem
        if p.work.solution == "all_action_objective":
            return 1.0
        rows = p.work.samples // len(p.weights)
        return np.repeat(np.abs(p.weights), rows)[: self._rows, np.newaxis] + ENTROPY_COEF

    @property
    def _spared(self) -> int:
        """Rows whose gradient may be another: at a jump of it, rounding decides on which side."""
        work = self._problem.work
        return int(AT_A_JUMP * self._rows * work.actions) if work.function in WITH_JUMPS else 0

    def _check_scan(self, result: Any) -> float:
        """The last steps of some environments: what comes before them makes no difference."""
        results = result if isinstance(result, tuple) else (result,)
        last, errors = last_steps(self._problem), []
        for name, part, exact in zip(self._parts, results, self._exact_scan, strict=True):
            values = np.asarray(part)
            self._check_kind(name, values)
            self._check_near(name, values[last], exact, np.abs(exact).max())
            errors.append(float(testing.ulp_error(values[last], exact).max()))
        return errors[0]

    @cached_property
    def _exact_scan(self) -> tuple[Float64, ...]:
        return exact_scan(self._problem)

    def _compare(self, name: str, actual: Any) -> float:
        if name in ("objective", "approx_kl", "clip_fraction"):  # sums: see _check_sums
            return 0.0
        exact = self._gradient if name == "gradient" else self._exact[name]
        values = np.asarray(actual)
        self._check_kind(name, values)
        if name in ("tabular_gradient", "linear_gradient"):
            checked = values[: exact.shape[0], : exact.shape[1]]
        else:
            checked = values[: len(exact)]
        self._check_near(name, checked, exact)
        return float(testing.ulp_error(checked, exact).max())

    def _check_kind(self, name: str, values: NDArray[Any]) -> None:
        work, dtype = self._problem.work, self._problem.dtype
        shape = (work.samples,) if name in (*VECTORS, "ratio") else self._problem.out.shape
        if values.shape != shape:
            raise WrongAnswerError(f"{name} has shape {values.shape}, not {shape}")
        if values.dtype != dtype:
            raise WrongAnswerError(f"{name} is {values.dtype}, not {dtype}")

    def _check_near(
        self,
        name: str,
        actual: NDArray[Any],
        exact: Float64,
        unit: Any = None,
        *,
        spared: int = 0,
    ) -> None:
        """All entries but those of so many rows."""
        error = np.abs(actual.astype(np.float64) - exact)
        bound = np.abs(exact) + CANCELLED * (self._unit(name, exact) if unit is None else unit)
        wrong = ~(error <= TOLERANCE[self._problem.dtype] * bound)  # NaN is wrong too
        if np.count_nonzero(wrong.any(axis=tuple(range(1, wrong.ndim)))) > spared:
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            index = ", ".join(str(i) for i in where)
            raise WrongAnswerError(f"{name}[{index}] = {actual[where]:.8g}, not {exact[where]:.8g}")

    def _unit(self, name: str, exact: Float64) -> Any:
        """The size of the numbers that were subtracted from each other."""
        if name in ("tabular_gradient", "linear_gradient"):
            return np.abs(exact).max() / CANCELLED  # of a million terms of either sign
        if name in ("score_gradient", "gradient"):
            of_rows = np.abs(self._coefficient) + ENTROPY_COEF
            if self._problem.work.shortest:
                return np.repeat(of_rows, np.diff(self._problem.offsets)[: len(of_rows)])
            return of_rows[:, None]
        if name == "softmax":
            return 0.0  # nothing is
        return 1.0

    @cached_property
    def _coefficient(self) -> Float64:
        """What the score of each sample is multiplied by."""
        p, n = self._problem, self._rows
        w = p.weights[:n].astype(np.float64)
        if p.work.function != "clipped_surrogate":
            return w
        ratio = self._exact["ratio"]
        free, bounded = ratio * w, np.clip(ratio, 1 - CLIP_RANGE, 1 + CLIP_RANGE) * w
        return np.where(free <= bounded, free, 0.0)

    def _check_sums(self, parts: dict[str, Any]) -> None:
        """Against the sums of the solution's own numbers a sample, whose first have been checked.

        Relative to the sum of the magnitudes of what is summed.
        """
        p = self._problem
        log_prob, entropy = (
            np.asarray(parts[name], np.float64) for name in ("log_prob", "entropy")
        )
        if "ratio" in parts:
            ratio, advantages = np.asarray(parts["ratio"], np.float64), p.weights.astype(np.float64)
            clipped = np.clip(ratio, 1 - CLIP_RANGE, 1 + CLIP_RANGE)
            gain = np.minimum(ratio * advantages, clipped * advantages)
            log_ratio = log_prob - p.old_log_prob
            self._check_sum("approx_kl", parts, (ratio - 1 - log_ratio) / len(ratio))
            self._check_sum("clip_fraction", parts, (np.abs(ratio - 1) > CLIP_RANGE) / len(ratio))
        else:
            gain = p.weights * log_prob
        self._check_sum("objective", parts, gain + ENTROPY_COEF * entropy)

    def _check_sum(self, name: str, parts: dict[str, Any], terms: Float64) -> None:
        actual, exact = float(parts[name]), terms.sum()
        # Where every ratio is near 1, r - 1 - log r has but a digit or two left.
        bound = TOLERANCE[self._problem.dtype] * max(np.abs(terms).sum(), 1e-3)
        if not abs(actual - exact) <= bound:
            raise WrongAnswerError(f"{name} = {actual}, not {exact:.8g}")

    @cached_property
    def _exact(self) -> dict[str, Float64]:
        p, n = self._problem, self._rows
        function = p.work.function
        if function == "tabular_gradient":
            return {function: exact_tabular_gradient(p)}
        if function == "linear_gradient":
            return {function: exact_linear_gradient(p)}
        (z, offsets), a, w = p.rows(0, n), p.action[:n], p.weights[:n]
        if function in MATRICES + VECTORS:
            others: tuple[NDArray[Any], ...] = ()
            if function == "kl_divergence":
                others = (p.logits_q[:n],)
            elif function in ("score", "log_prob", "score_gradient"):
                others = (a, w) if function == "score_gradient" else (a,)
            reference: Callable[..., Float64] = getattr(testing, function)
            return {function: reference(z, *others, **offsets)}

        exact = {
            "log_prob": testing.log_prob(z, a, **offsets),
            "entropy": testing.entropy(z, **offsets),
        }
        if function == "clipped_surrogate":
            exact["ratio"] = np.exp(exact["log_prob"] - p.old_log_prob[:n])
        return exact

    @cached_property
    def _gradient(self) -> Float64:
        """Of a training objective."""
        p, n = self._problem, self._rows
        z, offsets = p.rows(0, n)
        return testing.score_gradient(
            z, p.action[:n], self._coefficient, entropy_coef=ENTROPY_COEF, **offsets
        )

    def _check_sampler(self, solve: Solve) -> float:
        """Valid actions with their log-probabilities, as often as they should be drawn."""
        p, rows = self._problem, self._rows
        z = p.logits[:rows]
        log_p, probability = testing.log_softmax(z), testing.softmax(z)
        worst, frequencies = 0.0, _Frequencies(log_p, probability)
        calls = min(MOST_CALLS, -(-DRAWS // rows))
        for _ in range(calls):
            actions, log_prob = (np.asarray(part) for part in solve())
            if actions.shape != (p.work.samples,) or actions.dtype.kind not in "iu":
                raise WrongAnswerError(f"actions are {actions.dtype} of shape {actions.shape}")
            if actions.min() < 0 or actions.max() >= p.work.actions:
                raise WrongAnswerError("an action is out of range")
            drawn = actions[:rows]
            exact = np.take_along_axis(log_p, drawn[:, None], axis=1)[:, 0]
            self._check_near("log_prob", log_prob[:rows], exact)
            worst = max(worst, float(testing.ulp_error(log_prob[:rows], exact).max()))
            frequencies.count(drawn, exact)
        frequencies.check(calls)
        return worst


class _Frequencies:
    """Sums over all draws of quantities whose mean and variance are known: sigmas from the mean.

    The log-probability of what is drawn, and whether its index is 0, 1, ... modulo `CLASSES`.
    """

    CLASSES = 8
    LEAST = 10.0  # draws that a class must have by right: the normal law holds from about there

    def __init__(self, log_p: Float64, probability: Float64) -> None:
        self._class = np.arange(probability.shape[1]) % self.CLASSES
        by_class = np.stack(
            [probability[:, self._class == c].sum(axis=1) for c in range(self.CLASSES)], axis=1
        )
        mean = (probability * log_p).sum(axis=1)
        variance = (probability * log_p**2).sum(axis=1) - mean**2
        self._mean = np.append(by_class.sum(axis=0), mean.sum())
        self._variance = np.append((by_class * (1 - by_class)).sum(axis=0), variance.sum())
        self._sum = np.zeros(self.CLASSES + 1)

    def count(self, actions: NDArray[Any], log_prob: Float64) -> None:
        drawn = np.bincount(self._class[actions], minlength=self.CLASSES)
        self._sum += np.append(drawn, log_prob.sum())

    def check(self, calls: int) -> None:
        distance = np.abs(self._sum - calls * self._mean)
        sigma = np.sqrt(calls * np.maximum(self._variance, 1e-12))
        judged = np.append(calls * self._variance[:-1] > self.LEAST, True)
        sigmas = np.where(judged, distance / sigma, 0.0)
        if sigmas.max() > MOST_SIGMAS:
            kind = "log-probability" if sigmas.argmax() == self.CLASSES else "action"
            raise WrongAnswerError(
                f"the mean {kind} of the samples is {sigmas.max():.0f} standard errors off"
            )
