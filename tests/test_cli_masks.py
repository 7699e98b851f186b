"""Masks of allowed actions from ``info["action_mask"]`` in training and evaluation."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import _environments  # noqa: F401  (registers them)
from _runs import SMALL, error_of
from scorefn import TabularPolicy
from scorefn.cli import main
from scorefn.train.environments import Environments
from scorefn.train.run_folder import RunFolder

MASKED = "ScorefnTest/Masked-v0"
BOTH = pytest.mark.parametrize("is_table", ["true", "false"])
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*WARN")]  # Gymnasium's own


def train(run: Path, *env_args: str, steps: int = 4000) -> list[str]:
    options = [part for arg in env_args for part in ("--env-arg", arg)]
    return ["train", MASKED, *options, *SMALL, "--steps", str(steps), "--output", str(run)]


@BOTH
@pytest.mark.parametrize("dtype", ["int8", "bool", "int64"])
@pytest.mark.parametrize("what", ["", '"empty at the end"'])
def test_forbidden_actions_are_never_taken(
    is_table: str, dtype: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment raises if one is; the best return is 8, a random one 8 / 3."""
    run = tmp_path / "run"
    args = [f"is_table={is_table}", f"dtype={dtype}", f"what={what}"]
    assert main(train(run, *args)) == 0
    for options in ([], ["--stochastic"]):
        capsys.readouterr()
        assert main(["evaluate", str(run), *options]) == 0
        [line] = [s for s in capsys.readouterr().out.splitlines() if s.startswith("return")]
        assert float(line.split()[1]) > 7


def test_table_keeps_its_masks(tmp_path: Path) -> None:
    """In the policy's file and in the checkpoint, from which a run goes on with the same bits."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(train(whole, steps=8000)) == 0
    policy = RunFolder(whole).read_policy()
    assert isinstance(policy, TabularPolicy)
    np.testing.assert_array_equal(policy.where, ~np.eye(4, dtype=bool), strict=True)
    assert RunFolder(whole).read_checkpoint()["allowed"].sum() == 12

    assert main([*train(parts, steps=8000), "--time-limit", "0.05"]) in (0, 130)
    assert main(["train", "--resume", str(parts), "--steps", "8064", "--quiet"]) == 0
    resumed = RunFolder(parts).read_policy()
    assert isinstance(resumed, TabularPolicy)
    np.testing.assert_array_equal(resumed.where, policy.where, strict=True)


def test_states_never_visited_allow_all_actions(tmp_path: Path) -> None:
    """Of Taxi's 500 states a short training sees some."""
    run = tmp_path / "run"
    assert main(["train", "Taxi-v3", *SMALL, "--steps", "64", "--output", str(run)]) == 0
    policy = RunFolder(run).read_policy()
    assert isinstance(policy, TabularPolicy)
    assert policy.where is not None
    known = RunFolder(run).read_checkpoint()["allowed"].any(axis=1)
    assert 0 < known.sum() < 500
    assert policy.where[~known].all()
    assert not policy.where[known].all()


@BOTH
def test_report_passes_the_mask_where_the_policy_needs_it(
    is_table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = train(tmp_path / "run", f"is_table={is_table}", steps=64)
    assert main([arg for arg in args if arg != "--quiet"]) == 0
    use = capsys.readouterr().out.splitlines()[-1]
    assert ('where=info["action_mask"]' in use) == (is_table == "false")
    policy = RunFolder(tmp_path / "run").read_policy()
    info = {"action_mask": np.array([0, 1, 1, 1], dtype=np.int8)}
    names = {"policy": policy, "np": np, "state": 0, "observation": np.eye(4)[0], "info": info}
    exec(use.strip(), names)
    assert names["action"] in (1, 2, 3)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_masks_are_those_of_the_observations(mode: AutoresetMode) -> None:
    """Whatever the autoreset mode; where the action is ignored, every one is allowed."""
    envs = Environments(SyncVectorEnv([lambda: gymnasium.make(MASKED)] * 3, autoreset_mode=mode))
    observations = envs.reset(0)
    ignored = np.zeros(3, dtype=bool)
    for _ in range(30):
        assert envs.masks is not None
        expected = ~np.eye(4, dtype=bool)[observations] | ignored[:, None]
        np.testing.assert_array_equal(envs.masks, expected)
        step = envs.step(envs.masks.argmax(axis=1))
        observations = step.observations
        if mode == AutoresetMode.NEXT_STEP:
            ignored = step.terminated | step.truncated


@BOTH
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("of 3", "step() returned info['action_mask'] of shape (3,), expected (4,)"),
        ("of 1x4", "step() returned info['action_mask'] of shape (1, 4), expected (4,)"),
        ("2", "step() returned info['action_mask'] with 2, expected 0 and 1"),
        ("float", "step() returned info['action_mask'] of dtype float64, expected int8 or bool"),
        ("empty", "step() returned info['action_mask'] without an allowed action"),
        ("of another kind", "step() returned info['action_mask'] of shape (), expected (4,)"),
        ("missing", "step() returned no info['action_mask'], but reset() did"),
        ("only in step", "step() returned info['action_mask'], but reset() did not"),
    ],
)
def test_bad_mask(
    is_table: str, what: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = train(tmp_path / "run", f"is_table={is_table}", f"what={what!r}".replace("'", '"'))
    assert error_of(capsys, *args).startswith(f"{MASKED}: {message}")


def test_mask_of_a_state_that_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table has one mask per state; a linear policy takes those of the samples."""
    message = error_of(capsys, *train(tmp_path / "table", 'what="changing"'))
    assert message.startswith(
        "the environment's info['action_mask'] depends on more than the state: masks["
    )
    assert main(train(tmp_path / "linear", 'what="changing"', "is_table=false")) == 0
