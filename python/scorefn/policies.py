"""Categorical policies: maps from observations to logits, and gradients of their parameters.

Each policy holds its ``parameters``, a live array. Change it in place, for example by
``policy.parameters += 0.1 * gradient``, and the policy has changed.

Observations may have any leading shape ``(...)``. The actions have the same shape, or ``(...,
num_samples)`` if there are several per observation, as ``sample`` draws them. Whatever is given or
returned per sample has the shape of the actions.

A policy of your own needs no base class, only the methods of `Policy`.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_bool, check_indices, subscript, to_array, type_name
from ._files import load_parameters, save_parameters
from ._row_policy import FloatArray, GradientStatistics, Rng, RowPolicy
from ._sample import Sample

__all__ = [
    "GradientStatistics",
    "LinearPolicy",
    "LogitsPolicy",
    "Policy",
    "TabularPolicy",
    "load_policy",
]


class Policy(Protocol):
    """The methods that an estimator needs from a policy.

    ``where`` (True = allowed) is a mask per sample: it has the shape of ``logits(observations)`` or
    (num_actions,). `TabularPolicy` refuses it, because its mask is its own.
    """

    parameters: FloatArray

    @property
    def num_actions(self) -> int: ...

    def logits(self, observations: Any) -> FloatArray:
        """Logits, shape (..., num_actions)."""

    def sample(
        self,
        observations: Any,
        *,
        rng: Rng = None,
        num_samples: int | None = None,
        where: ArrayLike | None = None,
    ) -> Sample:
        """Actions and log-probabilities, shape (...) or (..., num_samples), by `scorefn.sample`."""

    def log_prob(
        self, observations: Any, actions: ArrayLike, *, where: ArrayLike | None = None
    ) -> FloatArray:
        """log pi(a_i | x_i), shaped like actions."""

    def entropy(self, observations: Any, *, where: ArrayLike | None = None) -> FloatArray:
        """H(pi(. | x_i)), shape (...)."""

    def gradient(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        out: FloatArray | None = None,
        accumulate: bool = False,
    ) -> FloatArray:
        """d/dparameters of  sum_i weights_i log pi(a_i | x_i) + entropy_coef H(pi(. | x_i)).

        A sum over the samples and the ascent direction, shaped like ``parameters``.
        ``accumulate=True`` adds the gradient to `out`.
        """

    def gradient_statistics(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
    ) -> GradientStatistics:
        """`gradient` and the statistics of its samples, in one pass.

        ValueError for an action that the policy cannot take (its probability is 0), unless its
        weight is 0.
        """


class LogitsPolicy(RowPolicy):
    """One distribution for all samples, pi = softmax(logits), for example of a bandit.

    Observations are ignored and may be None. ``sample(None)`` draws one action, and
    ``sample(None, num_samples=n)`` draws n. Actions and weights may have any shape.

    Parameters
    ----------
    logits : (num_actions,) float32 or float64 array
        Used without a copy.
    """

    kind, name, axes = "logits", "logits", ("num_actions",)

    def __init__(self, logits: ArrayLike) -> None:
        super().__init__(logits)

    def logits(self, observations: Any = None) -> FloatArray:
        """The parameters themselves, shape (num_actions,)."""
        return self.parameters

    def log_prob(
        self, observations: Any, actions: ArrayLike, *, where: ArrayLike | None = None
    ) -> FloatArray:
        """log pi(a_i), shaped like actions."""
        a = check_indices("actions", actions, self.num_actions, "actions")
        return np.asarray(_core.log_softmax(self.parameters, where=where)[a])

    def gradient(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        out: FloatArray | None = None,
        accumulate: bool = False,
    ) -> FloatArray:
        """See `Policy.gradient`; this is `scorefn.score_gradient`."""
        return _core.score_gradient(
            self.parameters,
            actions,
            weights,
            entropy_coef=entropy_coef,
            accumulate=accumulate,
            where=where,
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
    ) -> GradientStatistics:
        """See `Policy.gradient_statistics`."""
        return GradientStatistics(
            *_core.score_gradient_statistics(
                self.parameters, actions, weights, entropy_coef=entropy_coef, where=where
            )
        )


class TabularPolicy(RowPolicy):
    """One row of logits for each state: pi(. | s) = softmax(table[s]).

    Observations are states: integers in [0, num_states). The mask of a state belongs to the policy,
    so no method takes ``where``.

    Parameters
    ----------
    table : (num_states, num_actions) float32 or float64 array
        Used without a copy.
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
        new = check_bool("masks", masks, shape=(*s.shape, self.num_actions)).reshape(
            -1, self.num_actions
        )
        _, first, index = np.unique(s, return_index=True, return_inverse=True)
        flat = s.reshape(-1)
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

    def logits(self, observations: Any) -> FloatArray:
        """table[states], shape (..., num_actions)."""
        return np.asarray(self.parameters[self._states(observations)])

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
            )
        )


class LinearPolicy(RowPolicy):
    """Logits that are linear in features: pi(. | x) = softmax(x @ coef).

    Observations are features, shape (..., num_features), of the dtype of `coef` or one that
    converts to it without loss. There is no intercept: append a feature that is always 1.

    Parameters
    ----------
    coef : (num_features, num_actions) float32 or float64 array
        Used without a copy.
    """

    kind, name, axes = "linear", "coef", ("num_features", "num_actions")

    def __init__(self, coef: ArrayLike) -> None:
        super().__init__(coef)

    def logits(self, observations: Any) -> FloatArray:
        """features @ coef, shape (..., num_actions)."""
        with np.errstate(all="ignore"):  # makes its own row NaN, and no other
            return np.asarray(self._features(observations) @ self.parameters)

    def _features(self, observations: Any) -> FloatArray:
        features = to_array("features", observations)
        dtype, size = self.parameters.dtype, len(self.parameters)
        if not np.can_cast(features.dtype, dtype, casting="safe"):
            raise TypeError(
                f"features must be {dtype} as coef is, or convert to it without loss, "
                f"got {features.dtype}"
            )
        if features.ndim == 0 or features.shape[-1] != size:
            raise ValueError(f"features must have shape (..., {size}), got {features.shape}")
        return features.astype(dtype, copy=False)

    def gradient(
        self,
        observations: Any,
        actions: ArrayLike,
        weights: ArrayLike,
        *,
        entropy_coef: float = 0.0,
        where: ArrayLike | None = None,
        out: FloatArray | None = None,
        accumulate: bool = False,
    ) -> FloatArray:
        """See `Policy.gradient`; this is `scorefn.linear_gradient`."""
        return _core.linear_gradient(
            self._features(observations),
            self.parameters,
            actions,
            weights,
            entropy_coef=entropy_coef,
            accumulate=accumulate,
            where=where,
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
    ) -> GradientStatistics:
        """See `Policy.gradient_statistics`."""
        x = self._features(observations)
        return GradientStatistics(
            *_core.linear_gradient_statistics(
                x, self.parameters, actions, weights, entropy_coef=entropy_coef, where=where
            )
        )


POLICIES = {policy.kind: policy for policy in (LogitsPolicy, TabularPolicy, LinearPolicy)}


def load_policy(path: str | os.PathLike[str]) -> LogitsPolicy | TabularPolicy | LinearPolicy:
    """Read a policy that its ``save`` wrote. Nothing in the file is ever executed.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    LogitsPolicy, TabularPolicy or LinearPolicy
        Equal to the saved policy, bit for bit.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        The file is not a policy file, is damaged, or has a later version of the format.

    Examples
    --------
    >>> import tempfile, numpy as np, scorefn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scorefn.TabularPolicy(np.zeros((500, 6))).save(f"{folder}/policy.npz")
    ...     scorefn.load_policy(f"{folder}/policy.npz")
    TabularPolicy(num_states=500, num_actions=6, dtype=float64)
    """
    kind, parameters, where = load_parameters(path)
    if kind not in POLICIES:
        raise ValueError(f"{path} holds a policy of an unknown kind, {kind!r}")
    mask = {} if where is None else {"where": where}
    try:
        return POLICIES[kind](parameters, **mask)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
