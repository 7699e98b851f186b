"""Draws docs/objectives.svg: value and derivative of each objective against the ratio.

python docs/objectives.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from scorefn.testing.objectives import (
    Values,
    cispo,
    clipped,
    importance_sampling,
    kl_penalty,
    sapo,
)

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "scorefn", "svg.fonttype": "none"})
import matplotlib.pyplot as plt  # noqa: E402

Array = NDArray[np.float64]
OLD = -2.0  # log-probability of the action when it was drawn
RATIOS = np.linspace(0.02, 3.0, 400)


def of_ratio(formula: Callable[..., Values], advantage: float, **options: Any) -> Values:
    """At each ratio; the value is that of one sample."""
    same = np.ones_like(RATIOS)
    log_prob = OLD + np.log(RATIOS)
    if formula is importance_sampling:
        return formula(log_prob, np.exp(OLD) * same, advantage * same, **options)
    if formula is kl_penalty:
        return formula(log_prob, same, OLD * same, **options)
    return formula(log_prob, OLD * same, advantage * same, **options)


PANELS: list[tuple[str, list[tuple[str, Values]]]] = [
    (
        "ClippedSurrogate",
        [
            ("A = 1", of_ratio(clipped, 1.0)),
            ("A = -1", of_ratio(clipped, -1.0)),
            ("A = -1, dual_clip=2", of_ratio(clipped, -1.0, dual_clip=2.0)),
        ],
    ),
    (
        "CISPO, clip_range=(inf, 1)",
        [
            ("A = 1", of_ratio(cispo, 1.0, clip_range=(np.inf, 1.0))),
            ("A = -1", of_ratio(cispo, -1.0, clip_range=(np.inf, 1.0))),
        ],
    ),
    (
        "SAPO",
        [
            ("A = 1, tau = 1", of_ratio(sapo, 1.0)),
            ("A = -1, tau = 1.05", of_ratio(sapo, -1.0)),
            ("A = 1, tau = 4", of_ratio(sapo, 1.0, tau_pos=4.0)),
        ],
    ),
    (
        "ImportanceSampling, A = 1",
        [
            ("plain", of_ratio(importance_sampling, 1.0)),
            ("clipped, 2", of_ratio(importance_sampling, 1.0, weighting="clipped", max_weight=2.0)),
            ("switch, 2", of_ratio(importance_sampling, 1.0, weighting="switch", max_weight=2.0)),
            (
                "sub_gaussian, 0.3",
                of_ratio(
                    importance_sampling, 1.0, weighting="sub_gaussian", sub_gaussian_lambda=0.3
                ),
            ),
            (
                "optimistic_shrinkage, 2",
                of_ratio(
                    importance_sampling,
                    1.0,
                    weighting="optimistic_shrinkage",
                    shrinkage_lambda=2.0,
                ),
            ),
        ],
    ),
    (
        "KLPenalty, w = 1",
        [(k, of_ratio(kl_penalty, 0.0, value=k, derivative=k)) for k in ("k1", "k2", "k3")],
    ),
]


def main() -> None:
    figure, axes = plt.subplots(2, len(PANELS), figsize=(17, 6.4), sharex=True)
    for column, (title, curves) in enumerate(PANELS):
        for label, values in curves:
            for row, numbers in enumerate((values.value, values.derivative)):
                jumps = np.abs(np.diff(numbers)) > 0.1
                line = np.insert(numbers, np.flatnonzero(jumps) + 1, np.nan)
                x = np.insert(RATIOS, np.flatnonzero(jumps) + 1, np.nan)
                axes[row, column].plot(x, line, label=label, linewidth=1.4)
        axes[0, column].set_title(title, fontsize=10)
        axes[0, column].legend(fontsize=7, frameon=False)
        axes[1, column].set_xlabel("ratio r" if "KL" not in title else "pi(a) / ref(a)")
        for axis in axes[:, column]:
            axis.axvline(1.0, color="0.8", linewidth=0.8, zorder=0)
            axis.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
            axis.set_ylim(*np.clip(axis.get_ylim(), -4.2, 4.2))
    axes[0, 0].set_ylabel("value")
    axes[1, 0].set_ylabel("derivative by log pi(a)")
    figure.tight_layout()
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
