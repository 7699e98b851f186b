"""Credit assignment: from rewards to one advantage per sample. Nothing here looks at logits.

Arrays over time have time as their first axis: shape (T,), or (T, ...) for a batch of environments.
A scan has the dtype of its arrays: float32 if all are float32 or half precision, else float64. Its
sums are accumulated in float64.

An episode ends in one of two ways. ``terminated``: the task is over and nothing follows, so the
value of what follows is 0. ``truncated``: only the recording stopped (a time limit), so what
follows still has a value, that of the episode's final observation. Nothing flows back over an
episode's end from the next episode. The last step of the arrays counts as truncated unless it
terminated.

Gymnasium's vector environments (autoreset mode ``NEXT_STEP``, its default) spend a step on each
reset: the step after an episode's end ignores the action and returns reward 0 and the new episode's
first observation. Such a step is no sample. Mark it with False in ``valid`` (True = a step that
counts)::

    valid = ~previous_done      # previous_done[t] = (terminated | truncated)[t - 1]

and pass only the valid steps on to an estimator: ``observations[valid], actions[valid], ...``.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import (
    check_axis,
    check_bool,
    check_finite,
    check_float,
    check_fraction,
    check_number,
    check_real,
    check_real_array,
    type_name,
)
from ._moments import Moments, of_valid

__all__ = [
    "Baseline",
    "advantages",
    "discounted_returns",
    "gae",
    "normalize",
]

Baseline = Literal["none", "mean", "leave_one_out", "values"]


def discounted_returns(
    rewards: ArrayLike,
    discount: float,
    *,
    terminated: ArrayLike | None = None,
    truncated: ArrayLike | None = None,
    next_values: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> NDArray[Any]:
    """The discounted sum of the rewards from each step to the end of its episode.

    G_t = r_t + discount * F_t,  where F_t, what follows, is 0 if the episode terminated with step
    t, next_values_t if it was truncated or t is the last valid step, and else G_{t+1}.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    discount : float in [0, 1]
        The discount factor (gamma).
    terminated, truncated : (T, ...) bool arrays, optional
        Whether the episode ended with step t, and how. Default: never.
    next_values : (T, ...) array, optional
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Read only where the episode was
        truncated and at the last valid step; anything elsewhere. Default: 0.
    valid : (T, ...) bool array, optional
        True = a step that counts. The others may hold anything: they are passed over, and their
        result is 0.

    Returns
    -------
    (T, ...) array
        float32 if all numbers are float32 or half precision, else float64. Accumulated in float64.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A wrong shape, a discount outside [0, 1], or a number that counts and is not finite.

    Examples
    --------
    >>> import scorefn
    >>> scorefn.discounted_returns([1.0, 2.0, 4.0], 0.5)
    array([3., 4., 4.])
    >>> scorefn.discounted_returns([1.0, 2.0, 4.0], 0.5, terminated=[True, False, False])
    array([1., 4., 4.])
    """
    r, next_v = _numbers(rewards=rewards, next_values=next_values)
    flags = _flags(r.shape, terminated, truncated, valid)
    return _core.discounted_returns(r, next_v, *flags, check_fraction("discount", discount))


def gae(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    gae_lambda: float,
    valid: ArrayLike | None = None,
) -> NDArray[Any]:
    """Generalized advantage estimation (Schulman et al. 2016, https://arxiv.org/abs/1506.02438).

    delta_t = r_t + discount * (0 if terminated_t else next_values_t) - values_t
    A_t     = delta_t + discount * gae_lambda * (0 if terminated_t or truncated_t else A_{t+1})

    ``A + values`` are the lambda-returns, the usual targets of the values.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    values : (T, ...) array
        The value of the observation of step t.
    next_values : (T, ...) array
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Anything where the episode terminated.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount, gae_lambda : float in [0, 1]
        The discount factor (gamma) and the GAE lambda.
    valid : (T, ...) bool array, optional
        True = a step that counts. The others may hold anything: they are passed over, and their
        result is 0.

    Returns
    -------
    (T, ...) array
        float32 if all numbers are float32 or half precision, else float64. Accumulated in float64.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A wrong shape, a factor outside [0, 1], or a number that counts and is not finite.

    Examples
    --------
    >>> import scorefn
    >>> scorefn.gae(
    ...     rewards=[1.0, 1.0], values=[0.5, 0.5], next_values=[0.5, 0.0],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0, gae_lambda=0.5,
    ... )
    array([1.25, 0.5 ])
    """
    r, v, next_v = _numbers(rewards=rewards, values=values, next_values=next_values)
    flags = _flags(r.shape, terminated, truncated, valid)
    discount = check_fraction("discount", discount)
    return _core.gae(r, v, next_v, *flags, discount, check_fraction("gae_lambda", gae_lambda))


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
    if not isinstance(baseline, str):
        raise TypeError(f"baseline must be a str, got {type_name(baseline)}")
    if baseline not in get_args(Baseline):
        expected = ", ".join(get_args(Baseline))
        raise ValueError(f"baseline must be one of {expected}, got {baseline!r}")


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
    n = _group_size(rewards, axis, at_least=1 if is_mean else 2)
    if moments is None:
        return rewards
    return moments.standardized(rewards, moments.unit * (1.0 if is_mean else n / (n - 1)))


def normalize(
    advantages: ArrayLike,
    *,
    axis: int | None = None,
    eps: float = 1e-8,
    valid: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """(A - mean A) / (std A + eps), with the standard deviation of n - 1 (ddof = 1).

    The convention of Stable-Baselines3 and CleanRL; TRL has eps = 1e-4 and verl 1e-6.

    Parameters
    ----------
    advantages : array
        One number per sample.
    axis : int, optional
        The samples that are scaled together lie along this axis; None: all of them.
    eps : float
        At least 0. Keeps small differences small.
    valid : bool array shaped like advantages, optional
        Samples that count (True); by default all do. The others, such as padding, may hold
        anything, are in no group, and their result is 0.

    Returns
    -------
    float64 array shaped like advantages
        Exactly 0 if the advantages are equal up to rounding; see Notes.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A number that is not finite, or fewer than two samples, which have no standard deviation.

    Notes
    -----
    Rounding errors must not be scaled up to 1. One rounding changes a number of size M by up to
    2^-53 M, so numbers that were equal before four roundings each lie within 4 * 2^-52 M. Samples
    whose largest and smallest advantage differ by no more than that count as equal, with M the
    largest absolute value among them. For float32 advantages the limit is 4 * 2^-23 M. The mean is
    computed in two passes, so its own rounding error is far smaller.

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.normalize([1.0, 2.0, 3.0]).round(4)
    array([-1.,  0.,  1.])
    >>> credit.normalize([0.3, 0.1 + 0.2, 0.3])
    array([0., 0., 0.])
    """
    given = check_real_array("advantages", advantages)
    eps = check_number("eps", eps)
    if eps < 0.0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    if valid is not None:
        counts = check_bool("valid", valid, shape=given.shape)
        check_axis(axis, given.shape)
        a = check_finite("advantages", np.where(counts, given, given.dtype.type(0)))
        return of_valid(lambda x: normalize(x, axis=-1, eps=eps), counts, axis, a)
    a = check_float("advantages", given)
    check_axis(axis, a.shape)
    _group_size(a, axis, at_least=2)
    if a.size == 0:
        return a.astype(np.float64)
    moments = Moments("advantages", a, axis)
    return normalized(a, moments, moments.largest, axis, eps, rounding=rounding_of(given))


def normalized(
    advantages: NDArray[Any],
    moments: Moments,
    largest: NDArray[np.float64],
    axis: int | None,
    eps: float = 1e-8,
    *,
    rounding: float,
    in_place: bool = False,
) -> NDArray[np.float64]:
    """`normalize` for numbers that have been checked: a new array, or in place of the old one.

    `largest` is the largest absolute value of the advantages and of what they are differences of.
    That may be much larger, and so are the rounding errors then. `rounding` is `rounding_of` the
    caller's arrays.
    """
    n = _group_size(advantages, axis, at_least=2)
    unit = moments.unit
    with np.errstate(all="ignore"):
        spread = moments.greatest / unit - moments.least / unit
        are_equal = spread <= 4.0 * rounding * (largest / unit)
        deviation = moments.root_sum_square / np.sqrt(n - 1)
        factors = np.where(are_equal, 0.0, 1.0 / (deviation + eps / unit))
    return moments.standardized(advantages, factors, in_place=in_place)


def rounding_of(*arrays: NDArray[Any] | None) -> float:
    """The coarsest machine epsilon of float32 and float64 arrays.

    Half precision does not count: four of its roundings are a difference that rewards may mean.
    """
    is_single = any(x is not None and x.dtype == np.float32 for x in arrays)
    return float(np.finfo(np.float32 if is_single else np.float64).eps)


def _numbers(**arrays: ArrayLike | None) -> list[Any]:
    """The arrays, of the shape of the first one, with one dtype: that of a scan's result."""
    numbers: list[Any] = []
    for name, values in arrays.items():
        shape = numbers[0].shape if numbers else None
        numbers.append(None if values is None else check_real_array(name, values, shape=shape))
    if not numbers[0].shape:
        name = next(iter(arrays))
        raise ValueError(f"{name} must have shape (T,) or (T, ...), time first, got ()")
    are_single = all(x.dtype.kind not in "iu" and x.itemsize <= 4 for x in numbers if x is not None)
    dtype = np.float32 if are_single else np.float64
    with np.errstate(all="ignore"):
        return [None if x is None else x.astype(dtype, copy=False) for x in numbers]


Flags = NDArray[np.bool_] | None


def _flags(
    shape: tuple[int, ...],
    terminated: ArrayLike | None,
    truncated: ArrayLike | None,
    valid: ArrayLike | None,
) -> tuple[Flags, Flags, Flags]:
    def checked(name: str, x: ArrayLike | None) -> Flags:
        return None if x is None else check_bool(name, x, shape=shape)

    return (
        checked("terminated", terminated),
        checked("truncated", truncated),
        checked("valid", valid),
    )


def _group_size(samples: NDArray[Any], axis: int | None, *, at_least: int) -> int:
    """The number of samples along the axis."""
    n = samples.size if axis is None else samples.shape[axis]
    if n < at_least:
        raise ValueError(f"number of samples to compare must be at least {at_least}, got {n}")
    return n
