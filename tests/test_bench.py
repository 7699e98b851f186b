"""The benchmark: it counts bytes exactly, believes no wrong answer, and keeps what it measured.

Needs no peer but NumPy. No test looks at a time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn import testing
from scorefn._all_actions import ALL_ACTION_CLASSES
from scorefn.bench import load, solutions, tables
from scorefn.bench.checks import Checker, WrongAnswerError
from scorefn.bench.grid import ACTIONS, MEAN_LENGTH, RAGGED, all_workloads, matching
from scorefn.bench.measure import prepare
from scorefn.bench.problem import Problem
from scorefn.bench.references import exact_step
from scorefn.bench.solutions import OURS, PEERS, Solution, differentiable
from scorefn.bench.timing import Budget, time_in_turn
from scorefn.bench.workload import BYTES, DECLARED, SCANS, Workload

FUNCTIONS = [name for name in BYTES if hasattr(scorefn, name)]


def tiny(function: str, actions: int = 5, samples: int = 40) -> Workload:
    if function in SCANS:
        return Workload(function, 1, samples, steps=actions)
    sizes = {
        "tabular_gradient": {"states": 7},
        "linear_gradient": {"features": 3},
        "ClippedSurrogate": {"segments": samples // 4},
    }
    return Workload(function, actions, samples, **sizes.get(function, {}))


def special() -> list[Workload]:
    """Ragged rows, means over segments, and a scan of one environment."""
    return [
        *(Workload(function, 7, 50, shortest=2) for function in RAGGED),
        Workload("ClippedSurrogate", 5, 40, segments=10, mean=True),
        *(Workload(function, 1, 1, steps=50) for function in SCANS),
    ]


# Workloads


def test_names_are_unique() -> None:
    for quick in (False, True):
        names = [work.name for work in all_workloads(quick=quick)]
        assert len(set(names)) == len(names)


def test_grid_has_every_function_and_number_of_actions() -> None:
    workloads = all_workloads()
    assert {work.function for work in workloads} == set(FUNCTIONS)
    of_grid = {w.actions for w in workloads if w.function == "score_gradient" and not w.shortest}
    assert of_grid == {*ACTIONS, MEAN_LENGTH}
    assert len(all_workloads(quick=True)) < len(workloads) / 5


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("score_gradient K=18", {("score_gradient", 18)}),
        ("softmax K=1024", {("softmax", 1024), ("log_softmax", 1024)}),
        ("softmax K=1024*", {("softmax", 1024)}),
        ("* states=500", {("tabular_gradient", 6)}),
        ("K=2-40", {(function, 40) for function in RAGGED}),
        ("segments=", {("ClippedSurrogate", 6), ("ClippedSurrogate", 1024)}),
        ("gae T=", {("gae", 1)}),
        ("NeuRD K=18", {("NeuRD", 18)}),
    ],
)
def test_filter(pattern: str, expected: set[tuple[str, int]]) -> None:
    found = matching(all_workloads(), [pattern])
    assert {(work.function, work.actions) for work in found} == expected


@pytest.mark.parametrize(
    ("work", "itemsize", "expected"),
    [
        (Workload("log_softmax", 6, 10), 4, (60 + 60) * 4),
        (Workload("log_softmax", 6, 10), 8, (60 + 60) * 8),
        (Workload("logsumexp", 6, 10), 4, (60 + 10) * 4),
        (Workload("log_prob", 6, 10), 4, (60 + 10) * 4 + 10 * 8),
        (Workload("kl_divergence", 6, 10), 4, (60 + 60 + 10) * 4),
        (Workload("score_gradient", 6, 10), 4, (60 + 10 + 60) * 4 + 10 * 8),
        # All of the gradient is written, of the table what is visited is read.
        (Workload("tabular_gradient", 6, 10, states=4), 4, (24 + 24 + 10) * 4 + 10 * 16),
        (Workload("tabular_gradient", 6, 2, states=4), 4, (12 + 24 + 2) * 4 + 2 * 16),
        (
            Workload("tabular_gradient", 6, 2, states=4, accumulate=True),
            4,
            (12 + 12 + 12 + 2) * 4 + 2 * 16,
        ),
        (Workload("linear_gradient", 6, 10, features=3), 4, (30 + 18 + 18 + 10) * 4 + 10 * 8),
        # Rows of 2, 3, 4, 2 actions.
        (Workload("log_softmax", 4, 4, shortest=2), 4, (11 + 11) * 4 + 5 * 8),
        # Two sequences of five rows.
        (
            Workload("ClippedSurrogate", 6, 10, segments=2),
            4,
            (60 + 60 + 30 + 2 + 2) * 4 + (10 + 3) * 8,
        ),
        (Workload("NeuRD", 6, 10), 4, (60 + 60 + 60 + 10 + 10) * 4),
        # Two flags a step.
        (Workload("gae", 1, 6, steps=10), 4, (60 + 60 + 60 + 60) * 4 + 60 * 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_bytes_moved(work: Workload, itemsize: int, expected: int) -> None:
    assert work.bytes_moved(itemsize) == expected


@pytest.mark.parametrize("work", [*map(tiny, FUNCTIONS), *special()], ids=lambda work: work.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_moved_are_those_of_the_arrays(work: Workload, dtype: str) -> None:
    """Of all that scorefn is given and returns, where every state is visited."""
    problem = Problem(work, dtype, 1)
    result = solutions.load([], 1, dtype)[0][0].prepare(problem)()
    inputs = [value for name, value in vars(problem).items() if not name.startswith("out")]
    inputs += vars(problem).get("scanned", {}).values()
    arrays = [array for array in inputs if isinstance(array, np.ndarray)]
    outputs = result if isinstance(result, tuple) else (result,)
    arrays += [array for array in outputs if np.ndim(array)]
    # What a training objective or a sampler returns beside the numbers is counted.
    assert work.bytes_moved(problem.out.itemsize) == sum(array.nbytes for array in arrays)


# Solutions and their checks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "work",
    [*(tiny(function, actions) for function in BYTES for actions in (2, 7, 300)), *special()],
    ids=lambda work: work.name,
)
def test_installed_solutions_are_right(work: Workload, dtype: str) -> None:
    """NumPy's for functions to come, too."""
    installed, _ = solutions.load(["numpy", "scipy"], 1, dtype)
    if not hasattr(scorefn, work.function):
        installed = [solution for solution in installed if solution.name != OURS]
    _, ulps, failed = prepare(Problem(work, dtype, 1), installed)
    assert failed == {}
    assert "NumPy" in ulps


def test_every_objective_can_be_differentiated() -> None:
    assert set(differentiable.FORMULAS) == {*DECLARED, "ClippedSurrogate"}
    assert set(differentiable.ALL_ACTIONS) == set(ALL_ACTION_CLASSES)


@pytest.mark.parametrize(
    "work",
    [*map(tiny, (*differentiable.FORMULAS, *differentiable.ALL_ACTIONS)), *special()[3:4]],
    ids=lambda work: work.name,
)
def test_values_to_differentiate_are_right(work: Workload) -> None:
    """With NumPy for the library: gradients are checked where PyTorch or JAX is installed."""
    numpy = differentiable.Library(
        np=np,
        log_softmax=testing.log_softmax,
        choose=lambda x, a: x[np.arange(len(x)), a],
        sigmoid=lambda x: 1.0 / (1.0 + np.exp(-x)),
        constant=lambda x: x,
        cast=lambda x, like: x.astype(like.dtype),
    )
    p = Problem(work, "float64", 1)
    make = getattr(differentiable, work.solution)
    is_declared = work.solution == "declared_objective"
    arrays = (p.action, *p.numbers.values()) if is_declared else (p.matrix,)
    results = make(numpy, p)(p.logits, *arrays)
    exact = exact_step(p, work.samples)._asdict()
    names = [name for name, x in exact.items() if x is not None and name != "gradient"]
    for name, result in zip(names, results, strict=True):
        # Of 40 sums of some terms of about 1: rounding alone.
        np.testing.assert_allclose(result, exact[name], rtol=1e-12, atol=1e-12, err_msg=name)


def spoilt(value: Any) -> Any:
    """A result with one number changed: the second of its main array."""
    parts = list(value) if isinstance(value, tuple) else [value]
    [main_part] = [i for i, part in enumerate(parts) if np.ndim(part) and part.dtype.kind == "f"][
        :1
    ]
    wrong = np.array(parts[main_part])
    wrong.reshape(-1)[1] = wrong.reshape(-1)[1] * 1.02 + 0.02
    parts[main_part] = wrong
    return tuple(parts) if isinstance(value, tuple) else wrong


@pytest.mark.parametrize("work", [*map(tiny, BYTES), *special()], ids=lambda work: work.name)
def test_checker_catches_a_wrong_number(work: Workload) -> None:
    problem = Problem(work, "float32", 1)
    [_, numpy], _ = solutions.load(["numpy"], 1, "float32")
    solve = numpy.prepare(problem)
    checker = Checker(problem)
    assert checker.check(solve) < 1e7
    with pytest.raises(WrongAnswerError):
        checker.check(lambda: spoilt(solve()))


def test_checker_catches_a_wrong_second_result() -> None:
    problem = Problem(tiny("vtrace"), "float32", 1)
    [_, numpy], _ = solutions.load(["numpy"], 1, "float32")
    targets, advantages = numpy.prepare(problem)()
    targets = targets.copy()  # else the checker makes it NaN
    with pytest.raises(WrongAnswerError, match="advantages"):
        Checker(problem).check(lambda: (targets, advantages + 0.1))


@pytest.mark.parametrize(("rows", "is_right"), [(1, True), (2, False)])
def test_checker_spares_rows_at_a_jump(rows: int, is_right: bool) -> None:
    """Of 100 000 entries one, where rounding decides which advantages are above 0."""
    problem = Problem(tiny("RegretPolicyGradient", 5, 20_000), "float32", 1)
    objective, gradient, *rest = problem.objective.gradient(
        problem.logits, None, action_values=problem.matrix
    )
    gradient[:rows] *= 1.1
    checker = Checker(problem)
    if is_right:
        checker.check(lambda: (objective, gradient, *rest))
    else:
        with pytest.raises(WrongAnswerError, match="gradient"):
            checker.check(lambda: (objective, gradient, *rest))


def test_checker_catches_padding_that_counts() -> None:
    """A peer's rows are padded: its padding must have no probability."""
    problem = Problem(Workload("log_softmax", 7, 50, shortest=2), "float32", 1)
    logits = np.where(problem.padded.logits > -1e8, problem.padded.logits, np.float32(0))
    with pytest.raises(WrongAnswerError, match="log_softmax"):
        Checker(problem).check(lambda: scorefn.log_softmax(logits))


def test_tables_say_the_whole_size() -> None:
    works = [tiny("gae"), *special()[:1], tiny("ClippedSurrogate")]
    sizes = [(tables.actions_of(work), tables.samples_of(work)) for work in works]
    assert sizes == [("", "5 x 40"), ("2-7", "50"), ("5", "40 in 10")]


@pytest.mark.parametrize("wrong", ["objective", "approx_kl", "clip_fraction"])
def test_checker_catches_a_wrong_sum(wrong: str) -> None:
    problem = Problem(tiny("clipped_surrogate"), "float32", 1)
    [_, numpy], _ = solutions.load(["numpy"], 1, "float32")
    solve = numpy.prepare(problem)

    def mistaken() -> tuple[Any, ...]:
        parts = list(solve())
        place = {"objective": 0, "approx_kl": 5, "clip_fraction": 6}[wrong]
        parts[place] += 1.0 if wrong == "objective" else 0.01
        return tuple(parts)

    with pytest.raises(WrongAnswerError, match=wrong):
        Checker(problem).check(mistaken)


def test_checker_catches_who_writes_nothing() -> None:
    """Though the right answer of another has been in the memory that they share."""
    problem = Problem(tiny("softmax"), "float32", 1)
    checker = Checker(problem)
    checker.check(lambda: scorefn.softmax(problem.logits, out=problem.out))
    with pytest.raises(WrongAnswerError, match="softmax"):
        checker.check(lambda: problem.out)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda p: scorefn.softmax(p.logits)[:, 0], "shape"),
        (lambda p: scorefn.softmax(p.logits.astype(np.float64)), "float64, not float32"),
    ],
)
def test_checker_looks_at_shape_and_dtype(result: Any, message: str) -> None:
    problem = Problem(tiny("softmax"), "float32", 1)
    with pytest.raises(WrongAnswerError, match=message):
        Checker(problem).check(lambda: result(problem))


@pytest.mark.parametrize("samples", [1, 1000])
@pytest.mark.parametrize("kind", ["likeliest", "uniform", "out of range"])
def test_checker_catches_a_wrong_sampler(kind: str, samples: int) -> None:
    problem = Problem(tiny("sample", 20, samples), "float32", 1)
    rng = np.random.default_rng(0)

    def solve() -> tuple[Any, Any]:
        actions = problem.logits.argmax(axis=1)
        if kind == "uniform":
            actions = rng.integers(20, size=samples)
        if kind == "out of range":
            return actions + 20, actions
        return actions, scorefn.log_prob(problem.logits, actions)

    message = "range" if kind == "out of range" else "of the samples"
    with pytest.raises(WrongAnswerError, match=message):
        Checker(problem).check(solve)


def test_what_fails_is_not_timed() -> None:
    def wrong(p: Problem) -> Any:
        return lambda: p.logits

    def broken(p: Problem) -> Any:
        raise MemoryError("no room\nfor that")

    problem = Problem(tiny("softmax"), "float32", 1)
    modules: list[Any] = [SimpleNamespace(softmax=make) for make in (wrong, broken)]
    modules.append(ModuleType("has_no_softmax"))
    peers = [Solution(name, "1", (module,)) for name, module in zip("ABC", modules, strict=True)]
    solves, ulps, failed = prepare(problem, peers)
    assert solves == ulps == {}
    assert failed["A"].startswith("wrong answer: softmax[0, 0] = ")
    assert failed["B"] == "MemoryError: no room"
    assert "C" not in failed


def test_peers_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "jax", "numba"):
        monkeypatch.setitem(sys.modules, name, None)
    for peer in ("numba", "torch", "torch.compile", "jax"):
        for module in PEERS[peer][1:]:
            monkeypatch.delitem(sys.modules, f"{solutions.__name__}.{module}", raising=False)
    found, missing = solutions.load(list(PEERS), 1, "float32")
    assert [solution.name for solution in found][:2] == [OURS, "NumPy"]
    assert missing == ["numba", "torch", "torch.compile", "jax"]


def test_slow_solutions_have_fewer_turns() -> None:
    turns: list[str] = []

    def take_turn(name: str, seconds: float) -> None:
        turns.append(name)
        time.sleep(seconds)

    solves = {
        "fast": lambda: take_turn("fast", 0.002),
        "slow": lambda: take_turn("slow", 0.02),
    }
    rounds: list[int] = []
    budget = Budget(seconds=0.05, fewest=2, most=8, shortest=0.001)
    timings = time_in_turn(solves, budget, between_rounds=lambda: rounds.append(1))
    assert timings["slow"].measurements == 2
    assert timings["fast"].measurements > 2
    assert len(rounds) <= 8
    assert turns.count("fast") > turns.count("slow")


# The machine's load


def test_cpu_seconds_of_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the CPUs of this process; idle ones and those that wait for a disk do nothing."""
    cpu, stat = min(os.sched_getaffinity(0)), tmp_path / "stat"
    monkeypatch.setattr(load, "_STAT", stat)
    ticks = os.sysconf("SC_CLK_TCK")

    def used(*seconds: int) -> None:
        columns = " ".join(str(number * ticks) for number in seconds)
        stat.write_text(f"cpu  9 9 9 9 9\ncpu{cpu} {columns}\ncpu99999 {columns}\nbtime 7\n")

    used(10, 0, 5, 1000, 70, 1, 1, 1, 3, 3)
    meter = load.LoadMeter()
    own = time.process_time()
    used(310, 10, 105, 9000, 99, 2, 3, 4, 50, 60)
    others = meter.read().others
    assert others is not None
    # 300 + 10 + 100 + 1 + 2 + 3, less what this process has used itself.
    assert 416 - (time.process_time() - own) - 0.1 < others <= 416
    stat.write_text("no such lines\n")
    assert meter.read().others is None
    monkeypatch.setattr(load, "_STAT", tmp_path / "missing")
    assert load.LoadMeter().read().others is None


@pytest.mark.parametrize(
    ("cpus", "threads", "others", "is_busy"),
    [
        (2, 2, 0.05, False),
        (2, 2, 0.2, True),
        (2, 1, 0.2, True),  # a tenth of the machine
        (64, 4, 2.0, False),
        (64, 4, 4.0, True),
        (64, 64, 1.0, True),  # one of scorefn's threads has to share its CPU
        (64, 63, 0.9, False),
        (2, 2, None, False),
    ],
)
def test_a_busy_machine_is_told(
    cpus: int, threads: int, others: float | None, is_busy: bool
) -> None:
    """Two workloads, the second as short as it is disturbed."""
    loads = [
        load.Load(10.0, cpus, None if others is None else 10.0 * others, 1000, 0),
        load.Load(1e-3, cpus, None if others is None else 1e-3 * cpus, 10, 0),
    ]
    found = load.doubts(loads, threads)
    assert found == ([f"other processes used {others:.1f} of the {cpus} CPUs"] if is_busy else [])


def test_work_done_alone_is_told() -> None:
    loads = [load.Load(1.0, 2, None, 300, 100), load.Load(1.0, 2, 0.0, 0, 0)]
    assert load.doubts(loads, 2) == ["scorefn worked alone in 25% of its parallel regions"]
    assert load.doubts([], 2) == []
