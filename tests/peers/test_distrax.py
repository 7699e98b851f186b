"""Distrax's categorical distribution.

pip install distrax && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn

jax = pytest.importorskip("jax")
distrax = pytest.importorskip("distrax")

PEER = "distrax"


@pytest.fixture(autouse=True)
def in_float64() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("cols", [2, 7, 100])
def test_categorical(cols: int, compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(cols)
    z, other = rng.normal(scale=2.0, size=(2, 50, cols))
    actions = rng.integers(cols, size=50)
    p, q = distrax.Categorical(logits=z), distrax.Categorical(logits=other)
    compare("log_prob", scorefn.log_prob(z, actions), p.log_prob(actions), 1e-12)
    compare("entropy", scorefn.entropy(z), p.entropy(), 1e-12)
    compare("kl_divergence", scorefn.kl_divergence(z, other), p.kl_divergence(q), 1e-12)
