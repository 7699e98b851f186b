"""The command line with somebody else's code: modules to import, and environments that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import _environments
from _runs import SMALL, error_of
from scorefn.cli import main
from scorefn.train.run_folder import RunFolder

BROKEN = "ScorefnTest/Broken-v0"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*WARN"),
]  # Gymnasium's own, about the same


def train_broken(what: str, run: Path) -> list[str]:
    return ["train", BROKEN, "--env-arg", f"what={what}", "--output", str(run), *SMALL]


# What an environment returns and raises


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("make", f"cannot make {BROKEN} with --env-arg what=make: RuntimeError: no display ("),
        ("reset", f"{BROKEN}: reset() raised RuntimeError: no level left ("),
        ("reset of 3", f"{BROKEN}: reset() returned an observation of shape (3,), expected (2,)"),
        ("KeyError", f"{BROKEN}: step() raised KeyError: 'left' ("),
        ("two lines", f"{BROKEN}: step() raised ValueError: first ("),
        ("SystemExit", f"{BROKEN}: step() raised SystemExit: 0 ("),
        ("AssertionError", f"{BROKEN}: step() raised AssertionError ("),
        ("4 values", f"{BROKEN}: step() raised ValueError: not enough values to unpack"),
        *[(what, f"{BROKEN}: step() returned the obs") for what in ("observation nan", "state 4")],
        ("observation inf", f"{BROKEN}: step() returned the observation inf, expected a number of"),
        ("observation 1e308", f"{BROKEN}: step() returned the observation 1e+308, expected a numb"),
        ("observation of 3", f"{BROKEN}: step() returned an observation of shape (3,), expected ("),
        ("observation of 1x2", f"{BROKEN}: step() returned an observation of shape (1, 2), expect"),
        ("observation None", f"{BROKEN}: step() returned an observation of shape (), expected (2,"),
        ("observation text", f"{BROKEN}: step() returned an observation of shape (), expected (2,"),
        ("state -1", f"{BROKEN}: step() returned the observation -1, which is not in Discrete(4)"),
        ("state 1.5", f"{BROKEN}: step() returned the observation 1.5, expected an integer"),
        ("state None", f"{BROKEN}: step() returned the observation None, expected an integer"),
        ("state [0]", f"{BROKEN}: step() returned the observation [0], expected an integer"),
        ("reward nan", f"{BROKEN}: step() returned the reward nan, expected a number of at most 1"),
        ("reward inf", f"{BROKEN}: step() returned the reward -inf, expected a number of at most"),
        ("reward 1e308", f"{BROKEN}: step() returned the reward 1e+308, expected a number of at m"),
        ("reward None", f"{BROKEN}: step() returned the reward None, expected a number"),
        ("reward text", f"{BROKEN}: step() returned the reward 'much', expected a number"),
        ("reward of 2", f"{BROKEN}: step() returned the reward array([0., 0.]), expected a number"),
        ("reward 1j", f"{BROKEN}: step() returned the reward 1j, expected a number"),
    ],
)
def test_fault_of_an_environment(
    what: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_of(capsys, *train_broken(what, tmp_path / "run")).startswith(message)


def test_error_names_the_line_and_can_show_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.delenv("SCOREFN_TRACEBACK", raising=False)
    message = error_of(capsys, *train_broken("KeyError", tmp_path / "quiet"))
    source = Path(_environments.__file__).read_text().splitlines()
    [line] = [i for i, text in enumerate(source, 1) if "raise RAISES" in text]
    assert message.endswith(
        f"(_environments.py, line {line}; SCOREFN_TRACEBACK=1 shows the traceback)"
    )
    monkeypatch.setenv("SCOREFN_TRACEBACK", "1")
    assert main(train_broken("KeyError", tmp_path / "loud")) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "\nscorefn: error: " in err


@pytest.mark.parametrize("what", ["info of any shape", "close"])
def test_harmless_fault(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Infos that Gymnasium cannot stack are not read; an error in close() is a note."""
    assert main([*train_broken(what, tmp_path / "run"), "--steps", "64"]) == 0
    notes = set(capsys.readouterr().err.splitlines())
    expected = f"scorefn: note: {BROKEN}: close() raised OSError: no such window ("
    assert len(notes) == (what == "close")
    assert all(note.startswith(expected) for note in notes)


# Modules to import


def scorefn(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """In a new process, where nothing else has imported the environments."""
    code = "import sys; del sys.path[0]; from scorefn.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *args], cwd=cwd, capture_output=True, text=True
    )


def write_module(folder: Path) -> None:
    text = f"import sys\nsys.path.append({os.path.dirname(__file__)!r})\nimport _environments\n"
    (folder / "myenvs.py").write_text(text)


def test_run_remembers_its_imports(tmp_path: Path) -> None:
    """So the commands that a training prints work in its folder."""
    write_module(tmp_path)
    loud = [option for option in SMALL if option != "--quiet"]
    train = ["train", "ScorefnTest/Matrix-v0", *loud, "--steps", "64"]
    assert scorefn(*train, cwd=tmp_path).returncode == 2
    trained = scorefn(*train, "--import", "myenvs", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    [printed] = [line.split() for line in trained.stdout.splitlines() if " scorefn eval" in line]
    evaluated = scorefn(*printed[2:], cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    run = printed[-1]
    resumed = scorefn("train", "--resume", run, "--steps", "128", "--quiet", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert RunFolder(tmp_path / run).read_settings().imports == ["myenvs"]

    (tmp_path / "myenvs.py").unlink()
    missing = scorefn("evaluate", run, cwd=tmp_path)
    assert missing.returncode == 2
    assert missing.stderr == (
        f"scorefn: error: {run}/config.json imports myenvs: "
        "ModuleNotFoundError: No module named 'myenvs'\n"
    )


def test_run_of_an_older_version_has_no_imports(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["settings"].pop("imports") == []
    (run / "config.json").write_text(json.dumps(config))
    assert RunFolder(run).read_settings().imports == []


@pytest.mark.parametrize("imports", ["os", [1], ["../x"], [""], ["a b"], None])
def test_imports_that_are_no_modules(
    imports: object, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["imports"] = imports
    (run / "config.json").write_text(json.dumps(config))
    assert f"settings: imports = {imports!r} is not valid" in error_of(capsys, "evaluate", str(run))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\ndef f(:\n", "SyntaxError: invalid syntax (broken.py, line 2; SCOREFN_TRA"),
        ("import no_such\n", "ModuleNotFoundError: No module named 'no_such' (broken.py, line 1;"),
        ("from os import no_such\n", "ImportError: cannot import name 'no_such' from 'os' ("),
        ("\n{}['x']\n", "KeyError: 'x' (broken.py, line 2; SCOREFN_TRACEBACK=1 shows the trace"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0 (broken.py, line 2; SCOREFN_TRACEBACK=1 sh"),
        ("raise RuntimeError\n", "RuntimeError (broken.py, line 1; SCOREFN_TRACEBACK=1 shows th"),
    ],
)
def test_module_with_an_error(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    got = error_of(capsys, "train", "CartPole-v1", "--import", "broken")
    assert got.startswith(f"--import broken: {message}")
