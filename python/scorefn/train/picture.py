"""The learning curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from scorefn.train.metrics import MetricsRow

SMOOTHING_EPISODES = 100
BLUE, GREY, ORANGE = "#1f5fa8", "#5f6368", "#c2571a"


def draw_learning_curve(
    path: Path, rows: list[MetricsRow], *, title: str, target: float | None
) -> None:
    """Return and entropy against steps, as PNG."""
    # The object interface: no global figure, no backend to choose, nothing to close.
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])

    steps = np.array([row.steps for row in rows])
    returns = np.array([row.mean_return for row in rows])
    ended = np.array([row.episodes for row in rows]) > 0
    above.plot(
        steps[ended], returns[ended], color=BLUE, alpha=0.25, linewidth=0.8, label="each update"
    )
    above.plot(
        steps[ended],
        _smoothed(rows)[ended],
        marker=_marker(int(np.count_nonzero(ended))),
        color=BLUE,
        linewidth=2,
        label=f"last {SMOOTHING_EPISODES} episodes",
    )
    if target is not None:
        above.axhline(
            target, color=ORANGE, linestyle="--", linewidth=1.2, label=f"target {target:g}"
        )
    above.set_title(title, loc="left")
    above.set_ylabel("mean return per episode")
    above.legend(frameon=False, loc="best")

    entropies = [row.entropy for row in rows]
    below.plot(steps, entropies, marker=_marker(len(rows)), color=GREY, linewidth=1.2)
    below.set_ylim(bottom=0)
    below.set_ylabel("entropy (nats)")
    below.set_xlabel("environment steps")
    below.set_xlim(left=0)
    below.xaxis.set_major_formatter(EngFormatter())

    for axes in (above, below):
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.align_ylabels()
    figure.savefig(path, format="png")


def _marker(num_points: int) -> str | None:
    """A line through a single point is invisible, so that point gets a dot."""
    return "o" if num_points == 1 else None


def _smoothed(rows: list[MetricsRow]) -> NDArray[np.float64]:
    """At each row the mean return of the last `SMOOTHING_EPISODES` episodes, or a few more."""
    episodes = np.array([row.episodes for row in rows])
    sums = np.array([row.episodes * row.mean_return if row.episodes else 0.0 for row in rows])
    counted = np.concatenate([[0], np.cumsum(episodes)])
    summed = np.concatenate([[0.0], np.cumsum(sums)])
    first = np.searchsorted(counted, counted[1:] - SMOOTHING_EPISODES, side="right") - 1
    first = np.maximum(first, 0)
    with np.errstate(invalid="ignore"):  # 0 / 0 before the first episode has ended
        means: NDArray[np.float64] = (summed[1:] - summed[first]) / (counted[1:] - counted[first])
    return means
