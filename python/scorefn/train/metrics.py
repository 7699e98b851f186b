"""The metrics of a run: one row an update."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

from scorefn._command.errors import CommandError


@dataclass(frozen=True)
class MetricsRow:
    """After one update. Returns and lengths: means over the episodes that ended in it, or NaN."""

    update: int
    steps: int  # of all environments together, since the start
    seconds: float
    episodes: int  # that ended in this update
    mean_return: float
    mean_length: float
    entropy: float
    gradient_norm: float
    gradient_standard_error: float
    learning_rate: float


COLUMNS = tuple(field.name for field in fields(MetricsRow))
_INTEGERS = ("update", "steps", "episodes")


_values = attrgetter(*COLUMNS)

HEADER = ",".join(COLUMNS) + "\n"


def format_rows(rows: Iterable[MetricsRow]) -> str:
    """The lines of a metrics file, without its header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(["" if value != value else value for value in _values(row)] for row in rows)
    return text.getvalue()


def read_metrics(text: str) -> list[MetricsRow]:
    if not text.endswith("\n"):
        raise CommandError("its last line is cut")
    reader = csv.reader(text.splitlines())
    if tuple(next(reader, ())) != COLUMNS:
        raise CommandError("the first line does not name the columns of a metrics file")
    rows = []
    for cells in reader:
        try:
            values = dict(zip(COLUMNS, cells, strict=True))
            integers = {name: int(values.pop(name)) for name in _INTEGERS}
            floats = {name: float(cell or "nan") for name, cell in values.items()}
        except ValueError as error:
            raise CommandError(f"line {reader.line_num} is not a row of metrics") from error
        row = MetricsRow(**integers, **floats)  # type: ignore[arg-type]
        if not all(0 <= n < 2**63 for n in integers.values()) or not 0 <= row.seconds < 2**63:
            raise CommandError(f"line {reader.line_num} has a count or a time that cannot be")
        if any(map(math.isinf, floats.values())):
            raise CommandError(f"line {reader.line_num} has a number that is not finite")
        rows.append(row)
    return rows
