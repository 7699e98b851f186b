"""Steps of soak.py that no table of functions has: scans, objectives and estimators."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import scorefn
from _functions import Array, same_bits
from _objectives import ALL_ACTION_EXAMPLES, EXAMPLES, AllActionExample
from _scans import SCANS, arguments_of, reference, scan
from scorefn import A2C, GRPO, PPO, RLOO, AllAction, OffPolicy, testing

VARIANTS = ["grpo", "bnpo", "dapo", "gspo", "gmpo", "cispo", "sapo"]
ESTIMATORS = ["PPO", "A2C", "GRPO", "RLOO", "OffPolicy", "AllAction"]


@dataclass
class LearningStep:
    """A call with arguments by keywords, whose arrays may be laid out in another way."""

    name: str
    arguments: dict[str, Any]
    num_threads: int | None
    rng: np.random.Generator

    def __str__(self) -> str:
        shapes = {k: x.shape for k, x in self.arguments.items() if isinstance(x, np.ndarray)}
        return f"{self.name}{shapes}"

    def result(self, arguments: dict[str, Any]) -> Any:
        raise NotImplementedError

    def laid_out(self) -> dict[str, Any]:
        """As views that step over every other entry, or backwards."""
        step = int(self.rng.choice([1, 2, -1]))
        return {
            name: stepped(x, step) if isinstance(x, np.ndarray) and x.ndim else x
            for name, x in self.arguments.items()
        }

    def expected(self) -> Any:
        with scorefn.threads(1):
            return self.result(self.arguments)

    def check(self, arguments: dict[str, Any], expected: Any) -> None:
        with scorefn.threads(self.num_threads) if self.num_threads else nullcontext():
            assert same_bits(self.result(arguments), expected), "other bits"

    def check_reference(self, expected: Any) -> None:
        """Nothing but for scans: their references and those of objectives are in the tests."""

    def check_error(self) -> None:
        """An array of another shape than the others is an error."""
        arrays = [k for k, x in self.arguments.items() if isinstance(x, np.ndarray) and x.ndim]
        if len(arrays) < 2:
            return
        name = arrays[-1]
        x = self.arguments[name]
        try:
            self.result({**self.arguments, name: np.concatenate([x, x[:1]])})
        except (ValueError, TypeError):
            return
        raise AssertionError(f"no error for {name} of another shape")


def stepped(x: Array, step: int) -> Array:
    """The same numbers along the first axis, in memory with that step."""
    memory = np.empty((abs(step) * len(x), *x.shape[1:]), x.dtype)
    view = memory[::step][: len(x)]
    view[...] = x
    return view


class ScanStep(LearningStep):
    """One of the scans over time."""

    def result(self, arguments: dict[str, Any]) -> Any:
        return scan(self.name, arguments)

    def check_reference(self, expected: Any) -> None:
        for got, exact in zip(expected, reference(self.name, self.arguments), strict=True):
            # Some tens of numbers near 1 count, and the result is rounded to its dtype.
            close = 1e-12 + 4 * float(np.finfo(got.dtype).eps)
            np.testing.assert_allclose(got, exact, rtol=close, atol=close)


@dataclass
class PolicyStep(LearningStep):
    """An objective or an estimator, which is pickled on the way, on a policy."""

    method: Any
    policy: Any
    call: str = "estimate"

    def result(self, arguments: dict[str, Any]) -> Any:
        method, policy = pickle.loads(pickle.dumps((self.method, self.policy)))
        done = getattr(method, self.call)(policy, **arguments)
        return done.gradient, np.float64(done.objective)


def random_learning_step(kind: str, rng: np.random.Generator, num_threads: int | None) -> Any:
    """`kind` is "scan", "objective" or "estimator"."""
    n = int(np.exp(rng.uniform(0.7, np.log(20_000))))
    dtype = [np.float32, np.float64][rng.integers(2)]
    if kind == "scan":
        name = str(rng.choice(SCANS))
        shape = (int(rng.integers(1, 40)), n // 10 + 1) if rng.random() < 0.5 else (n,)
        arguments = arguments_of(name, int(rng.integers(2**31)), shape, dtype)
        return ScanStep(name, arguments, num_threads, rng)
    num_actions = int(np.exp(rng.uniform(0.7, np.log(60))))
    policy, observations = random_policy(n, num_actions, dtype, rng)
    arguments = {"observations": observations}
    common = (arguments, num_threads, rng)
    if kind == "objective":
        entropy_coef = float(rng.choice([0.0, 0.1]))
        example = [*EXAMPLES, *ALL_ACTION_EXAMPLES][rng.integers(27)]
        objective = replace(example.objective, entropy_coef=entropy_coef)
        if isinstance(example, AllActionExample):
            rows = len(policy.parameters) if policy.kind == "tabular" else n
            matrix = example.matrix(rng, (rows, num_actions), dtype)
            arguments[example.matrix_name] = matrix
        else:
            actions, log_prob = draw(policy, observations, n, rng)
            arguments |= {"actions": actions, **example.numbers(log_prob, rng, dtype)}
            arguments["valid"] = rng.random(n) < 0.9
        return PolicyStep(type(objective).__name__, *common, objective, policy, "gradient")

    name = str(rng.choice(ESTIMATORS))
    actions, log_prob = draw(policy, observations, n, rng)
    numbers, coef = rng.normal(size=n), float(rng.choice([0.0, 0.1]))
    if name == "AllAction":
        rows = len(policy.parameters) if policy.kind == "tabular" else n
        arguments["action_values"] = rng.normal(size=(rows, num_actions))
        return PolicyStep(name, *common, AllAction(entropy_coef=coef), policy)
    arguments["actions"] = actions
    if name == "PPO":
        arguments |= {"advantages": numbers, "old_log_prob": log_prob + 0.1 * rng.normal(size=n)}
        return PolicyStep(name, *common, PPO(entropy_coef=coef), policy)
    if name == "A2C":
        ends = {"terminated": rng.random(n) < 0.1, "truncated": rng.random(n) < 0.1}
        arguments |= {"rewards": numbers, "values": numbers, "next_values": numbers, **ends}
        return PolicyStep(name, *common, A2C(entropy_coef=coef), policy)
    if name == "OffPolicy":
        arguments |= {"rewards": numbers, "propensities": np.exp(log_prob)}
        method = str(rng.choice(["ips", "clipped", "snips", "sub_gaussian"]))
        return PolicyStep(name, *common, OffPolicy(method, entropy_coef=coef), policy)
    arguments["lengths"] = np.diff(np.sort(rng.integers(n + 1, size=9)), prepend=0, append=n)
    arguments |= {"rewards": rng.normal(size=10), "old_log_prob": log_prob}
    grpo = GRPO(str(rng.choice(VARIANTS)), entropy_coef=coef)
    return PolicyStep(name, *common, grpo if name == "GRPO" else RLOO(), policy)


def random_policy(
    n: int, num_actions: int, dtype: Any, rng: np.random.Generator
) -> tuple[Any, Any]:
    """A policy and what it observes n times."""
    kind, rows = str(rng.choice(["table", "linear", "logits"])), int(rng.integers(1, 40))
    parameters = rng.normal(size=(rows, num_actions)).astype(dtype)
    if kind == "table":
        return scorefn.TabularPolicy(parameters), rng.integers(rows, size=n)
    if kind == "linear":
        return scorefn.LinearPolicy(parameters), rng.normal(size=(n, rows)).astype(dtype)
    return scorefn.LogitsPolicy(parameters[0]), None


def draw(policy: Any, observations: Any, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Actions of the policy, and their log-probabilities in double."""
    given = {"num_samples": n} if observations is None else {}
    actions, _ = policy.sample(observations, rng=rng, **given)
    logits = np.broadcast_to(policy.logits(observations), (n, policy.num_actions))
    return actions, testing.log_prob(logits, actions)
