"""Bandits, with contexts and logged actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._check import (
    check_bool,
    check_finite,
    check_flag,
    check_int,
    check_number,
    check_real,
    check_shape,
)
from ...policies import TabularPolicy
from .policies import (
    Float64,
    adjoint,
    check_distribution,
    default_observations,
    distribution,
    to_policy,
)


@dataclass(frozen=True)
class Samples:
    """What an estimator is given: n independent samples of a `Bandit`.

    Attributes
    ----------
    policy : Policy
        The policy whose gradient is to be estimated.
    observations : array or None
        What the policy takes: one observation for each sample.
    actions : (n,) int64 array
    rewards : (n,) float64 array
    contexts : (n,) int64 array
        Which of the problem's observations each sample has.
    where : bool array or None
        Allowed actions (True), as the policy takes them.
    logged : (n,) float64 array or None
        The probabilities with which another policy drew the actions; None if the policy itself did.
    """

    policy: Any
    observations: NDArray[Any] | None
    actions: NDArray[np.int64]
    rewards: Float64
    contexts: NDArray[np.int64]
    where: NDArray[np.bool_] | None = None
    logged: Float64 | None = None

    @property
    def propensities(self) -> Float64:
        """The probability with which each action was drawn, shape (n,)."""
        if self.logged is not None:
            return self.logged
        p = distribution(self.policy, self.observations, len(self.actions), self.where)
        return np.asarray(p[np.arange(len(p)), self.actions])

    def estimate_by(self, estimator: Any) -> Any:
        """``estimator.estimate(policy, observations, actions, rewards)`` of these samples.

        With ``where=`` if there is a mask, and with ``propensities=`` if the actions are logged.
        """
        options: dict[str, Any] = {}
        if self.where is not None:
            options["where"] = self.where
        if self.logged is not None:
            options["propensities"] = self.logged
        samples = (self.policy, self.observations, self.actions, self.rewards)
        return estimator.estimate(*samples, **options)


class Bandit:
    """A contextual bandit, small enough to enumerate all that can be sampled from it.

    Each of n independent samples draws an observation, an action and its reward. The policy is
    looked at anew in every call: its parameters may change in between.

    Parameters
    ----------
    policy : Policy or array
        What draws the actions and has the gradient: a policy of scorefn, or one of your own with
        the methods ``logits(x)`` and ``adjoint(x, g)``. Also its logits, (K,) for a `LogitsPolicy`
        or (C, K) for a `TabularPolicy`.
    rewards : (K,) or (C, K) array
        The reward of each action; in each of C contexts, if there are several.
    num_samples : int
        n.
    observations : (C, ...) array, optional
        What the policy takes in each context. Default: the states of a table; None for logits.
    probabilities : (C,) array, optional
        How often each context comes up. Default: all equally often.
    fixed_observations : bool
        Sample i has context i modulo C instead of a random one. Expectations and variances are then
        conditional on the observations.
    noise : (R,) array, optional
        One of these numbers, all equally likely, is added to the reward of each sample.
    propensities : (K,) or (C, K) array, optional
        The probabilities of the logging policy, if it is not the policy itself that draws the
        actions.
    where : (K,) or (C, K) bool array, optional
        Allowed actions (True), as the policy takes them: not for a `TabularPolicy`.

    Raises
    ------
    TypeError, ValueError
        An array of the wrong kind or shape, rewards that are not finite, or probabilities whose sum
        is not 1.

    Examples
    --------
    An estimator is an object with the method ``estimate(policy, observations, actions, rewards)``,
    or a function of `Samples`. This one is biased, as its baseline contains the sample's reward:

    >>> import numpy as np
    >>> from scorefn.testing import Bandit, exact_expectation
    >>> problem = Bandit(np.zeros((2, 2)), rewards=[[1.0, 0.0], [0.0, 3.0]], num_samples=3)
    >>> def over_mean(samples):
    ...     advantages = samples.rewards - samples.rewards.mean()
    ...     x = samples.observations, samples.actions
    ...     return samples.policy.gradient(*x, advantages) / len(advantages)
    >>> exact_expectation(over_mean, problem) / problem.gradient()
    array([[0.66666667, 0.66666667],
           [0.66666667, 0.66666667]])

    Off-policy: actions that were logged with other probabilities.

    >>> logged = Bandit(np.zeros(2), rewards=[1.0, 0.0], propensities=[0.8, 0.2])
    >>> def importance_sampling(samples):
    ...     ratios = np.exp(samples.policy.log_prob(None, samples.actions)) / samples.propensities
    ...     return samples.policy.gradient(None, samples.actions, ratios * samples.rewards)
    >>> exact_expectation(importance_sampling, logged), logged.gradient()
    (array([ 0.25, -0.25]), array([ 0.25, -0.25]))
    """

    def __init__(
        self,
        policy: Any,
        rewards: ArrayLike,
        num_samples: int = 1,
        *,
        observations: Any = None,
        probabilities: ArrayLike | None = None,
        fixed_observations: bool = False,
        noise: ArrayLike | None = None,
        propensities: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> None:
        self.policy = to_policy(policy)
        self.num_samples = check_int("num_samples", num_samples, at_least=1)
        self.observations = default_observations(self.policy, observations)
        given = check_finite("rewards", check_real("rewards", rewards))
        if self.observations is not None:
            self.num_contexts = len(self.observations)
        else:
            self.num_contexts = 1 if given.ndim == 1 else len(given)
        self.num_actions = int(np.shape(self.policy.logits(self.observations))[-1])
        self.rewards = self._for_each_context("rewards", given)
        check_flag("fixed_observations", fixed_observations)
        if fixed_observations and probabilities is not None:
            raise ValueError("probabilities must be left out if fixed_observations is True")
        self.fixed_observations = fixed_observations
        equal = np.full(self.num_contexts, 1.0 / self.num_contexts)
        self.probabilities = (
            equal
            if probabilities is None
            else check_distribution("probabilities", probabilities, (self.num_contexts,))
        )
        self.noise = check_finite("noise", check_real("noise", [0.0] if noise is None else noise))
        if self.noise.ndim != 1 or self.noise.size == 0:
            raise ValueError(f"noise must have shape (R,) and not be empty, got {self.noise.shape}")
        self.propensities = (
            None
            if propensities is None
            else check_distribution(
                "propensities",
                self._for_each_context("propensities", check_real("propensities", propensities)),
                self.rewards.shape,
            )
        )
        self.where = None
        if where is not None:
            if isinstance(self.policy, TabularPolicy):
                raise TypeError("where must be None for a TabularPolicy, whose mask is its own")
            shape = (self.num_actions,) if np.ndim(where) == 1 else self.rewards.shape
            self.where = check_bool("where", where, shape=shape)

    def _for_each_context(self, name: str, values: Float64) -> Float64:
        x = values[np.newaxis] if values.ndim == 1 and self.num_contexts == 1 else values
        shape = (self.num_contexts, self.num_actions)
        check_shape(name, values, shape[1:] if x is not values else shape)
        return x

    def distribution(self) -> Float64:
        """pi(. | x) in each context, shape (C, K)."""
        return distribution(self.policy, self.observations, self.num_contexts, self.where)

    def draws(self) -> list[Float64]:
        """For each sample, the probabilities of its (context, action, noise)."""
        p = self.distribution() if self.propensities is None else self.propensities
        of_actions = np.repeat(p[..., np.newaxis] / self.noise.size, self.noise.size, axis=-1)
        return [(c[:, None, None] * of_actions).reshape(-1) for c in self._of_contexts()]

    def samples(self, chosen: ArrayLike) -> Samples:
        """The samples with these numbers of `draws`, one number for each sample."""
        sizes = (*self.rewards.shape, self.noise.size)
        contexts, actions, noise = np.unravel_index(np.asarray(chosen), sizes)
        where, logged = self.where, self.propensities
        return Samples(
            policy=self.policy,
            observations=None if self.observations is None else self.observations[contexts],
            actions=actions,
            rewards=self.rewards[contexts, actions] + self.noise[noise],
            contexts=contexts,
            where=where[contexts] if where is not None and where.ndim == 2 else where,
            logged=None if logged is None else logged[contexts, actions],
        )

    def objective(self, *, entropy_coef: float = 0.0) -> float:
        """E[reward] + entropy_coef E[H] of the policy."""
        p, f = self.distribution(), self._values(entropy_coef)
        of_contexts = np.mean(self._of_contexts(), axis=0)
        return float(of_contexts @ (p * f).sum(axis=-1) + self.noise.mean())

    def gradient(self, *, entropy_coef: float = 0.0) -> Float64:
        """The gradient of `objective`, which an estimator should have as its expectation.

        In each context it is that of all actions, p_j (f_j - sum_k p_k f_k) with respect to the
        logits, where f = rewards - entropy_coef log p.
        """
        p, f = self.distribution(), self._values(entropy_coef)
        of_contexts = np.mean(self._of_contexts(), axis=0)
        mean = (p * f).sum(axis=-1, keepdims=True)
        return adjoint(self.policy, self.observations, of_contexts[:, None] * p * (f - mean))

    def _values(self, entropy_coef: float) -> Float64:
        """rewards - entropy_coef log p, in each context; p log p is 0 for p = 0."""
        c, p = check_number("entropy_coef", entropy_coef), self.distribution()
        return np.asarray(self.rewards - c * np.log(np.where(p > 0.0, p, 1.0)))

    def _of_contexts(self) -> Float64:
        """The probability of each context, for each sample."""
        n, size = self.num_samples, self.num_contexts
        if self.fixed_observations:
            return np.asarray(np.eye(size)[np.arange(n) % size])
        return np.tile(self.probabilities, (n, 1))
