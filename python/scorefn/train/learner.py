"""Actor-critic: REINFORCE with generalized advantage estimation, on policy.

The step is the plain gradient of normalised advantages. Adam was tried and is worse here: in a
table it moves the row of a rare state far after a single visit, and on Acrobot one of three runs
failed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn import Diagnostics, Reinforce, gae, sample
from scorefn._command.errors import CommandError
from scorefn.train.models import Model
from scorefn.train.rollout import Masks, Rollout
from scorefn.train.settings import TrainSettings

# Parameters of this size mean that the learning rate is far too high.
LARGEST_PARAMETER = 1e6


class Learner:
    """Draws the actions of a rollout and improves the policy from it."""

    def __init__(self, settings: TrainSettings, model: Model, rng: np.random.Generator) -> None:
        self._settings = settings
        self._rng = rng
        self.model = model

    def act(self, observations: NDArray[Any], masks: Masks) -> NDArray[np.int64]:
        """Sample one of the allowed actions for each observation."""
        policy, inputs = self.model.policy, self.model.encode(observations)
        if masks is None:
            return policy.sample(inputs, rng=self._rng).actions
        return sample(policy.logits(inputs), where=masks, rng=self._rng).actions

    def update(self, rollout: Rollout, remaining: float) -> Diagnostics:
        """One step of gradient ascent; `remaining` is the fraction of the training still to come.

        The learning rate and the entropy bonus fall with it to 0: at first large steps and
        exploration, in the end small steps and the best known actions.
        """
        settings, model = self._settings, self.model
        observations = model.encode(rollout.observations)
        values = model.critic.values(observations)
        advantages = gae(
            rollout.rewards,
            values,
            model.critic.values(model.encode(rollout.next_observations)),
            terminated=rollout.terminated,
            truncated=rollout.truncated,
            discount=settings.discount,
            gae_lambda=settings.gae_lambda,
            valid=rollout.valid,
        )
        samples = rollout.valid
        returns = (values + advantages)[samples]
        where = None
        if rollout.masks is not None:
            where = model.where(observations[samples], rollout.masks[samples])
        reinforce = Reinforce(
            baseline="values",
            entropy_coef=settings.entropy_coef * remaining,
            normalize_advantages=True,
        )
        estimate = reinforce.estimate(
            model.policy,
            observations[samples],
            rollout.actions[samples],
            returns,
            values=values[samples],
            where=where,
        )
        step = settings.learning_rate * remaining * estimate.gradient
        parameters = model.policy.parameters + step
        if not np.abs(parameters).max() < LARGEST_PARAMETER:  # also catches NaN
            raise CommandError(
                f"the training diverged; try a --learning-rate below {settings.learning_rate}"
            )
        # Nothing has changed until here, so that what there is can be saved after an error.
        model.critic.update(observations[samples], returns)
        model.policy.parameters[...] = parameters
        return estimate.diagnostics
