"""A pass of a declared objective, or of one over all actions, over the samples of any policy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_shape, got_name, to_array, type_name
from ._errstate import without_float_errors

FloatArray = NDArray[np.floating[Any]]


def masked(logits: FloatArray, where: NDArray[np.bool_] | None) -> FloatArray:
    """The logits, -inf where an action is forbidden."""
    return logits if where is None else np.where(where, logits, logits.dtype.type(-np.inf))


MATRIX_NAMES: dict[str, str] = {
    name: matrix for name, _, _, (matrix, _), _ in _core.all_action_declarations()
}


class Term(NamedTuple):
    """A declared objective over all actions, with one matrix beside the logits."""

    objective: str
    coef_name: str
    coef: Any  # a number, or an array of one per sample
    matrix: Any  # log-probabilities of a reference, values of the actions, ...: array or policy
    is_of_policy: bool = False  # its parameters, in place of a matrix
    option: float = 0.0

    @property
    def name(self) -> str:
        return MATRIX_NAMES[self.objective]

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


class AllActionCall(NamedTuple):
    """An objective over all actions alone: no action is drawn."""

    term: Term
    entropy_coef: Any  # a number, or an array of one per sample
    statistics: bool = True  # False: the gradient and the objective alone
    per_sample: bool = False  # a table's matrix is not like the table, but has a row per sample
    valid: ArrayLike | None = None  # samples that count
    rows: tuple[int, ...] = ()  # their shape, for a policy that has no observations
    offsets: ArrayLike | None = None  # of ragged rows of logits

    def of_logits(self, logits: Any, where: ArrayLike | None) -> Pass:
        """With respect to the logits of each sample."""
        core = functools.partial(_core.all_actions_of_logits, offsets=self.offsets)
        return self._pass(core, logits, where=where)

    def of_table(self, table: Any, states: Any, where: ArrayLike | None) -> Pass:
        """With respect to a table of logits."""
        return self._pass(_core.all_actions_of_table, table, states, where=where)

    def of_features(self, features: Any, coef: Any, where: ArrayLike | None) -> Pass:
        """With respect to the coefficients of a linear policy."""
        return self._pass(_core.all_actions_of_features, features, coef, where=where)

    @without_float_errors
    def _pass(self, core: Callable[..., Any], *arrays: Any, where: ArrayLike | None) -> Pass:
        """By a function of the core, of its arrays."""
        return Pass(
            *core(
                self.term,
                *arrays,
                entropy_coef=self.entropy_coef,
                statistics=self.statistics,
                where=where,
                valid=self.valid,
            )
        )


class ObjectiveCall(NamedTuple):
    """A declared objective with its actions and numbers, one per sample, and its options."""

    objective: str
    actions: ArrayLike
    numbers: tuple[ArrayLike, ...]
    options: tuple[Any, ...]  # numbers and pairs of them
    entropy_coef: Any  # a number, or an array of one per sample
    term: Term | None = None
    statistics: bool = True  # False: the gradient and the sums alone
    valid: ArrayLike | None = None  # samples that count
    offsets: ArrayLike | None = None  # of ragged rows of logits

    @without_float_errors
    def _pass(self, core: Callable[..., Any], *arrays: Any, where: ArrayLike | None) -> Pass:
        """By a function of the core, of its arrays."""
        return Pass(
            *core(
                self.objective,
                *arrays,
                self.actions,
                self.numbers,
                self.options,
                entropy_coef=self.entropy_coef,
                term=self.term,
                statistics=self.statistics,
                where=where,
                valid=self.valid,
            )
        )

    def of_logits(self, logits: Any, where: ArrayLike | None) -> Pass:
        """With respect to the logits of each sample, or of each row of several samples."""
        if self.offsets is None and np.ndim(self.actions) == np.ndim(logits):
            return self._of_rows_with_samples(to_array("logits", logits), where)
        core = functools.partial(_core.objective_of_logits, offsets=self.offsets)
        return self._pass(core, logits, where=where)

    def _of_rows_with_samples(self, logits: FloatArray, where: ArrayLike | None) -> Pass:
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
        done = call.of_table(rows, states, mask)
        return done._replace(gradient=done.gradient.reshape(logits.shape))

    def of_table(self, table: Any, states: Any, where: ArrayLike | None) -> Pass:
        """With respect to a table of logits. Several samples of a state share one entropy."""
        done = self._pass(_core.objective_of_table, table, states, where=where)
        return done._per_observation(np.ndim(states), self.valid)

    def of_features(self, features: Any, coef: Any, where: ArrayLike | None) -> Pass:
        """With respect to the coefficients of a linear policy."""
        done = self._pass(_core.objective_of_features, features, coef, where=where)
        return done._per_observation(np.ndim(features) - 1, self.valid)


Call = ObjectiveCall | AllActionCall


def check_not_ragged(policy: Any, offsets: ArrayLike | None) -> None:
    """For a policy whose rows of logits all have one length."""
    if offsets is not None:
        raise TypeError(
            "policy must be flat logits, or a policy of your own whose logits are flat, as there "
            f"are offsets, got {type_name(policy)}"
        )


def check_policy(policy: Any) -> None:
    """Whatever may be a policy or an array."""
    if policy is None or isinstance(policy, type | str):
        raise TypeError(f"policy must be a policy or an array of logits, got {got_name(policy)}")


def objective_pass(policy: Any, call: Call, observations: Any, where: ArrayLike | None) -> Pass:
    """By the policy's own pass if it has one, else by its logits and their adjoint."""
    check_policy(policy)
    if hasattr(policy, "objective_pass"):
        check_not_ragged(policy, call.offsets)
        done: Pass = policy.objective_pass(call, observations, where)
        return done
    if call.term is not None:
        call = call._replace(term=call.term.on(observations))
    has_logits, has_adjoint = hasattr(policy, "logits"), hasattr(policy, "adjoint")
    if has_logits and has_adjoint:
        done = call.of_logits(policy.logits(observations), where)
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
    return call.of_logits(policy, where)
