"""The README and the documents: their programs run and print what they show."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.mark.slow
def test_python() -> None:
    lines = r"((?:(?!```).*\n)+)"
    programs = re.findall(rf"^```python\n{lines}```\n+```text\n{lines}```$", README, re.M)
    assert len(programs) == len(blocks("python")) - 1 > 0  # the other one: test_torch.py
    for program, output in programs:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == output


@pytest.mark.slow
@pytest.mark.parametrize("document", ["objectives.md", "lab.md", "training.md"])
def test_documents(document: str) -> None:
    """Each program of a document goes on with what those before it have defined."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    outputs = re.findall(r"^```text\n(.*?)^```$", text, re.M | re.S)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(programs)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "".join(outputs)


@pytest.mark.slow
def test_the_table_of_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what its program prints, and the picture has all its lines."""
    monkeypatch.setattr(sys, "argv", ["variance.py", "--picture", str(tmp_path / "variance.svg")])
    runpy.run_path(str(ROOT / "benchmarks" / "variance.py"), run_name="__main__")
    table = capsys.readouterr().out
    assert table in (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    picture = (tmp_path / "variance.svg").read_text(encoding="utf-8")
    for line in table.splitlines()[2:]:
        assert line.split("|")[2].strip() in picture


@pytest.mark.parametrize(
    "command",
    ["pip install '.[cli]' && scorefn train CartPole-v1", "pip install '.[test]' && pytest"],
)
def test_commands(command: str) -> None:
    assert re.search(rf"^    {re.escape(command)} ", README, re.M)


def test_continuous_integration_tests_as_the_readme_says() -> None:
    """The same two commands, with the quicker steps between them."""
    steps = (ROOT / ".ci" / "run").read_text()
    assert re.search(
        r"""^step "install" "pip install '\.\[test\]'"$.*^step "test" "pytest"$""",
        steps,
        re.M | re.S,
    )


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/objectives.md",
        "docs/lab.md",
        "docs/training.md",
        "docs/diagnostics.md",
    ],
)
def test_links(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
