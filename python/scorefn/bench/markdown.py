"""The tables as Markdown, in a file of their own or between two marks of a file that exists."""

from __future__ import annotations

from pathlib import Path

from scorefn._command.errors import CommandError
from scorefn._command.output import replacing
from scorefn.bench import tables
from scorefn.bench.environment import headline, warning
from scorefn.bench.results import Results

BEGIN, END = "<!-- scorefn bench: begin -->", "<!-- scorefn bench: end -->"


def to_markdown(results: Results) -> str:
    doubt = warning(results)
    parts = [headline(results) + ".", *([f"**{doubt}**"] if doubt else []), tables.KEY]
    lost = tables.losses(results)
    parts.append(lost.to_markdown() if lost.rows else "No other library is faster on any workload.")
    if failures := tables.failures(results):
        parts.append("\n".join(["### Not compared", "", *(f"- {line}" for line in failures)]))
    parts += [table.to_markdown() for table in tables.tables(results)]
    return "\n\n".join(parts) + "\n"


def read_around(path: Path) -> tuple[str, str]:
    """What stands before and after the marks of a file; nothing if there is no file yet."""
    if not path.exists():
        return "", "\n"
    try:
        old = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise CommandError(
            f"{path} exists without the lines {BEGIN} and {END}, between which the tables go"
        )
    return before, after


def write_markdown(path: Path, results: Results) -> None:
    before, after = read_around(path)
    with replacing(path) as part:
        content = f"{before}{BEGIN}\n\n{to_markdown(results)}\n{END}{after}"
        part.write_text(content, encoding="utf-8")
