"""The tables as Markdown, in a file of their own or between two marks of a file that exists."""

from __future__ import annotations

from pathlib import Path

from scorefn.bench import tables
from scorefn.bench.environment import headline
from scorefn.bench.results import Results
from scorefn.cli.errors import CommandError
from scorefn.cli.output import replacing

BEGIN, END = "<!-- scorefn bench: begin -->", "<!-- scorefn bench: end -->"


def to_markdown(results: Results) -> str:
    parts = [headline(results.environment, results.settings.dtype) + ".", tables.KEY]
    lost = tables.losses(results)
    parts.append(lost.to_markdown() if lost.rows else "No peer is faster anywhere.")
    if failures := tables.failures(results):
        parts.append("\n".join(["### Left out", "", *(f"- {line}" for line in failures)]))
    parts += [table.to_markdown() for table in tables.tables(results)]
    return "\n\n".join(parts) + "\n"


def write_markdown(path: Path, results: Results) -> None:
    content = f"{BEGIN}\n\n{to_markdown(results)}\n{END}\n"
    if path.exists():
        try:
            old = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot read {path}: {error}") from error
        if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
            raise CommandError(
                f"{path} exists, and has no lines {BEGIN} and {END} to write between"
            )
        content = old[: old.index(BEGIN)] + content.rstrip("\n") + old[old.index(END) + len(END) :]
    with replacing(path) as part:
        part.write_text(content, encoding="utf-8")
