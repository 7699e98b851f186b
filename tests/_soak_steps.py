"""The steps of soak.py: random calls, and what their results must be."""

from __future__ import annotations

import math
import pickle
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

import scorefn
from _functions import (
    ARGUMENTS,
    GRADIENTS,
    OBJECTIVES,
    Array,
    call,
    inputs_for,
    mask_for,
    same_bits,
)
from _soak_learning import random_learning_step
from test_functions import NUMERIC, assert_near
from test_objective_accuracy import ASSERT_NEAR

LEARNING = ["scan", "objective", "estimator"]
FUNCTIONS = [*ARGUMENTS, "estimate", *LEARNING]
MOST_THREADS = 5
DISCOUNT, GAE_LAMBDA = 0.9, 0.8
SIGNED_AND_UNSIGNED = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64]
# What may come in half precision, which gives the bits of float32.
HALF = ["logits", "logits_q", "table", "features", "coef"]


def plain(x: Array, rng: np.random.Generator) -> Array:
    return x


def strided(x: Array, rng: np.random.Generator) -> Array:
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def backwards(x: Array, rng: np.random.Generator) -> Array:
    flipped = (slice(None, None, -1),) * x.ndim
    return np.asfortranarray(x[flipped])[flipped]


def byte_swapped(x: Array, rng: np.random.Generator) -> Array:
    return x.astype(x.dtype.newbyteorder())


def unaligned(x: Array, rng: np.random.Generator) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def read_only(x: Array, rng: np.random.Generator) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = [plain, plain, strided, backwards, byte_swapped, unaligned, read_only]


@dataclass
class Step:
    """A call of `function`."""

    function: str
    inputs: dict[str, Array]
    options: dict[str, Any]
    num_threads: int | None
    is_half: bool
    rng: np.random.Generator

    @property
    def name(self) -> str:
        return self.function

    def __str__(self) -> str:
        shapes = {name: self.inputs[name].shape for name in ARGUMENTS[self.function]}
        return f"{self.name}{shapes}, {self.inputs['logits'].dtype}, {self.options.keys()}"

    def laid_out(self) -> dict[str, Array]:
        """The same numbers in other layouts and types of integers."""
        inputs = {}
        for name in ARGUMENTS[self.function]:
            x = self.inputs[name]
            if x.dtype.kind == "i":
                fitting = [t for t in SIGNED_AND_UNSIGNED if np.iinfo(t).max >= x.max()]
                x = x.astype(fitting[self.rng.integers(len(fitting))])
            elif self.is_half and name in HALF:
                x = x.astype(np.float16)
            inputs[name] = LAYOUTS[self.rng.integers(len(LAYOUTS))](x, self.rng)
        return inputs

    def expected(self) -> Any:
        return call(self.function, self.inputs, num_threads=1, **self.options)

    def check(self, inputs: dict[str, Array], expected: Any) -> None:
        options = {**self.options, "num_threads": self.num_threads}
        assert same_bits(call(self.function, inputs, **options), expected), "other bits"
        if self.function != "sample":
            expected = getattr(expected, "gradient", expected)
            out = np.full_like(expected, 7)
            call(self.function, inputs, out=out, **options)
            assert same_bits(out, expected), "other bits in out"

    def check_reference(self, expected: Any) -> None:
        where, entropy_coef = self.options.get("where"), self.options.get("entropy_coef", 0.0)
        if self.function in NUMERIC:
            assert_near(self.function, self.inputs, **self.options)
        elif self.function in OBJECTIVES:
            if where is not None:  # a forbidden action has no log-probability to compare
                self.inputs["actions"] = where.argmax(axis=-1)
            ASSERT_NEAR[self.function](self.inputs, entropy_coef=entropy_coef, where=where)
        else:
            log_prob = scorefn.log_prob(self.inputs["logits"], expected.actions, where=where)
            assert same_bits(log_prob, expected.log_prob), "other log-probabilities"
            assert (log_prob > -np.inf).all(), "a forbidden action"

    def check_error(self) -> None:
        """An action out of range is an error that writes nothing."""
        z = self.inputs["logits"]
        actions, out = self.inputs["actions"].copy(), np.full_like(z, 7)
        actions[self.rng.integers(len(actions))] = z.shape[-1]
        try:
            scorefn.score(z, actions, out=out, num_threads=self.num_threads)
        except IndexError:
            assert (out == 7).all(), "written in spite of an error"
        else:
            raise AssertionError("no error")


@dataclass
class EstimateStep(Step):
    """What a program that learns calls: credit, an estimator, and a policy with this gradient."""

    def __post_init__(self) -> None:
        n = len(self.inputs["actions"])
        self.terminated = self.rng.random(n) < 0.1
        self.reinforce = scorefn.Reinforce(
            str(self.rng.choice(["mean", "leave_one_out"])) if n > 1 else "none",
            entropy_coef=self.options.get("entropy_coef", 0.0),
            normalize_advantages=n > 1 and bool(self.rng.random() < 0.5),
        )
        self.where = self.options.get("where")
        if self.where is not None and self.function == "score_gradient":
            self.where = self.where[0]
        self.inputs["actions"] = self.drawn()

    def drawn(self) -> Array:
        """Actions that the policy can take, as an estimate refuses others."""
        policy = self.policy_of(self.inputs)
        if policy.kind == "logits":
            n = len(self.inputs["actions"])
            sample = policy.sample(num_samples=n, rng=self.rng, where=self.where)
        elif policy.kind == "tabular":
            sample = policy.sample(self.inputs["states"], rng=self.rng)
        else:
            sample = policy.sample(self.inputs["features"], rng=self.rng, where=self.where)
        return np.asarray(sample.actions)

    @property
    def name(self) -> str:
        return f"estimate with {self.function}"

    def policy_of(self, inputs: dict[str, Array]) -> Any:
        if self.function == "tabular_gradient":
            return scorefn.TabularPolicy(inputs["table"], where=self.options.get("where"))
        if self.function == "linear_gradient":
            return scorefn.LinearPolicy(inputs["coef"])
        return scorefn.LogitsPolicy(inputs["logits"][0])

    def learn(self, policy: Any, inputs: dict[str, Array], num_threads: int | None) -> Any:
        observed = {"tabular": "states", "linear": "features"}.get(policy.kind)
        observations = inputs[observed] if observed else None
        with scorefn.threads(num_threads) if num_threads else nullcontext():
            r, ends = inputs["weights"], {"terminated": self.terminated}
            returns = scorefn.discounted_returns(r, DISCOUNT, **ends)
            ends["truncated"] = np.zeros(len(r), bool)
            gae = scorefn.gae(r, r, r, **ends, discount=DISCOUNT, gae_lambda=GAE_LAMBDA)
            where = None if policy.kind == "tabular" else self.where  # a table has its own
            estimate = self.reinforce.estimate(
                policy, observations, inputs["actions"], returns, where=where
            )
        return returns, gae, estimate.advantages, estimate.gradient

    def expected(self) -> Any:
        return self.learn(self.policy_of(self.inputs), self.inputs, 1)

    def check(self, inputs: dict[str, Array], expected: Any) -> None:
        policy = self.policy_of(inputs)
        with tempfile.TemporaryDirectory() as folder:
            policy.save(f"{folder}/policy.npz")
            saved = scorefn.load_policy(f"{folder}/policy.npz")
        for same in (policy, saved, pickle.loads(pickle.dumps(policy))):
            assert same_bits(self.learn(same, inputs, self.num_threads), expected), "other bits"

    def check_reference(self, expected: Any) -> None:
        returns, gae, advantages, gradient = expected
        n = len(returns)
        a = g = 0.0
        # Some tens of numbers near 1 count, and the result is rounded to its dtype.
        rounding = 0.0 if returns.dtype == np.float64 else 2.0**-24
        close = {"rel_tol": rounding + 1e-12, "abs_tol": 1e-12}
        for t in reversed(range(n)):
            r = float(self.inputs["weights"][t])
            discount = 0.0 if self.terminated[t] else DISCOUNT
            g = r + discount * g
            a = discount * r + discount * GAE_LAMBDA * a  # values and next_values are r, too
            assert math.isclose(returns[t], g, **close), "returns"
            assert math.isclose(gae[t], a, **close), "generalized advantages"
        inputs = {**self.inputs, "weights": advantages}
        if self.function == "score_gradient":
            inputs["logits"] = inputs["logits"][0]
        total = call(
            self.function, inputs, entropy_coef=self.reinforce.entropy_coef, where=self.where
        )
        assert same_bits(gradient, total / n), "not the mean gradient of the advantages"


def random_step(seed: int, number: int, functions: list[str]) -> Any:
    rng = np.random.default_rng([seed, number])
    function = str(rng.choice(functions))
    if function in LEARNING:
        return random_learning_step(function, rng, [None, 1, 2, 3, MOST_THREADS][rng.integers(5)])
    is_estimate = function == "estimate"
    if is_estimate:
        function = str(rng.choice(GRADIENTS))
    dtype = [np.float32, np.float64][rng.integers(2)]
    cols = int(np.exp(rng.uniform(0.0, np.log(5_000))))
    rows = int(np.exp(rng.uniform(0.0, np.log(200_000 // cols))))
    seed = int(rng.integers(2**31))
    sizes = {"states": int(rng.integers(1, 300)), "features": int(rng.integers(1, 40))}
    inputs = inputs_for(rows, cols, dtype, seed=seed, **sizes)
    options: dict[str, Any] = {}
    if rng.random() < 0.3:
        options["where"] = mask_for(function, inputs, seed=seed)
    if function in (*GRADIENTS, *OBJECTIVES) and rng.random() < 0.5:
        options["entropy_coef"] = float(rng.normal())
    if function == "sample":
        options["rng"] = int(rng.integers(2**60))
    num_threads = [None, 1, 2, 3, MOST_THREADS][rng.integers(5)]
    if is_estimate:  # parameters are float32 or float64
        return EstimateStep(function, inputs, options, num_threads, False, rng)
    is_half = dtype is np.float32 and bool(rng.random() < 0.2)
    if is_half:
        for name in HALF:
            inputs[name] = inputs[name].astype(np.float16).astype(np.float32)
    return Step(function, inputs, options, num_threads, is_half, rng)
