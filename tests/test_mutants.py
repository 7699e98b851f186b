"""The mutants still fit the sources. Whether tests notice them is for mutants/run.py."""

import re
from pathlib import Path

import pytest

from mutants.mutant import Mutant, read_mutants

ROOT = Path(__file__).parents[1]
MUTANTS = read_mutants()


def test_there_are_50_and_no_number_comes_twice() -> None:
    numbers = [mutant.number for mutant in MUTANTS]
    assert len(set(numbers)) == len(numbers) >= 50


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_mutant_fits_the_sources_and_says_what_it_is(mutant: Mutant) -> None:
    fault, harm, *hints = mutant.head
    assert fault.endswith((".", ":")), "what the fault is"
    assert harm.endswith("."), "whom it would hurt"
    assert all(re.fullmatch(r"ISAs: all|Try first: \S+( \S+)*", hint) for hint in hints)
    assert mutant.changes
    for change in mutant.changes:
        assert change.file.startswith(("CMakeLists.txt", "cpp/", "python/"))
        assert change.text != change.replacement
        assert (ROOT / change.file).read_text().count(change.text) == 1, "it no longer applies"
