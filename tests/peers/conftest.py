"""A row for each method of a peer: its version, and the largest difference from scorefn."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

_largest: dict[tuple[str, str], float] = {}

# Bounds the rounding of softmax, and of sums over some hundred samples, in float64.
FLOAT64 = 1e-12


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Callable[..., None]:
    """compare(method, got, expected, rtol): relative to the largest of the expected numbers."""

    def check(method: str, got: ArrayLike, expected: ArrayLike, rtol: float = FLOAT64) -> None:
        a, b = np.asarray(got, np.float64), np.asarray(expected, np.float64)
        difference = float(np.max(np.abs(a - b), initial=0.0)) / float(
            np.max(np.abs(b), initial=np.finfo(float).tiny)
        )
        key = (request.module.PEER, method)
        _largest[key] = max(_largest.get(key, 0.0), difference)
        assert difference <= rtol, f"{method}: {difference:.1e} > {rtol:.1e}"

    return check


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _largest:
        return
    terminalreporter.section("largest relative difference from peers")
    for (peer, method), difference in sorted(_largest.items()):
        terminalreporter.write_line(f"{peer:18} {version(peer):10} {method:32} {difference:.1e}")
