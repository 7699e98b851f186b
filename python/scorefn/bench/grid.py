"""The one list of all workloads, and how some of them are chosen by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import scorefn
from scorefn._all_actions import ALL_ACTION_CLASSES
from scorefn.bench.workload import BYTES, DECLARED, SCANS, Workload

ACTIONS = (2, 3, 4, 6, 8, 12, 16, 18, 32, 64, 128, 1024, 32768, 128256)
BATCHES = (1, 64, 4096)
ELEMENTS = 16_000_000  # of the largest batch, which no cache holds
QUICK_ACTIONS = (6, 18, 1024)
QUICK_BATCHES = (1,)
QUICK_ELEMENTS = 1_000_000

# The objectives of training loops, at sizes of theirs: (actions, samples).
OBJECTIVES = ("policy_gradient", "clipped_surrogate")
TRAINING = ((6, 1_000_000), (18, 1_000_000), (1024, 16_384))
QUICK_TRAINING = ((6, 100_000),)

# Rows of 2 to 40 actions, and as many logits in rows of their mean length. A multiple of 39 rows
# has exactly that mean.
RAGGED = ("log_softmax", "score_gradient", "clipped_surrogate")
SHORTEST, MEAN_LENGTH, LONGEST = 2, 21, 40
RAGGED_ROWS = (47_619, 761_904)  # 1 and 16 million logits
QUICK_RAGGED_ROWS = (4_680,)

SEGMENTS = (
    Workload("ClippedSurrogate", 6, 999_999, segments=333_333),  # three heads of an action
    Workload("ClippedSurrogate", 1024, 16_384, segments=64, mean=True),  # sequences of 256 tokens
)
QUICK_SEGMENTS = (Workload("ClippedSurrogate", 6, 99_999, segments=33_333),)

# Steps and environments.
ROLLOUTS = ((128, 65_536), (1_000_000, 1))
QUICK_ROLLOUTS = ((128, 1024),)

TABULAR = (
    Workload("tabular_gradient", 6, 1_000_000, states=500),
    Workload("tabular_gradient", 6, 1_000_000, states=1_000_000),
    # Few samples of a large table, of which scorefn works through all.
    Workload("tabular_gradient", 18, 256, states=100_000, accumulate=True),
)
QUICK_TABULAR = (Workload("tabular_gradient", 6, 100_000, states=500),)
LINEAR = (
    Workload("linear_gradient", 2, 1_000_000, features=4),
    Workload("linear_gradient", 18, 200_000, features=64),
    Workload("linear_gradient", 18, 100_000, features=256),
    Workload("linear_gradient", 32768, 4096, features=1024),  # the logits alone are 512 MiB
)
QUICK_LINEAR = (Workload("linear_gradient", 18, 10_000, features=64),)


def all_workloads(*, quick: bool = False) -> list[Workload]:
    """Of the functions that this scorefn has; function by function, small to large."""
    return [
        work for function in BYTES if hasattr(scorefn, function) for work in _of(function, quick)
    ]


def _of(function: str, quick: bool) -> Iterable[Workload]:
    if function == "tabular_gradient":
        return QUICK_TABULAR if quick else TABULAR
    if function == "linear_gradient":
        return QUICK_LINEAR if quick else LINEAR
    if function == "ClippedSurrogate":
        return QUICK_SEGMENTS if quick else SEGMENTS
    if function in SCANS:
        rollouts = QUICK_ROLLOUTS if quick else ROLLOUTS
        return [Workload(function, 1, envs, steps=steps) for steps, envs in rollouts]
    training = [Workload(function, *size) for size in (QUICK_TRAINING if quick else TRAINING)]
    if function in DECLARED or function in ALL_ACTION_CLASSES:
        return training
    found = [*_rows(function, quick), *(training if function in OBJECTIVES else [])]
    if function in RAGGED:
        found += _ragged(function, quick)
    return dict.fromkeys(found)


def _rows(function: str, quick: bool) -> Iterator[Workload]:
    most = QUICK_ELEMENTS if quick else ELEMENTS
    for actions in QUICK_ACTIONS if quick else ACTIONS:
        for samples in QUICK_BATCHES if quick else BATCHES:
            if samples * actions < most:
                yield Workload(function, actions, samples)
        yield Workload(function, actions, most // actions)


def _ragged(function: str, quick: bool) -> Iterator[Workload]:
    for rows in QUICK_RAGGED_ROWS if quick else RAGGED_ROWS:
        yield Workload(function, LONGEST, rows, shortest=SHORTEST)
        if not quick:
            yield Workload(function, MEAN_LENGTH, rows)


def matching(workloads: Iterable[Workload], patterns: Sequence[str]) -> list[Workload]:
    """Those whose name has one of the patterns in it, or matches it if it has a wildcard."""
    return [
        work
        for work in workloads
        if not patterns or any(_matches(work.name, pattern) for pattern in patterns)
    ]


def _matches(name: str, pattern: str) -> bool:
    is_glob = any(character in pattern for character in "*?[")
    return fnmatchcase(name, pattern) if is_glob else pattern in name
