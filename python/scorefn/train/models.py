"""A policy together with its critic and the way it sees an observation."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scorefn import LinearPolicy, TabularPolicy
from scorefn._command.errors import CommandError
from scorefn.critics import LinearCritic, TabularCritic
from scorefn.train.environments import Environments
from scorefn.train.state import Arrays, prefixed

PlayablePolicy = LinearPolicy | TabularPolicy


class Model(Protocol):
    @property
    def policy(self) -> PlayablePolicy: ...

    @property
    def critic(self) -> LinearCritic | TabularCritic: ...

    def encode(self, observations: NDArray[Any]) -> NDArray[Any]:
        """What the policy and the critic take."""

    def fit_encoding(self, observations: NDArray[Any]) -> None:
        """Adapt `encode` to typical observations; once, while the policy is still uniform."""

    def where(
        self, observations: NDArray[Any], masks: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        """The masks of samples as the policy takes them: None if it has learned them itself."""

    def export(self) -> PlayablePolicy:
        """The policy on `policy_input` of plain observations."""

    def arrays(self) -> Arrays:
        """The live arrays that make up its state."""


class TabularModel:
    """One row of logits and one value for each state."""

    def __init__(self, num_states: int, num_actions: int) -> None:
        self.policy = TabularPolicy(np.zeros((num_states, num_actions)))
        self._allowed = np.zeros((num_states, num_actions), dtype=np.bool_)
        self.critic = TabularCritic(num_states)

    def encode(self, observations: NDArray[Any]) -> NDArray[Any]:
        return observations

    def fit_encoding(self, observations: NDArray[Any]) -> None:
        pass

    def where(self, observations: NDArray[Any], masks: NDArray[np.bool_]) -> None:
        """One mask per state. Before the first one, all actions of all states are allowed."""
        if self.policy.where is None:
            self.policy = TabularPolicy(self.policy.parameters, where=self._allowed)
        try:
            self.policy.learn_mask(observations, masks)
        except ValueError as error:
            raise CommandError(
                f"the environment's info['action_mask'] depends on more than the state: {error}"
            ) from error

    def export(self) -> TabularPolicy:
        """In states that were never visited all actions are allowed."""
        if self.policy.where is None:
            return self.policy
        is_known = self._allowed.any(axis=1, keepdims=True)
        return TabularPolicy(self.policy.parameters, where=self._allowed | ~is_known)

    def arrays(self) -> Arrays:
        own = {"table": self.policy.parameters, "allowed": self._allowed}
        return {**own, **prefixed("critic", self.critic.arrays())}


class LinearModel:
    """Logits and value linear in the standardised observation and a constant 1."""

    def __init__(self, num_observations: int, num_actions: int) -> None:
        self.policy = LinearPolicy(np.zeros((num_observations + 1, num_actions)))
        self.critic = LinearCritic(num_observations + 1, squares=True)
        self._mean = np.zeros(num_observations)
        self._scale = np.ones(num_observations)

    def encode(self, observations: NDArray[Any]) -> NDArray[Any]:
        return _with_one((observations - self._mean) / self._scale)

    def fit_encoding(self, observations: NDArray[Any]) -> None:
        deviation = observations.std(axis=0)
        self._mean[:] = observations.mean(axis=0)
        self._scale[:] = np.where(deviation > 1e-8, deviation, 1.0)

    def where(self, observations: NDArray[Any], masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return masks

    def export(self) -> LinearPolicy:
        """The same logits from plain observations: the coefficients take up the standardisation."""
        coef = self.policy.parameters.copy()
        coef[:-1] /= self._scale[:, None]
        coef[-1] -= self._mean @ coef[:-1]
        return LinearPolicy(coef)

    def arrays(self) -> Arrays:
        own = {"coef": self.policy.parameters, "mean": self._mean, "scale": self._scale}
        return {**own, **prefixed("critic", self.critic.arrays())}


def make_model(envs: Environments) -> Model:
    if envs.policy_kind == "tabular":
        return TabularModel(envs.num_observations, envs.num_actions)
    return LinearModel(envs.num_observations, envs.num_actions)


def fits(policy: PlayablePolicy, envs: Environments) -> bool:
    """Whether a saved policy has the kind and the shape for these environments."""
    fresh = make_model(envs).policy
    return type(policy) is type(fresh) and policy.parameters.shape == fresh.parameters.shape


def policy_input(policy: PlayablePolicy, observations: NDArray[Any]) -> NDArray[Any]:
    """What a saved policy takes: states, or the observation and a constant 1."""
    return _with_one(observations) if isinstance(policy, LinearPolicy) else observations


def _with_one(observations: NDArray[Any]) -> NDArray[Any]:
    ones = np.ones((*observations.shape[:-1], 1))
    return np.concatenate([observations, ones], axis=-1)
