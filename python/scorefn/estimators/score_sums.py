"""Sums of scores and of their squares over samples: of a table by state, else a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_bool, check_indices, to_array, type_name
from .._folds import sums_of_others
from ..policies import LinearPolicy, LogitsPolicy, TabularPolicy

Float64 = NDArray[np.float64]
AnyPolicy = LogitsPolicy | TabularPolicy | LinearPolicy

_ENTRIES = 1 << 18  # of a block of scores


@dataclass
class Samples:
    """Checked and flat: the actions, and which of them count."""

    policy: AnyPolicy
    actions: NDArray[np.integer[Any]]
    shape: tuple[int, ...]
    chosen: NDArray[np.intp]
    per_observation: int
    inputs: Any
    where: ArrayLike | None

    def norms(self) -> Float64:
        """||s_i||^2 for each sample that counts."""
        raise NotImplementedError

    def sums(self, samples: NDArray[np.intp], *weights: Float64) -> list[tuple[Float64, Float64]]:
        """sum_i w_i s_i and sum_i w_i s_i^2 over some samples, for each of the weights."""
        raise NotImplementedError

    def squared_gradients(self, weights: Float64, entropy_coef: float) -> Float64:
        """sum_i (w_i s_i + entropy_coef dH_i)^2 over the samples that count."""
        raise NotImplementedError


class TableSamples(Samples):
    """Scores have one number per state, action and action drawn there: no loop over samples."""

    @cached_property
    def _states(self) -> NDArray[np.intp]:
        """The row of the table that each sample was drawn from."""
        if self.inputs is None:
            return np.broadcast_to(np.intp(0), self.actions.shape)
        states = np.asarray(self.inputs, np.intp)
        return states if self.per_observation == 1 else np.repeat(states, self.per_observation)

    @cached_property
    def _cells(self) -> NDArray[np.intp]:
        """Which entry of the table each sample has drawn."""
        return self._states * self.policy.num_actions + self.actions.astype(np.intp, copy=False)

    @cached_property
    def _visits(self) -> NDArray[np.intp]:
        """How many samples were drawn from each row."""
        num_states = self.policy.parameters.size // self.policy.num_actions
        return np.bincount(_of(self._states, self.chosen), minlength=num_states)

    @property
    def _table(self) -> tuple[Float64, dict[str, Any]]:
        """A row of logits for each state, their mask, and which were visited."""
        table = np.atleast_2d(self.policy.parameters).astype(np.float64)
        mask = self.policy.where if isinstance(self.policy, TabularPolicy) else self.where
        return table, {"where": mask, "valid": self._visits > 0}

    @cached_property
    def _probabilities(self) -> tuple[Float64, Float64]:
        """pi and 1 - pi in each state that was visited; both are 0 for a forbidden action."""
        table, rows = self._table
        log_p = _core.log_softmax(table, **rows)
        log_p[~rows["valid"]] = -np.inf
        return np.exp(log_p), np.where(np.isneginf(log_p), 0.0, -np.expm1(log_p))

    def norms(self) -> Float64:
        p, rest = self._probabilities
        norms = rest**2 + sums_of_others(p**2, axis=-1)
        return np.asarray(norms.reshape(-1)[_of(self._cells, self.chosen)])

    def sums(self, samples: NDArray[np.intp], *weights: Float64) -> list[tuple[Float64, Float64]]:
        p, rest = self._probabilities
        shape, result, cells = self.policy.parameters.shape, [], _of(self._cells, samples)
        for w in weights:
            drawn = np.bincount(cells, _of(w, samples), p.size).astype(np.float64, copy=False)
            drawn = drawn.reshape(p.shape)
            not_drawn = sums_of_others(drawn, axis=-1)
            first, second = drawn * rest - not_drawn * p, drawn * rest**2 + not_drawn * p**2
            result.append((first.reshape(shape), second.reshape(shape)))
        return result

    def squared_gradients(self, weights: Float64, entropy_coef: float) -> Float64:
        if entropy_coef == 0.0:
            return self.sums(self.chosen, weights**2)[0][1]
        (cross, _), (_, squares) = self.sums(self.chosen, weights, weights**2)
        table, rows = self._table
        no_action = np.zeros(len(table))
        h = _core.score_gradient(
            table, no_action.astype(np.int8), no_action, entropy_coef=entropy_coef, **rows
        )
        bonus = (self._visits[:, np.newaxis] * h**2).reshape(squares.shape)
        return np.asarray(squares + 2.0 * h.reshape(squares.shape) * cross + bonus)


def _of(x: NDArray[Any], samples: NDArray[np.intp]) -> NDArray[Any]:
    """Those of some samples, which are in order: all of them without a copy."""
    return x if samples.size == x.size else x[samples]


class LinearSamples(Samples):
    """A block of rows of scores at a time."""

    def _rows(self, samples: NDArray[np.intp]) -> Iterator[tuple[Any, NDArray[Any], Any]]:
        """Some samples, their features and their masks."""
        size = max(1, _ENTRIES // self.policy.num_actions)
        for block in np.split(samples, range(size, samples.size, size)):
            rows = block // self.per_observation
            mask = self.where
            if isinstance(mask, np.ndarray) and mask.ndim > 1:
                mask = mask[rows]
            yield block, self.inputs[rows], mask

    def _blocks(self, samples: NDArray[np.intp]) -> Iterator[tuple[Any, Float64, Float64]]:
        """Some samples, their features, and their d log pi / dlogits."""
        for block, x, mask in self._rows(samples):
            try:
                scores = _core.score(self.policy.logits(x), self.actions[block], where=mask)
            except ValueError:  # of a row among those of the block
                counts = np.zeros(len(self.inputs), dtype=np.bool_)
                counts[self.chosen // self.per_observation] = True
                _core.log_softmax(self.policy.logits(self.inputs), where=self.where, valid=counts)
                raise
            yield block, x.astype(np.float64), scores.astype(np.float64)

    def norms(self) -> Float64:
        norms = [
            np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", scores, scores)
            for _, x, scores in self._blocks(self.chosen)
        ]
        return np.concatenate(norms)

    def sums(self, samples: NDArray[np.intp], *weights: Float64) -> list[tuple[Float64, Float64]]:
        shape = self.policy.parameters.shape
        result = [(np.zeros(shape), np.zeros(shape)) for _ in weights]
        for block, x, scores in self._blocks(samples):
            for (first, second), w in zip(result, weights, strict=True):
                first += x.T @ (w[block, np.newaxis] * scores)
                second += (x**2).T @ (w[block, np.newaxis] * scores**2)
        return result

    def squared_gradients(self, weights: Float64, entropy_coef: float) -> Float64:
        result = np.zeros(self.policy.parameters.shape)
        for block, x, mask in self._rows(self.chosen):
            gradients = _core.score_gradient(
                self.policy.logits(x),
                self.actions[block],
                weights[block],
                entropy_coef=entropy_coef,
                where=mask,
            )
            result += np.square(x.astype(np.float64)).T @ np.square(gradients.astype(np.float64))
        return result


def samples_of(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    where: ArrayLike | None,
    valid: ArrayLike | None,
) -> Samples:
    if not isinstance(policy, LogitsPolicy | TabularPolicy | LinearPolicy):
        raise TypeError(
            f"policy must be a LogitsPolicy, TabularPolicy or LinearPolicy, got {type_name(policy)}"
        )
    given = to_array("actions", actions)
    counts = None if valid is None else check_bool("valid", valid, shape=given.shape)
    if counts is not None:
        given = np.where(counts, given, given.dtype.type(0))
    a = check_indices("actions", given, policy.num_actions, "actions")
    kind: type[Samples] = TableSamples
    inputs: Any = None
    rows: tuple[int, ...] = a.shape
    mask = where
    if isinstance(policy, LinearPolicy):
        kind, features = LinearSamples, policy._features(observations)
        rows, inputs = features.shape[:-1], features.reshape(-1, features.shape[-1])
        if where is not None and np.ndim(where) > 1:
            mask = check_bool("where", where, shape=(*rows, policy.num_actions))
            mask = mask.reshape(-1, policy.num_actions)
    elif isinstance(policy, TabularPolicy):
        policy._refuse(where)
        states = policy._states(policy._harmless(observations, counts))
        rows, inputs = states.shape, states.reshape(-1)
    elif where is not None:
        mask = check_bool("where", where, shape=(policy.num_actions,))
    if a.shape != rows and a.shape[:-1] != rows:
        several = ", ".join(map(str, (*rows, "num_samples")))
        raise ValueError(f"actions must have shape {rows} or ({several}), got {a.shape}")
    per_observation = 1 if a.shape == rows else a.shape[-1]
    chosen = np.arange(a.size) if counts is None else np.flatnonzero(counts)
    return kind(policy, a.reshape(-1), a.shape, chosen, per_observation, inputs, mask)
