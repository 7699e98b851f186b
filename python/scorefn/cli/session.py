"""One sitting of a training: shows it, saves it now and then, and knows when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from scorefn.cli.display import Display, Status
from scorefn.cli.output import replacing
from scorefn.cli.picture import draw_learning_curve
from scorefn.cli.run_folder import RunFolder
from scorefn.cli.settings import TrainSettings
from scorefn.cli.trainer import Outcome, Trainer, recent_return

SECONDS_BETWEEN_SAVES = 10.0


class Session:
    def __init__(
        self,
        trainer: Trainer,
        settings: TrainSettings,
        folder: RunFolder,
        *,
        time_limit: float | None,
        interrupted: Callable[[], bool],
    ) -> None:
        self._trainer = trainer
        self._settings = settings
        self._folder = folder
        self._time_limit = math.inf if time_limit is None else time_limit
        self._interrupted = interrupted
        self._started = self._saved = time.monotonic()
        self._first_step = trainer.steps

    def run(self, display: Display) -> Outcome:
        self._save("running")
        outcome = self._trainer.run(
            should_stop=lambda: self._interrupted() or self._elapsed() >= self._time_limit,
            after_update=lambda: display.show(self._status()),
            after_segment=self._save_if_due,
        )
        self._save(outcome)
        with replacing(self._folder.picture) as part:
            draw_learning_curve(
                part,
                self._trainer.metrics,
                title=f"{self._settings.environment}, seed {self._settings.seed}",
                target=self._settings.stop_at_return,
            )
        return outcome

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _status(self) -> Status:
        done, total = self._trainer.steps, self._settings.steps
        elapsed = max(self._elapsed(), 1e-9)
        speed = (done - self._first_step) / elapsed
        left = min(max(0, total - done) / speed, max(0.0, self._time_limit - elapsed))
        return Status(
            fraction=min(1.0, max(done / total, elapsed / self._time_limit)),
            steps=done,
            mean_return=recent_return(self._trainer.metrics),
            entropy=self._trainer.metrics[-1].entropy,
            steps_per_second=speed,
            seconds_left=left,
        )

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved >= SECONDS_BETWEEN_SAVES:
            self._save("running")

    def _save(self, state: str) -> None:
        """The metrics before the checkpoint, which must not count more updates than they have."""
        trainer, folder = self._trainer, self._folder
        folder.write_metrics(trainer.metrics)
        folder.write_checkpoint(trainer.checkpoint)
        folder.write_policy(trainer.policy())
        progress = {"state": state, "steps": trainer.steps, "seconds": trainer.seconds}
        folder.write_config(self._settings, progress)
        self._saved = time.monotonic()
