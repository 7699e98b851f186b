"""Children of a process that has used scorefn, or is using it, work at once and give its bits.

`_fork.py` is the process, a new one for every case, killed with its children when it hangs.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import _fork

pytestmark = pytest.mark.slow

ALONE = "scorefn"
FORKS = ["fork_twice", "fork_in_a_thread", "process_fork"]
USES = ["unused", "after_a_call", "after_a_call_of_another_thread", "backed_off", "in_flight"]
OTHERS = ["torch", "sklearn.cluster"]
ORDERS = [f"{other} {ALONE}" for other in OTHERS] + [f"{ALONE} {other}" for other in OTHERS]

CASES = [
    *((ALONE, use, start) for use in USES for start in FORKS),
    *((ALONE, "in_flight", start) for start in _fork.STARTS if start not in FORKS),
    (ALONE, "unused", "fork_in_a_thread_that_ends"),
    *((ALONE, use, "process_fork") for use in ("set_num_threads", "threads")),
    *(
        (modules, "in_flight", start)
        for modules in ORDERS
        for start in (*FORKS, "process_forkserver", "process_spawn", "environments_fork")
    ),
]


@cache
def expected() -> str:
    return _fork.answers(1)


def run(modules: str, use: str, start: str, target: str, **environment: str) -> list[str]:
    """The words that a case and its children print."""
    for module in modules.split():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            pytest.skip(f"{module} is not installed")
    inherited = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    process = subprocess.Popen(
        [sys.executable, str(Path(_fork.__file__)), modules, use, start, target, expected()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | environment,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=120)  # a case takes about a second
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        pytest.fail(f"{modules}, {use}, {start} hangs, after\n{output}\n{errors}")
    assert process.returncode == 0, errors
    words = output.split()
    assert words.pop() == "done"
    return words


@pytest.mark.parametrize(("modules", "use", "start"), CASES)
def test_a_child_gives_the_bits_of_its_parent_with_threads(modules, use, start):
    assert run(modules, use, start, "check") == []


@pytest.mark.parametrize(
    ("use", "num_threads"),
    [("unused", None), ("after_a_call", None), ("set_num_threads", "3"), ("threads", "3")],
)
def test_a_fork_keeps_the_default_number_of_threads(use, num_threads):
    of_parent = num_threads or run(ALONE, use, "itself", "show_default")[0]
    assert run(ALONE, use, "fork", "show_default") == [of_parent]


def test_calls_import_nothing():
    """A fork during another thread's import leaves the module's lock held in the child."""
    program = """if True:
        import sys
        import numpy as np
        import scorefn
        before = set(sys.modules)
        z = np.zeros((2, 3))
        scorefn.sample(z)
        scorefn.policy_gradient(z, [0, 1], [1.0, 2.0])
        print(set(sys.modules) - before)
    """
    output = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=120)
    assert output == "set()\n"


# --- The default in a child of multiprocessing: one thread, as it is hardly ever alone ------------

OF_MULTIPROCESSING = [name for name in _fork.STARTS if name.startswith(("proc", "pool", "env"))]


@pytest.mark.parametrize("start", OF_MULTIPROCESSING)
def test_a_child_of_multiprocessing_takes_one_thread_by_default(start):
    assert set(run(ALONE, "after_a_call", start, "show_default")) == {"1"}


@pytest.mark.parametrize("start", ["process_fork", "process_spawn"])
@pytest.mark.parametrize("variable", ["SCOREFN_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_environment_decides_in_a_child_of_multiprocessing(start, variable):
    assert run(ALONE, "unused", start, "show_default", **{variable: "3"}) == ["3"]


@pytest.mark.parametrize("use", ["set_num_threads", "threads"])
def test_a_forked_child_of_multiprocessing_takes_what_its_parent_has_set(use):
    assert run(ALONE, use, "process_fork", "show_default") == ["3"]


@pytest.mark.parametrize("start", ["process_fork", "process_spawn"])
def test_a_child_of_multiprocessing_may_set_its_threads(start):
    assert run(ALONE, "unused", start, "show_settings") == ["4", "3"]
