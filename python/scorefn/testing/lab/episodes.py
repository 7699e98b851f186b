"""Episodes of a few steps in a Markov decision process of a few states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._check import check_finite, check_fraction, check_int, check_real, check_shape
from .policies import (
    Float64,
    adjoint,
    check_distribution,
    default_observations,
    distribution,
    to_policy,
)

_MOST_EPISODES = 100_000


@dataclass(frozen=True)
class Steps:
    """What an estimator is given: n independent episodes of at most T steps, time first.

    Attributes
    ----------
    policy : Policy
        The policy that took the steps, whose gradient is to be estimated.
    observations : (T, n, ...) array or None
        What the policy takes.
    actions, states : (T, n) int64 arrays
    rewards : (T, n) float64 array
    values, next_values : (T, n) float64 arrays
        The critic's values of the states before and after each step; 0 after the end.
    terminated, truncated, valid : (T, n) bool arrays
        As `scorefn.gae` takes them. Steps after the end are not valid, and hold zeros. Step T is
        terminated, as the objective counts no reward after it; none is truncated.
    """

    policy: Any
    observations: NDArray[Any] | None
    actions: NDArray[np.int64]
    rewards: Float64
    states: NDArray[np.int64]
    values: Float64
    next_values: Float64
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    @property
    def returns(self) -> Float64:
        """The sum of the rewards of each episode, shape (n,)."""
        return np.asarray(self.rewards.sum(axis=0))

    def estimate_by(self, estimator: Any) -> Any:
        """What ``estimator.estimate`` makes of these steps, such as that of `A2C`."""
        return estimator.estimate(
            self.policy,
            self.observations,
            self.actions,
            self.rewards,
            self.values,
            self.next_values,
            terminated=self.terminated,
            truncated=self.truncated,
            valid=self.valid,
        )


class Episodes:
    """Episodes of a Markov decision process, small enough to enumerate all of them.

    The policy is looked at anew in every call: its parameters may change in between.

    Parameters
    ----------
    policy : Policy or array
        As for `Bandit`; an array is a table of logits, (S, K), or one row for all states, (K,).
    rewards : (S, K) array
        The reward of each action in each state.
    transitions : (S, K, S) array
        The probability of each next state. What is missing to a sum of 1 is the probability that
        the episode ends after this step.
    num_steps : int
        The largest number of steps, T. The objective counts no reward after it.
    num_episodes : int
        n, all independent.
    initial : (S,) array, optional
        The probabilities of the first state. Default: state 0 always.
    observations : (S, ...) array, optional
        What the policy takes in each state. Default: the states of a table; None for logits.
    values : (S,) array, optional
        A critic's value of each state, for estimators that take one. Default: 0.
    discount : float in [0, 1]
        The discount factor (gamma) of the objective. Estimators have their own.

    Raises
    ------
    TypeError, ValueError
        An array of the wrong kind or shape, a number that is not finite, probabilities that are
        none, or more than 100 000 different episodes.

    Examples
    --------
    The action of state 0 decides where the second step is taken. `A2C` takes means over steps:

    >>> import numpy as np
    >>> from scorefn import A2C
    >>> from scorefn.testing import Episodes, exact_expectation
    >>> transitions = np.zeros((3, 2, 3))
    >>> transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
    >>> rewards = [[0.0, 0.0], [1.0, 0.0], [4.0, 2.0]]
    >>> problem = Episodes(np.zeros((3, 2)), rewards, transitions, num_steps=2)
    >>> 2 * exact_expectation(A2C(discount=1.0), problem) - problem.gradient()
    array([[0., 0.],
           [0., 0.],
           [0., 0.]])
    """

    def __init__(
        self,
        policy: Any,
        rewards: ArrayLike,
        transitions: ArrayLike,
        num_steps: int,
        num_episodes: int = 1,
        *,
        initial: ArrayLike | None = None,
        observations: Any = None,
        values: ArrayLike | None = None,
        discount: float = 1.0,
    ) -> None:
        self.policy = to_policy(policy)
        self.num_steps = check_int("num_steps", num_steps, at_least=1)
        self.num_episodes = check_int("num_episodes", num_episodes, at_least=1)
        self.discount = check_fraction("discount", discount)
        self.observations = default_observations(self.policy, observations)
        self.rewards = check_finite("rewards", check_real("rewards", rewards))
        num_actions = int(np.shape(self.policy.logits(self.observations))[-1])
        size = len(self.rewards) if self.observations is None else len(self.observations)
        check_shape("rewards", self.rewards, (size, num_actions))
        shape = (size, num_actions, size)
        continues = check_distribution("transitions", transitions, shape, of_part=True)
        ends = 1.0 - continues.sum(axis=-1, keepdims=True)
        ends[ends <= 1e-12] = 0.0  # what rounding leaves
        # The state after the end has the number S, and stays there.
        self._transitions = np.zeros((size + 1, num_actions, size + 1))
        self._transitions[:-1] = np.concatenate([continues, ends], axis=-1)
        self._transitions[-1, 0, -1] = 1.0
        first = np.eye(size)[0] if initial is None else check_real("initial", initial)
        self.initial = check_distribution("initial", first, (size,))
        v = check_real("values", np.zeros(size) if values is None else values, shape=(size,))
        self._values = np.append(check_finite("values", v), 0.0)
        # Of each episode: its states, with that after the last step, and its actions.
        self._states, self._actions = self._episodes()

    def _episodes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        states = np.flatnonzero(self.initial)[:, np.newaxis]
        actions = np.zeros((len(states), 0), np.int64)
        for _ in range(self.num_steps):
            number, a, s = np.nonzero(self._transitions[states[:, -1]])
            if len(number) > _MOST_EPISODES:
                raise ValueError(
                    f"number of different episodes must be at most {_MOST_EPISODES}, got "
                    f"{len(number)} or more"
                )
            states = np.column_stack([states[number], s])
            actions = np.column_stack([actions[number], a])
        return states, actions

    def distribution(self) -> Float64:
        """pi(. | s) in each state, shape (S, K)."""
        return distribution(self.policy, self.observations, len(self.rewards))

    def draws(self) -> list[Float64]:
        """The probabilities of all episodes, n times."""
        p = np.append(self.distribution(), np.ones((1, self.rewards.shape[1])), axis=0)
        s, a = self._states, self._actions
        of_steps = p[s[:, :-1], a] * self._transitions[s[:, :-1], a, s[:, 1:]]
        return [self.initial[s[:, 0]] * of_steps.prod(axis=1)] * self.num_episodes

    def samples(self, chosen: ArrayLike) -> Steps:
        """The episodes with these numbers of `draws`."""
        of_episodes = self._states[np.asarray(chosen)].T
        actions = self._actions[np.asarray(chosen)].T
        end = len(self.rewards)
        valid, terminated = of_episodes[:-1] < end, of_episodes[1:] == end
        states = np.where(valid, of_episodes[:-1], 0)
        terminated[-1] = True
        return Steps(
            policy=self.policy,
            observations=None if self.observations is None else self.observations[states],
            actions=actions,
            rewards=np.where(valid, self.rewards[states, actions], 0.0),
            states=states,
            values=self._values[of_episodes[:-1]],
            next_values=np.where(terminated, 0.0, self._values[of_episodes[1:]]),
            terminated=valid & terminated,
            truncated=np.zeros_like(valid),
            valid=valid,
        )

    def objective(self) -> float:
        """E[sum_t discount^t r_t] of one episode."""
        p, q = self.distribution(), self._action_values()
        return float(self.initial @ (p * q[0]).sum(axis=-1))

    def gradient(self) -> Float64:
        """The gradient of `objective`, by the policy gradient theorem (Sutton et al. 2000).

        The sum over t and s of discount^t P(s_t = s) p_j (q_j - sum_k p_k q_k), with respect to the
        logits of state s. Estimators that take means over the steps have it as their expectation
        when it is divided by their number.
        """
        p, q = self.distribution(), self._action_values()
        rows, visits = np.zeros_like(p), self.initial
        for of_step in q:
            mean = (p * of_step).sum(axis=-1, keepdims=True)
            rows += visits[:, np.newaxis] * p * (of_step - mean)
            next_visits = np.einsum("s,sk,skj->j", visits, p, self._transitions[:-1, :, :-1])
            visits = self.discount * next_visits
        return adjoint(self.policy, self.observations, rows)

    def _action_values(self) -> list[Float64]:
        """q_t(s, a) for each step, by backward induction."""
        p, result = self.distribution(), [self.rewards]
        for _ in range(self.num_steps - 1):
            v = (p * result[0]).sum(axis=-1)
            result.insert(0, self.rewards + self.discount * self._transitions[:-1, :, :-1] @ v)
        return result
