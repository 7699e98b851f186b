"""A sub-interpreter, as mod_wsgi has them, gets an ImportError: pybind11 would wait for ever."""

import importlib.util
import subprocess
import sys

import pytest

RUN = """
import sys
try:
    import _interpreters as interpreters  # Python 3.13
    run = lambda code: interpreters.exec(interpreters.create("legacy"), code)
except ImportError:
    import _xxsubinterpreters as interpreters
    run = lambda code: interpreters.run_string(interpreters.create(isolated=False), code)
if {first}:
    import scorefn
    assert scorefn.softmax([0.0, 0.0])[0] == 0.5
run('''
for name in ("scorefn", "scorefn._core", "scorefn.credit"):
    try:
        __import__(name)
    except ImportError as error:
        print(error, flush=True)
    else:
        print("imported", flush=True)
''')
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(importlib.util.find_spec, ("_interpreters", "_xxsubinterpreters"))),
    reason="this Python has no module for sub-interpreters",
)
@pytest.mark.parametrize("first", [False, True], ids=["alone", "after the main interpreter"])
def test_import(first: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN.format(first=first)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    message = "scorefn cannot be imported in a sub-interpreter: import it in the main interpreter"
    assert ran.stdout.count(message) == 3, ran.stderr
    assert ran.returncode == 0
