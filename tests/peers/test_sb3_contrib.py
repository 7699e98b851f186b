"""The masked distribution of sb3-contrib, which forbids by -1e8 where scorefn does by -inf.

pip install sb3-contrib && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
distributions = pytest.importorskip("sb3_contrib.common.maskable.distributions")

PEER = "sb3-contrib"


@pytest.mark.parametrize("cols", [2, 7, 100])
def test_masked_log_prob_and_entropy(cols: int, compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(cols)
    z, where = rng.normal(scale=2.0, size=(50, cols)), rng.random((50, cols)) < 0.7
    actions = rng.integers(cols, size=50)
    where[np.arange(50), actions] = True
    peer = distributions.MaskableCategorical(logits=torch.tensor(z), masks=where)
    log_prob = peer.log_prob(torch.tensor(actions)).numpy()
    compare("log_prob", scorefn.log_prob(z, actions, where=where), log_prob, 1e-12)
    compare("entropy", scorefn.entropy(z, where=where), peer.entropy().numpy(), 1e-12)


def test_heads(compare: Callable[..., None]) -> None:
    """MultiDiscrete([3, 5]): log-probabilities and entropies of the heads add up."""
    rng = np.random.default_rng(0)
    z, where = rng.normal(size=(50, 8)), rng.random((50, 8)) < 0.7
    actions = np.stack([rng.integers(3, size=50), rng.integers(5, size=50)], axis=1)
    where[np.arange(50), actions[:, 0]] = where[np.arange(50), 3 + actions[:, 1]] = True
    peer = distributions.MaskableMultiCategoricalDistribution([3, 5])
    peer = peer.proba_distribution(torch.tensor(z))
    peer.apply_masking(where)
    log_prob = peer.log_prob(torch.tensor(actions)).numpy()
    padded, allowed = np.zeros((50, 2, 5)), np.zeros((50, 2, 5), dtype=bool)
    padded[:, 0, :3], padded[:, 1] = z[:, :3], z[:, 3:]
    allowed[:, 0, :3], allowed[:, 1] = where[:, :3], where[:, 3:]
    of_heads = scorefn.log_prob(padded, actions, where=allowed)
    compare("MultiDiscrete log_prob", of_heads.sum(axis=1), log_prob, 1e-12)
    entropy = scorefn.entropy(padded, where=allowed).sum(axis=1)
    compare("MultiDiscrete entropy", entropy, peer.entropy().numpy(), 1e-12)
