"""Rewards minus a baseline: with what a sample's reward is compared."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import (
    check_choice,
    check_finite,
    check_float,
    check_int,
    check_real,
    check_shape,
    subscript,
)
from .._folds import fold_starts, sums_of_others
from .._groups import by_group, check_groups, check_samples
from .._moments import Moments

Baseline = Literal["none", "mean", "leave_one_out", "weighted_mean", "values"]
Singleton = Literal["error", "zero", "raw"]


def advantages(
    rewards: ArrayLike,
    baseline: Baseline = "none",
    *,
    values: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    folds: int | None = None,
    axis: int | None = None,
    groups: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    singleton: Singleton = "error",
) -> NDArray[np.float64]:
    """rewards - baseline.

    Parameters
    ----------
    rewards : array
        One number per sample: its return, after discounting.
    baseline : {"none", "mean", "leave_one_out", "weighted_mean", "values"}
        ``"none"``: 0.

        ``"mean"``: the mean of all samples. It includes the sample's own reward, which shrinks the
        expected gradient of independent samples by exactly (n - 1) / n.

        ``"leave_one_out"``: the mean of the *other* samples, (sum_j r_j - r_i) / (n - 1), which
        keeps the gradient unbiased; equal to n / (n - 1) times the advantage over the mean (Kool et
        al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!").

        ``"weighted_mean"``: sum_j w_j r_j / sum_j w_j with the given `weights`, or the mean where
        all weights are 0. With the lengths of the sequences as weights it is that of OPO (Hao et
        al. 2025, "On-policy RL with optimal reward baseline"). With
        `scorefn.estimators.squared_score_norms` it is the constant that minimises the variance of
        the gradient, E[r ||s||^2] / E[||s||^2] (Greensmith et al. 2004, "Variance reduction
        techniques for gradient estimates"). It includes the sample's own reward, so the expected
        gradient has a bias of order 1 / n, unless there are `folds`.

        ``"values"``: the given `values`, which must not depend on the sample's action. A learned
        value function, the reward of the greedy action for the same observation (ReMax, Li et al.
        2024), a constant, or a `MovingAverage` of earlier rewards.
    values : array shaped like rewards, or one number for all
        For ``baseline="values"``, and only for it.
    weights : array shaped like rewards
        For ``baseline="weighted_mean"``, and only for it: at least 0.
    folds : int, optional
        For ``baseline="weighted_mean"``, and only for it: at least 2. The samples of each group
        are parted, in their order, into so many folds of nearly equal size, as
        ``numpy.array_split`` does. The weighted mean is that of the *other* folds, so the gradient
        of independent samples is unbiased. As many folds as samples: a weighted leave-one-out.
    axis : int, optional
        The samples that are compared with each other lie along this axis; None: all of them.
    groups : integer array shaped like rewards, optional
        Instead of an axis: samples with the same id are compared with each other, for example the
        completions of one prompt. Groups may differ in size, and their samples may lie anywhere.
    valid : bool array shaped like rewards, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.
    singleton : {"error", "zero", "raw"}
        What a group of one sample gets from a baseline that compares. ``"error"``: 0 from means
        that include the sample, and a ValueError from "leave_one_out" and from `folds`, because the
        sample has no others. ``"zero"``: 0, as in TRL and in verl's vectorised estimators.
        ``"raw"``: its reward, as in verl's other ones.

    Returns
    -------
    float64 array shaped like rewards

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        An unknown baseline, a wrong shape, a number that is not finite, a negative weight, `values`
        or `weights` missing, `values`, `weights` or `folds` superfluous, fewer than two folds,
        `axis` and `groups` together, or a single sample that has no others (see `singleton`).

    Examples
    --------
    >>> import numpy as np
    >>> from scorefn import credit
    >>> credit.advantages([1.0, 2.0, 6.0], "mean")
    array([-2., -1.,  3.])
    >>> credit.advantages([1.0, 2.0, 6.0], "leave_one_out")
    array([-3. , -1.5,  4.5])
    >>> credit.advantages([1.0, 7.0, 3.0], "leave_one_out", groups=[5, 8, 5], singleton="zero")
    array([-2.,  0.,  2.])
    >>> credit.advantages([1.0, 2.0, 6.0], "weighted_mean", weights=[1, 2, 2])
    array([-2.4, -1.4,  2.6])
    >>> prompts, greedy = np.array([0, 1, 1]), np.array([1.0, 4.0])
    >>> credit.advantages([1.0, 2.0, 6.0], "values", values=greedy[prompts])
    array([ 0., -2.,  2.])
    """
    check_choice("baseline", baseline, get_args(Baseline))
    check_choice("singleton", singleton, get_args(Singleton))
    given, counts = check_samples("rewards", rewards, valid)
    r = check_float("rewards", given)
    v = check_values(baseline, values, r.shape, counts)
    w = _check_weights(baseline, weights, r.shape, counts)
    check_folds(baseline, folds)
    ids = check_groups(groups, axis, r.shape)
    if ids is None and counts is None and w is None:
        moments = Moments("rewards", r, axis) if r.size else None
        result = over_baseline(r, moments, baseline, v, axis, singleton)
        return result.astype(np.float64, copy=result is r)

    def of_groups(r: NDArray[Any], x: NDArray[np.float64] | None = None) -> NDArray[Any]:
        moments = Moments("rewards", r, -1)
        if w is not None and x is not None:
            return _over_weighted_mean(r, moments, x, folds, singleton)
        return over_baseline(r, moments, baseline, x, -1, singleton)

    arrays = [check_finite("rewards", r), *(x for x in (v, w) if x is not None)]
    at_least = 2 if folds is not None and singleton == "error" else _fewest(baseline, singleton)
    return by_group(of_groups, ids, axis, counts, *arrays, at_least=at_least)


def check_values(
    baseline: Baseline,
    values: ArrayLike | None,
    shape: tuple[int, ...],
    counts: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64] | None:
    """The values, which must be there if the baseline needs them, and only then."""
    if (values is not None) != (baseline == "values"):
        given = "given" if values is None else "left out"
        raise ValueError(f"values must be {given} for baseline={baseline!r}")
    if values is None:
        return None
    v = check_real("values", values)
    if v.ndim == 0:
        v = np.full(shape, v)
    check_shape("values", v, shape)
    return check_finite("values", v if counts is None else np.where(counts, v, 0.0))


def _check_weights(
    baseline: Baseline,
    weights: ArrayLike | None,
    shape: tuple[int, ...],
    counts: NDArray[np.bool_] | None,
) -> NDArray[np.float64] | None:
    if (weights is not None) != (baseline == "weighted_mean"):
        given = "given" if weights is None else "left out"
        raise ValueError(f"weights must be {given} for baseline={baseline!r}")
    if weights is None:
        return None
    w = check_real("weights", weights, shape=shape)
    w = check_finite("weights", w if counts is None else np.where(counts, w, 0.0))
    if np.any(w < 0.0):
        index = np.argwhere(w < 0.0)[0]
        got = w[tuple(index)]
        raise ValueError(f"{subscript('weights', index)} must be at least 0, got {got}")
    return w


def check_folds(baseline: Baseline, folds: int | None) -> None:
    """At least 2, for the baseline that is fitted to the others."""
    if folds is None:
        return
    if baseline != "weighted_mean":
        raise ValueError(f"folds must be left out for baseline={baseline!r}")
    check_int("folds", folds, at_least=2)


def _fewest(baseline: Baseline, singleton: Singleton) -> int:
    """The fewest samples that a group may have."""
    return 2 if baseline == "leave_one_out" and singleton == "error" else 1


def over_baseline(
    rewards: NDArray[Any],
    moments: Moments | None,
    baseline: Baseline,
    values: NDArray[np.float64] | None,
    axis: int | None,
    singleton: Singleton = "error",
) -> NDArray[Any]:
    """`advantages` of numbers that have been checked; for no baseline the rewards themselves.

    `moments` are those of the rewards along the axis; None if there are no rewards.
    """
    if values is not None:
        with np.errstate(all="ignore"):
            return np.asarray(np.subtract(rewards, values, dtype=np.float64))
    if baseline == "none":
        return rewards
    n = group_size(rewards, axis, at_least=_fewest(baseline, singleton))
    if moments is None or (n == 1 and singleton == "raw"):
        return rewards
    factor = n / (n - 1) if baseline == "leave_one_out" and n > 1 else 1.0
    return moments.standardized(rewards, moments.unit * factor)


def _over_weighted_mean(
    rewards: NDArray[Any],
    moments: Moments,
    weights: NDArray[np.float64],
    folds: int | None,
    singleton: Singleton,
) -> NDArray[np.float64]:
    """Of groups of one size, a group per row."""
    n = rewards.shape[-1]
    if n == 1:
        return rewards.astype(np.float64) if singleton == "raw" else np.zeros(rewards.shape)

    def total(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sum(x, axis=-1, keepdims=True) if folds is None else _of_other_folds(x, folds)

    deviations = moments.standardized(rewards, np.ones_like(moments.unit))
    with np.errstate(all="ignore"):
        largest = weights.max(axis=-1, keepdims=True)
        w = np.where(largest > 0.0, weights / largest, 0.0)
        sums = total(w)
        mean = total(deviations) / total(np.ones((1, n)))
        weighted = np.where(sums > 0.0, total(w * deviations) / sums, mean)
        return np.asarray((deviations - weighted) * moments.unit)


def _of_other_folds(x: NDArray[np.float64], folds: int) -> NDArray[np.float64]:
    """For each entry of a row the sum over the other folds."""
    n = x.shape[-1]
    starts = fold_starts(n, folds)
    sums = np.add.reduceat(x, starts, axis=-1)
    return np.repeat(sums_of_others(sums, axis=-1), np.diff(starts, append=n), axis=-1)


def group_size(samples: NDArray[Any], axis: int | None, *, at_least: int) -> int:
    """The number of samples along the axis."""
    n = samples.size if axis is None else samples.shape[axis]
    if n < at_least:
        raise ValueError(f"number of samples to compare must be at least {at_least}, got {n}")
    return n
