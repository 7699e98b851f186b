"""Showing how a benchmark goes: a bar on a terminal, a line a workload elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scorefn.bench import text
from scorefn.bench.results import Row
from scorefn.bench.workload import Workload


class Display(Protocol):
    def start(self, work: Workload) -> None: ...

    def finish(self, row: Row) -> None: ...


class LiveDisplay:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def start(self, work: Workload) -> None:
        self._progress.update(self._task, description=work.name)

    def finish(self, row: Row) -> None:
        self._progress.advance(self._task)
        self._progress.console.print(summary(row), highlight=False)


class PlainDisplay:
    """Lines for a log file."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def start(self, work: Workload) -> None:
        pass

    def finish(self, row: Row) -> None:
        self._done += 1
        print(f"{self._done}/{self._total}  {summary(row)}", file=sys.stderr, flush=True)


class NoDisplay:
    def start(self, work: Workload) -> None:
        pass

    def finish(self, row: Row) -> None:
        pass


@contextmanager
def make_display(total: int, *, quiet: bool) -> Iterator[Display]:
    """What suits where standard error goes."""
    console = Console(stderr=True)
    if quiet:
        yield NoDisplay()
    elif not console.is_terminal:
        yield PlainDisplay(total)
    else:
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
            yield LiveDisplay(progress, total)


def summary(row: Row) -> str:
    """The workload in a line: scorefn, and the fastest peer."""
    if row.ours is None:
        return f"{row.work.name}: failed"
    seconds = row.ours.seconds
    per_element = f"{seconds / row.work.elements * 1e9:.3g} ns/element"
    error = f"{text.ulp(row.ours.ulp)} ULP"
    line = f"{row.work.name}: {text.duration(seconds)}, {per_element}, {error}"
    if not row.peers:
        return line
    name = min(row.peers, key=lambda peer: row.peers[peer].seconds)
    return f"{line}; {name} {text.ratio(row.speedup(name))}"
