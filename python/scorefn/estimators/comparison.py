"""Samples compared with a baseline and, if that is asked for, normalised: the advantages."""

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
from .counts import all_count

# A sum of as many samples as any memory holds, each this large, is a float32.
_LARGE = 1e20


class Compared(NamedTuple):
    """The advantages, 0 where samples do not count, and the moments of those that do."""

    advantages: NDArray[np.float64]
    of_samples: Moments
    of_raw: Moments  # the advantages before normalisation

    def divisors(self, n: int, normalizes: bool) -> tuple[int, int]:
        """For a mean over n: of the weights, and of their sum. Sums of large ones may overflow."""
        is_large = not normalizes and self.of_raw.largest.item() > _LARGE
        return (n, 1) if is_large else (1, n)


def compare(
    name: str,
    samples: NDArray[Any],
    counts: NDArray[np.bool_] | None,
    baseline: Baseline = "none",
    *,
    values: ArrayLike | None = None,
    axis: int | None = None,
    normalizes: bool = False,
    singleton: Singleton = "error",
    weights: ArrayLike | None = None,
    folds: int | None = None,
    groups: ArrayLike | None = None,
) -> Compared:
    """Those of `credit.advantages` and `credit.normalize`. `counts`: which samples; None: all."""
    is_plain = groups is None and weights is None and baseline != "weighted_mean"
    if is_plain and (counts is None or all_count(counts)):
        return _compare_all(name, samples, baseline, values, axis, normalizes, singleton)
    of = np.ones(samples.shape, np.bool_) if counts is None else counts
    raw = over_any_baseline(
        samples,
        baseline,
        values=values,
        weights=weights,
        folds=folds,
        axis=axis,
        groups=groups,
        valid=of,
        singleton=singleton,
    )
    of_samples = Moments(name, check_float(name, samples)[of])
    of_raw = Moments("advantages", raw[of])
    if not normalizes:
        return Compared(raw, of_samples, of_raw)
    # Values are no larger than twice the larger one of these.
    size = np.maximum(np.abs(samples, dtype=np.float64), np.abs(raw))
    rounding = rounding_of(samples, None if values is None else to_array("values", values))

    def of_groups(a: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
        moments, largest = Moments("advantages", a, -1), size.max(axis=-1, keepdims=True)
        return normalized(a, moments, largest, -1, singleton=singleton, rounding=rounding)

    ids = check_groups(groups, axis, samples.shape)
    at_least = 2 if singleton == "error" else 1
    advantages = by_group(of_groups, ids, axis, of, raw, size, at_least=at_least)
    return Compared(advantages, of_samples, of_raw)


def _compare_all(
    name: str,
    samples: NDArray[Any],
    baseline: Baseline,
    values: ArrayLike | None,
    axis: int | None,
    normalizes: bool,
    singleton: Singleton,
) -> Compared:
    """Of groups along an axis whose samples all count, in as few passes as there can be."""
    r = check_float(name, samples)
    v = check_values(baseline, values, r.shape)
    of_samples = Moments(name, r)
    along_axis = of_samples if axis is None else Moments(name, r, axis)
    raw = over_baseline(r, along_axis, baseline, v, axis, singleton)
    of_raw = of_samples if raw is r else Moments("advantages", raw)
    if not normalizes:
        return Compared(raw.astype(np.float64, copy=raw is r), of_samples, of_raw)
    groups = of_raw if axis is None else Moments("advantages", raw, axis)
    # Values are no larger than twice the larger one of these.
    largest = np.maximum(along_axis.largest, groups.largest)
    rounding = rounding_of(samples, None if v is None else to_array("values", values))
    advantages = normalized(
        raw, groups, largest, axis, singleton=singleton, rounding=rounding, in_place=raw is not r
    )
    return Compared(advantages, of_samples, of_raw)
