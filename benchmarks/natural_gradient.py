"""What natural gradients cost beside a plain one, as a Markdown table.

    python benchmarks/natural_gradient.py

For a linear policy with 64 features, 18 actions and 200 000 observations: 20 products with the
Fisher matrix, and a direction from 20 steps of conjugate gradients, divided by the gradient of
REINFORCE; with the probabilities of the policy computed anew each time, or kept. All are measured
in turn in one process, on one thread and in processor time; ratios of medians. The memory is what
the direction takes at its peak, beside what it returns.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

import scorefn
from estimators import medians
from scorefn.estimators.fisher import fisher_of

SAMPLES, FEATURES, ACTIONS, STEPS, ROUNDS = 200_000, 64, 18, 20, 7


def row(dtype: type[np.floating], cache: bool) -> list[str]:
    rng = np.random.default_rng(0)
    policy = scorefn.LinearPolicy(rng.normal(scale=0.1, size=(FEATURES, ACTIONS)).astype(dtype))
    x = rng.standard_normal((SAMPLES, FEATURES)).astype(dtype)
    actions, _ = policy.sample(x, rng=1)
    weights = rng.normal(size=SAMPLES)
    gradient = policy.gradient(x, actions, weights) / SAMPLES
    fisher = fisher_of(policy, x, None, None, cache)
    natural = scorefn.NaturalGradient(0.01, iterations=STEPS, tolerance=0.0, cache=cache)
    calls = {
        "gradient": lambda: policy.gradient(x, actions, weights),
        "products": lambda: [fisher.product(gradient) for _ in range(STEPS)],
        "direction": lambda: natural.direction(policy, x, gradient),
    }
    seconds = medians(calls, ROUNDS, time.process_time)
    tracemalloc.start()
    natural.direction(policy, x, gradient)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        np.dtype(dtype).name,
        "kept" if cache else "anew",
        f"{seconds['gradient'] * 1e3:.1f}",
        f"{seconds['products'] / seconds['gradient']:.1f}",
        f"{seconds['direction'] / seconds['gradient']:.1f}",
        f"{peak / 2**20:.1f}",
    ]


def main() -> None:
    print("| dtype | probabilities | gradient, ms | 20 products | direction | memory, MiB |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    with scorefn.threads(1):
        for dtype in (np.float32, np.float64):
            for cache in (False, True):
                print("| " + " | ".join(row(dtype, cache)) + " |", flush=True)


if __name__ == "__main__":
    main()
