"""Rewards minus a baseline: with what a sample's reward is compared."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_choice, check_finite, check_float, check_real
from .._groups import by_group, check_groups, check_samples
from .._moments import Moments

Baseline = Literal["none", "mean", "leave_one_out", "values"]
Singleton = Literal["error", "zero", "raw"]


def advantages(
    rewards: ArrayLike,
    baseline: Baseline = "none",
    *,
    values: ArrayLike | None = None,
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
    baseline : {"none", "mean", "leave_one_out", "values"}
        ``"none"``: 0.

        ``"mean"``: the mean of all samples. It includes the sample's own reward, which shrinks the
        expected gradient of independent samples by exactly (n - 1) / n.

        ``"leave_one_out"``: the mean of the *other* samples, (sum_j r_j - r_i) / (n - 1), which
        keeps the gradient unbiased; equal to n / (n - 1) times the advantage over the mean (Kool et
        al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!").

        ``"values"``: the given `values`, which must not depend on the sample's action.
    values : array shaped like rewards
        For ``baseline="values"``, and only for it.
    axis : int, optional
        The samples that are compared with each other lie along this axis; None: all of them.
    groups : integer array shaped like rewards, optional
        Instead of an axis: samples with the same id are compared with each other, for example the
        completions of one prompt. Groups may differ in size, and their samples may lie anywhere.
    valid : bool array shaped like rewards, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.
    singleton : {"error", "zero", "raw"}
        What a group of one sample gets from "mean" and "leave_one_out". ``"error"``: 0 from "mean",
        and a ValueError from "leave_one_out", because the sample has no others. ``"zero"``: 0, as
        in TRL and in verl's vectorised estimators. ``"raw"``: its reward, as in verl's other ones.

    Returns
    -------
    float64 array shaped like rewards

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        An unknown baseline, a wrong shape, a number that is not finite, `values` missing or
        superfluous, `axis` and `groups` together, or a single sample for leave_one_out (see
        `singleton`).

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.advantages([1.0, 2.0, 6.0], "mean")
    array([-2., -1.,  3.])
    >>> credit.advantages([1.0, 2.0, 6.0], "leave_one_out")
    array([-3. , -1.5,  4.5])
    >>> credit.advantages([1.0, 7.0, 3.0], "leave_one_out", groups=[5, 8, 5], singleton="zero")
    array([-2.,  0.,  2.])
    """
    check_baseline(baseline)
    check_choice("singleton", singleton, get_args(Singleton))
    given, counts = check_samples("rewards", rewards, valid)
    r = check_float("rewards", given)
    v = check_values(baseline, values, r.shape, counts)
    ids = check_groups(groups, axis, r.shape)
    if ids is None and counts is None:
        moments = Moments("rewards", r, axis) if r.size else None
        result = over_baseline(r, moments, baseline, v, axis, singleton)
        return result.astype(np.float64, copy=result is r)

    def of_groups(r: NDArray[Any], v: NDArray[np.float64] | None = None) -> NDArray[Any]:
        return over_baseline(r, Moments("rewards", r, -1), baseline, v, -1, singleton)

    arrays = [check_finite("rewards", r)] if v is None else [check_finite("rewards", r), v]
    at_least = _fewest(baseline, singleton)
    return by_group(of_groups, ids, axis, counts, *arrays, at_least=at_least)


def check_baseline(baseline: str) -> None:
    check_choice("baseline", baseline, get_args(Baseline))


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
    v = check_real("values", values, shape=shape)
    return check_finite("values", v if counts is None else np.where(counts, v, 0.0))


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


def group_size(samples: NDArray[Any], axis: int | None, *, at_least: int) -> int:
    """The number of samples along the axis."""
    n = samples.size if axis is None else samples.shape[axis]
    if n < at_least:
        raise ValueError(f"number of samples to compare must be at least {at_least}, got {n}")
    return n
