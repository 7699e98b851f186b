"""A pass of a declared objective over the samples of any policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_shape, to_array, type_name

FloatArray = NDArray[np.floating[Any]]


def masked(logits: FloatArray, where: NDArray[np.bool_] | None) -> FloatArray:
    """The logits, -inf where an action is forbidden."""
    return logits if where is None else np.where(where, logits, logits.dtype.type(-np.inf))


class Term(NamedTuple):
    """A term over all actions, with one matrix beside the logits."""

    kind: str  # "reverse_kl", "forward_kl" or "expected_value"
    coef: Any  # a number, or an array of one per sample
    matrix: Any  # log-probabilities of a reference, or values of the actions: an array, or a policy
    is_of_policy: bool = False  # its parameters, in place of a matrix

    @property
    def name(self) -> str:
        return "action_values" if self.kind == "expected_value" else "reference"

    @property
    def result(self) -> str:
        return "expected_value" if self.kind == "expected_value" else "kl_divergence"

    def on(self, observations: Any) -> Term:
        """With an array in the place of a policy."""
        if not hasattr(self.matrix, "logits"):
            return self._replace(matrix=to_array(self.name, self.matrix))
        logits = to_array(self.name, self.matrix.logits(observations))
        mask = self.matrix._mask(observations, None) if hasattr(self.matrix, "_mask") else None
        return self._replace(matrix=masked(logits, mask))


class Pass(NamedTuple):
    """What one pass of an objective over the samples of a policy gives."""

    gradient: FloatArray
    log_prob: FloatArray | None
    entropy: FloatArray | None
    term: FloatArray | None
    writes: tuple[FloatArray, ...]  # one number per sample each, as the objective declares
    sums: tuple[float, ...]  # the first is the objective, with all its terms

    def _per_observation(self, axes: int, valid: ArrayLike | None) -> Pass:
        """Several samples of an observation share its entropy and the value of its term."""
        if self.entropy is None or self.entropy.ndim == axes:
            return self
        term = None if self.term is None else first(self.term, valid)
        return self._replace(entropy=first(self.entropy, valid), term=term)


def first(values: FloatArray, valid: ArrayLike | None) -> FloatArray:
    """Along the last axis, of numbers that are equal where they count; NaN where there are none."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan, dtype=values.dtype)
    if valid is None:
        return values[..., 0].copy()
    at = np.argmax(valid, axis=-1, keepdims=True)
    return np.take_along_axis(values, at, axis=-1)[..., 0]


class ObjectiveCall(NamedTuple):
    """A declared objective with its numbers, one per sample, and its options."""

    objective: str
    numbers: tuple[ArrayLike, ...]
    options: tuple[Any, ...]  # numbers and pairs of them
    entropy_coef: Any  # a number, or an array of one per sample
    term: Term | None = None
    statistics: bool = True  # False: the gradient and the sums alone
    valid: ArrayLike | None = None  # samples that count

    def _pass(self, core: Callable[..., Any], *arrays: Any, where: ArrayLike | None) -> Pass:
        """By a function of the core, of its arrays."""
        return Pass(
            *core(
                self.objective,
                *arrays,
                self.numbers,
                self.options,
                entropy_coef=self.entropy_coef,
                term=self.term,
                statistics=self.statistics,
                where=where,
                valid=self.valid,
            )
        )

    def of_logits(self, logits: Any, actions: ArrayLike, where: ArrayLike | None) -> Pass:
        """With respect to the logits of each sample, or of each row of several samples."""
        if np.ndim(actions) == np.ndim(logits):
            return self._of_rows_with_samples(to_array("logits", logits), actions, where)
        return self._pass(_core.objective_of_logits, logits, actions, where=where)

    def _of_rows_with_samples(
        self, logits: FloatArray, actions: ArrayLike, where: ArrayLike | None
    ) -> Pass:
        """Each row of logits is a state of its own, which its samples visit."""
        leading = logits.shape[:-1]
        states = np.arange(math.prod(leading)).reshape(leading)
        rows = logits.reshape(-1, logits.shape[-1])
        if where is not None and np.shape(where) not in (logits.shape, logits.shape[-1:]):
            expected = f"{logits.shape} or {logits.shape[-1:]}"
            raise ValueError(f"where must have shape {expected}, got {np.shape(where)}")
        mask = None if where is None else np.broadcast_to(where, logits.shape).reshape(rows.shape)
        call = self
        if self.term is not None:
            matrix = to_array(self.term.name, self.term.matrix)
            check_shape(self.term.name, matrix, logits.shape)
            call = self._replace(term=self.term._replace(matrix=matrix.reshape(rows.shape)))
        done = call.of_table(rows, states, actions, mask)
        return done._replace(gradient=done.gradient.reshape(logits.shape))

    def of_table(
        self, table: Any, states: Any, actions: ArrayLike, where: ArrayLike | None
    ) -> Pass:
        """With respect to a table of logits. Several samples of a state share one entropy."""
        done = self._pass(_core.objective_of_table, table, states, actions, where=where)
        return done._per_observation(np.ndim(states), self.valid)

    def of_features(
        self, features: Any, coef: Any, actions: ArrayLike, where: ArrayLike | None
    ) -> Pass:
        """With respect to the coefficients of a linear policy."""
        done = self._pass(_core.objective_of_features, features, coef, actions, where=where)
        return done._per_observation(np.ndim(features) - 1, self.valid)


def objective_pass(
    policy: Any, call: ObjectiveCall, observations: Any, actions: ArrayLike, where: ArrayLike | None
) -> Pass:
    """By the policy's own pass if it has one, else by its logits and their adjoint."""
    if policy is None or isinstance(policy, type | str):
        got = policy.__name__ if isinstance(policy, type) else type_name(policy)
        raise TypeError(f"policy must be a policy or an array of logits, got {got}")
    if hasattr(policy, "objective_pass"):
        done: Pass = policy.objective_pass(call, observations, actions, where)
        return done
    if call.term is not None:
        call = call._replace(term=call.term.on(observations))
    has_logits, has_adjoint = hasattr(policy, "logits"), hasattr(policy, "adjoint")
    if has_logits and has_adjoint:
        done = call.of_logits(policy.logits(observations), actions, where)
        gradient = policy.adjoint(observations, done.gradient)
        if gradient is None:
            raise TypeError("policy.adjoint must return the gradient, got None")
        return done._replace(gradient=gradient)
    if has_logits or has_adjoint:
        got = type_name(policy)
        raise TypeError(f"policy must have the methods logits and adjoint, got {got}")
    if observations is not None:  # an array of logits, which needs no adjoint
        got = type_name(observations)
        raise TypeError(f"observations must be None for an array of logits, got {got}")
    return call.of_logits(policy, actions, where)
