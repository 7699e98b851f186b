"""The long run of soak.py, for a few seconds, and that it tells what goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import soak

pytestmark = pytest.mark.slow


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_short_run():
    result = run("soak.py", "--minutes", "0.05", "--seed", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "seed 3: " in result.stdout


def run_with(
    function: str, body: str, *, seconds_to_hang: int = 120
) -> "subprocess.CompletedProcess[str]":
    """A run of this function alone, with another body."""
    result = run(
        "-c",
        f"""if True:
            import sys, time, scorefn, soak
            soak.SECONDS_TO_HANG = {seconds_to_hang}
            soak.FUNCTIONS = ["{function}"]
            scorefn.{function} = {body}
            sys.exit(soak.soak(1.0, 0))""",
    )
    assert result.returncode == 1
    return result


def test_a_wrong_answer_is_found():
    result = run_with("softmax", "lambda z, **options: z * options['num_threads']")
    assert "FAILED: step " in result.stdout
    assert "softmax" in result.stdout


def test_a_hang_is_found():
    result = run_with("entropy", "lambda *_, **__: time.sleep(60)", seconds_to_hang=2)
    assert "Timeout" in result.stderr


@pytest.mark.thread_unsafe(reason="looks at what the process has")
def test_growth_is_found():
    watch = soak.Watch()
    assert watch.look(settled=True) == []
    kept = np.ones(2 * soak.MOST_GROWTH, np.uint8)
    file = os.open(os.devnull, os.O_RDONLY)
    try:
        memory, files = watch.look(settled=True)
    finally:
        os.close(file)
    assert memory.startswith("resident memory grew by ")
    assert files == f"{watch.fds + 1} open files after {watch.fds}"
    assert len(kept) == 2 * soak.MOST_GROWTH
