"""What an estimator costs beside the pass of its objective alone, as a Markdown table of ratios.

    python benchmarks/estimators.py
    python benchmarks/estimators.py --threads 2 --rounds 5 GRPO

The pass is the objective's gradient from finished weights or advantages, without statistics. The
estimator's calls include all that it makes of the rewards: returns, baselines, normalisation. All
four are measured in turn in one process; the times are medians, and the ratios are those of the
medians. One thread is measured in processor time, which other processes disturb less; several
threads by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import scorefn

STEPS = 100  # of an environment, for A2C
TOKENS, GROUP = 50, 8  # of a sequence, and sequences of a group, for GRPO


@dataclass(frozen=True)
class Samples:
    """Of a policy, with what the estimators and the objectives' passes are given."""

    name: str
    policy: Any
    observations: Any
    actions: Any
    old_log_prob: Any

    @property
    def count(self) -> int:
        return len(self.actions)

    def over_time(self, x: Any) -> Any:
        return x.reshape(STEPS, -1, *x.shape[1:])


Call = Callable[[], Any]


def samples() -> Iterator[Samples]:
    rng = np.random.default_rng(0)
    table = scorefn.TabularPolicy(rng.normal(size=(500, 6)).astype(np.float32))
    linear = scorefn.LinearPolicy(rng.normal(scale=0.1, size=(64, 18)).astype(np.float32))
    states = rng.integers(500, size=1_000_000)
    features = rng.standard_normal((200_000, 64), dtype=np.float32)
    for name, policy, x in (("table 500 x 6", table, states), ("64 -> 18", linear, features)):
        actions, log_prob = policy.sample(x, rng=1)
        noise = rng.normal(scale=0.1, size=len(x)).astype(np.float32)
        yield Samples(name, policy, x, actions, log_prob + noise)


def reinforce(s: Samples) -> tuple[Call, Callable[..., Call], bool]:
    rewards = np.random.default_rng(2).normal(size=s.count)

    def estimate(**options: bool) -> Call:
        estimator = scorefn.Reinforce(baseline="leave_one_out", **options)
        return lambda: estimator.estimate(s.policy, s.observations, s.actions, rewards)

    return weighted(s, rewards), estimate, True


def weighted(s: Samples, weights: Any) -> Call:
    objective = scorefn.WeightedLogProb()
    return lambda: objective.gradient(
        s.policy, s.observations, s.actions, weights=weights, statistics=False
    )


def clipped(s: Samples, advantages: Any) -> Call:
    objective = scorefn.ClippedSurrogate()
    return lambda: objective.gradient(
        s.policy,
        s.observations,
        s.actions,
        old_log_prob=s.old_log_prob,
        advantages=advantages,
        statistics=False,
    )


def ppo(s: Samples) -> tuple[Call, Callable[..., Call], bool]:
    advantages = np.random.default_rng(2).normal(size=s.count)

    def estimate(**options: bool) -> Call:
        estimator = scorefn.PPO(**options)
        return lambda: estimator.estimate(
            s.policy, s.observations, s.actions, advantages, old_log_prob=s.old_log_prob
        )

    return clipped(s, advantages), estimate, True


def a2c(s: Samples) -> tuple[Call, Callable[..., Call], bool]:
    rng = np.random.default_rng(2)
    x, actions = s.over_time(s.observations), s.over_time(s.actions)
    rewards, values, next_values = rng.normal(size=(3, *actions.shape))
    terminated, truncated = rng.random((2, *actions.shape)) < 0.01
    flags = {"terminated": terminated, "truncated": truncated}

    def estimate(**options: bool) -> Call:
        estimator = scorefn.A2C(**options)
        return lambda: estimator.estimate(
            s.policy, x, actions, rewards, values, next_values, **flags
        )

    return weighted(s, rewards.ravel()), estimate, True


def grpo(s: Samples) -> tuple[Call, Callable[..., Call], bool]:
    sequences = s.count // TOKENS
    lengths = np.full(sequences, TOKENS)
    groups = np.arange(sequences) // GROUP
    rewards = np.random.default_rng(2).normal(size=sequences)

    def estimate(**options: bool) -> Call:
        estimator = scorefn.GRPO(**options)
        return lambda: estimator.estimate(
            s.policy,
            s.observations,
            s.actions,
            rewards,
            old_log_prob=s.old_log_prob,
            lengths=lengths,
            groups=groups,
        )

    return clipped(s, np.repeat(rewards, TOKENS)), estimate, False


ESTIMATORS = {"Reinforce": reinforce, "A2C": a2c, "PPO": ppo, "GRPO": grpo}


def medians(calls: dict[str, Call], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each, after a round that warms up. Each round has an order of its own."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = np.random.default_rng(0)
    for i in range(rounds + 1):
        for name in order.permutation(list(calls)):
            start = clock()
            calls[name]()
            if i:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("estimator", nargs="*", default=list(ESTIMATORS), metavar="ESTIMATOR")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="default: 15")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: 1")
    args = parser.parse_args()
    clock = time.process_time if args.threads == 1 else time.perf_counter
    print("| estimator | policy | samples | pass, ms | plain | diagnostics | standard error, too |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with scorefn.threads(args.threads):
        for s in samples():
            for name in args.estimator:
                alone, estimate, has_errors = ESTIMATORS[name](s)
                calls = {
                    "pass": alone,
                    "plain": estimate(diagnostics=False),
                    "diagnostics": estimate(),
                }
                if has_errors:
                    calls["errors"] = estimate(standard_error=True)
                seconds = medians(calls, args.rounds, clock)
                ratios = [
                    f"{seconds[kind] / seconds['pass']:.2f}" if kind in seconds else ""
                    for kind in ("plain", "diagnostics", "errors")
                ]
                cells = [name, s.name, f"{s.count:,}".replace(",", " ")]
                cells += [f"{seconds['pass'] * 1e3:.1f}", *ratios]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
