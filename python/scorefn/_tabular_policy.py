"""The policy of finitely many states."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_bool, check_indices, subscript, to_array, type_name
from ._files import save_parameters
from ._objective_pass import AllActionCall, Call, FloatArray, Pass, masked
from ._row_policy import GradientStatistics, RowPolicy


class TabularPolicy(RowPolicy):
    """One row of logits for each state: pi(. | s) = softmax(table[s]).

    Observations are states: integers in [0, num_states). The mask of a state belongs to the policy,
    so no method takes ``where``.

    Parameters
    ----------
    table : (num_states, num_actions) float32 or float64 array
        Used without a copy, as ``policy.parameters``: change it in place.
    where : (num_states, num_actions) array of bool, or of int8 or uint8 of 0 and 1, optional
        True where an action is allowed. Not copied: ``policy.where`` is a bool view of this memory,
        which may be filled later. A state whose row is all False is not known yet: `learn_mask`
        fills it, and until then the state has no allowed action.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.TabularPolicy(np.zeros((2, 3)), where=np.zeros((2, 3), dtype=bool))
    >>> policy.learn_mask([1], np.array([[0, 1, 0]], dtype=np.int8))  # info["action_mask"], say
    >>> int(policy.sample(1).actions)
    1
    """

    kind, name, axes = "tabular", "table", ("num_states", "num_actions")

    def __init__(self, table: ArrayLike, where: ArrayLike | None = None) -> None:
        super().__init__(table)
        self.where = self._checked_mask(where)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.where = self._checked_mask(self.__dict__.get("where"))

    def __repr__(self) -> str:
        text = super().__repr__()
        return text if self.where is None else f"{text[:-1]}, where=bool array)"

    def _checked_mask(self, where: ArrayLike | None) -> NDArray[np.bool_] | None:
        return None if where is None else check_bool("where", where, shape=self.parameters.shape)

    def learn_mask(self, states: ArrayLike, masks: ArrayLike) -> None:
        """Fill in the masks of states whose row of ``where`` is still all False.

        Parameters
        ----------
        states : (...) array of any integer dtype
        masks : (..., num_actions) array of bool, or of int8 or uint8 of 0 and 1
            Allowed actions (True), as an environment tells them.

        Raises
        ------
        TypeError
            An array of the wrong kind.
        ValueError
            A wrong shape, a policy without ``where`` or with one that is read-only, or a state that
            already has another mask. Then ``where`` is left as it was.
        IndexError
            A state out of range.
        """
        if self.where is None:
            raise ValueError(
                "the policy has no mask to fill: make it by TabularPolicy(table, where=mask) with "
                "a mask that is False for unknown states"
            )
        if not self.where.flags.writeable:
            raise ValueError("where must be writable to be filled, got a read-only array")
        s = self._states(states)
        masks = check_bool("masks", masks, shape=(*s.shape, self.num_actions))
        flat, new = s.reshape(-1), masks.reshape(-1, self.num_actions)
        _, first, index = np.unique(s, return_index=True, return_inverse=True)
        own = self.where[flat]
        # Where a state is not known, its first mask in this call counts.
        expected = np.where(own.any(axis=1, keepdims=True), own, new[first[index.reshape(-1)]])
        differs = (expected != new).any(axis=1)
        if differs.any():
            i = int(differs.argmax())
            name = subscript("masks", (int(k) for k in np.unravel_index(i, s.shape)))
            raise ValueError(
                f"{name} must be the mask that state {flat[i]} has, {expected[i].tolist()}, "
                f"got {new[i].tolist()}"
            )
        self.where[flat] = expected

    def save(self, path: str | os.PathLike[str]) -> None:
        """See `LogitsPolicy.save`; the mask is saved too."""
        parameters = self._checked(self.parameters)
        save_parameters(path, self.kind, parameters, self._checked_mask(self.where))

    def objective_pass(self, call: Call, observations: Any, where: ArrayLike | None) -> Pass:
        """One softmax for each state, and the derivatives of the samples from them."""
        self._refuse(where)
        if isinstance(call, AllActionCall) and call.per_sample:
            return self._pass_by_samples(call, observations)
        term = call.term
        if term is not None and hasattr(term.matrix, "logits"):
            call = call._replace(term=term._replace(matrix=self._table_of(term.matrix)))
        return call.of_table(self.parameters, observations, self.where)

    def _pass_by_samples(self, call: AllActionCall, observations: Any) -> Pass:
        """A softmax for each sample, as each has a row of the matrix."""
        states = self._states(self._harmless(observations, call.valid))
        call = call._replace(term=call.term.on(states))
        done = call.of_logits(self.parameters[states], self._mask(states, None))
        total = np.zeros(self.parameters.shape)
        np.add.at(total, states, done.gradient)
        return done._replace(gradient=total.astype(self.parameters.dtype))

    @staticmethod
    def _table_of(reference: Any) -> FloatArray:
        if not isinstance(reference, TabularPolicy):
            raise TypeError(
                "reference must be a TabularPolicy as the policy is, or an array of shape "
                f"(num_states, num_actions), got {type_name(reference)}"
            )
        return masked(reference.parameters, reference.where)

    def logits(self, observations: Any) -> FloatArray:
        """table[states], shape (..., num_actions)."""
        return np.asarray(self.parameters[self._states(observations)])

    def _harmless(self, observations: Any, valid: ArrayLike | None) -> Any:
        if valid is None:
            return observations
        states, counts = to_array("states", observations), np.asarray(valid, dtype=bool)
        if counts.ndim == states.ndim + 1:
            counts = np.any(counts, axis=-1)  # of several samples of the state
        if counts.shape != states.shape:
            return observations  # the core refuses the flags
        return np.where(counts, states, states.dtype.type(0))

    def _states(self, observations: Any) -> NDArray[np.integer[Any]]:
        return check_indices("states", observations, len(self.parameters), "states")

    def _mask(self, observations: Any, where: ArrayLike | None) -> ArrayLike | None:
        self._refuse(where)
        return None if self.where is None else np.asarray(self.where[self._states(observations)])

    @staticmethod
    def _refuse(where: ArrayLike | None) -> None:
        if where is not None:
            raise TypeError(
                "where must be None, as the mask of a table is the policy's own: pass it to "
                f"TabularPolicy(table, where=mask), got {type_name(where)}"
            )

    def gradient(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        out: FloatArray | None = None,
        accumulate: bool = False,
    ) -> FloatArray:
        """See `Policy.gradient`; this is `scorefn.tabular_gradient`."""
        self._refuse(where)
        return _core.tabular_gradient(
            self.parameters,
            observations,
            actions,
            weights,
            entropy_coef=entropy_coef,
            accumulate=accumulate,
            where=self.where,
            valid=valid,
            out=out,
        )

    def gradient_statistics(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> GradientStatistics:
        """See `Policy.gradient_statistics`."""
        self._refuse(where)
        return GradientStatistics(
            *_core.tabular_gradient_statistics(
                self.parameters,
                observations,
                actions,
                weights,
                entropy_coef=entropy_coef,
                where=self.where,
                valid=valid,
            )
        )
