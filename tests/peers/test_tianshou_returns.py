"""Advantages and n-step returns that tianshou computes of its replay buffer.

pip install tianshou && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
pytest.importorskip("tianshou")

from tianshou.algorithm.algorithm_base import Algorithm  # noqa: E402
from tianshou.data import Batch, ReplayBuffer  # noqa: E402

PEER = "tianshou"
T = 60


class Steps:
    """Steps of one environment, of which the last one is cut, and the values around each."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.rewards, self.values = rng.normal(size=T), rng.normal(size=T)
        self.next_values = rng.normal(size=T)
        self.ends = {
            "terminated": rng.random(T) < 0.1,
            "truncated": rng.random(T) < 0.1,
        }
        self.ends["truncated"] &= ~self.ends["terminated"]
        self.buffer = ReplayBuffer(size=T)
        for t in range(T):
            step = {"obs": t, "act": 0, "rew": self.rewards[t], "obs_next": t, "info": {}}
            self.buffer.add(Batch(**step, **{name: x[t] for name, x in self.ends.items()}))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.9, 1.0])
def test_gae(gae_lambda: float, compare: Callable[..., None]) -> None:
    of = Steps()
    returns, advantages = Algorithm.compute_episodic_return(
        of.buffer[np.arange(T)],
        of.buffer,
        np.arange(T),
        v_s_=of.next_values.copy(),
        v_s=of.values,
        gamma=0.97,
        gae_lambda=gae_lambda,
    )
    got = scorefn.gae(
        of.rewards,
        of.values,
        of.next_values,
        discount=0.97,
        gae_lambda=gae_lambda,
        **of.ends,
    )
    compare("GAE", got, advantages)
    compare("targets of the critic", got + of.values, returns)


@pytest.mark.parametrize("n", [1, 3, 100])
def test_n_step_returns(n: int, compare: Callable[..., None]) -> None:
    of = Steps()
    batch = Algorithm.compute_nstep_return(
        of.buffer[np.arange(T)],
        of.buffer,
        np.arange(T),
        lambda _, indices: torch.tensor(of.next_values[indices]),
        gamma=0.97,
        n_step=n,
    )
    got = scorefn.n_step_returns(of.rewards, of.next_values, n=n, discount=0.97, **of.ends)
    compare("n-step returns", got, batch.returns.numpy().reshape(-1))
