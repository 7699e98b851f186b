"""The patches of tests/mutants still fit the sources. Whether tests notice them: mutants/run.py."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))


def test_there_are_50_and_no_number_comes_twice() -> None:
    numbers = [patch.name.partition("-")[0] for patch in PATCHES]
    assert len(set(numbers)) == len(numbers) >= 50
    assert all(re.fullmatch(r"\d\d", number) for number in numbers)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.stem)
def test_patch_applies_and_says_what_it_is(patch: Path) -> None:
    head, _, diff = patch.read_text().partition("\n\n")
    fault, harm, *hints = head.splitlines()
    assert fault.endswith((".", ":")), "what the fault is"
    assert harm.endswith("."), "whom it would hurt"
    assert all(re.fullmatch(r"ISAs: all|Try first: \S+( \S+)*", hint) for hint in hints)
    files = re.findall(r"^\+\+\+ b/(\S+)$", diff, re.M)
    assert files
    built = ("CMakeLists.txt", "cpp/", "python/bindings/")
    assert all(file.startswith(built) for file in files)
    command = ["git", "apply", "--check", str(patch)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"it no longer applies: write it anew\n{result.stderr}"
