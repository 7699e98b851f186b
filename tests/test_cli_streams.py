"""The command line where output cannot be written: full, closed, broken, without the characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import scorefn
from _runs import SMALL

pytestmark = pytest.mark.slow

CARTPOLE = ["train", "CartPole-v1", "--steps", "64", *SMALL]


def shell(command: str, cwd: Path | None = None, **environment: str) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors; in the command, ``scorefn`` is that of this Python."""
    function = f'scorefn() {{ "{sys.executable}" -m scorefn "$@"; }}; set -o pipefail; {command}'
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    result = subprocess.run(["bash", "-c", function], capture_output=True, env=env, cwd=cwd)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("scorefn info > /dev/full", b"No space left on device"),
        ("PYTHONUNBUFFERED=1 scorefn info > /dev/full", b"No space left on device"),
        ("scorefn --help > /dev/full", b"No space left on device"),
        ("scorefn --version > /dev/full", b"No space left on device"),
        ("scorefn > /dev/full", b"No space left on device"),
        ("PYTHONUNBUFFERED=1 scorefn info | true", b"Broken pipe"),
        ("scorefn info | true", b"Broken pipe"),
        ("scorefn train --help | true", b"Broken pipe"),
        ("scorefn info >&-", b"it is closed"),
        ("scorefn --help >&-", b"it is closed"),
    ],
)
def test_output_that_cannot_be_written(command: str, reason: bytes) -> None:
    error = b"scorefn: error: cannot write to standard output: " + reason + b"\n"
    assert shell(command) == (2, b"", error)


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_errors_that_cannot_be_written(redirection: str) -> None:
    """They never go to standard output."""
    assert shell(f"scorefn nonsense {redirection}") == (2, b"", b"")
    status, output, errors = shell(f"scorefn info {redirection}")
    assert (status, errors) == (0, b"")
    assert output.startswith(f"version             {scorefn.__version__}\n".encode())


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_training_outlives_its_progress(redirection: str, tmp_path: Path) -> None:
    code = (
        "import sys, scorefn.train.display as display; display.SECONDS_BETWEEN_LINES = 0; "
        "from scorefn.cli import main; sys.exit(main())"
    )
    options = " ".join(option for option in CARTPOLE if option != "--quiet")
    command = f"{sys.executable} -c '{code}' {options} --output run {redirection}"
    status, out, err = shell(command, cwd=tmp_path)
    assert (status, err) == (0, b"")
    assert out.startswith(b"Finished after 64 steps in ")


def test_report_of_a_training_that_nobody_reads(tmp_path: Path) -> None:
    status, _, err = shell(f"scorefn {' '.join(CARTPOLE)} --output run > /dev/full", cwd=tmp_path)
    assert status == 2
    assert err == b"scorefn: error: cannot write to standard output: No space left on device\n"
    assert (tmp_path / "run" / "policy.npz").exists()


@pytest.mark.parametrize("name", ["é", "跑", "\udcff"], ids=ascii)
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "utf-8"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_path_is_printed_as_its_bytes(
    name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Whatever the encoding of the output, ``run=$(scorefn train ...)`` is the folder."""
    raw = os.fsencode(name)
    commands = (
        f'run=$(scorefn {" ".join(CARTPOLE)} --output "$NAME") && echo "$run" && '
        'scorefn evaluate "$run" --episodes 1 > /dev/null && scorefn evaluate "$run-"'
    )
    status, out, err = shell(commands, cwd=tmp_path, NAME=name, **environment)
    assert (status, out) == (2, raw + b"\n")
    assert err.startswith(b"scorefn: error: " + raw + b"- is not a run folder")
