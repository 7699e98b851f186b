"""One sitting of a training: shows it, saves it now and then, and knows when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from scorefn._command.errors import CommandError
from scorefn.train.display import Display, Status
from scorefn.train.metrics import HEADER, format_rows
from scorefn.train.run_folder import Progress, RunFolder
from scorefn.train.settings import TrainSettings
from scorefn.train.trainer import Outcome, StopTraining, Trainer, recent_return

# With a step of an environment and a save of a second each, an update is on disk after 5 s.
SECONDS_BETWEEN_SAVES = 3.0


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
        self._metrics_text = HEADER + format_rows(trainer.metrics[: trainer.rows_on_disk])
        self._first_step = trainer.steps
        self.saved_updates = trainer.updates
        self.saved_steps = trainer.steps
        self.failure: CommandError | None = None  # of a save, which has ended the training

    def run(self, display: Display) -> Outcome:
        """Train, and save what was reached, whatever ends it."""
        self._write_config("running")  # first: with 0 steps it is enough to resume
        if self._trainer.updates == 0:
            self._save("running")
        outcome: Outcome = "failed"
        try:
            outcome = self._trainer.run(
                after_update=lambda: self._after_update(display),
                between_steps=self._between_steps,
            )
            self._save(outcome)
        except Exception:
            if self.failure is None:  # an error of the environment, say
                with suppress(CommandError):
                    self._save("failed")
                raise
        return outcome

    def _after_update(self, display: Display) -> None:
        self._between_steps()
        display.show(self._status())

    def _between_steps(self) -> None:
        now = time.monotonic()
        if self._interrupted() or now - self._started >= self._time_limit:
            raise StopTraining
        is_due = now - self._saved >= SECONDS_BETWEEN_SAVES
        if is_due and self._trainer.updates > self.saved_updates:
            self._save("running")

    def _status(self) -> Status:
        done, total = self._trainer.steps, self._settings.steps
        elapsed = max(time.monotonic() - self._started, 1e-9)
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

    def _save(self, state: Outcome | Literal["running"]) -> None:
        """Write the checkpoint first: it alone is enough to resume without a loss.

        So each of the other files may be older than the checkpoint, and none is ever newer.
        """
        trainer, folder = self._trainer, self._folder
        try:
            folder.write_checkpoint(trainer.checkpoint())
            self.saved_updates, self.saved_steps = trainer.updates, trainer.steps
            self._metrics_text += format_rows(trainer.metrics[trainer.rows_on_disk :])
            folder.write_metrics(self._metrics_text)
            trainer.rows_on_disk = trainer.updates
            folder.write_policy(trainer.policy())
            self._write_config(state)
            folder.flush()
        except CommandError as error:
            self.failure = error
            raise
        self._saved = time.monotonic()

    def _write_config(self, state: str) -> None:
        trainer = self._trainer
        progress = Progress(state, trainer.steps, trainer.seconds)
        self._folder.write_config(self._settings, progress)
