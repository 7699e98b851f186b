"""What is measured: each workload is one task, solved by scorefn and by what one would use instead.

PyTorch takes part if it is installed. Every solution writes into memory that it has been given
where its library can do that, and uses as many threads as the others if its library has threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
else:
    torch.set_num_threads(scorefn.get_num_threads())

Array = NDArray[Any]
NUM_ACTIONS = (2, 6, 18, 128, 1024, 32768, 128256)
CHECKED = 1 << 20  # entries of a result whose error is measured


@dataclass
class Workload:
    """One task. A solution returns its result, whose error is looked at, as an array or arrays."""

    name: str
    elements: int  # what times are divided by
    error: Callable[[Any], float]  # the largest of a result, in ULP
    solutions: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def solution(self, name: str, solve: Callable[[], Any]) -> None:
        self.solutions[name] = solve


def logits_of(rows: int, cols: int) -> Array:
    return np.random.default_rng(0).standard_normal((rows, cols), dtype=np.float32) * np.float32(3)


def samples_of(rows: int, cols: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.integers(cols, size=rows), rng.standard_normal(rows, dtype=np.float32)


def largest_error(result: Any, exact: Callable[[int], Any]) -> float:
    """Against `exact`, which computes the first rows in float64."""
    rows = np.asarray(result)
    checked = max(1, CHECKED // max(1, rows[0].size))
    return float(testing.ulp_error(rows[:checked], exact(checked)).max())


def softmax_by_hand(z: Array, out: Array) -> Array:
    np.subtract(z, z.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    return np.divide(out, out.sum(axis=1, keepdims=True), out=out)


def score_gradient(rows: int, cols: int) -> Workload:
    z, (a, w) = logits_of(rows, cols), samples_of(rows, cols)
    out, every = np.zeros_like(z), np.arange(rows)
    work = Workload(
        f"score_gradient ({rows}, {cols})",
        z.size,
        lambda g: largest_error(g, lambda n: testing.score_gradient(z[:n], a[:n], w[:n])),
    )

    def numpy() -> Array:
        gradient = softmax_by_hand(z, out)
        gradient *= -w[:, None]
        gradient[every, a] += w
        return gradient

    work.solution("copyto", lambda: np.copyto(out, z))
    work.solution("scorefn", lambda: scorefn.score_gradient(z, a, w, out=out))
    work.solution("NumPy", numpy)
    if torch is not None:
        tz, ta, tw = torch.from_numpy(z), torch.from_numpy(a)[:, None], torch.from_numpy(w)
        leaf, tout = tz.clone().requires_grad_(), torch.from_numpy(out)

        def autograd() -> Any:
            leaf.grad = None
            (torch.log_softmax(leaf, -1).gather(-1, ta)[:, 0] * tw).sum().backward()
            return leaf.grad

        def by_hand() -> Any:
            torch.softmax(tz, -1, out=tout)
            return tout.mul_(-tw[:, None]).scatter_add_(-1, ta, tw[:, None])

        work.solution("PyTorch", autograd)
        work.solution("PyTorch by hand", by_hand)
    return work


def log_softmax(rows: int, cols: int) -> Workload:
    z = logits_of(rows, cols)
    out = np.zeros_like(z)
    work = Workload(
        f"log_softmax ({rows}, {cols})",
        z.size,
        lambda x: largest_error(x, lambda n: testing.log_softmax(z[:n])),
    )

    def numpy() -> Array:
        np.subtract(z, z.max(axis=1, keepdims=True), out=out)
        return np.subtract(out, np.log(np.exp(out).sum(axis=1, keepdims=True)), out=out)

    work.solution("copyto", lambda: np.copyto(out, z))
    work.solution("scorefn", lambda: scorefn.log_softmax(z, out=out))
    work.solution("NumPy", numpy)
    if torch is not None:
        tz, tout = torch.from_numpy(z), torch.from_numpy(out)
        work.solution("PyTorch", lambda: torch.log_softmax(tz, -1, out=tout))
    return work


def sample(rows: int, cols: int) -> Workload:
    """Actions and their log-probabilities; the error is that of the log-probabilities."""
    z = logits_of(rows, cols)
    out = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.float32)
    every, probabilities = np.arange(rows), np.zeros_like(z)
    rng = np.random.default_rng(2)

    def error(result: Any) -> float:
        actions, log_probs = (np.asarray(part) for part in result)
        return largest_error(log_probs, lambda n: testing.log_prob(z[:n], actions[:n]))

    work = Workload(f"sample ({rows}, {cols})", z.size, error)

    def numpy() -> tuple[Array, Array]:
        p = softmax_by_hand(z, probabilities)
        threshold = rng.random(rows, dtype=np.float32)[:, None]
        actions = np.minimum((p.cumsum(axis=1) <= threshold).sum(axis=1), cols - 1)
        return actions, np.log(p[every, actions])

    work.solution("scorefn", lambda: scorefn.sample(z, rng=rng, out=out))
    work.solution("NumPy", numpy)
    if torch is not None:
        tz = torch.from_numpy(z)

        def categorical() -> tuple[Any, Any]:
            policy = torch.distributions.Categorical(logits=tz)
            actions = policy.sample()
            return actions, policy.log_prob(actions)

        work.solution("PyTorch", categorical)
    return work


def tabular_gradient(samples: int, states: int, cols: int) -> Workload:
    """Added to a gradient that exists. Few samples of a large table: where scorefn loses.

    It works on the whole table, NumPy on the rows that are visited.
    """
    table, (a, w) = logits_of(states, cols), samples_of(samples, cols)
    s = np.random.default_rng(3).permutation(states)[:samples]
    out, every = np.zeros_like(table), np.arange(samples)
    work = Workload(
        f"tabular_gradient, {samples} samples, table ({states}, {cols})",
        samples * cols,
        lambda g: largest_error(g[s], lambda n: testing.score_gradient(table[s[:n]], a[:n], w[:n])),
    )

    def numpy() -> Array:
        z = table[s]
        gradient = softmax_by_hand(z, z)
        gradient *= -w[:, None]
        gradient[every, a] += w
        np.add.at(out, s, gradient)
        return out

    def fresh(solve: Callable[[], Array]) -> Callable[[], Array]:
        """Starts from 0 without a pass over the table, so that the result can be judged."""

        def run() -> Array:
            out[s] = 0.0
            return solve()

        return run

    work.solution(
        "scorefn",
        fresh(lambda: scorefn.tabular_gradient(table, s, a, w, out=out, accumulate=True)),
    )
    work.solution("NumPy", fresh(numpy))
    return work


def foundation(elements: int) -> Iterable[Workload]:
    """One after another, as each takes memory."""
    for make in (score_gradient, log_softmax):
        for cols in NUM_ACTIONS:
            yield make(max(1, elements // cols), cols)
    yield score_gradient(1, 6)
    yield sample(max(1, elements // 16), 18)
    yield tabular_gradient(256, max(256, elements // 160), 18)
