"""A mutant: one planted fault, given as text of a file and what it becomes.

    What the fault is.
    Whom it would hurt.
    Try first: tests/test_gradients.py

    === cpp/src/kernels/functions/sample.inl
        the text, which the file holds once
    === becomes
        what stands there instead
    ===

A fault in several places has several such pairs. So a move of code breaks no mutant, as long as the
text is still there; only the name of the file follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Change:
    file: str
    text: str
    replacement: str

    def apply(self, root: Path) -> None:
        path = root / self.file
        before = path.read_text()
        times = before.count(self.text)
        if times != 1:
            raise ValueError(f"{self.file} holds the text {times} times, expected once")
        path.write_text(before.replace(self.text, self.replacement))


@dataclass(frozen=True)
class Mutant:
    path: Path
    head: tuple[str, ...]
    changes: tuple[Change, ...]

    @staticmethod
    def read(path: Path) -> Mutant:
        head, *places = re.split(r"^=== (?!becomes$)(\S+)$", path.read_text(), flags=re.M)
        changes = []
        for file, body in zip(places[::2], places[1::2], strict=True):
            text, _, replacement = body.partition("\n=== becomes\n")
            replacement = re.sub(r"\n(===\n)?\n*\Z", "", replacement)
            changes.append(Change(file, text.removeprefix("\n"), replacement))
        return Mutant(path, tuple(head.strip().splitlines()), tuple(changes))

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def number(self) -> int:
        return int(self.name.partition("-")[0])

    def hints(self, title: str) -> list[str]:
        """The words of a line of the head that starts with ``title:``."""
        prefix = f"{title}: "
        lines = [line.removeprefix(prefix) for line in self.head if line.startswith(prefix)]
        return lines[0].split() if lines else []

    @property
    def all_isas(self) -> bool:
        return self.hints("ISAs") == ["all"]

    def apply(self, root: Path) -> None:
        """Nothing is changed if a text is not there once."""
        before = {change.file: (root / change.file).read_text() for change in self.changes}
        try:
            for change in self.changes:
                change.apply(root)
        except ValueError:
            for file, text in before.items():
                (root / file).write_text(text)
            raise


def read_mutants() -> list[Mutant]:
    return [Mutant.read(path) for path in sorted(FOLDER.glob("[0-9]*.txt"))]
