"""The references' results, of as much of a problem as is checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn import testing
from scorefn.bench.problem import Problem

Float64 = NDArray[np.float64]

CHECKED = 1 << 20  # entries
CHECKED_STEPS = 1 << 13  # of a scan: its reference goes step by step


def exact_step(p: Problem, rows: int) -> Any:
    """Of an objective, on the first rows, which are whole decisions."""
    z, declared = p.logits[:rows], p.objective.declaration
    if p.work.solution == "all_action_objective":
        matrix = {declared.matrix.name: p.matrix[:rows]}
        return testing.all_action_gradient(p.objective, z, **matrix)
    if not p.work.segments:
        numbers = {name: x[:rows] for name, x in p.numbers.items()}
        return testing.objective_gradient(p.objective, z, p.action[:rows], **numbers)
    count = rows * p.work.segments // p.work.samples
    numbers = {
        name: x[: rows if len(x) == p.work.samples else count] for name, x in p.numbers.items()
    }
    segments = p.segments(count)
    return testing.objective_gradient(p.objective, z, p.action[:rows], segments=segments, **numbers)


def last_steps(p: Problem) -> tuple[slice, ...]:
    """Where the arrays of a scan have the last steps of the first environments."""
    steps = min(p.work.steps, CHECKED_STEPS)
    where = slice(p.work.steps - steps, None), slice(max(1, CHECKED_STEPS // steps))
    return where[: p.out.ndim]


def exact_scan(p: Problem) -> tuple[Float64, ...]:
    last = last_steps(p)
    arrays = {name: x[last] for name, x in p.scanned.items()}
    result = getattr(testing, p.work.function)(**arrays, **p.scan_options)
    return tuple(result) if isinstance(result, tuple) else (result,)


def exact_tabular_gradient(p: Problem) -> Float64:
    """Of the first states: as many as the samples of which are a million entries."""
    states = min(p.work.states, max(1, CHECKED * p.work.states // p.work.elements))
    mine = p.state < states
    s = p.state[mine]
    gradient = np.zeros((states, p.work.actions))
    np.add.at(gradient, s, testing.score_gradient(p.table[s], p.action[mine], p.weights[mine]))
    return gradient


def exact_linear_gradient(p: Problem) -> Float64:
    """Of the first columns. In slices of the samples, as the logits may not fit into memory."""
    columns = min(p.work.actions, max(1, CHECKED // p.work.features))
    coef = p.coef.astype(np.float64)
    gradient = np.zeros((p.work.features, columns))
    step = max(1, (1 << 22) // p.work.actions)
    for i in range(0, p.work.samples, step):
        x = p.features[i : i + step].astype(np.float64)
        part = slice(i, i + step)
        rows = testing.score_gradient(x @ coef, p.action[part], p.weights[part])
        gradient += x.T @ rows[:, :columns]
    return gradient
