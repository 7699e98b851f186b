"""Categorical policies: maps from observations to logits, and gradients of their parameters.

Each policy holds its ``parameters``, a live array. Change it in place, for example by
``policy.parameters += 0.1 * gradient``, and the policy has changed. ``copy.deepcopy(policy)`` has
parameters of its own, as an old or a reference policy must; ``copy.copy(policy)`` shares them.

Observations may have any leading shape ``(...)``. The actions have the same shape, or ``(...,
num_samples)`` if there are several per observation, as ``sample`` draws them. Whatever is given or
returned per sample has the shape of the actions.

A policy of your own needs no base class. Objectives and estimators call two methods of it,
``logits(x)`` and ``adjoint(x, g)``, where the latter is the gradient of the parameters from that of
the logits. `Policy` lists what the policies here have.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._check import check_bool, check_indices, check_shape, to_array
from ._files import load_parameters
from ._objective_pass import AllActionCall, Call, FloatArray, Pass, first
from ._row_policy import GradientStatistics, Rng, RowPolicy
from ._sample import Sample
from ._tabular_policy import TabularPolicy

__all__ = [
    "GradientStatistics",
    "LinearPolicy",
    "LogitsPolicy",
    "Policy",
    "TabularPolicy",
    "load_policy",
]


class Policy(Protocol):
    """The methods of the policies of this library.

    ``where`` (True = allowed) is a mask per sample: it has the shape of ``logits(observations)`` or
    (num_actions,). `TabularPolicy` refuses it, because its mask is its own. ``valid`` (True =
    counts) has a flag per sample; the other samples may hold anything and add exactly 0.
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
        valid: ArrayLike | None = None,
    ) -> Sample:
        """Actions and log-probabilities, shape (...) or (..., num_samples), by `scorefn.sample`."""

    def log_prob(
        self,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> FloatArray:
        """log pi(a_i | x_i), shaped like actions."""

    def entropy(
        self, observations: Any, *, where: ArrayLike | None = None, valid: ArrayLike | None = None
    ) -> FloatArray:
        """H(pi(. | x_i)), shape (...)."""

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
        valid: ArrayLike | None = None,
    ) -> GradientStatistics:
        """`gradient` and the statistics of its samples, in one pass.

        ValueError for an action that the policy cannot take (its probability is 0), unless its
        weight is 0.
        """


class LogitsPolicy(RowPolicy):
    """One distribution for all samples, pi = softmax(logits), for example of a bandit.

    Observations are ignored and may be None. ``sample()`` draws one action, and
    ``sample(num_samples=n)`` draws n. Actions and weights may have any shape.

    Parameters
    ----------
    logits : (num_actions,) float32 or float64 array
        Used without a copy, as ``policy.parameters``: change it in place.
    """

    kind, name, axes = "logits", "logits", ("num_actions",)

    def __init__(self, logits: ArrayLike) -> None:
        super().__init__(logits)

    def logits(self, observations: Any = None) -> FloatArray:
        """The parameters themselves, shape (num_actions,)."""
        return self.parameters

    def sample(
        self,
        observations: Any = None,
        *,
        rng: Rng = None,
        num_samples: int | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Sample:
        """See `Policy.sample`."""
        return super().sample(
            observations, rng=rng, num_samples=num_samples, where=where, valid=valid
        )

    def log_prob(
        self,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> FloatArray:
        """log pi(a_i), shaped like actions."""
        a, counts = to_array("actions", actions), None
        if valid is not None:
            counts = check_bool("valid", valid, shape=a.shape)
            a = np.where(counts, a, a.dtype.type(0))
        a = check_indices("actions", a, self.num_actions, "actions")
        log_prob = np.asarray(_core.log_softmax(self.parameters, where=where)[a])
        return log_prob if counts is None else np.where(counts, log_prob, log_prob.dtype.type(0))

    def objective_pass(self, call: Call, observations: Any, where: ArrayLike | None) -> Pass:
        """That of a table whose only state all samples are in."""
        if isinstance(call, AllActionCall):
            return self._pass_of_all_actions(call, where)
        entropy = np.asarray(self.entropy(None, where=where))
        mask = None if where is None else np.reshape(where, (1, -1))
        states = np.broadcast_to(np.intp(0), np.shape(call.actions))
        if call.term is not None:
            term = call.term.on(None)
            matrix = to_array(term.name, term.matrix)
            check_shape(term.name, matrix, self.parameters.shape)
            call = call._replace(term=term._replace(matrix=matrix[np.newaxis]))
        done = call.of_table(self.parameters[np.newaxis], states, mask)
        done = done._replace(gradient=done.gradient[0])
        if not call.statistics:
            return done
        counts = None if call.valid is None else np.reshape(call.valid, -1)
        value = None if done.term is None else first(done.term.reshape(-1), counts)
        return done._replace(entropy=entropy, term=value)

    def _pass_of_all_actions(self, call: AllActionCall, where: ArrayLike | None) -> Pass:
        """That of a linear policy with one feature, always 1, for each row."""
        term = call.term.on(None)
        shape = np.shape(term.matrix)
        if shape[-1:] != self.parameters.shape:
            raise ValueError(f"{term.name} must have shape (..., {self.num_actions}), got {shape}")
        if len(shape) == 1:  # shared by all rows
            matrix = np.broadcast_to(term.matrix, (*call.rows, self.num_actions))
            term = term._replace(matrix=matrix)
        features = np.ones((*np.shape(term.matrix)[:-1], 1), self.parameters.dtype)
        done = call._replace(term=term).of_features(features, self.parameters[np.newaxis], where)
        return done._replace(gradient=done.gradient[0])

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
        """See `Policy.gradient`; this is `scorefn.score_gradient`."""
        return _core.score_gradient(
            self.parameters,
            actions,
            weights,
            entropy_coef=entropy_coef,
            accumulate=accumulate,
            where=where,
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
        return GradientStatistics(
            *_core.score_gradient_statistics(
                self.parameters,
                actions,
                weights,
                entropy_coef=entropy_coef,
                where=where,
                valid=valid,
            )
        )


_BLOCK = 1 << 14


def _blocks(size: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, size, _BLOCK)]


class LinearPolicy(RowPolicy):
    """Logits that are linear in features: pi(. | x) = softmax(x @ coef).

    Observations are features, shape (..., num_features), of the dtype of `coef` or one that
    converts to it without loss. There is no intercept: append a feature that is always 1.

    Parameters
    ----------
    coef : (num_features, num_actions) float32 or float64 array
        Used without a copy, as ``policy.parameters``: change it in place.
    """

    kind, name, axes = "linear", "coef", ("num_features", "num_actions")

    def __init__(self, coef: ArrayLike) -> None:
        super().__init__(coef)

    def logits(self, observations: Any) -> FloatArray:
        """features @ coef, shape (..., num_actions)."""
        with np.errstate(all="ignore"):  # makes its own row NaN, and no other
            return np.asarray(self._features(observations) @ self.parameters)

    def log_prob(
        self,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> FloatArray:
        """See `Policy.log_prob`; a block of samples at a time, without the logits of all."""
        x, a = self._features(observations), to_array("actions", actions)
        if a.size <= _BLOCK or a.shape != x.shape[:-1]:
            return super().log_prob(x, a, where=where, valid=valid)
        counts = None if valid is None else check_bool("valid", valid, shape=a.shape).reshape(-1)
        mask, flat_x, flat_a = where, x.reshape(a.size, -1), a.reshape(-1)
        has_rows = where is not None and np.shape(where) == (*a.shape, self.num_actions)
        log_prob = np.empty(a.size, x.dtype)
        try:
            for block in _blocks(a.size):
                if has_rows:
                    mask = np.asarray(where).reshape(a.size, -1)[block]
                of_block = None if counts is None else counts[block]
                log_prob[block] = super().log_prob(
                    flat_x[block], flat_a[block], where=mask, valid=of_block
                )
        except (IndexError, ValueError):  # names the sample among all
            return super().log_prob(x, a, where=where, valid=valid)
        return log_prob.reshape(a.shape)

    def objective_pass(self, call: Call, observations: Any, where: ArrayLike | None) -> Pass:
        """One pass over the features, in memory that does not grow with the number of samples."""
        term = call.term
        if term is not None and isinstance(term.matrix, LinearPolicy):
            term = term._replace(matrix=term.matrix.parameters, is_of_policy=True)
        elif term is not None:
            term = term.on(observations)
        if term is not None:
            call = call._replace(term=term)
        return call.of_features(self._features(observations), self.parameters, where)

    def _features(self, observations: Any) -> FloatArray:
        features = to_array("features", observations)
        dtype, size = self.parameters.dtype, len(self.parameters)
        if not np.can_cast(features.dtype, dtype, casting="safe"):
            raise TypeError(
                f"features must be {dtype} as coef is, or convert to it without loss, "
                f"got {features.dtype}"
            )
        if features.ndim == 0 or features.shape[-1] != size:
            raise ValueError(
                f"features must have shape (..., {size}), as coef has shape (num_features, "
                f"num_actions) = {self.parameters.shape}, got {features.shape}"
            )
        return features.astype(dtype, copy=False)

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
        """See `Policy.gradient`; this is `scorefn.linear_gradient`."""
        return _core.linear_gradient(
            self._features(observations),
            self.parameters,
            actions,
            weights,
            entropy_coef=entropy_coef,
            accumulate=accumulate,
            where=where,
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
        x = self._features(observations)
        return GradientStatistics(
            *_core.linear_gradient_statistics(
                x,
                self.parameters,
                actions,
                weights,
                entropy_coef=entropy_coef,
                where=where,
                valid=valid,
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
