"""Returns and advantages of the policy that acted.

See `scorefn.credit` for terminated and truncated.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_fraction
from ._steps import checked_numbers, checked_steps


def discounted_returns(
    rewards: ArrayLike,
    discount: float,
    *,
    terminated: ArrayLike | None = None,
    truncated: ArrayLike | None = None,
    next_values: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    axis: int = 0,
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
    axis : int
        The axis of time of all arrays, 0 by default. The shapes here are those with axis 0.

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
    r, next_v = checked_numbers(rewards=rewards, next_values=next_values)
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    return _core.discounted_returns(r, next_v, *steps, check_fraction("discount", discount))


def lambda_returns(
    rewards: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """The lambda-returns: returns of 1, 2, 3, ... steps, weighted by powers of lambda.

    G_t = r_t + discount * F_t,  F_t = (1 - lambda) * next_values_t + lambda * G_{t+1}

    F_t is 0 if the episode terminated with step t, and next_values_t if it was truncated or t is
    the last valid step (Sutton and Barto, Reinforcement Learning, 2018, section 12.1). With lambda
    1 these are the `discounted_returns`, with lambda 0 the one-step targets.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    next_values : (T, ...) array
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Anything where the episode terminated.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount, lambda_ : float in [0, 1]
        The discount factor (gamma) and lambda.
    valid : (T, ...) bool array, optional
        True = a step that counts. The others may hold anything: they are passed over, and their
        result is 0.
    axis : int
        The axis of time of all arrays, 0 by default. The shapes here are those with axis 0.

    Returns
    -------
    (T, ...) array
        float32 if all numbers are float32 or half precision, else float64. Accumulated in float64.

    Raises
    ------
    TypeError
        An array or option of the wrong kind.
    ValueError
        A wrong shape, an option out of range, or a number that counts and is not finite.

    Examples
    --------
    >>> import scorefn
    >>> scorefn.lambda_returns(
    ...     rewards=[1.0, 1.0], next_values=[0.5, 0.0],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0, lambda_=0.5,
    ... )
    array([1.75, 1.  ])
    """
    r, next_v = checked_numbers(rewards=rewards, next_values=next_values)
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount = check_fraction("discount", discount)
    return _core.lambda_returns(r, next_v, *steps, discount, check_fraction("lambda_", lambda_))


def n_step_returns(
    rewards: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    n: int,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """The returns of n steps, after which the value of the observation takes the place of rewards.

    G_t = r_t + discount * r_{t+1} + ... + discount^(n-1) * r_{t+n-1}
          + discount^n * next_values_{t+n-1}

    The sum ends earlier with the episode or the last valid step: without a value if the episode
    terminated, else with that of its final observation (Sutton and Barto, Reinforcement Learning,
    2018, section 7.1). The time that it takes grows with n.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    next_values : (T, ...) array
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Anything where the episode terminated.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount : float in [0, 1]
        The discount factor (gamma).
    n : int, at least 1
        The number of steps.
    valid : (T, ...) bool array, optional
        True = a step that counts. The others may hold anything: they are passed over, and their
        result is 0.
    axis : int
        The axis of time of all arrays, 0 by default. The shapes here are those with axis 0.

    Returns
    -------
    (T, ...) array
        float32 if all numbers are float32 or half precision, else float64. Accumulated in float64.

    Raises
    ------
    TypeError
        An array or option of the wrong kind.
    ValueError
        A wrong shape, an option out of range, or a number that counts and is not finite.

    Examples
    --------
    >>> import scorefn
    >>> scorefn.n_step_returns(
    ...     rewards=[1.0, 2.0, 4.0], next_values=[8.0, 8.0, 8.0],
    ...     terminated=[False] * 3, truncated=[False] * 3, discount=0.5, n=2,
    ... )
    array([4., 6., 8.])
    """
    r, next_v = checked_numbers(rewards=rewards, next_values=next_values)
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    return _core.n_step_returns(r, next_v, *steps, check_fraction("discount", discount), n)


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
    axis: int = 0,
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
    axis : int
        The axis of time of all arrays, 0 by default. The shapes here are those with axis 0.

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
    r, v, next_v = checked_numbers(rewards=rewards, values=values, next_values=next_values)
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount = check_fraction("discount", discount)
    return _core.gae(r, v, next_v, *steps, discount, check_fraction("gae_lambda", gae_lambda))
