"""One workload: prepare its solutions, check their answers, time those that are right."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from scorefn._command.errors import describe_exception
from scorefn.bench.checks import Checker, WrongAnswerError
from scorefn.bench.load import LoadMeter
from scorefn.bench.memory import peak_memory
from scorefn.bench.problem import Problem, Solve
from scorefn.bench.results import Measurement, Row, Settings
from scorefn.bench.roofline import Roofline
from scorefn.bench.solutions import Solution
from scorefn.bench.timing import FULL, QUICK, time_in_turn
from scorefn.bench.workload import Workload

LARGE = 500_000  # elements from which on memory counts, that of the call and its bandwidth


class InterruptedMeasurement(Exception):  # noqa: N818  (not an error)
    """Ctrl-C was pressed: what has been measured of this workload is incomplete."""


def measure(
    work: Workload,
    settings: Settings,
    solutions: Sequence[Solution],
    roofline: Roofline,
    is_interrupted: Callable[[], bool],
) -> Row:
    def go_on() -> None:
        if is_interrupted():
            raise InterruptedMeasurement

    problem = Problem(work, settings.dtype, settings.threads)
    is_large = work.elements >= LARGE
    solves, ulps, failed = prepare(problem, solutions, go_on)
    memory: dict[str, int | None] = dict.fromkeys(solves)
    first = None
    if is_large:
        watched = {name: peak_memory(solve) for name, solve in solves.items()}
        memory = {name: size for name, (size, _) in watched.items()}
        first = {name: seconds for name, (_, seconds) in watched.items()}

    def between_rounds() -> None:
        go_on()
        if is_large:
            roofline.measure()

    moved = work.bytes_moved(problem.out.itemsize)
    roofline.move(moved)
    budget = QUICK if settings.quick else FULL
    meter = LoadMeter()
    timings = time_in_turn(solves, budget, first=first, between_rounds=between_rounds)
    load = meter.read()
    measured = {
        name: Measurement(timing, ulps[name], memory[name]) for name, timing in timings.items()
    }
    return Row(work, moved, roofline.bandwidth, measured, failed, load)


def prepare(
    problem: Problem, solutions: Sequence[Solution], go_on: Callable[[], None] = lambda: None
) -> tuple[dict[str, Solve], dict[str, float], dict[str, str]]:
    """The calls that give the right answer, their errors, and why the others are left out."""
    checker = Checker(problem)
    solves: dict[str, Solve] = {}
    ulps, failed = {}, {}
    for solution in solutions:
        go_on()
        try:
            solve = solution.prepare(problem)
            if solve is not None:
                # JSON has no infinity.
                ulps[solution.name] = min(checker.check(solve), sys.float_info.max)
                solves[solution.name] = solve
        except WrongAnswerError as error:
            failed[solution.name] = f"wrong answer: {error}"
        except Exception as error:  # of whatever kind, in somebody else's code
            failed[solution.name] = f"{type(error).__name__}: {describe_exception(error)}"
    return solves, ulps, failed
