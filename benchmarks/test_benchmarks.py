"""The workloads of ``scorefn bench --quick`` under pytest-benchmark: ``pytest benchmarks``.

Not part of the tests. Its tables compare one revision of scorefn with another
(``--benchmark-autosave``, ``--benchmark-compare``); ``-k`` chooses, as in
``-k 'score_gradient and scorefn'``.
"""

from __future__ import annotations

from typing import Any

import pytest

import scorefn
from scorefn.bench.grid import all_workloads
from scorefn.bench.measure import prepare
from scorefn.bench.problem import Problem
from scorefn.bench.solutions import PEERS, SLOW_TO_START, Solution, load
from scorefn.bench.workload import Workload

THREADS, DTYPE = scorefn.get_num_threads(), "float32"
SOLUTIONS, _ = load([peer for peer in PEERS if peer not in SLOW_TO_START], THREADS, DTYPE)


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda solution: solution.name)
@pytest.mark.parametrize("work", all_workloads(quick=True), ids=lambda work: work.name)
def test_time(work: Workload, solution: Solution, benchmark: Any) -> None:
    solves, ulps, failed = prepare(Problem(work, DTYPE, THREADS), [solution])
    if failed:
        pytest.fail(failed[solution.name])
    if not solves:
        pytest.skip(f"{solution.name} has no {work.function}")
    benchmark.group = work.name
    benchmark.extra_info["ulp"] = ulps[solution.name]
    benchmark(solves[solution.name])
