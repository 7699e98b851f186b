"""Credit assignment: from rewards to one number a sample. Nothing here looks at logits.

Arrays over time have time as their first axis, shape (T,) or (T, ...) for a batch of environments,
and the loops run over time alone. Results are float64.

Two ways for an episode to end are told apart. ``terminated``: the task is over and nothing follows,
so the value of what follows is 0. ``truncated``: only the recording stopped (a time limit), so what
follows still has a value, the one of the episode's final observation. In both cases nothing flows
back over the boundary from the next episode. The last step of the arrays counts as truncated unless
it terminated.

Gymnasium's vector environments (autoreset mode ``NEXT_STEP``, its default) spend a step on each
reset: the step after an episode's end ignores the action and returns reward 0 and the new episode's
first observation. Such a step is no sample. Mark it with False in ``where`` (True = a step that
counts)::

    where = ~previous_done      # previous_done[t] = (terminated | truncated)[t - 1]

and select with it what goes on to an estimator: ``observations[where], actions[where], ...``.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import check_bool, check_finite, check_fraction, check_number, check_real, to_array

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
    where: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The discounted sum of the rewards from each step to the end of its episode.

    G_t = r_t + discount * F_t,  where F_t, what follows, is 0 if the episode terminated with step
    t, next_values_t if it was truncated or t is the last step, and else G_{t+1}.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    discount : float in [0, 1]
    terminated, truncated : (T, ...) bool arrays, optional
        Whether the episode ended with step t, and how. Default: never.
    next_values : (T, ...) array, optional
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Anything where the episode terminated.
        Default: 0.
    where : (T, ...) bool array, optional
        True = a step that counts. The others are left out as if they were not there; their result
        is 0.

    Returns
    -------
    (T, ...) float64 array

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
    r, next_v, done, counts = _episodes(rewards, next_values, terminated, truncated, where)
    discount = check_fraction("discount", discount)
    is_last = counts & (np.cumsum(counts[::-1], axis=0)[::-1] == 1)
    cut = done | is_last
    return _backward(r + discount * np.where(cut, next_v, 0.0), discount, cut, counts)


def gae(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    gae_lambda: float,
    where: ArrayLike | None = None,
) -> NDArray[np.float64]:
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
    where : (T, ...) bool array, optional
        True = a step that counts. The others are left out as if they were not there; their result
        is 0.

    Returns
    -------
    (T, ...) float64 array

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
    r, next_v, done, counts = _episodes(rewards, next_values, terminated, truncated, where)
    v = _finite_where("values", values, counts)
    discount = check_fraction("discount", discount)
    gae_lambda = check_fraction("gae_lambda", gae_lambda)
    delta = r + discount * next_v - v
    return _backward(delta, discount * gae_lambda, done, counts)


def advantages(
    rewards: ArrayLike,
    baseline: Baseline = "none",
    *,
    values: ArrayLike | None = None,
    axis: int | None = None,
) -> NDArray[np.float64]:
    """rewards - baseline.

    Parameters
    ----------
    rewards : array
        One number a sample (its return, once time has been dealt with).
    baseline : {"none", "mean", "leave_one_out", "values"}
        ``"none"``: 0.

        ``"mean"``: the mean of all samples. It holds the sample's own reward, which shrinks the
        expected gradient of independent samples by exactly (n - 1) / n.

        ``"leave_one_out"``: the mean of the *other* samples, (sum_j r_j - r_i) / (n - 1), which
        keeps the gradient unbiased; equal to n / (n - 1) times the advantage over the mean (Kool et
        al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!").

        ``"values"``: the given `values`, which must not depend on the sample's action.
    values : array shaped like rewards
        For ``baseline="values"``, and only for it.
    axis : int, optional
        The samples that are compared with each other lie along this axis; None: all of them.

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
    if (values is not None) != (baseline == "values"):
        given = "given" if values is None else "left out"
        raise ValueError(f"values must be {given} for baseline={baseline!r}")
    r = check_finite("rewards", check_real("rewards", rewards))
    if baseline == "none":
        return r
    if values is not None:
        return r - check_finite("values", check_real("values", values, shape=r.shape))
    n = _group_size(r, axis, at_least=1 if baseline == "mean" else 2)
    over_mean = np.asarray(r - r.mean(axis=axis, keepdims=True))
    return over_mean if baseline == "mean" else n / (n - 1) * over_mean


def check_baseline(baseline: str) -> None:
    if baseline not in get_args(Baseline):
        expected = ", ".join(get_args(Baseline))
        raise ValueError(f"baseline must be one of {expected}, got {baseline!r}")


def normalize(
    advantages: ArrayLike, *, axis: int | None = None, eps: float = 1e-8
) -> NDArray[np.float64]:
    """(A - mean A) / (std A + eps), with the standard deviation of n - 1 (ddof = 1).

    The convention of Stable-Baselines3 and CleanRL; TRL has eps = 1e-4 and verl 1e-6.

    Parameters
    ----------
    advantages : array
        One number a sample.
    axis : int, optional
        The samples that are scaled together lie along this axis; None: all of them.
    eps : float
        At least 0. Keeps the result finite where all advantages are equal.

    Returns
    -------
    float64 array shaped like advantages

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A number that is not finite, or fewer than two samples, which have no standard deviation.

    Examples
    --------
    >>> from scorefn import credit
    >>> credit.normalize([1.0, 2.0, 3.0]).round(4)
    array([-1.,  0.,  1.])
    """
    a = check_finite("advantages", check_real("advantages", advantages))
    eps = check_number("eps", eps)
    if eps < 0.0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    _group_size(a, axis, at_least=2)
    # In units of a power of 2, as squares of very large or small numbers are none.
    exponent = np.frexp(np.abs(a).max(axis=axis, keepdims=True))[1] - 1
    unit = np.ldexp(1.0, np.maximum(exponent, -1000))
    a = a / unit
    deviation = a - a.mean(axis=axis, keepdims=True)
    return np.asarray(deviation / (a.std(axis=axis, ddof=1, keepdims=True) + eps / unit))


def _episodes(
    rewards: ArrayLike,
    next_values: ArrayLike | None,
    terminated: ArrayLike | None,
    truncated: ArrayLike | None,
    where: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Rewards, next values (0 where terminated), where an episode ends, and which steps count."""
    shape = to_array("rewards", rewards).shape
    if not shape:
        raise ValueError("rewards must have shape (T,) or (T, ...), time first, got ()")
    ended = _flags("terminated", terminated, shape, default=False)
    done = ended | _flags("truncated", truncated, shape, default=False)
    counts = _flags("where", where, shape, default=True)
    r = _finite_where("rewards", rewards, counts)
    if next_values is None:
        return r, np.zeros(shape), done, counts
    return r, _finite_where("next_values", next_values, counts & ~ended), done, counts


def _backward(
    terms: NDArray[np.float64], decay: float, cut: NDArray[np.bool_], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """x_t = terms_t + decay * (0 if cut_t else x_{t+1}), leaving out steps that do not count.

    Such a step has the term 0 and the decay 1, which hands x_{t+1} on to the step before it.
    """
    decays = np.where(counts, decay, 1.0)
    nothing_follows = counts & (cut | (decay == 0.0))  # not even an infinite sum
    sums = np.empty_like(terms)
    following = np.zeros(terms.shape[1:])
    for t in reversed(range(len(terms))):
        following = np.where(nothing_follows[t], 0.0, following)
        sums[t] = following = terms[t] + decays[t] * following
    return np.where(counts, sums, 0.0)


def _flags(
    name: str, flags: ArrayLike | None, shape: tuple[int, ...], *, default: bool
) -> NDArray[np.bool_]:
    return np.full(shape, default) if flags is None else check_bool(name, flags, shape=shape)


def _finite_where(name: str, values: ArrayLike, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The values where they are used, which must be finite, and 0 elsewhere."""
    return check_finite(name, np.where(used, check_real(name, values, shape=used.shape), 0.0))


def _group_size(samples: NDArray[np.float64], axis: int | None, *, at_least: int) -> int:
    """The number of samples along the axis."""
    if not (axis is None or (isinstance(axis, int | np.integer) and not isinstance(axis, bool))):
        raise TypeError(f"axis must be an int or None, got {type(axis).__name__}")
    if axis is not None and not -samples.ndim <= axis < samples.ndim:
        raise ValueError(f"axis must be an axis of shape {samples.shape}, got {axis}")
    n = samples.size if axis is None else samples.shape[axis]
    if n < at_least:
        raise ValueError(f"number of samples to compare must be at least {at_least}, got {n}")
    return n
