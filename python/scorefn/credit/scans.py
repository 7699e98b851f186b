"""Backward scans over the steps of episodes: see `scorefn.credit` for terminated and truncated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_bool, check_fraction, check_real_array


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
