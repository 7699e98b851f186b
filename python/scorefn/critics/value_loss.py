"""The squared error of a value function, and its gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_number, check_real
from .._errstate import without_float_errors
from .._groups import check_samples


class ValueLoss(NamedTuple):
    """What `value_loss` returns.

    Attributes
    ----------
    loss : float
        A mean over the samples that count.
    gradient : float64 array shaped like the values
        The derivative of -loss by each value: the ascent direction, as of all gradients here.
    """

    loss: float
    gradient: NDArray[np.float64]


@without_float_errors
def value_loss(
    values: ArrayLike,
    returns: ArrayLike,
    *,
    old_values: ArrayLike | None = None,
    clip_range: float | None = None,
    valid: ArrayLike | None = None,
) -> ValueLoss:
    """Mean squared error of values, as PPO and A2C of Stable-Baselines3 have it.

    loss = 1/n sum_i (R_i - V'_i)^2,   V' = V, or old V + clip(V - old V, -c, c)

    with the clip range c, its `clip_range_vf`. A value outside the range has gradient 0. The
    library adds 0.5 times this loss (`vf_coef`) to that of the policy.

    Parameters
    ----------
    values : (...) array
        Those of the value function as it is now.
    returns : (...) array
        The targets, such as advantages + values of the rollout.
    old_values : (...) array, optional
        Values of the rollout; for `clip_range`, and only for it.
    clip_range : float, optional
        Larger than 0: how far a value may move away from the old one.
    valid : (...) bool array, optional
        Samples that count (True); by default all do. The others may hold anything, and have
        gradient 0.

    Returns
    -------
    ValueLoss
        With ``x.T @ gradient`` for values ``x @ coef``, and ``np.bincount(states, gradient)`` for a
        table, as the gradient by the parameters.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A wrong shape, no sample that counts, a number that is not finite, a clip range that is not
        larger than 0 or without old values.

    Examples
    --------
    >>> from scorefn.critics import value_loss
    >>> value_loss([1.0, 2.0], [1.0, 4.0])
    ValueLoss(loss=2.0, gradient=array([0., 2.]))
    >>> value_loss([1.0, 2.0], [1.0, 4.0], old_values=[1.0, 1.0], clip_range=0.5).gradient
    array([0., 0.])
    """
    v, counts = check_samples("values", values, valid)
    v = check_finite("values", v).astype(np.float64, copy=False)
    r, _ = check_samples("returns", returns, valid, shape=v.shape)
    r = check_finite("returns", r).astype(np.float64, copy=False)
    n = v.size if counts is None else int(np.count_nonzero(counts))
    if n == 0:
        raise ValueError(f"values must have at least one sample that counts, got {v.shape}")
    if (old_values is None) != (clip_range is None):
        name = "old_values" if old_values is None else "clip_range"
        raise ValueError("old_values and clip_range must be given together, got no " + name)
    is_within: NDArray[np.bool_] | bool = True
    if old_values is not None and clip_range is not None:
        c = check_number("clip_range", clip_range)
        if c <= 0.0:
            raise ValueError(f"clip_range must be larger than 0, got {clip_range}")
        old, _ = check_samples("old_values", old_values, valid, shape=v.shape)
        moved = v - check_finite("old_values", old)
        is_within = np.abs(moved) <= c
        v = np.where(is_within, v, check_real("old_values", old) + np.clip(moved, -c, c))
    error = r - v
    loss = float(np.sum(np.square(error)) / n)
    return ValueLoss(loss, np.where(is_within, error * (2.0 / n), 0.0))
