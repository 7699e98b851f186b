"""Squared scores of a policy's samples: what variance-optimal baselines are made of.

The score of sample i is s_i = d log pi(a_i | x_i) / dparameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_finite, check_int, check_real
from .._errstate import without_float_errors
from .._folds import fold_starts, sums_of_others
from .._moments import Moments
from .score_sums import AnyPolicy, Float64, Samples, samples_of


@without_float_errors
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
    samples = samples_of(policy, observations, actions, where, valid)
    result = np.zeros(samples.shape)
    result.reshape(-1)[samples.chosen] = samples.norms()
    return result


@without_float_errors
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
    parameter. NumPy's exponentials and matrix products make them, whose last bits may depend on the
    machine.

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
    samples = samples_of(policy, observations, actions, where, valid)
    w = _numbers("weights", weights, samples)
    return samples.sums(samples.chosen, w)[0][1]


@without_float_errors
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
    check_int("folds", folds, at_least=2)
    samples = samples_of(policy, observations, actions, where, valid)
    n = samples.chosen.size
    if n < 2:
        raise ValueError(f"number of samples must be at least 2, got {n}")
    r = _numbers("rewards", rewards, samples)
    moments = Moments("rewards", r[samples.chosen])
    r[samples.chosen] = moments.standardized(r[samples.chosen], np.ones((1, 1)))
    one = np.ones(r.size)
    parts = np.split(samples.chosen, fold_starts(n, folds)[1:])
    # Axes: folds, (1, r), (scores, squared scores), those of the parameters.
    sums = np.array([samples.sums(x, one, r) for x in parts])
    squares, weighted = sums_of_others(sums[:, 0, 1]), sums_of_others(sums[:, 1, 1])
    totals = sums_of_others(np.array([r[x].sum() for x in parts]))
    means = totals / [n - x.size for x in parts]
    axes = tuple(range(1, squares.ndim))
    baselines = np.where(squares > 0.0, weighted / squares, np.expand_dims(means, axes))
    gradient = np.sum(sums[:, 1, 0] - baselines * sums[:, 0, 0], axis=0) / n
    return np.asarray(gradient * moments.unit.item())


def squared_gradient_sums(
    policy: AnyPolicy,
    observations: Any,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """sum_i g_i^2, entry by entry, of g_i = w_i s_i + entropy_coef dH(pi(. | x_i))."""
    samples = samples_of(policy, observations, actions, where, valid)
    return samples.squared_gradients(_numbers("weights", weights, samples), entropy_coef)


def _numbers(name: str, values: ArrayLike, samples: Samples) -> Float64:
    """One finite number per sample, flat, in new memory; 0 for those that do not count."""
    given = check_real(name, values, shape=samples.shape)
    if samples.chosen.size == given.size:
        return check_finite(name, given.copy()).reshape(-1)
    counts = np.zeros(given.size, dtype=np.bool_)
    counts[samples.chosen] = True
    return check_finite(name, np.where(counts.reshape(given.shape), given, 0.0)).reshape(-1)
