"""The results as pictures: time over that of a copy, and the speed-up over each peer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from scorefn._command.output import replacing
from scorefn.bench.environment import machine
from scorefn.bench.results import Results, Row
from scorefn.bench.solutions import PEER_NAMES

GREY = "#5f6368"
# Okabe & Ito's colours, which everybody can tell apart, and a dark one of ours.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#44337a")
MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_pictures(folder: Path, results: Results) -> list[Path]:
    """Those for which there are results."""
    largest, single = _largest_batches(results.rows), _single(results.rows)
    pictures = (
        ("roofline.png", _roofline, largest, ""),
        ("speedup.png", _speedup, largest, "largest batch"),
        ("speedup_single.png", _speedup, single, "one row"),
    )
    drawn = []
    for name, draw, rows, title in pictures:
        figure = draw(rows, results, title)
        if figure is not None:
            with replacing(folder / name) as part:
                figure.savefig(part, format="png")
            drawn.append(folder / name)
    return drawn


def _largest_batches(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Of each function with a grid of numbers of actions: the largest batch for each."""
    found: dict[tuple[str, int], Row] = {}
    for row in rows:
        key = row.work.function, row.work.actions
        if not row.work.is_in_grid:
            continue
        if key not in found or row.work.elements > found[key].work.elements:
            found[key] = row
    return _by_function(list(found.values()))


def _single(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return _by_function([row for row in rows if row.work.is_in_grid and row.work.samples == 1])


def _by_function(rows: Sequence[Row]) -> dict[str, list[Row]]:
    functions = dict.fromkeys(row.work.function for row in rows)
    return {
        function: sorted(
            (row for row in rows if row.work.function == function and row.ours is not None),
            key=lambda row: row.work.actions,
        )
        for function in functions
    }


def _roofline(rows: dict[str, list[Row]], results: Results, title: str) -> Figure | None:
    """Left what everybody pays for an element, right what of it is not the memory's."""
    if not any(rows.values()):
        return None
    figure = _figure(12, 5.5)
    left, right = figure.subplots(1, 2)
    for i, (function, line) in enumerate(rows.items()):
        actions = [row.work.actions for row in line]
        seconds = [row.ours.seconds for row in line if row.ours]
        style: dict[str, Any] = {
            "color": COLORS[i % len(COLORS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": "-" if i < len(COLORS) else "--",
            "markersize": 4,
            "linewidth": 1.5,
            "label": function,
        }
        per_element = [s / row.work.elements * 1e9 for s, row in zip(seconds, line, strict=True)]
        over_copy = [s / row.roofline for s, row in zip(seconds, line, strict=True)]
        left.plot(actions, per_element, **style)
        right.plot(actions, over_copy, **style)
    right.axhline(1.0, color=GREY, linewidth=1.5)
    right.annotate(
        "memory copy of the same bytes",
        (0.01, 1.0),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        color=GREY,
        fontsize=9,
    )
    left.set_ylabel("ns per element")
    right.set_ylabel("time relative to a memory copy")
    for axes in (left, right):
        _numbers_of_actions(axes, [row for line in rows.values() for row in line])
        axes.set_yscale("log")
        _plain_numbers(axes, "{:g}")
        axes.set_ylim(*round_limits(*axes.get_ylim()))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(_title("scorefn", "largest batch", results), x=0.01, ha="left", fontsize=10)
    return figure


def _speedup(rows: dict[str, list[Row]], results: Results, title: str) -> Figure | None:
    """A panel a function, a line a peer; in the grey, the peer is faster."""
    shown = {name: line for name, line in rows.items() if any(row.peers for row in line)}
    if not shown:
        return None
    columns = min(4, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure = _figure(3.4 * columns + 1.5, 2.7 * lines + 0.6)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    legend: dict[str, Any] = {}
    for axes, (function, line) in zip(panels.flat, shown.items(), strict=False):
        for i, peer in enumerate(PEER_NAMES):  # each has its colour, whoever takes part
            points = [(r.work.actions, r.speedup(peer)) for r in line if peer in r.peers]
            if points:
                [legend[peer]] = axes.plot(
                    *zip(*points, strict=True),
                    color=COLORS[i % len(COLORS)],
                    marker=MARKERS[i % len(MARKERS)],
                    markersize=3.5,
                    linewidth=1.3,
                )
        axes.set_yscale("log")
        _plain_numbers(axes, "{:g}x")
        _numbers_of_actions(axes, line)
        axes.set_title(function, loc="left", fontsize=10)
    lowest = min(axes.get_ylim()[0] for axes in panels.flat)
    for axes in panels.flat[: len(shown)]:
        axes.axhline(1.0, color=GREY, linewidth=1)
        axes.axhspan(min(lowest, 0.5), 1.0, color=GREY, alpha=0.12, linewidth=0)
        axes.set_ylim(bottom=min(lowest, 0.5))
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("speed-up")
    names = [name for name in PEER_NAMES if name in legend]
    figure.legend(
        [legend[name] for name in names], names, loc="outside right center", frameon=False
    )
    subject = "speed-up of scorefn over each library"
    figure.suptitle(_title(subject, title, results), x=0.01, ha="left", fontsize=10)
    return figure


def _title(subject: str, batch: str, results: Results) -> str:
    return f"{subject}, {batch}\n{machine(results)}"


def _figure(width: float, height: float) -> Figure:
    # The object interface: no global figure, no backend to choose, nothing to close.
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def round_limits(low: float, high: float) -> tuple[float, float]:
    """The next numbers of 1, 2, 5, 10, ... outside: an axis needs two of them to be read."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    return max(x for x in numbers if x <= low), min(x for x in numbers if x >= high)


def _plain_numbers(axes: Any, form: str) -> None:
    """On a logarithmic axis: 1, 2, 5, 10, ..."""
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form.format(value)))
    axes.yaxis.set_minor_locator(NullLocator())


def _numbers_of_actions(axes: Any, rows: Sequence[Row]) -> None:
    actions = sorted({row.work.actions for row in rows})
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    labelled: list[int] = []
    for k in actions:  # labels that are nearer than a factor of 2 would overlap
        if not labelled or k >= 2 * labelled[-1]:
            labelled.append(k)
    axes.set_xticks(labelled, [f"{k:,}" for k in labelled], rotation=45, ha="right", fontsize=8)
    axes.set_xlabel("actions K")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
