"""Arrays that another thread changes during a call: any answer or error, but no crash.

Each function in a process of its own, as a crash ends it. tests/cpp/mutation.cpp does the same in
C++, between pages that may not be touched.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from _functions import ARGUMENTS

pytestmark = pytest.mark.slow

SECONDS = "0.3"


@pytest.mark.parametrize("function", ARGUMENTS)
def test_arrays_that_change(function: str) -> None:
    command = [sys.executable, Path(__file__).with_name("_mutation.py"), function, SECONDS]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, (result.returncode, result.stderr)
    assert set(result.stdout.split()) <= {"answer", "IndexError", "ValueError", "RuntimeError"}
