"""scorefn plot: the picture of a training, drawn again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from _runs import (
    FILES,
    FROZEN_LAKE,
    error_of,
    state_of,
)
from scorefn.cli import main
from scorefn.train.run_folder import RunFolder

pytestmark = pytest.mark.slow


def test_plot_draws_it_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = RunFolder(run).picture
    expected = picture.read_bytes()
    picture.unlink()
    assert main(["plot", str(run)]) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes() == expected
    (run / "metrics.csv").unlink()
    assert error_of(capsys, "plot", str(run)).startswith(f"cannot read {run / 'metrics.csv'}")
    assert error_of(capsys, "plot", str(run / "no")).startswith(f"{run / 'no'} is not a run folder")


def test_plot_of_a_training_that_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture of older metrics must not stay in the place of one of newer metrics."""
    metrics = RunFolder(run).metrics
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(lines[:-5]))
    drawn = []

    def draw(path: Path, rows: list[Any], **_: Any) -> None:
        drawn.append(len(rows))
        metrics.write_text("".join(lines))

    monkeypatch.setattr("scorefn.train.plot.draw_learning_curve", draw)
    assert main(["plot", str(run)]) == 0
    assert drawn == [len(lines) - 6, len(lines) - 1]


def test_a_picture_that_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("no memory for a picture")

    monkeypatch.setattr("scorefn.train.plot.draw_learning_curve", fail)
    run = tmp_path / "run"
    loud = [option for option in FROZEN_LAKE if option != "--quiet"]
    assert main(["train", *loud, "--steps", "640", "--output", str(run)]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("Finished after 640 steps in ")
    assert err == (
        f"scorefn: error: cannot draw {run / 'learning_curve.png'}: no memory for a picture "
        f"(everything else is saved; try scorefn plot {run})\n"
    )
    assert state_of(run) == "finished"


def test_a_reader_that_goes_away_takes_no_picture_along(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scorefn", "train", *FROZEN_LAKE, "--steps", "640"]
    with subprocess.Popen(
        [*command, "--output", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert state_of(tmp_path / "run") == "finished"
