"""The results as tables: for each function a row a size, and where scorefn loses.

A table is made once as rows of cells, then shown on a terminal or written as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table as RichTable
from rich.text import Text

from scorefn.bench import text
from scorefn.bench.results import Results, Row
from scorefn.bench.solutions import OURS
from scorefn.bench.workload import Workload

KEY = (
    "x copy: time relative to a memory copy of the bytes that have to move, with as many threads. "
    "Other libraries: the speed-up of scorefn over each, and its largest error in ULP; "
    "where the speed-up is below 1, scorefn is slower."
)
SHORTEST_COPY = 1e-5  # seconds: what is copied faster lies in a cache, and is not compared
MEMORY = 32 << 20  # bytes from which on what a call allocates is worth a remark


@dataclass(frozen=True)
class Cell:
    text: str
    stands_out: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def to_rich(self) -> RichTable:
        table = RichTable(title=self.title, title_justify="left", title_style="bold", box=None)
        for name in self.header:
            table.add_column(name, justify="right")
        for row in self.rows:
            table.add_row(*(Text(cell.text, "bold red" if cell.stands_out else "") for cell in row))
        return table

    def to_markdown(self) -> str:
        lines = [" | ".join(self.header), " | ".join("---:" for _ in self.header)]
        for row in self.rows:
            lines.append(" | ".join(f"**{c.text}**" if c.stands_out else c.text for c in row))
        return "\n".join([f"### {self.title}", "", *(f"| {line} |" for line in lines)])


def tables(results: Results) -> Iterator[Table]:
    """One for each function, in the order of the rows."""
    for function in dict.fromkeys(row.work.function for row in results.rows):
        rows = [row for row in results.rows if row.work.function == function]
        peers = [name for name in results.names if any(row.takes_part(name) for row in rows)]
        has_memory = any(m.memory and m.memory >= MEMORY for r in rows for m in r.measured.values())
        header = ["K", "N", "time", "ns/elem.", "x copy", "ULP", *peers]
        cells = [_cells(row, peers, with_memory=has_memory) for row in rows]
        yield Table(function, [*header, *(["memory"] if has_memory else [])], cells)


def _cells(row: Row, peers: Sequence[str], *, with_memory: bool) -> list[Cell]:
    work, ours = row.work, row.ours
    cells = [Cell(actions_of(work)), Cell(samples_of(work))]
    if ours is None:
        cells += [Cell("failed", stands_out=True), *(Cell("") for _ in range(3))]
    else:
        cells += [
            Cell(text.duration(ours.seconds)),
            Cell(f"{ours.seconds / work.elements * 1e9:.3g}"),
            Cell(text.ratio(ours.seconds / row.roofline) if row.roofline >= SHORTEST_COPY else ""),
            Cell(text.ulp(ours.ulp)),
        ]
    cells += [_peer(row, peer) for peer in peers]
    return [*cells, _memory(row)] if with_memory else cells


def actions_of(work: Workload) -> str:
    """None in a scan."""
    if work.steps:
        return ""
    return f"{work.shortest}-{work.actions}" if work.shortest else text.size(work.actions)


def samples_of(work: Workload) -> str:
    """With what else belongs to the size."""
    parts = [text.size(work.samples)]
    if work.steps:
        parts.insert(0, f"{text.size(work.steps)} x")
    if work.states:
        parts.append(f"of {text.size(work.states)}")
    if work.features:
        parts.append(f"x {text.size(work.features)}")
    if work.segments:
        parts.append(f"in {text.size(work.segments)}")
    return " ".join(parts)


def _peer(row: Row, name: str) -> Cell:
    if name in row.failed:
        return Cell("wrong" if row.failed[name].startswith("wrong") else "failed")
    if name not in row.measured:
        return Cell("")
    peer, speedup = row.measured[name], row.speedup(name)
    first = text.duration(peer.seconds) if row.ours is None else text.ratio(speedup)
    return Cell(f"{first}, {text.ulp(peer.ulp)}", stands_out=speedup < 1.0)


def _memory(row: Row) -> Cell:
    """What scorefn allocates, and the peers from the least to the most."""
    if row.ours is None or row.ours.memory is None:
        return Cell("")
    others = [peer.memory for peer in row.peers.values() if peer.memory is not None]
    span = f"; {text.memory(min(others))} to {text.memory(max(others))}" if others else ""
    return Cell(text.memory(row.ours.memory) + span)


def losses(results: Results) -> Table:
    """The worst first."""
    lost = [(row, name, ratio) for row in results.rows for name, ratio in row.losses().items()]
    lost.sort(key=lambda item: item[2])
    cells = [
        [
            Cell(row.work.name),
            Cell(text.duration(row.measured[OURS].seconds)),
            Cell(f"{name} {text.duration(row.measured[name].seconds)}"),
            Cell(text.ratio(ratio)),
            Cell(f"{text.ulp(row.measured[OURS].ulp)}; {text.ulp(row.measured[name].ulp)}"),
        ]
        for row, name, ratio in lost
    ]
    return Table(
        "Where scorefn is slower", ["workload", "scorefn", "other", "speed-up", "ULP"], cells
    )


def failures(results: Results) -> list[str]:
    """A line for each solution and reason, with how often it happened."""
    found: dict[tuple[str, str, str], int] = {}
    for row in results.rows:
        for name, reason in row.failed.items():
            key = name, row.work.function, reason.partition(":")[0]
            found[key] = found.get(key, 0) + 1
    lines = []
    for (name, function, kind), times in found.items():
        first = next(
            (row, row.failed[name])
            for row in results.rows
            if row.work.function == function and row.failed.get(name, "").startswith(kind)
        )
        more = f" (and {times - 1} more)" if times > 1 else ""
        lines.append(f"{name}, {first[0].work.name}: {first[1]}{more}")
    return lines
