"""Bias and variance of the estimators and baselines, exact, as a Markdown table.

    python benchmarks/variance.py                              the table of docs/lab.md
    python benchmarks/variance.py --picture docs/variance.svg  and its picture

Two observations have three samples each, of a policy over three actions: 729 outcomes, all of which
are enumerated. Lengths are relative to that of the true gradient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import GRPO, RLOO, Reinforce
from scorefn.credit import advantages, normalize
from scorefn.estimators import (
    coordinate_baseline_gradient,
    squared_score_norms,
    squared_score_sums,
)
from scorefn.testing import Bandit, Samples, exact_moments

Array = NDArray[Any]
# The second observation pays more whatever the action, as an easy prompt does.
LOGITS = np.array([[0.5, 0.0, -0.5], [-0.5, 0.0, 1.0]])
REWARDS = np.array([[0.0, 1.0, 0.5], [2.0, 3.0, 2.0]])
PROBLEM = Bandit(LOGITS, REWARDS, num_samples=6, fixed_observations=True)
P = PROBLEM.distribution()
VALUES = (P * REWARDS).sum(axis=1)


class Row(NamedTuple):
    """What is said of an estimator: lengths relative to that of the true gradient."""

    scope: str
    baseline: str
    bias: float  # |E[g] - gradient|
    angle: float  # between E[g] and the gradient, in degrees
    deviation: float  # square root of the sum of the variances of all entries
    noise: float  # the same, relative to |E[g]|: whatever the scale of an estimator is


def gradient_with(advantages_of: Callable[[Samples], Array]) -> Callable[[Samples], Array]:
    """The mean of A_i d log pi(a_i | x_i)."""

    def estimate(s: Samples) -> Array:
        weights = advantages_of(s) / len(s.actions)
        return np.asarray(s.policy.gradient(s.observations, s.actions, weights))

    return estimate


def over_values(values: Array) -> Callable[[Samples], Array]:
    """Rewards minus one number for each observation."""
    return gradient_with(
        lambda s: advantages(s.rewards, "values", values=np.asarray(values)[s.contexts])
    )


def of_sequences(method: Any, **options: Any) -> Callable[[Samples], Any]:
    """An estimator of sequences, which are of one token here; a group is an observation's."""

    def estimate(s: Samples) -> Any:
        assert s.observations is not None
        samples = (s.observations[:, None], s.actions[:, None], s.rewards)
        return method.estimate(s.policy, *samples, groups=s.contexts, **options)

    return estimate


def weighted(folds: int | None) -> Callable[[Samples], Array]:
    """The constant of least variance, fitted to the samples, or to those of the other folds."""

    def of(s: Samples) -> Array:
        norms = squared_score_norms(s.policy, s.observations, s.actions)
        return advantages(s.rewards, "weighted_mean", weights=norms, folds=folds)

    return gradient_with(of)


def exact_sums(weights: Array) -> tuple[Array, Array]:
    """sum_a p(a) w(a) ||s||^2 in each state, and sum_a p(a) w(a) s_j^2 for each parameter j."""
    states, actions = np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)
    samples, w = (PROBLEM.policy, states, actions), (P * weights).reshape(-1)
    norms = w * squared_score_norms(*samples)
    return norms.reshape(2, 3).sum(axis=1), squared_score_sums(*samples, w)


def exact_constants() -> tuple[float, Array, Array]:
    """E[r ||s||^2] / E[||s||^2] of all samples, and of a state; E[r s_j^2] / E[s_j^2]."""
    (of_states, of_entries), (norms, squares) = exact_sums(REWARDS), exact_sums(np.ones((2, 3)))
    return of_states.sum() / norms.sum(), of_states / norms, of_entries / squares


def over_entries(baselines: Array) -> Callable[[Samples], Array]:
    """A baseline for each parameter."""

    def estimate(s: Samples) -> Array:
        n, samples = len(s.actions), (s.observations, s.actions)
        gradient = s.policy.gradient(*samples, s.rewards / n)
        return np.asarray(gradient - baselines * s.policy.gradient(*samples, np.full(n, 1 / n)))

    return estimate


def all_actions(s: Samples) -> Array:
    step = scorefn.ExpectedReward().gradient(s.policy, s.observations, action_values=REWARDS)
    return np.asarray(step.gradient / len(s.actions))


def of_parameters(s: Samples) -> Array:
    samples = (s.policy, s.observations, s.actions, s.rewards)
    return coordinate_baseline_gradient(*samples, folds=6)


def normalized(s: Samples) -> Array:
    return normalize(s.rewards)


BEST, BEST_OF_STATE, BEST_OF_ENTRY = exact_constants()
GREEDY = REWARDS[[0, 1], P.argmax(axis=1)]
# What has a baseline of its own, the baseline, and the estimator.
ESTIMATORS: list[tuple[str, str, Any]] = [
    ("nothing", "drawn actions (REINFORCE)", Reinforce()),
    ("nothing", "all actions (ExpectedReward)", all_actions),
    ("the batch", "expected reward", over_values(np.full(2, VALUES.mean()))),
    ("the batch", "least variance", over_values(np.full(2, BEST))),
    ("the batch", "least variance, fitted to the other samples", weighted(6)),
    ("the batch", "least variance, fitted to all samples", weighted(None)),
    ("the batch", "leave-one-out", Reinforce("leave_one_out")),
    ("the batch", "mean", Reinforce("mean")),
    ("the batch", "mean, over the standard deviation", gradient_with(normalized)),
    ("each observation", "expected reward (perfect critic)", over_values(VALUES)),
    ("each observation", "least variance", over_values(BEST_OF_STATE)),
    ("each observation", "reward of the greedy action (ReMax)", over_values(GREEDY)),
    ("each observation", "leave-one-out (RLOO)", of_sequences(RLOO())),
    ("each observation", "mean (Dr. GRPO)", of_sequences(GRPO("dr_grpo"), max_length=1)),
    ("each observation", "mean, over the standard deviation (GRPO)", of_sequences(GRPO())),
    ("each parameter", "least variance", over_entries(BEST_OF_ENTRY)),
    ("each parameter", "least variance, fitted to the other samples", of_parameters),
]


def measure(scope: str, baseline: str, estimator: Any) -> Row:
    truth, (expected, variance) = PROBLEM.gradient(), exact_moments(estimator, PROBLEM)
    size, length = np.linalg.norm(truth), np.linalg.norm(expected)
    cosine = np.vdot(truth, expected) / (size * length)
    deviation = np.sqrt(variance.sum())
    return Row(
        scope,
        baseline,
        bias=float(np.linalg.norm(expected - truth) / size),
        angle=float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))),
        deviation=float(deviation / size),
        noise=float(deviation / length),
    )


def to_markdown(rows: list[Row]) -> str:
    lines = [
        "| one for | baseline | bias | angle | std | noise |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        cells = [f"{x:.2f}" if x > 1e-12 else "0" for x in row[2:]]
        cells[1] = f"{row.angle:.1f}°" if row.angle > 1e-4 else "0"
        lines.append("| " + " | ".join([row.scope, row.baseline, *cells]) + " |")
    return "\n".join(lines) + "\n"


def draw(rows: list[Row], path: Path) -> None:
    """A bar for each estimator: left its bias, right its noise."""
    import matplotlib

    matplotlib.rcParams.update({"svg.hashsalt": "scorefn", "svg.fonttype": "none"})
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 3])
    scopes = list(dict.fromkeys(row.scope for row in rows))
    y = [k + 1.2 * (1 + scopes.index(row.scope)) for k, row in enumerate(rows)]
    colors = ["#0072B2" if row.bias < 1e-12 else "#D55E00" for row in rows]
    panels = (
        (left, [row.bias for row in rows], "bias: |E[g] - gradient| / |gradient|"),
        (right, [row.noise for row in rows], "noise: standard deviation of g / |E[g]|"),
    )
    for axes, numbers, title in panels:
        axes.barh(y, numbers, color=colors, height=0.62)
        for place, x in zip(y, numbers, strict=True):
            axes.annotate(
                f"{x:.2f}" if x > 1e-12 else "0",
                (x, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlim(0.0, 1.15 * max(numbers))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    left.set_yticks(y, [row.baseline for row in rows], fontsize=9)
    for scope in scopes:
        first = min(k for k, row in zip(y, rows, strict=True) if row.scope == scope)
        title = "No baseline" if scope == "nothing" else f"One baseline for {scope}"
        left.annotate(
            title,
            (0, first - 1),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
            fontweight="bold",
        )
    left.set_ylim(y[-1] + 0.6, y[0] - 1.4)
    figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the table as SVG, too")
    args = parser.parse_args()
    rows = [measure(*estimator) for estimator in ESTIMATORS]
    print(to_markdown(rows), end="")
    if args.picture:
        draw(rows, args.picture)


if __name__ == "__main__":
    main()
