"""The training loop.

Training comes in segments. Each starts with fresh episodes, seeded from the run's random numbers.
Where segments end depends on the settings alone, never on the speed of the environments.

A checkpoint is the state after an update. It holds no environments, which cannot be saved, so a
resumed run starts new episodes. Between two segments that is what happens anyway: a run resumed
there has the bits of a run that was never interrupted. Within a segment it has not.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from scorefn._command.errors import CommandError
from scorefn.train.confirm import confirm, steps_to_spend
from scorefn.train.environments import Environments
from scorefn.train.learner import Learner
from scorefn.train.metrics import HEADER, MetricsRow, format_rows, read_metrics
from scorefn.train.models import PlayablePolicy, make_model
from scorefn.train.play import Episodes
from scorefn.train.rollout import Player
from scorefn.train.settings import MIN_ROLLOUT_STEPS, TrainSettings
from scorefn.train.state import Arrays, restore

Outcome = Literal["finished", "solved", "stopped", "failed"]
Evaluate = Callable[[PlayablePolicy, np.random.Generator, int], Episodes]

# A segment is this many times as long as an episode may be, so that its end cuts few episodes.
EPISODES_PER_SEGMENT = 4


class StopTraining(BaseException):
    """Raised between two steps to abandon what is played. No environment should catch it."""


class Trainer:
    def __init__(self, settings: TrainSettings, envs: Environments, evaluate: Evaluate) -> None:
        self._settings = settings
        self._evaluate = evaluate
        self._rng = np.random.default_rng(settings.seed)
        self._rng_state = self._rng.bit_generator.state  # after the last update
        self._learner = Learner(settings, make_model(envs), self._rng)
        self._envs = envs
        self._player = Player(envs)
        longest = EPISODES_PER_SEGMENT * settings.max_episode_steps
        self._updates_per_segment = math.ceil(longest / settings.rollout_steps)
        self._updates_of_segment = 0
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self.updates = 0
        self.steps = 0
        self.metrics: list[MetricsRow] = []
        self.rows_on_disk = 0  # so many rows of the metrics are known to be in their file
        self.evaluation: Episodes | None = None  # the one that confirmed the return to stop at

    @property
    def seconds(self) -> float:
        """Spent on training, over all sessions."""
        return self.metrics[-1].seconds if self.metrics else 0.0

    @property
    def is_within_segment(self) -> bool:
        """Whether going on from here with new episodes cuts a segment in two."""
        return 0 < self._updates_of_segment < self._updates_per_segment

    @property
    def learning_rate(self) -> float:
        """The one of the next update."""
        return self._settings.learning_rate * self._remaining()

    def policy(self) -> PlayablePolicy:
        return self._learner.model.export()

    def run(
        self, *, after_update: Callable[[], None], between_steps: Callable[[], None]
    ) -> Outcome:
        """Train until all steps are taken, the return to stop at is confirmed, or `StopTraining`.

        Both functions may raise that, and may save. What is abandoned is the rollout or evaluation
        in progress: policy, metrics and checkpoint are those after the last update.
        """
        self._envs.between_steps = between_steps
        try:
            return self._train(after_update)
        except StopTraining:
            return "stopped"

    def _train(self, after_update: Callable[[], None]) -> Outcome:
        total = self._settings.steps
        is_playing = False
        while True:
            length = self._updates_of_segment
            if length and (length >= self._updates_per_segment or self.steps >= total):
                is_solved = self._is_solved(self.metrics[-length:])
                self._updates_of_segment = 0
                is_playing = False
                if is_solved:
                    return "solved"
            if self.steps >= total:
                return "finished"
            if not is_playing:
                self._player.reset(seed=int(self._rng.integers(2**31)))
                is_playing = True
            self._update()
            after_update()

    def checkpoint(self) -> Arrays:
        """The state after the last update, and the rows of metrics that may not be on disk yet.

        The arrays are live: write them before training goes on.
        """
        counts = np.array([self.updates, self.steps, self._updates_of_segment], dtype=np.int64)
        return {
            **self._learner.model.arrays(),
            "counts": counts,
            "rng": np.array(json.dumps(self._rng_state)),
            "rows": np.array(HEADER + format_rows(self.metrics[self.rows_on_disk :])),
        }

    def resume(self, checkpoint: Arrays, metrics: list[MetricsRow]) -> None:
        """Go on from a checkpoint, which anyone may have edited."""
        counts = np.zeros(3, dtype=np.int64)
        restore({**self._learner.model.arrays(), "counts": counts}, checkpoint)
        self.updates, self.steps, self._updates_of_segment = counts.tolist()
        if counts.min() < 0 or (self.updates == 0) != (self.steps == 0):
            raise CommandError(f"{self.updates} updates of {self.steps} steps")
        if self._updates_of_segment > min(self.updates, self._updates_per_segment):
            raise CommandError(f"{self._updates_of_segment} updates in a segment")
        self.metrics = self._with_own_rows(checkpoint, metrics)
        try:
            self._rng.bit_generator.state = json.loads(str(checkpoint["rng"]))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CommandError("rng is not the state of a random generator") from error
        self._rng_state = self._rng.bit_generator.state
        self._seconds_before = self.seconds

    def _with_own_rows(self, checkpoint: Arrays, metrics: list[MetricsRow]) -> list[MetricsRow]:
        """The rows of the file, and those of the checkpoint, which a kill may have kept from it."""
        try:
            rows = read_metrics(str(checkpoint["rows"]))
        except (KeyError, ValueError, csv.Error, CommandError) as error:
            raise CommandError("rows are not rows of metrics") from error
        self.rows_on_disk = self.updates - len(rows)
        if not 0 <= self.rows_on_disk <= len(metrics):
            raise CommandError(f"{self.updates} updates, but metrics.csv has {len(metrics)}")
        return metrics[: self.rows_on_disk] + rows

    def _remaining(self) -> float:
        return max(0.0, 1.0 - self.steps / self._settings.steps)

    def _rollout_steps(self) -> int:
        """Those of each environment; the last rollout takes no more than are missing."""
        settings = self._settings
        missing = math.ceil((settings.steps - self.steps) / settings.num_envs)
        return min(settings.rollout_steps, max(MIN_ROLLOUT_STEPS, missing))

    def _update(self) -> None:
        remaining = self._remaining()
        rollout = self._player.collect(self._learner.act, self._rollout_steps())
        if self.updates == 0:
            samples = rollout.observations[rollout.valid]
            self._learner.model.fit_encoding(samples)
        diagnostics = self._learner.update(rollout, remaining)
        self.updates += 1
        self.steps += rollout.actions.size
        self._updates_of_segment += 1
        self._rng_state = self._rng.bit_generator.state
        self.metrics.append(
            MetricsRow(
                update=self.updates,
                steps=self.steps,
                seconds=round(self._seconds_before + time.monotonic() - self._started, 3),
                episodes=len(rollout.episode_returns),
                mean_return=_mean(rollout.episode_returns),
                mean_length=_mean(rollout.episode_lengths),
                entropy=diagnostics.entropy,
                gradient_norm=diagnostics.gradient_norm,
                gradient_standard_error=diagnostics.gradient_standard_error,
                learning_rate=self._settings.learning_rate * remaining,
            )
        )

    def _is_solved(self, segment: list[MetricsRow]) -> bool:
        """Whether evaluation episodes confirm that the greedy policy reaches the return to stop at.

        Asked after a segment whose own episodes suggest it. The evaluation has its own random
        numbers and so does not change the training.
        """
        settings = self._settings
        wanted = settings.stop_at_return
        recent = recent_return(segment, math.inf)
        if self.steps >= settings.steps:  # the last chance: one segment may be too short to tell
            recent = float(np.fmax(recent, recent_return(self.metrics, 1000)))
        if wanted is None or not recent >= wanted:
            return False
        policy, rng = self.policy(), np.random.default_rng([settings.seed, self.steps])
        segment_steps = len(segment) * settings.rollout_steps * settings.num_envs
        most_steps = steps_to_spend(self.steps, segment_steps, settings.steps)
        self.evaluation = confirm(
            lambda num_episodes: self._evaluate(policy, rng, num_episodes), wanted, most_steps
        )
        return self.evaluation is not None


def recent_return(rows: list[MetricsRow], num_episodes: float = 100) -> float:
    """Mean return of about the last so many episodes; NaN if none has ended."""
    total, count = 0.0, 0
    for row in reversed(rows):
        if count >= num_episodes:
            break
        if row.episodes:
            total += row.episodes * row.mean_return
            count += row.episodes
    return total / count if count else math.nan


def _mean(values: np.ndarray[Any, Any]) -> float:
    return float(values.mean()) if len(values) else math.nan
