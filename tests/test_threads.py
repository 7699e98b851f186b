"""Contract C6: where the number of threads comes from. Each case is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import scorefn


def number_and_reason(script: str, *, first: str = "", **environment: str) -> list[str]:
    """What show_config() says after the script."""
    clean = {
        k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "SCOREFN_NUM_THREADS")
    }
    show = "config = scorefn.show_config(); print(config.num_threads, config.num_threads_reason)"
    result = subprocess.run(
        [sys.executable, "-c", f"import os\n{first}\nimport scorefn\n{script}\n{show}"],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    number, reason = result.stdout.strip().split(" ", 1)
    return [number, reason]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "SCOREFN_NUM_THREADS"])
def test_environment_at_the_time_of_the_call(name: str) -> None:
    expected = ["7", f"the environment variable {name}"]
    assert number_and_reason("", **{name: "7"}) == expected
    assert number_and_reason(f"os.environ['{name}'] = '7'") == expected
    assert number_and_reason(f"os.environ['{name}'] = '7'", **{name: "3"}) == expected
    unset = number_and_reason("")
    assert number_and_reason(f"del os.environ['{name}']", **{name: "3"}) == unset


@pytest.mark.slow
def test_each_source_comes_before_the_next() -> None:
    both = {"SCOREFN_NUM_THREADS": "5", "OMP_NUM_THREADS": "6"}
    assert number_and_reason("", **both) == ["5", "the environment variable SCOREFN_NUM_THREADS"]
    assert number_and_reason("scorefn.set_num_threads(4)", **both) == ["4", "set_num_threads"]
    script = "scorefn.set_num_threads(4)\nblock = scorefn.threads(3)\nblock.__enter__()"
    assert number_and_reason(script, **both) == ["3", "threads(n) of this thread"]


@pytest.mark.slow
def test_affinity_at_the_time_of_the_call() -> None:
    one = "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    number, reason = number_and_reason(f"before = scorefn.get_num_threads()\n{one}")
    assert number == "1"
    assert reason in ("the CPUs this process may run on", "the cgroup's CPU quota")


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["OMP_PROC_BIND=true", "OMP_PLACES=cores"])
def test_threads_bound_to_cpus(variable: str) -> None:
    """OpenMP binds the main thread to one, too: its affinity is not how many there are."""
    name, value = variable.split("=")
    assert number_and_reason("", **{name: value})[0] == number_and_reason("")[0]


@pytest.mark.slow
def test_openmp_limited_before_the_import() -> None:
    limit = "import ctypes; ctypes.CDLL('libgomp.so.1').omp_set_num_threads(1)"
    if scorefn.get_num_threads() > 1:
        assert number_and_reason("", first=limit) == ["1", "omp_set_num_threads"]


@pytest.mark.slow
def test_no_text_is_too_odd() -> None:
    for text in ("\udcff", "4 more", "2000000"):
        result = subprocess.run(
            [sys.executable, "-c", "import scorefn; scorefn.get_num_threads()"],
            env={**os.environ, "SCOREFN_NUM_THREADS": text},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        shown = "\\xff" if text == "\udcff" else text
        expected = f"SCOREFN_NUM_THREADS must be an integer from 1 to 1048576, got '{shown}'"
        assert result.stderr.splitlines()[-1] == f"ValueError: {expected}"


def test_a_block_of_no_threads() -> None:
    with pytest.raises(TypeError, match="num_threads must be an int, got NoneType"):
        scorefn.threads(None).__enter__()  # type: ignore[arg-type]


@pytest.mark.slow
def test_threadpoolctl_sees_and_limits() -> None:
    script = """
import threadpoolctl
assert any(pool["internal_api"] == "openmp" for pool in threadpoolctl.threadpool_info())
limits = threadpoolctl.threadpool_limits(2, user_api="openmp")
"""
    limited = ["2", "omp_set_num_threads"]
    assert number_and_reason(script, OMP_NUM_THREADS="4") == limited
    unlimited = ["4", "the environment variable OMP_NUM_THREADS"]
    assert (
        number_and_reason(script + "limits.restore_original_limits()", OMP_NUM_THREADS="4")
        == unlimited
    )
    explicit = ["3", "the environment variable SCOREFN_NUM_THREADS"]
    environment = {"OMP_NUM_THREADS": "4", "SCOREFN_NUM_THREADS": "3"}
    assert number_and_reason(script, **environment) == explicit
