"""Returns and advantages of a policy other than the one that acted, and UPGO.

See `scorefn.credit` for terminated and truncated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_fraction
from ._steps import checked_numbers, checked_steps


class VTrace(NamedTuple):
    """What `vtrace` returns."""

    targets: NDArray[Any]
    """The corrected returns, which are the targets of the values."""
    advantages: NDArray[Any]
    """The weighted advantages of the actions, for the policy gradient."""


def vtrace(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    log_ratio: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
    clip_pg_rho: float = 1.0,
    alpha: float = 1.0,
    lambda_in_advantages: bool = False,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> VTrace:
    """V-trace (Espeholt et al. 2018, https://arxiv.org/abs/1802.01561): off-policy corrections.

    With ratio_t = exp(log_ratio_t):

    delta_t = r_t + discount * (0 if terminated_t else next_values_t) - values_t
    rho_t   = min(clip_rho, ratio_t),  c_t = lambda * min(clip_c, ratio_t)
    x_t     = rho_t * delta_t + discount * c_t * x_{t+1}

    targets_t    = values_t + x_t
    advantages_t = min(clip_pg_rho, ratio_t) * (delta_t + discount * x_{t+1})

    x_{t+1} is 0 if the episode ended with step t. The paper's v_{t+1} is next_values_t + x_{t+1}:
    within an episode next_values_t should be values_{t+1}. If all ratios are 1, x_t is the
    generalized advantage estimate.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    values : (T, ...) array
        The value of the observation of step t.
    next_values : (T, ...) array
        The value of the observation that followed step t: at an episode's end its final
        observation, not the first one of the next episode. Anything where the episode terminated.
    log_ratio : (T, ...) array
        log pi(a_t) - log mu(a_t): pi is the policy that is learnt, mu the one that acted. It may be
        -inf, which is a ratio of 0.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount : float in [0, 1]
        The discount factor (gamma).
    lambda_ : float in [0, 1], optional
        The factor lambda of the traces (remark 2 of the paper). Default: 1.
    clip_rho, clip_c, clip_pg_rho : float, at least 0, optional
        The largest ratios in the errors, in the traces and in the advantages. Default: 1; infinity
        does not clip.
    alpha : float in [0, 1], optional
        Leaky V-trace (Zahavy et al. 2020, https://arxiv.org/abs/2002.12928): rho and c take
        alpha * min(clip, ratio) + (1 - alpha) * ratio for min(clip, ratio). Default: 1.
    lambda_in_advantages : bool, optional
        True, as in rlax: advantages take lambda * x_{t+1} for x_{t+1}. Default: False, as
        published.
    valid : (T, ...) bool array, optional
        True = a step that counts. The others may hold anything: they are passed over, and their
        result is 0.
    axis : int
        The axis of time of all arrays, 0 by default. The shapes here are those with axis 0.

    Returns
    -------
    VTrace
        A named tuple of ``targets`` and ``advantages``, (T, ...) arrays: float32 if all numbers are
        float32 or half precision, else float64. Accumulated in float64.

    Raises
    ------
    TypeError
        An array or option of the wrong kind.
    ValueError
        A wrong shape, an option out of range, or a number that counts and is not finite.

    Examples
    --------
    >>> import scorefn
    >>> targets, advantages = scorefn.vtrace(
    ...     rewards=[1.0, 1.0], values=[0.5, 0.5], next_values=[0.5, 0.0],
    ...     log_ratio=[float("-inf"), 2.0],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0, clip_pg_rho=4.0,
    ... )
    >>> targets, advantages
    (array([0.5, 1. ]), array([0., 2.]))
    """
    r, v, next_v, log_r = checked_numbers(
        rewards=rewards, values=values, next_values=next_values, log_ratio=log_ratio
    )
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount, lambda_ = check_fraction("discount", discount), check_fraction("lambda_", lambda_)
    alpha = check_fraction("alpha", alpha)
    weights = (discount, lambda_, clip_rho, clip_c, clip_pg_rho, alpha)
    return VTrace(*_core.vtrace(r, v, next_v, log_r, *steps, *weights, lambda_in_advantages))


def retrace(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    log_ratio: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    clip: float = 1.0,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """Retrace (Munos et al. 2016, https://arxiv.org/abs/1606.02647): targets of action values.

    delta_t = r_t + discount * (0 if terminated_t else next_values_t) - action_values_t
    G_t     = action_values_t + delta_t + discount * c_{t+1} * (G_{t+1} - action_values_{t+1})

    with c_t = lambda * min(clip, exp(log_ratio_t)), and without the last term if the episode ended
    with step t. Other traces: `q_lambda`, `tree_backup`.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    action_values : (T, ...) array
        Q(s_t, a_t): the value of the action of step t.
    next_values : (T, ...) array
        sum_a pi(a) Q(s, a) for the observation s that followed step t: at an episode's end its
        final observation. Anything where the episode terminated.
    log_ratio : (T, ...) array
        log pi(a_t) - log mu(a_t): pi is the policy that is learnt, mu the one that acted. It may be
        -inf, which is a ratio of 0.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount : float in [0, 1]
        The discount factor (gamma).
    lambda_ : float in [0, 1], optional
        The factor lambda of the traces. Default: 1.
    clip : float, at least 0, optional
        The largest ratio in the traces. Default: 1; infinity is importance sampling, whose variance
        has no bound.
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
    >>> scorefn.retrace(
    ...     rewards=[1.0, 1.0], action_values=[0.5, 0.5], next_values=[0.25, 0.0],
    ...     log_ratio=[0.0, 0.5],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0,
    ... )
    array([1.75, 1.  ])
    """
    r, q, next_v, log_r = checked_numbers(
        rewards=rewards, action_values=action_values, next_values=next_values, log_ratio=log_ratio
    )
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount, lambda_ = check_fraction("discount", discount), check_fraction("lambda_", lambda_)
    return _core.retrace(r, q, next_v, log_r, *steps, discount, lambda_, clip, "log_ratio")


def q_lambda(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """Q(lambda) with off-policy corrections (Harutyunyan et al. 2016): targets of action values.

    As `retrace` with c_t = lambda, https://arxiv.org/abs/1602.04951. It converges if pi and the
    policy that acted are close enough for lambda.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    action_values : (T, ...) array
        Q(s_t, a_t): the value of the action of step t.
    next_values : (T, ...) array
        sum_a pi(a) Q(s, a) for the observation s that followed step t: at an episode's end its
        final observation. Anything where the episode terminated.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount : float in [0, 1]
        The discount factor (gamma).
    lambda_ : float in [0, 1], optional
        The factor lambda of the traces. Default: 1.
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
    >>> scorefn.q_lambda(
    ...     rewards=[1.0, 1.0], action_values=[0.5, 0.5], next_values=[0.25, 0.0],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0, lambda_=0.5,
    ... )
    array([1.5, 1. ])
    """
    r, q, next_v = checked_numbers(
        rewards=rewards, action_values=action_values, next_values=next_values
    )
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount, lambda_ = check_fraction("discount", discount), check_fraction("lambda_", lambda_)
    return _core.retrace(r, q, next_v, None, *steps, discount, lambda_, 1.0, "log_ratio")


def tree_backup(
    rewards: ArrayLike,
    action_values: ArrayLike,
    next_values: ArrayLike,
    log_prob: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    lambda_: float = 1.0,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """Tree backup (Precup et al. 2000): targets of action values.

    As `retrace` with c_t = lambda * pi(a_t). The policy that acted need not be known.

    Parameters
    ----------
    rewards : (T, ...) array
        rewards[t] follows the action of step t.
    action_values : (T, ...) array
        Q(s_t, a_t): the value of the action of step t.
    next_values : (T, ...) array
        sum_a pi(a) Q(s, a) for the observation s that followed step t: at an episode's end its
        final observation. Anything where the episode terminated.
    log_prob : (T, ...) array
        log pi(a_t), at most 0. It may be -inf.
    terminated, truncated : (T, ...) bool arrays
        Whether the episode ended with step t, and how.
    discount : float in [0, 1]
        The discount factor (gamma).
    lambda_ : float in [0, 1], optional
        The factor lambda of the traces. Default: 1.
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
    >>> scorefn.tree_backup(
    ...     rewards=[1.0, 1.0], action_values=[0.5, 0.5], next_values=[0.25, 0.0],
    ...     log_prob=[0.0, float("-inf")],
    ...     terminated=[False, True], truncated=[False, False], discount=1.0,
    ... )
    array([1.25, 1.  ])
    """
    r, q, next_v, log_p = checked_numbers(
        rewards=rewards, action_values=action_values, next_values=next_values, log_prob=log_prob
    )
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    discount, lambda_ = check_fraction("discount", discount), check_fraction("lambda_", lambda_)
    return _core.retrace(r, q, next_v, log_p, *steps, discount, lambda_, 1.0, "log_prob")


def upgo(
    rewards: ArrayLike,
    values: ArrayLike,
    next_values: ArrayLike,
    *,
    terminated: ArrayLike,
    truncated: ArrayLike,
    discount: float,
    valid: ArrayLike | None = None,
    axis: int = 0,
) -> NDArray[Any]:
    """Advantages of UPGO (Vinyals et al. 2019): trajectories as long as they do well, else values.

    delta_t = r_t + discount * (0 if terminated_t else next_values_t) - values_t
    A_t     = delta_t + discount * (A_{t+1} if delta_{t+1} >= 0 else 0)

    without the last term if the episode ended with step t (Grandmaster level in StarCraft II using
    multi-agent reinforcement learning, https://doi.org/10.1038/s41586-019-1724-z). ``A + values``
    are the paper's returns. It takes discount 1, and weights A by min(1, pi(a) / mu(a)).

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
    discount : float in [0, 1]
        The discount factor (gamma).
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
    >>> scorefn.upgo(
    ...     rewards=[1.0, -0.25, 2.0], values=[0.5, 0.5, 0.5], next_values=[0.5, 0.5, 0.0],
    ...     terminated=[False, False, True], truncated=[False] * 3, discount=1.0,
    ... )
    array([1.  , 1.25, 1.5 ])
    """
    r, v, next_v = checked_numbers(rewards=rewards, values=values, next_values=next_values)
    steps = checked_steps(r.shape, terminated, truncated, valid, axis)
    return _core.upgo(r, v, next_v, *steps, check_fraction("discount", discount))
