"""The training loop.

Training comes in segments. Each starts with fresh episodes, seeded from the run's random numbers,
and a checkpoint is the state between two segments. So a resumed run needs no state of an
environment, which cannot be saved, and gives the bits of a run that was never interrupted. The
price: what came after the last checkpoint, about a second of work, is done again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from scorefn.cli.environments import Environments
from scorefn.cli.errors import CommandError
from scorefn.cli.learner import Learner
from scorefn.cli.metrics import MetricsRow
from scorefn.cli.models import PlayablePolicy, make_model
from scorefn.cli.play import Episodes
from scorefn.cli.rollout import Player
from scorefn.cli.settings import TrainSettings
from scorefn.cli.state import Arrays, restore

Outcome = Literal["finished", "solved", "stopped"]
Evaluate = Callable[[PlayablePolicy, np.random.Generator], Episodes]

# A segment is this many times as long as an episode may be, so that its end cuts few episodes.
EPISODES_PER_SEGMENT = 4


class Trainer:
    def __init__(self, settings: TrainSettings, envs: Environments, evaluate: Evaluate) -> None:
        self._settings = settings
        self._evaluate = evaluate
        self._rng = np.random.default_rng(settings.seed)
        self._learner = Learner(settings, make_model(envs), self._rng)
        self._player = Player(envs)
        self._counts = np.zeros(2, dtype=np.int64)  # updates, steps
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self.metrics: list[MetricsRow] = []
        self.evaluation: Episodes | None = None  # the one that confirmed the return to stop at
        self.checkpoint = self._state()

    @property
    def steps(self) -> int:
        return int(self._counts[1])

    @property
    def seconds(self) -> float:
        """Spent on training, over all sessions."""
        return self.metrics[-1].seconds if self.metrics else 0.0

    def policy(self) -> PlayablePolicy:
        return self._learner.model.export()

    def run(
        self,
        *,
        should_stop: Callable[[], bool],
        after_update: Callable[[], None],
        after_segment: Callable[[], None],
    ) -> Outcome:
        """Train until all steps are taken, the return to stop at is confirmed, or `should_stop()`.

        However it ends, `policy()` and `metrics` are the latest, `checkpoint` is where to go on.
        """
        settings = self._settings
        longest = EPISODES_PER_SEGMENT * settings.max_episode_steps
        updates_per_segment = math.ceil(longest / settings.rollout_steps)
        while self.steps < settings.steps:
            first_row = len(self.metrics)
            self._player.reset(seed=int(self._rng.integers(2**31)))
            for _ in range(updates_per_segment):
                self._update()
                after_update()
                if should_stop():
                    return "stopped"
                if self.steps >= settings.steps:
                    break
            self.checkpoint = self._state()
            if self._is_solved(self.metrics[first_row:]):
                return "solved"
            after_segment()
        return "finished"

    def resume(self, checkpoint: Arrays, metrics: list[MetricsRow]) -> None:
        """Go on from a checkpoint, which anyone may have edited."""
        restore(self._live_arrays(), checkpoint)
        updates = int(self._counts[0])
        if self._counts.min() < 0 or len(metrics) < updates:
            raise CommandError(f"{updates} updates, but metrics.csv has {len(metrics)}")
        try:
            self._rng.bit_generator.state = json.loads(str(checkpoint["rng"]))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CommandError("rng is not the state of a random generator") from error
        self.metrics = metrics[:updates]
        self._seconds_before = self.seconds
        self.checkpoint = self._state()

    def _update(self) -> None:
        settings = self._settings
        remaining = max(0.0, 1.0 - self.steps / settings.steps)
        rollout = self._player.collect(self._learner.act, settings.rollout_steps)
        if self._counts[0] == 0:
            samples = rollout.observations[rollout.valid]
            self._learner.model.fit_encoding(samples)
        diagnostics = self._learner.update(rollout, remaining)
        self._counts += (1, rollout.actions.size)
        self.metrics.append(
            MetricsRow(
                update=int(self._counts[0]),
                steps=self.steps,
                seconds=round(self._seconds_before + time.monotonic() - self._started, 3),
                episodes=len(rollout.episode_returns),
                mean_return=_mean(rollout.episode_returns),
                mean_length=_mean(rollout.episode_lengths),
                entropy=diagnostics.entropy,
                gradient_norm=diagnostics.gradient_norm,
                gradient_standard_error=diagnostics.gradient_standard_error,
                learning_rate=settings.learning_rate * remaining,
            )
        )

    def _is_solved(self, segment: list[MetricsRow]) -> bool:
        """Whether the policy's return is at least the one to stop at, beyond three standard errors.

        Asked after a segment whose own episodes suggest it. The evaluation has its own random
        numbers and so does not change the training.
        """
        wanted = self._settings.stop_at_return
        if wanted is None or not recent_return(segment, math.inf) >= wanted:
            return False
        rng = np.random.default_rng([self._settings.seed, self.steps])
        episodes = self._evaluate(self.policy(), rng)
        if episodes.returns.mean() - 3 * episodes.standard_error < wanted:
            return False
        self.evaluation = episodes
        return True

    def _live_arrays(self) -> Arrays:
        return {**self._learner.model.arrays(), "counts": self._counts}

    def _state(self) -> Arrays:
        arrays = {name: array.copy() for name, array in self._live_arrays().items()}
        arrays["rng"] = np.array(json.dumps(self._rng.bit_generator.state))
        return arrays


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
