"""Rewards compared with a baseline and, if that is asked for, normalised: the advantages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_float, to_array
from .._groups import by_group, check_groups
from .._moments import Moments
from ..credit import advantages as over_any_baseline
from ..credit.baselines import Baseline, Singleton, check_values, over_baseline
from ..credit.normalization import normalized, rounding_of


class ComparedRewards(NamedTuple):
    """The advantages, 0 where samples do not count, and the moments of those that do."""

    advantages: NDArray[np.float64]
    of_rewards: Moments
    of_raw: Moments  # the advantages before normalisation

    def explained_variance(self) -> float:
        """1 - Var(r - baseline) / Var(r); NaN for equal rewards or a single one."""
        of_r, of_raw = self.of_rewards, self.of_raw
        with np.errstate(all="ignore"):
            ratio = of_raw.root_sum_square / of_r.root_sum_square * (of_raw.unit / of_r.unit)
            return 1.0 - float(ratio.item()) ** 2 if of_r.root_sum_square.item() > 0 else np.nan


def compare_all(
    rewards: NDArray[Any],
    baseline: Baseline,
    values: ArrayLike | None,
    axis: int | None,
    normalizes: bool,
    singleton: Singleton,
) -> ComparedRewards:
    """Of groups along an axis whose samples all count, in as few passes as there can be."""
    r = check_float("rewards", rewards)
    v = check_values(baseline, values, r.shape)
    of_rewards = Moments("rewards", r)
    along_axis = of_rewards if axis is None else Moments("rewards", r, axis)
    raw = over_baseline(r, along_axis, baseline, v, axis, singleton)
    of_raw = of_rewards if raw is r else Moments("advantages", raw)
    if not normalizes:
        return ComparedRewards(raw.astype(np.float64, copy=raw is r), of_rewards, of_raw)
    largest = along_axis.largest
    if v is not None:
        largest = np.maximum(largest, Moments("values", v, axis).largest)
    groups = of_raw if axis is None else Moments("advantages", raw, axis)
    largest = np.maximum(largest, groups.largest)
    rounding = rounding_of(rewards, None if v is None else to_array("values", values))
    advantages = normalized(
        raw, groups, largest, axis, singleton=singleton, rounding=rounding, in_place=raw is not r
    )
    return ComparedRewards(advantages, of_rewards, of_raw)


def compare_groups(
    rewards: NDArray[Any],
    counts: NDArray[np.bool_],
    baseline: Baseline,
    values: ArrayLike | None,
    axis: int | None,
    normalizes: bool,
    singleton: Singleton,
    **options: Any,
) -> ComparedRewards:
    """Of groups of any kind, `counts` says of which samples; options: of `credit.advantages`."""
    raw = over_any_baseline(
        rewards,
        baseline,
        values=values,
        axis=axis,
        valid=counts,
        singleton=singleton,
        **options,
    )
    of_rewards = Moments("rewards", check_float("rewards", rewards)[counts])
    of_raw = Moments("advantages", raw[counts])
    if not normalizes:
        return ComparedRewards(raw, of_rewards, of_raw)
    v = None if values is None else to_array("values", values)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(rewards, dtype=np.float64), np.abs(raw))
        if v is not None:
            size = np.maximum(size, np.abs(np.where(counts, v, 0.0)))
    rounding = rounding_of(rewards, v)

    def of_groups(a: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
        moments, largest = Moments("advantages", a, -1), size.max(axis=-1, keepdims=True)
        return normalized(a, moments, largest, -1, singleton=singleton, rounding=rounding)

    ids = check_groups(options.get("groups"), axis, rewards.shape)
    at_least = 2 if singleton == "error" else 1
    advantages = by_group(of_groups, ids, axis, counts, raw, size, at_least=at_least)
    return ComparedRewards(advantages, of_rewards, of_raw)
