"""The command line: help, errors, the folder of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import _environments  # noqa: F401  (registers them)
import scorefn
from _runs import SMALL, error_of
from scorefn import TabularPolicy
from scorefn._command.errors import CommandError
from scorefn._command.output import replacing
from scorefn.cli import main
from scorefn.train.environments import find_spec, parse_env_args
from scorefn.train.play import Episodes, deviation
from scorefn.train.run_folder import RunFolder

FILES = {"config.json", "policy.npz", "metrics.csv", "learning_curve.png", "checkpoint.npz"}


# Without the extra


@pytest.mark.slow
def test_help_version_and_info_need_no_extra() -> None:
    code = """
import sys
sys.modules.update(gymnasium=None, matplotlib=None, rich=None, threadpoolctl=None)
from scorefn.cli import main
helps = [f"{command} --help" for command in ("", "train", "evaluate", "plot", "bench")]
for arguments in ["", "info", "--version", *helps]:
    try:
        assert main(arguments.split()) == 0
    except SystemExit as end:
        assert end.code == 0
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "scorefn train FrozenLake-v1 --env-arg is_slippery=false" in result.stdout
    assert f"scorefn {scorefn.__version__}\n" in result.stdout
    assert is_info(result.stdout)


def is_info(text: str) -> bool:
    """Whether the text has all lines of ``scorefn info``; that process counts its own regions."""
    lines = str(scorefn.show_config()).splitlines()
    return all(line in text or line.startswith("regions_") for line in lines)


@pytest.mark.parametrize("missing", ["gymnasium", "matplotlib", "rich"])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_missing_extra(
    missing: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    message = error_of(capsys, command, "CartPole-v1")
    assert message.startswith(f"cannot import {missing} (")
    assert message.endswith("pip install 'scorefn[cli]'")


@pytest.mark.slow
def test_module_is_the_same_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "scorefn", "info"], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert is_info(result.stdout)
    counts = [int(line.split()[1]) for line in result.stdout.splitlines() if "regions_" in line]
    assert len(counts) == 2
    assert (sum(counts) > 0) == (scorefn.get_num_threads() > 1)
    result = subprocess.run([sys.executable, "-m", "scorefn", "x"], capture_output=True, text=True)
    assert result.returncode == 2


def test_cmakedir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the folders of an editable install, the one that has the CMake package."""
    monkeypatch.setattr(scorefn, "__path__", [str(tmp_path / "source"), str(tmp_path / "built")])
    assert "no CMake package" in error_of(capsys, "--cmakedir")
    package = tmp_path / "built" / "lib" / "cmake" / "scorefn"
    package.mkdir(parents=True)
    assert main(["--cmakedir"]) == 0
    assert capsys.readouterr().out == f"{package}\n"


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("command", ["", "train", "evaluate", "plot", "bench", "info"])
def test_help_fits_the_terminal(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([*command.split(), "--help"]) == 0
    text, examples, _ = capsys.readouterr().out.partition("examples:\n")
    assert max(map(len, text.splitlines())) <= columns
    assert bool(examples) == (command in ("", "bench"))


# Errors


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trian"], "argument COMMAND: invalid choice: 'trian'"),
        (["train"], "ENV is missing, for example: scorefn train CartPole-v1"),
        (["train", "cartpole-v1"], "unknown environment 'cartpole-v1'; did you mean CartPole-v1"),
        (["train", "CartPole"], "unknown environment 'CartPole'; did you mean CartPole-v1"),
        (["train", "CartPole-v99"], "unknown environment 'CartPole-v99'; did you mean CartPole-v1"),
        (["train", "Zqx"], "unknown environment 'Zqx' (--import MODULE imports a module that reg"),
        (["train", "os:CartPole-v1"], "unknown environment 'os:CartPole-v1' (to import a module"),
        (["train", "Pendulum-v1"], "Pendulum-v1: continuous action space Box(-2.0, 2.0, (1,)"),
        (["train", "Blackjack-v1"], "Blackjack-v1: unsupported observation space Tuple("),
        (
            ["train", "ScorefnTest/BinaryObservation-v0"],
            "ScorefnTest/BinaryObservation-v0: unsupported observation space MultiBinary(3)",
        ),
        (
            ["train", "ScorefnTest/ManyFeatures-v0"],
            "ScorefnTest/ManyFeatures-v0: observation space of shape (30, 30) is too large",
        ),
        (
            ["train", "FrozenLake-v1", "--env-arg", "slippery"],
            "--env-arg 'slippery' is not KEY=VAL",
        ),
        (["train", "FrozenLake-v1", "--env-arg", "a b=1"], "--env-arg 'a b=1' is not KEY=VALUE"),
        (["train", "FrozenLake-v1", "--env-arg", "slip=1"], "cannot make FrozenLake-v1 with"),
        (
            ["train", "FrozenLake-v1", "--env-arg", "map_name=99x99"],
            "cannot make FrozenLake-v1 with --env-arg map_name=99x99: KeyError: '99x99'",
        ),
        (
            ["train", "FrozenLake-v1", "--env-arg", "desc=[]", "--env-arg", "is_slippery=true"],
            "cannot make FrozenLake-v1 with --env-arg desc=[] --env-arg is_slippery=true: ",
        ),
        (["train", "CartPole-v1", "--env-arg", "num_envs=2"], "--env-arg num_envs is not an argu"),
        (["train", "CartPole-v1", "--env-arg", "max_episode_steps=9"], "--env-arg max_episode_st"),
        (["train", "CartPole-v1", "--import", "no_such"], "--import no_such: ModuleNotFoundErr"),
        (["train", "CartPole-v1", "--import", "json.py"], "--import json.py: expected the name of"),
        (["train", "CartPole-v1", "--import", ""], "argument --import: '' is not the name of a Py"),
        (["train", "CartPole-v1", "--import", ".x"], "argument --import: '.x' is not the name of "),
        (["train", "CartPole-v1", "--import", "./x"], "argument --import: './x' is not the name o"),
        (["train", "CartPole-v1", "--output", ""], "argument --output: the path is empty"),
        (["train", "--resume", ""], "argument --resume: the path is empty"),
        (["evaluate", ""], "argument RUN: the path is empty"),
        (["bench", "--compare", ""], "argument --compare: the path is empty"),
        (["train", "CartPole-v1", "--steps", "0"], "argument --steps: '0' is not a positive whole"),
        (["train", "CartPole-v1", "--steps", "nan"], "argument --steps: 'nan' is not a positive"),
        (["train", "CartPole-v1", "--discount", "1.1"], "argument --discount: '1.1' is not a num"),
        (["train", "CartPole-v1", "--gae-lambda", "nan"], "argument --gae-lambda: 'nan' is not a"),
        (["train", "CartPole-v1", "--seed", "-1"], "argument --seed: '-1' is not a whole number"),
        (["train", "CartPole-v1", "--rollout-steps", "3"], "argument --rollout-steps: '3' is not"),
        (["train", "CartPole-v1", "--stop-at-return", "x"], "argument --stop-at-return: 'x' is n"),
        (["evaluate", "no_such_run"], "no_such_run is not a run folder: it has no config"),
        (["train", "--resume", "no_such_run"], "no_such_run is not a run folder: it has n"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_error(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, *args).startswith(message)


def test_unwritable_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "run")
    message = error_of(capsys, "train", "CartPole-v1", "--output", below)
    assert message == f"cannot create {below}: Not a directory"


def test_folder_of_another_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "train", "CartPole-v1", "--output", str(run))
    assert message == f"{run} is not empty; use --resume to continue a run"


@pytest.mark.parametrize("option", [["--seed", "1"], ["--env-arg", "a=1"], ["--output", "x"]])
def test_resume_keeps_the_settings(
    run: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = error_of(capsys, "train", "--resume", str(run), *option)
    assert message.endswith(f"omit {option[0]}")


def test_resume_of_a_finished_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "train", "--resume", str(run))
    assert message == f"{run} has already finished its 2,000 steps; --steps N sets a larger total"


def test_divergence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--learning-rate", "1e9", "--output", str(tmp_path / "run"), *SMALL]
    message = error_of(capsys, "train", "CartPole-v1", *args)
    assert message == "the training diverged; try a --learning-rate below 1000000000.0"


# Environments by name


def test_retired_version_means_its_successor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["ScorefnTest/Corridor-v1", "--steps", "16", "--output", str(tmp_path / "run"), *SMALL]
    assert main(["train", *args]) == 0
    assert "successor ScorefnTest/Corridor-v2" in capsys.readouterr().err
    assert RunFolder(tmp_path / "run").read_settings().environment == "ScorefnTest/Corridor-v2"


@pytest.mark.parametrize("env_id", ["Taxi-v3", "FrozenLake-v1", "CartPole-v1"])
def test_environments_of_the_readme(env_id: str) -> None:
    """In any version: Gymnasium's Taxi-v3 became Taxi-v4, by default the same game."""
    assert find_spec(env_id).name == env_id.partition("-")[0]


def test_env_args() -> None:
    pairs = ["a=true", "b=False", "c=0.5", "d=8x8", "e=null", 'f=["SG"]', "g=x=y", "h=None", "i="]
    assert parse_env_args(pairs) == {
        **{"a": True, "b": False, "c": 0.5, "d": "8x8", "e": None},
        **{"f": ["SG"], "g": "x=y", "h": None, "i": ""},
    }
    with pytest.raises(CommandError, match="--env-arg a is given twice"):
        parse_env_args(["a=1", "a=2"])


# The folder of a run


@pytest.mark.slow
def test_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ["train", "ScorefnTest/Matrix-v0", "--seed", "7", "--steps", "64", *SMALL]
    for number in (1, 2):
        assert main(args) == 0
        expected = Path("runs", f"ScorefnTest-Matrix-v0-seed7-{number}")
        assert capsys.readouterr().out == f"{expected}\n"
        assert {path.name for path in expected.iterdir()} == FILES
    first, second = (RunFolder(path) for path in sorted(Path("runs").iterdir()))
    np.testing.assert_array_equal(
        first.read_policy().parameters, second.read_policy().parameters, strict=True
    )
    assert first.picture.read_bytes().startswith(b"\x89PNG")
    config = json.loads(first.config.read_text())
    assert config["settings"]["seed"] == 7
    assert config["progress"]["state"] == "finished"
    assert config["progress"]["steps"] == 64
    assert config["versions"]["scorefn"] == scorefn.__version__


@pytest.mark.slow
def test_report_can_be_typed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The three lines of Python at the end of a training, and the command to play it."""
    monkeypatch.chdir(tmp_path)
    loud = [option for option in SMALL if option != "--quiet"]
    for environment, observation in (("CartPole-v1", np.zeros(4)), ("FrozenLake-v1", 3)):
        assert main(["train", environment, "--steps", "64", *loud]) == 0
        out = capsys.readouterr().out
        assert out.startswith("Finished after 64 steps in ")
        lines = [line.strip() for line in out.partition("in Python")[2].strip().splitlines()]
        names = {"observation": observation, "state": observation}
        exec("\n".join(lines), names)
        assert names["action"] in range(4)
        [play] = [line for line in out.splitlines() if "scorefn evaluate" in line]
        assert main([*play.split()[2:], "--episodes", "3"]) == 0
        assert f"{environment}, 3 episodes (greedy policy; " in capsys.readouterr().out


def test_evaluate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The seed decides; a policy that is drawn from is not the greedy one."""
    TabularPolicy(np.zeros((16, 4))).save(run / "policy.npz")  # uniform: no two seeds play alike
    outputs = []
    for options in ([], [], ["--stochastic"], ["--stochastic"], ["--stochastic", "--seed", "1"]):
        assert main(["evaluate", str(run), "--episodes", "30", *options]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert outputs[2] == outputs[3]
    assert len(set(outputs)) == 3
    assert "FrozenLake-v1, 30 episodes (sampled actions, as in training)" in outputs[2]
    assert "standard error of the mean return" in outputs[2]


def test_equal_returns_do_not_deviate() -> None:
    """The mean of 100 times 0.7 is rounded; the deviations from it are no noise of the policy."""
    episodes = Episodes(np.full(100, 0.7), np.full(100, 4))
    assert episodes.returns.std() > 0
    assert episodes.standard_error == 0
    assert deviation(episodes.returns) == 0
    assert deviation(np.array([1.0, 3.0])) == 1
    assert deviation(np.array([1.0, 3.0]), ddof=1) == 2**0.5


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as part:
            part.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with (
        pytest.raises(CommandError, match="cannot write"),
        replacing(tmp_path / "no" / "file") as p,
    ):
        p.write_text("new")
