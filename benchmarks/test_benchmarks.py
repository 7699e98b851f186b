"""The same workloads, smaller, under pytest-benchmark: ``pytest benchmarks``.

Not part of the tests; its tables compare one revision of scorefn with another
(``--benchmark-autosave``, ``--benchmark-compare``).
"""

from typing import Any

import pytest

from workloads import Workload, foundation

WORKLOADS = {work.name: work for work in foundation(elements=1 << 20)}
CASES = [(work, name) for work in WORKLOADS.values() for name in work.solutions]


@pytest.mark.parametrize(("work", "solution"), CASES, ids=lambda x: getattr(x, "name", x))
def test_time(work: Workload, solution: str, benchmark: Any) -> None:
    benchmark.group = work.name
    result = benchmark(work.solutions[solution])
    if solution != "copyto":
        benchmark.extra_info["ulp"] = work.error(result)
