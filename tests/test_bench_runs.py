"""Runs of the benchmarks: their folders, reports, comparisons and errors."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from _runs import error_of
from scorefn._command.errors import CommandError
from scorefn.bench.compare import changes, compare
from scorefn.bench.grid import all_workloads, matching
from scorefn.bench.markdown import BEGIN, END
from scorefn.bench.pictures import round_limits
from scorefn.bench.results import read_results
from scorefn.bench.solutions import OURS
from scorefn.bench.workload import Workload
from scorefn.cli import main

pytestmark = pytest.mark.slow
TINY = ["--quick", "--filter", "log_prob K=6 N=1", "--filter", "tabular", "--peers", "numpy"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("bench") / "run"
    assert main(["bench", *TINY, "--quiet", "--output", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((0.57, 1.87), (0.5, 2)), ((3, 4), (2, 5)), ((1, 2), (1, 2)), ((0.03, 60), (0.02, 100))],
)
def test_a_logarithmic_axis_has_two_numbers(
    limits: tuple[float, float], expected: tuple[float, float]
) -> None:
    assert round_limits(*limits) == expected


def test_results(run: Path) -> None:
    files = {path.name for path in run.iterdir()}
    assert files >= {"results.json", "roofline.png", "speedup.png", "speedup_single.png"}
    for picture in run.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    content = json.loads((run / "results.json").read_text())
    assert set(content) == {"format_version", "environment", "settings", "missing", "rows"}
    assert content["settings"]["dtype"] == "float32"
    environment = content["environment"]
    assert set(environment) >= {"cpu", "threads", "isa", "date", "python", "versions"}
    assert environment["versions"] == {"scorefn": scorefn.__version__, "NumPy": np.__version__}
    names = [row["name"] for row in content["rows"]]
    assert names == [w.name for w in matching(all_workloads(quick=True), TINY[2:5:2])]
    for row in content["rows"]:
        assert row["bytes_moved"] == Workload(**row["work"]).bytes_moved(4)
        assert row["bandwidth"] > 0
        assert row["failed"] == {}
        assert set(row["measured"]) == {"scorefn", "NumPy"}
        for measurement in row["measured"].values():
            timing = measurement["timing"]
            assert 0 < timing["low"] <= timing["seconds"] <= timing["high"]
            assert measurement["ulp"] >= 0


def test_report(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a finished run, whose tables are shown again without measuring anything."""
    before = (run / "results.json").read_bytes()
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    args = ["--resume", str(run), "--compare", str(run), "--markdown", str(page)]
    assert main(["bench", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in ("log_prob", "tabular_gradient", "ns/elem.", "NumPy", "ULP"):
        assert text in out
    assert re.search(r"0 slower, 0 faster, \d+ within the noise; geometric mean 1.00x", out)
    assert (run / "results.json").read_bytes() == before
    text = page.read_text()
    assert text.startswith(f"# Before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nAfter\n")
    assert "### log_prob\n\n| K | N | time |" in text
    assert "old" not in text


def test_the_warning_is_shown_and_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((run / "results.json").read_text())
    for row in content["rows"]:
        row["load"] = {
            "seconds": 1.0, "cpus": 2, "others": 1.5, "regions_shared": 1, "regions_alone": 0
        }  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(content))
    expected = "Do not believe these times: other processes used 1.5 of the 2 CPUs."
    page = tmp_path / "page.md"
    args = ["bench", "--resume", str(tmp_path), "--compare", str(tmp_path)]
    assert main([*args, "--markdown", str(page)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(expected) == 3  # of the run, and of both that are compared
    assert f"**{expected}**" in page.read_text()
    assert main([*args, "--quiet"]) == 0
    assert capsys.readouterr().err == f"scorefn: warning: {expected}\n"


def test_resume_measures_what_is_missing(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / "results.json").read_text())
    complete = [row["name"] for row in content["rows"]]
    kept = content["rows"].pop(0)
    (tmp_path / "results.json").write_text(json.dumps({**content, "rows": [kept]}))
    assert main(["bench", "--resume", str(tmp_path), "--quiet"]) == 0
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["name"] for row in rows] == complete
    assert rows[0] == kept


def test_interrupt_keeps_what_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "scorefn", "bench", "--quick", "--filter", "N=1"]
    process = subprocess.Popen(
        [*command, "--no-peers", "--output", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "results.json").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert re.search(r"Interrupted after \d+ of \d+ workloads", out)
    assert f"scorefn bench --resume {folder}" in out
    assert len(read_results(folder).rows) >= 1


def test_float64_and_threads(tmp_path: Path) -> None:
    args = ["--dtype", "float64", "--threads", "1", "--filter", "log_prob K=6 N=1", "--no-peers"]
    assert main(["bench", "--quick", *args, "--quiet", "--output", str(tmp_path)]) == 0
    results = read_results(tmp_path)
    assert (results.settings.dtype, results.settings.threads) == ("float64", 1)
    assert results.environment["threads"] == 1
    assert results.rows[0].bytes_moved == results.rows[0].work.bytes_moved(8)


def test_compare_knows_noise_and_the_machine(run: Path) -> None:
    old = read_results(run)
    row = old.rows[0]

    def scaled(ours: float, peers: float) -> Any:
        def scale(measurement: Any, factor: float) -> Any:
            timing = measurement.timing
            steady = {k: timing.seconds * factor for k in ("seconds", "low", "high")}
            return replace(measurement, timing=replace(timing, **steady))

        measured = {
            name: scale(value, ours if name == OURS else peers)
            for name, value in row.measured.items()
        }
        return replace(old, rows=[replace(row, measured=measured)])

    base = scaled(1.0, 1.0)
    [slower] = changes(base, scaled(1.5, 1.0))
    assert slower.is_real
    assert slower.ratio == pytest.approx(1.5)
    assert not changes(base, scaled(1.01, 1.0))[0].is_real  # too little
    assert not changes(base, scaled(1.5, 1.5))[0].is_real  # the machine was slower
    assert not changes(base, scaled(1.0, 1.5))[0].is_real  # the peers became slower
    table, notes = compare(base, scaled(1.5, 1.0))
    assert [cell.text for cell in table.rows[0]][3] == "1.50x"
    assert notes[0].startswith("1 slower, 0 faster, 0 within the noise")


def test_bad_filter_names_the_workloads(capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "bench", "--filter", "sofmax")
    assert message.startswith("--filter 'sofmax' matches no workload; they are named like '")
    assert "log_softmax, softmax, logsumexp" in message


@pytest.mark.parametrize("missing", ["matplotlib", "rich", "threadpoolctl"])
def test_missing_extra(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    message = error_of(capsys, "bench")
    assert message.startswith(f"cannot import {missing} (")
    assert message.endswith("pip install 'scorefn[bench]'")


def test_needs_no_gymnasium(run: Path) -> None:
    code = f"""
import sys
sys.modules["gymnasium"] = None
from scorefn.cli import main
from scorefn._command.errors import CommandError
assert main(["bench", "--resume", {str(run)!r}, "--quiet"]) == 0
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--peers", "numpy,tensorflow"], "argument --peers: 'tensorflow' is not one of numpy,"),
        (["--threads", "0"], "argument --num-threads/--threads: '0' is not a positive whole"),
        (["--dtype", "float16"], "argument --dtype: invalid choice: 'float16'"),
        (["--compare", "no_such"], "cannot read no_such: No such file or directory"),
        (["--resume", "no_such"], "cannot read no_such: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_error(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, "bench", *args).startswith(message)


def test_resume_keeps_the_settings(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "bench", "--resume", str(run), "--dtype", "float64")
    assert message == "--resume keeps the settings of the run; omit --dtype"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged: "),
        ("[]", "is not the results of a benchmark: "),
        ('{"format_version": 99}', "is not the results of a benchmark: format_version is not 2"),
        ("[" * 100_000, "is damaged: "),
        ('{"format_version": 2, "settings": 3}', "is not the results of a benchmark: "),
    ],
    ids=lambda text: text[:20],
)
def test_damaged_results(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    assert error_of(capsys, "bench", "--compare", str(path)).startswith(f"{path} {message}")


def test_results_of_an_earlier_version(run: Path, tmp_path: Path) -> None:
    """They do not have the fields of workloads that came later."""
    content = json.loads((run / "results.json").read_text())
    for row in content["rows"]:
        for name in ("shortest", "segments", "mean", "steps"):
            del row["work"][name]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(content))
    assert [row.work for row in read_results(file).rows] == [
        row.work for row in read_results(run).rows
    ]
    assert main(["bench", "--resume", str(tmp_path), "--compare", str(run), "--quiet"]) == 0


def paths_of(content: Any) -> Iterator[tuple[Any, ...]]:
    """The keys and indices that lead to each value of a JSON document."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            yield (key,)
            yield from ((key, *path) for path in paths_of(value))


def test_edited_results(run: Path, tmp_path: Path) -> None:
    """Any value in the place of any other: one error, or results of the same types."""
    content = json.loads((run / "results.json").read_text())
    del content["rows"][1:]
    file = tmp_path / "results.json"
    refused = 0
    for *path, last in paths_of(content):
        for value in [None, -1, "text", [], {}, float("nan"), 1e999, True]:
            changed = json.loads(json.dumps(content))
            parent = changed
            for key in path:
                parent = parent[key]
            parent[last] = value
            file.write_text(json.dumps(changed))
            try:
                rows = read_results(file).rows
            except CommandError:
                refused += 1
            else:
                assert all(0.0 < row.ours.seconds < np.inf for row in rows if row.ours)
    assert refused > 200


def test_folder_and_markdown_are_not_overwritten(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = error_of(capsys, "bench", *TINY, "--output", str(run))
    assert message == f"{run} is not empty; use --resume to continue a run"
    page = tmp_path / "page.md"
    page.write_text("mine")
    message = error_of(capsys, "bench", *TINY, "--markdown", str(page))
    assert message.startswith(f"{page} exists without the lines {BEGIN}")
    assert page.read_text() == "mine"


def test_what_cannot_be_compared_is_said_at_once(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["bench", "--quick", "--compare", str(run)]
    message = error_of(capsys, *args, "--dtype", "float64")
    assert message == "--compare: that run has dtype float32, expected float64"
    message = error_of(capsys, *args, "--filter", "entropy K=6 N=1")
    assert message == "--compare: the two runs have no workload in common"
