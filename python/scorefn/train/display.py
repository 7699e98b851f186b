"""Showing how a training goes: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

SECONDS_BETWEEN_LINES = 5.0
NUMBERS_WIDTH = 66  # of the line without title and bar


@dataclass(frozen=True)
class Status:
    fraction: float  # of the training that is done
    steps: int
    mean_return: float  # NaN while no episode has ended
    entropy: float
    steps_per_second: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"return {number(self.mean_return):>7}  entropy {self.entropy:.2f}  "
            f"{self.steps_per_second:,.0f} steps/s  {_clock(self.seconds_left)} left"
        )


def number(value: float) -> str:
    """Four significant digits, or all digits before the point."""
    return f"{value:.0f}" if 999.95 <= abs(value) < 1e15 else f"{value:#.4g}"


class Display(Protocol):
    def show(self, status: Status) -> None: ...


class LiveDisplay(AbstractContextManager["LiveDisplay"]):
    """A progress bar and the numbers behind it, redrawn in place."""

    def __init__(self, title: str, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=max(4, min(30, console.width - len(title) - NUMBERS_WIDTH))),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=console,
        )
        self._task = self._progress.add_task(title, total=1.0, numbers="")

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, status: Status) -> None:
        self._progress.update(self._task, completed=status.fraction, numbers=str(status))


class PlainDisplay:
    """Lines for a log file."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES

    def show(self, status: Status) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            line = f"{self._title}  {status.fraction:4.0%}  {status.steps:,} steps  {status}"
            print(line, file=sys.stderr, flush=True)


class NoDisplay:
    def show(self, status: Status) -> None:
        pass


def make_display(title: str, *, quiet: bool) -> AbstractContextManager[Display]:
    """What suits where standard error goes."""
    if quiet:
        return nullcontext(NoDisplay())
    console = Console(stderr=True)
    return LiveDisplay(title, console) if console.is_terminal else nullcontext(PlainDisplay(title))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes
