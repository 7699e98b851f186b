"""Squared scores of a policy's samples: what variance-optimal baselines are made of.

The score of sample i is s_i = d log pi(a_i | x_i) / dparameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_bool, check_finite, check_indices, check_real, to_array, type_name
from .._folds import check_folds, fold_starts, sums_of_others
from .._moments import Moments
from ..policies import LinearPolicy, LogitsPolicy, TabularPolicy

Float64 = NDArray[np.float64]
AnyPolicy = LogitsPolicy | TabularPolicy | LinearPolicy

_ENTRIES = 1 << 18  # of a block of scores


def squared_score_norms(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """||s_i||^2 for each sample, with s_i = d log pi(a_i | x_i) / dparameters.

    They are the weights of the constant baseline that minimises the variance of the gradient,
    b = E[r ||s||^2] / E[||s||^2] (Greensmith et al. 2004, "Variance reduction techniques for
    gradient estimates in reinforcement learning").

    Parameters
    ----------
    policy : LogitsPolicy, TabularPolicy or LinearPolicy
    observations : array
        What the policy takes; None for `LogitsPolicy`.
    actions : (...) or (..., num_samples) integer array
        One action per observation, or several.
    where : bool array, optional
        Allowed actions (True): (num_actions,), or shaped like ``policy.logits(observations)``.
    valid : bool array shaped like actions, optional
        Samples that count (True); by default all do. The result is 0 for the others.

    Returns
    -------
    float64 array shaped like actions
        sum_k (1[k = a] - pi_k)^2; for a `LinearPolicy` that times ||x||^2.

    Raises
    ------
    TypeError
        Another policy, or an array of the wrong kind.
    ValueError
        A wrong shape, or no allowed action.
    IndexError
        An action or state out of range.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> from scorefn import credit
    >>> from scorefn.estimators import squared_score_norms
    >>> policy = scorefn.LogitsPolicy(np.zeros(4))
    >>> actions, rewards = np.array([0, 1, 1, 3]), np.array([1.0, 0.0, 2.0, 3.0])
    >>> norms = squared_score_norms(policy, None, actions)
    >>> norms
    array([0.75, 0.75, 0.75, 0.75])
    >>> credit.advantages(rewards, "weighted_mean", weights=norms, folds=2)
    array([-1.5, -2.5,  1.5,  2.5])

    Exact, from all actions instead of samples:

    >>> p, all_actions = scorefn.softmax(policy.parameters), np.arange(4)
    >>> weights = p * squared_score_norms(policy, None, all_actions)
    >>> credit.advantages([1.0, 0.0, 2.0, 3.0], "weighted_mean", weights=weights)
    array([-0.5, -1.5,  0.5,  1.5])
    """
    samples = _Samples.of(policy, observations, actions, where, valid)
    result = np.zeros(samples.actions.size)
    for block in samples.blocks(samples.chosen):
        norms = np.einsum("ij,ij->i", block.scores, block.scores)
        if isinstance(policy, LinearPolicy):
            norms *= np.einsum("ij,ij->i", block.inputs, block.inputs)
        result[block.samples] = norms
    return result.reshape(samples.shape)


def squared_score_sums(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """sum_i w_i s_i^2, entry by entry, with s_i = d log pi(a_i | x_i) / dparameters.

    The baseline of parameter j that minimises the variance of its gradient is
    b_j = E[r s_j^2] / E[s_j^2] (Peters & Schaal 2008, "Reinforcement learning of motor skills with
    policy gradients"): the quotient of two such sums. No array holds a number for each sample and
    parameter. The sums are NumPy's matrix products, whose last bits may depend on the machine.

    Parameters
    ----------
    policy, observations, actions
        As for `squared_score_norms`.
    weights : array shaped like actions
        One number per sample.
    where, valid : bool arrays, optional
        As for `squared_score_norms`.

    Returns
    -------
    float64 array shaped like policy.parameters

    Raises
    ------
    TypeError, ValueError, IndexError
        As for `squared_score_norms`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> from scorefn.estimators import squared_score_sums
    >>> policy = scorefn.LogitsPolicy(np.zeros(4))
    >>> squared_score_sums(policy, None, [0, 1, 1], [1.0, 1.0, 2.0])
    array([0.75, 1.75, 0.25, 0.25])
    """
    samples = _Samples.of(policy, observations, actions, where, valid)
    w = _numbers("weights", weights, samples)
    return samples.sums(samples.chosen, [(2, w)])[0]


def coordinate_baseline_gradient(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    rewards: ArrayLike,
    *,
    folds: int = 2,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """1/n sum_i (r_i - b_j) s_ij, with a variance-optimal baseline for each parameter j.

    b_j = sum_i r_i s_ij^2 / sum_i s_ij^2 over the samples of the *other* folds (Peters & Schaal
    2008), or their mean reward where no sample of them has a score. So the gradient of independent
    samples is unbiased. Baselines that differ between the parameters are no advantages: there is no
    such number for each sample.

    Parameters
    ----------
    policy, observations, actions
        As for `squared_score_norms`.
    rewards : array shaped like actions
        One number per sample.
    folds : int
        At least 2. The samples that count are parted, in their order, into so many folds of nearly
        equal size, as ``numpy.array_split`` does. Memory grows with the number of folds times that
        of parameters.
    where, valid : bool arrays, optional
        As for `squared_score_norms`.

    Returns
    -------
    float64 array shaped like policy.parameters
        A mean over the n samples that count, and the ascent direction.

    Raises
    ------
    TypeError, IndexError
        As for `squared_score_norms`.
    ValueError
        The same, a reward that is not finite, or fewer than two samples that count.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> from scorefn.estimators import coordinate_baseline_gradient
    >>> policy = scorefn.LogitsPolicy(np.zeros(3))
    >>> actions, _ = policy.sample(num_samples=1000, rng=0)
    >>> rewards = np.array([10.0, 11.0, 13.0])[actions]
    >>> gradient = coordinate_baseline_gradient(policy, None, actions, rewards, folds=5)
    >>> bool(np.argmax(gradient) == 2)
    True
    """
    check_folds(folds)
    samples = _Samples.of(policy, observations, actions, where, valid)
    n = samples.chosen.size
    if n < 2:
        raise ValueError(f"number of samples must be at least 2, got {n}")
    r = _numbers("rewards", rewards, samples)
    moments = Moments("rewards", r[samples.chosen])
    r[samples.chosen] = moments.standardized(r[samples.chosen], np.ones((1, 1)))
    one = np.ones(r.size)
    parts = np.split(samples.chosen, fold_starts(n, folds)[1:])
    with np.errstate(all="ignore"):
        sums = np.array([samples.sums(x, [(2, one), (2, r), (1, r), (1, one)]) for x in parts])
        squares, weighted = sums_of_others(sums[:, 0]), sums_of_others(sums[:, 1])
        totals = sums_of_others(np.array([r[x].sum() for x in parts]))
        means = totals / [n - x.size for x in parts]
        axes = tuple(range(1, squares.ndim))
        baselines = np.where(squares > 0.0, weighted / squares, np.expand_dims(means, axes))
        gradient = np.sum(sums[:, 2] - baselines * sums[:, 3], axis=0) / n
        return np.asarray(gradient * moments.unit.item())


def _numbers(name: str, values: ArrayLike, samples: _Samples) -> Float64:
    """One finite number per sample, flat, in new memory; 0 for those that do not count."""
    given = check_real(name, values, shape=samples.shape)
    counts = np.zeros(given.size, dtype=np.bool_)
    counts[samples.chosen] = True
    return check_finite(name, np.where(counts.reshape(given.shape), given, 0.0)).reshape(-1)


class _Block(NamedTuple):
    """Some samples: their indices, their states or features in float64, and d log pi / dlogits."""

    samples: NDArray[np.intp]
    inputs: Any
    scores: Float64


class _Samples(NamedTuple):
    """Checked and flat: the actions, and which of them count."""

    policy: AnyPolicy
    inputs: Any
    actions: NDArray[np.integer[Any]]
    shape: tuple[int, ...]
    per_observation: int
    where: NDArray[Any] | None
    chosen: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        policy: AnyPolicy,
        observations: Any,
        actions: ArrayLike,
        where: ArrayLike | None,
        valid: ArrayLike | None,
    ) -> _Samples:
        if not isinstance(policy, LogitsPolicy | TabularPolicy | LinearPolicy):
            raise TypeError(
                "policy must be a LogitsPolicy, TabularPolicy or LinearPolicy, "
                f"got {type_name(policy)}"
            )
        given = to_array("actions", actions)
        counts = None if valid is None else check_bool("valid", valid, shape=given.shape)
        if counts is not None:
            given = np.where(counts, given, given.dtype.type(0))
        a = check_indices("actions", given, policy.num_actions, "actions")
        inputs: Any = None
        rows: tuple[int, ...] = a.shape
        if isinstance(policy, LinearPolicy):
            inputs = policy._features(observations)
            rows = inputs.shape[:-1]
            inputs = inputs.reshape(-1, inputs.shape[-1])
        elif isinstance(policy, TabularPolicy):
            states = policy._states(policy._harmless(observations, counts))
            inputs, rows = states.reshape(-1), states.shape
        if a.shape != rows and a.shape[:-1] != rows:
            several = ", ".join(map(str, (*rows, "num_samples")))
            raise ValueError(f"actions must have shape {rows} or ({several}), got {a.shape}")
        mask = None
        if where is not None:
            mask = to_array("where", where)
            if mask.ndim > 1:
                mask = check_bool("where", mask, shape=(*rows, policy.num_actions))
                mask = mask.reshape(-1, policy.num_actions)
        chosen = np.arange(a.size) if counts is None else np.flatnonzero(counts)
        per_observation = 1 if a.shape == rows else a.shape[-1]
        return cls(policy, inputs, a.reshape(-1), a.shape, per_observation, mask, chosen)

    def blocks(self, samples: NDArray[np.intp]) -> Iterator[_Block]:
        size = max(1, _ENTRIES // self.policy.num_actions)
        for first in range(0, samples.size, size):
            block = samples[first : first + size]
            rows = block // self.per_observation
            inputs: Any = None if self.inputs is None else self.inputs[rows]
            mask: Any = self.where
            if mask is not None and mask.ndim > 1:
                mask = mask[rows]
            logits = self.policy.logits(inputs)
            logits = np.broadcast_to(logits, (block.size, self.policy.num_actions))
            mask = self.policy._mask(inputs, mask)
            scores = _core.score(logits, self.actions[block], where=mask)
            if isinstance(self.policy, LinearPolicy):
                inputs = inputs.astype(np.float64, copy=False)
            yield _Block(block, inputs, scores.astype(np.float64, copy=False))

    def sums(self, samples: NDArray[np.intp], terms: list[tuple[int, Float64]]) -> list[Float64]:
        """sum_i w_i s_i^power, entry by entry, for each (power, w)."""
        totals = [np.zeros(self.policy.parameters.shape) for _ in terms]
        for block in self.blocks(samples):
            for total, (power, w) in zip(totals, terms, strict=True):
                self._add(total, block, power, w[block.samples])
        return totals

    def _add(self, total: Float64, block: _Block, power: int, w: Float64) -> None:
        scores = block.scores if power == 1 else block.scores**power
        if isinstance(self.policy, LogitsPolicy):
            total += w @ scores
        elif isinstance(self.policy, LinearPolicy):
            inputs = block.inputs if power == 1 else block.inputs**power
            total += inputs.T @ (w[:, np.newaxis] * scores)
        else:
            order = np.argsort(block.inputs, kind="stable")
            states = block.inputs[order]
            starts = np.flatnonzero(np.append(True, states[1:] != states[:-1]))
            rows = (w[:, np.newaxis] * scores)[order]
            total[states[starts]] += np.add.reduceat(rows, starts, axis=0)
