"""Folders of runs that are cut, changed or made to do harm: one error of one kind, and no more."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _runs import error_of
from scorefn._command.errors import CommandError
from scorefn.cli import main
from scorefn.train.run_folder import RunFolder
from scorefn.train.settings import TrainSettings
from test_damaged_files import Trap, entries_of, npy, write_archive

NAMES = ["policy.npz", "checkpoint.npz", "config.json", "metrics.csv"]


def reader_of(name: str, run: Path) -> Callable[[], object]:
    folder = RunFolder(run)
    return {
        "policy.npz": folder.read_policy,
        "checkpoint.npz": folder.read_checkpoint,
        "config.json": folder.read_settings,
        "metrics.csv": folder.read_metrics,
    }[name]


def command_for(name: str, run: Path) -> list[str]:
    """One that reads the file."""
    is_read_to_play = name == "policy.npz"
    return (
        ["evaluate", str(run)]
        if is_read_to_play
        else ["train", "--steps", "9999", "--resume", str(run)]
    )


def message_for(name: str, run: Path) -> str:
    # A policy's is that of `load_policy`.
    is_damaged = "is not a policy file, or is damaged" if name == "policy.npz" else "is damaged"
    return f"{run / name} {is_damaged}: "


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_truncated_file(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (run / name).read_bytes()
    read = reader_of(name, run)
    # The checkpoint is a few kB; the others are cut after every byte.
    for length in range(0, len(content) - 1, max(1, len(content) // 1000)):
        (run / name).write_bytes(content[:length])
        if name == "metrics.csv" and content[:length].endswith(b"\n") and length > 1:
            assert isinstance(read(), list)  # whole lines: only the checkpoint tells how many
            continue
        with pytest.raises(CommandError, match=re.escape(message_for(name, run))):
            read()
    for length in (0, len(content) // 2, len(content) - 3):
        (run / name).write_bytes(content[:length])
        assert error_of(capsys, *command_for(name, run)).startswith(message_for(name, run))


@pytest.mark.parametrize("name", NAMES)
def test_missing_file(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / name).unlink()
    message = error_of(capsys, *command_for(name, run))
    if name == "config.json":
        assert message == f"{run} is not a run folder: it has no config.json"
    else:
        assert message == f"cannot read {run / name}: No such file or directory"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["folder", "pipe", "endless", "dangling"])
def test_what_is_no_file_is_not_read(
    kind: str, name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).unlink()
    if kind == "folder":
        (run / name).mkdir()
    elif kind == "pipe":
        os.mkfifo(run / name)
    else:
        (run / name).symlink_to("/dev/zero" if kind == "endless" else run / "nowhere")
    message = error_of(capsys, *command_for(name, run))
    if name == "config.json":
        assert message == f"{run} is not a run folder: it has no config.json"
    else:
        assert message.startswith(f"cannot read {run / name}: ")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_changed_bytes(name: str, run: Path) -> None:
    """Whatever byte is changed: read as something valid, or one error of one kind."""
    read = reader_of(name, run)
    content = bytearray((run / name).read_bytes())
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(len(content), size=300):
        changed = content.copy()
        changed[position] ^= int(rng.choice([0x01, 0x10, 0x80, 0xFF]))
        (run / name).write_bytes(changed)
        try:
            read()
        except CommandError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("name", ["policy.npz", "checkpoint.npz"])
def test_pickles_are_never_loaded(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trap = tmp_path / "trap"
    with np.load(run / name) as content:
        arrays = dict(content)
    for array in arrays:
        trapped = {**arrays, array: np.array([Trap(trap)], dtype=object)}
        np.savez(run / name, **trapped)
        message = error_of(capsys, *command_for(name, run))
        assert message.endswith(f"damaged: {array} holds Python objects, which are never read")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["policy.npz", "checkpoint.npz"])
def test_claims_of_a_giant_array(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 4), }"
    write_archive(run / name, entries_of(parameters=npy(np.zeros(2), header)))
    expected = "parameters has 16 bytes, expected 35184372088832 for float64 (1099511627776, 4)"
    assert error_of(capsys, *command_for(name, run)).endswith(f"damaged: {expected}")


# --- config.json ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        *["", "null", "3", '"text"', "[]", "{}", "{", "[" * 100_000, "NaN", "1e999", "\ufeff{}"],
        *['{"format_version": 1}', '{"format_version": "1"}', '{"format_version": 2}'],
        '{"format_version": 1, "settings": []}',
        '{"format_version": 1, "settings": {"steps": 3}}',
        '{"format_version": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_json_that_is_no_config(
    content: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "config.json").write_text(content, encoding="utf-8")
    assert error_of(capsys, "evaluate", str(run)).startswith(f"{run / 'config.json'} is damaged: ")


def test_config_that_is_no_text(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (run / "config.json").read_text()
    for encoding in ("utf-16", "utf-32"):
        (run / "config.json").write_text(content, encoding=encoding)
        assert "config.json is damaged: " in error_of(capsys, "evaluate", str(run))


WRONG = [None, [], {}, "text", True, 0.5, -1, -0.5, 0, 10**30, float("nan"), float("inf")]
TEXT_OR_DICT: dict[str, list[Any]] = {"environment": ["text"], "env_args": [{}], "imports": [[]]}
NUMBERS: dict[str, list[Any]] = {
    **{name: [0, 0.5] for name in ("learning_rate", "discount", "gae_lambda", "entropy_coef")},
    "stop_at_return": [None, 0.5, -1, -0.5, 0],
    "seed": [0],
}


@pytest.mark.parametrize("name", [field.name for field in fields(TrainSettings)])
def test_settings_of_wrong_types(name: str, run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    valid = {**TEXT_OR_DICT, **NUMBERS}.get(name, [])
    for value in WRONG:
        is_valid = any(value == v and type(value) is type(v) for v in valid)
        config["settings"][name] = value
        (run / "config.json").write_text(json.dumps(config))
        if is_valid:
            assert getattr(RunFolder(run).read_settings(), name) == value
            continue
        message = f"config.json is damaged: settings: {name} = .* is not valid"
        with pytest.raises(CommandError, match=message):
            RunFolder(run).read_settings()
    del config["settings"][name]
    (run / "config.json").write_text(json.dumps(config))
    if name == "imports":  # may be missing, see test_cli_environments.py
        return
    with pytest.raises(CommandError, match=f"has missing or unknown entries: {name}"):
        RunFolder(run).read_settings()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"environment": "os:CartPole-v1"}, "unknown environment 'os:CartPole-v1'"),
        ({"environment": "../CartPole-v1"}, "unknown environment '../CartPole-v1'"),
        ({"environment": "CartPole-v1", "env_args": {}}, "policy.npz is no policy for CartPole-v1"),
        ({"environment": "FrozenLake8x8-v1"}, "policy.npz is no policy for FrozenLake8x8-v1"),
        (
            {"env_args": {"vectorization_mode": "async"}},
            "cannot make FrozenLake-v1 with --env-arg vectorization",
        ),
        (
            {"env_args": {"wrappers": ["os.system"]}},
            "cannot make FrozenLake-v1 with --env-arg wrappers=",
        ),
        (
            {"env_args": {"entry_point": "os:system"}},
            "cannot make FrozenLake-v1 with --env-arg entry_point=",
        ),
        ({"surprise": 1}, "config.json is damaged: settings has missing or unknown entries: surpr"),
    ],
    ids=str,
)
def test_edited_config(
    change: dict[str, object], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"].update(change)
    (run / "config.json").write_text(json.dumps(config))
    assert message in error_of(capsys, "evaluate", str(run))


@pytest.mark.parametrize(
    "progress",
    [None, [], {}, {"state": "running"}, {"state": 1, "steps": 0, "seconds": 0.0}]
    + [{"state": "running", "steps": steps, "seconds": 0.0} for steps in ("0", 0.5, None, True)],
    ids=str,
)
def test_edited_progress(progress: object, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((run / "config.json").read_text())
    config["progress"] = progress
    (run / "config.json").write_text(json.dumps(config))
    message = error_of(capsys, "train", "--resume", str(run), "--steps", "9999")
    assert message.startswith(f"{run / 'config.json'} is damaged: progress ")


# --- metrics.csv ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("update", cell) for cell in ["", "x", "1.5", "-1", "nan", "9" * 30, "9" * 5000]],
        *[("steps", "-64"), ("episodes", str(2**63)), ("seconds", "-1"), ("seconds", "")],
        *[("seconds", "inf"), ("mean_return", "inf"), ("entropy", "1e999"), ("entropy", "0x1")],
    ],
    ids=lambda text: text[:20],
)
def test_edited_metrics(
    column: str, cell: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (run / "metrics.csv").read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[0].split(",").index(column)] = cell
    lines[3] = ",".join(cells)
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    message = error_of(capsys, *command_for("metrics.csv", run))
    assert message.startswith(f"{run / 'metrics.csv'} is damaged: line 4 ")


# --- checkpoint.npz -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rng": np.array("{}")}, "rng is not the state of a random generator"),
        ({"rng": np.array(3)}, "rng is not the state of a random generator"),
        ({"rng": np.array("[" * 100_000)}, "rng is not the state of a random generator"),
        ({"table": np.zeros((3, 4))}, "table is float64 (3, 4), expected float64 (16, 4)"),
        ({"table": np.full((16, 4), np.nan)}, "table holds a number that is not finite"),
        ({"table": np.zeros((16, 4), complex)}, "table is complex128 (16, 4), expected float64 (1"),
        ({"counts": np.array([10**6, 1, 0])}, "1000000 updates, but metrics.csv has "),
        ({"counts": np.array([-1, 1, 0])}, "-1 updates"),
        ({"counts": np.array([32, 0, 0])}, "32 updates of 0 steps"),
        ({"counts": np.array([32, 2000, 26])}, "26 updates in a segment"),
        ({"counts": np.array([1, 64, 0])}, "1 updates, but "),
        ({"rows": np.array("update")}, "rows are not rows of metrics"),
        ({"rows": np.array(3)}, "rows are not rows of metrics"),
        ({"rows": None}, "rows are not rows of metrics"),
        ({"counts": None}, "no entry 'counts'"),
        ({"rng": None}, "rng is not the state of a random generator"),
    ],
    ids=range(16),
)
def test_edited_checkpoint(
    change: dict[str, object], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(run / "checkpoint.npz") as content:
        arrays = {**content, **change}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(run / "checkpoint.npz", **kept)  # type: ignore[arg-type]
    error = error_of(capsys, *command_for("checkpoint.npz", run))
    assert error.startswith(f"{run / 'checkpoint.npz'} is damaged: ")
    assert message in error


def changed_states(state: Any) -> list[Any]:
    """The state of a generator with one value of it changed, or left out."""
    if not isinstance(state, dict):
        return [None, [], "text", -1, 2**128, 2**200, 0.5, {}]
    changed = []
    for key, value in state.items():
        changed += [{**state, key: other} for other in changed_states(value)]
        changed.append({k: v for k, v in state.items() if k != key})
    return changed


def test_edited_state_of_the_generator(run: Path) -> None:
    """Either the generator takes it or it is the one error."""
    from scorefn.train.train import _make, _resume
    from scorefn.train.trainer import Trainer

    folder = RunFolder(run)
    settings = folder.read_settings()
    envs = _make(settings, settings.num_envs)
    with np.load(run / "checkpoint.npz") as content:
        arrays = dict(content)
    states = changed_states(json.loads(str(arrays["rng"])))
    refused = 0
    for state in states:
        np.savez(folder.checkpoint, **{**arrays, "rng": np.array(json.dumps(state))})
        trainer = Trainer(settings, envs, lambda policy, rng: pytest.fail("not now"))
        with pytest.raises(CommandError) as info:  # at the latest as the run is finished
            _resume(trainer, folder, settings)
        refused += "rng is not the state of a random generator" in str(info.value)
    envs.close()
    assert refused > len(states) // 2


# --- Links ----------------------------------------------------------------------------------------


def test_writing_follows_no_link_where_a_file_might_be_written_first(
    run: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    laid_out = {run / f".{path.name}.part" for path in run.iterdir()}
    laid_out |= {run / "policy.npz.part", run / ".policy.npz.0123abcd.part"}
    for link in laid_out:
        link.symlink_to(victim)
    assert main(["train", "--resume", str(run), "--steps", "2100", "--quiet"]) == 0
    assert victim.read_text() == "mine"
    assert {path for path in run.iterdir() if path.is_symlink()} == laid_out


def test_links_in_the_place_of_files_stay(run: Path, tmp_path: Path) -> None:
    """Each file of the run may be elsewhere."""
    names = [path.name for path in run.iterdir()]
    for name in names:
        (run / name).rename(tmp_path / name)
        (run / name).symlink_to(tmp_path / name)
    assert main(["train", "--resume", str(run), "--steps", "2100", "--quiet"]) == 0
    assert all((run / name).is_symlink() for name in names)
    assert RunFolder(run).read_metrics()[-1].steps == 2100


def test_a_path_that_cannot_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, "evaluate", "x" * 300) == f"cannot read {'x' * 300}: File name too long"
