"""Rewards minus a baseline: with what a sample's reward is compared."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import (
    check_axis,
    check_bool,
    check_choice,
    check_finite,
    check_float,
    check_real,
    check_real_array,
)
from .._moments import Moments, of_valid

Baseline = Literal["none", "mean", "leave_one_out", "values"]


def advantages(
    rewards: ArrayLike,
    baseline: Baseline = "none",
    *,
    values: ArrayLike | None = None,
    axis: int | None = None,
    valid: ArrayLike | None = None,
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
    valid : bool array shaped like rewards, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.

    Returns
    -------
    float64 array shaped like rewards

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        An unknown baseline, a wrong shape, a number that is not finite, `values` missing or
        superfluous, or a single sample for leave_one_out, which has no others. (Libraries differ on
        that last case: some take 0 as the baseline, some as the advantage.)

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.advantages([1.0, 2.0, 6.0], "mean")
    array([-2., -1.,  3.])
    >>> credit.advantages([1.0, 2.0, 6.0], "leave_one_out")
    array([-3. , -1.5,  4.5])
    """
    check_baseline(baseline)
    if valid is not None:
        return _advantages_of_valid(rewards, baseline, values, axis, valid)
    r = check_float("rewards", rewards)
    v = check_values(baseline, values, r.shape)
    check_axis(axis, r.shape)
    moments = Moments("rewards", r, axis) if r.size else None
    result = over_baseline(r, moments, baseline, v, axis)
    return result.astype(np.float64, copy=result is r)


def _advantages_of_valid(
    rewards: ArrayLike,
    baseline: Baseline,
    values: ArrayLike | None,
    axis: int | None,
    valid: ArrayLike,
) -> NDArray[np.float64]:
    given = check_real_array("rewards", rewards)
    counts = check_bool("valid", valid, shape=given.shape)
    r = check_float("rewards", np.where(counts, given, 0))
    if values is not None:
        values = np.where(counts, check_real("values", values, shape=r.shape), 0.0)
    v = check_values(baseline, values, r.shape)
    check_axis(axis, r.shape)
    arrays = [check_finite("rewards", r)] if v is None else [check_finite("rewards", r), v]

    def of_groups(r: NDArray[Any], v: ArrayLike | None = None) -> NDArray[np.float64]:
        return advantages(r, baseline, values=v, axis=-1)

    return of_valid(of_groups, counts, axis, *arrays)


def check_baseline(baseline: str) -> None:
    check_choice("baseline", baseline, get_args(Baseline))


def check_values(
    baseline: Baseline, values: ArrayLike | None, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """The values, which must be there if the baseline needs them, and only then."""
    if (values is not None) != (baseline == "values"):
        given = "given" if values is None else "left out"
        raise ValueError(f"values must be {given} for baseline={baseline!r}")
    return (
        None
        if values is None
        else check_finite("values", check_real("values", values, shape=shape))
    )


def over_baseline(
    rewards: NDArray[Any],
    moments: Moments | None,
    baseline: Baseline,
    values: NDArray[np.float64] | None,
    axis: int | None,
) -> NDArray[Any]:
    """`advantages` of numbers that have been checked; for no baseline the rewards themselves.

    `moments` are those of the rewards along the axis; None if there are no rewards.
    """
    if values is not None:
        with np.errstate(all="ignore"):
            return np.asarray(np.subtract(rewards, values, dtype=np.float64))
    if baseline == "none":
        return rewards
    is_mean = baseline == "mean"
    n = group_size(rewards, axis, at_least=1 if is_mean else 2)
    if moments is None:
        return rewards
    return moments.standardized(rewards, moments.unit * (1.0 if is_mean else n / (n - 1)))


def group_size(samples: NDArray[Any], axis: int | None, *, at_least: int) -> int:
    """The number of samples along the axis."""
    n = samples.size if axis is None else samples.shape[axis]
    if n < at_least:
        raise ValueError(f"number of samples to compare must be at least {at_least}, got {n}")
    return n
