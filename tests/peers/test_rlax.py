"""Objectives against rlax, which minimises means where scorefn maximises sums, and credit.

pip install rlax && pytest tests/peers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scorefn

jax = pytest.importorskip("jax")
rlax = pytest.importorskip("rlax")

PEER = "rlax"

OBJECTIVES = [
    (scorefn.ExpectedReward(), rlax.qpg_loss),
    (scorefn.RegretMatching(), rlax.rm_loss),
    (scorefn.RegretPolicyGradient(), rlax.rpg_loss),
]


@pytest.fixture(autouse=True)
def in_float64() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(
    ("objective", "loss"), OBJECTIVES, ids=lambda x: getattr(x, "__name__", "")
)
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("cols", [1, 2, 7, 100])
def test_objective_is_minus_the_loss(
    cols: int,
    offset: float,
    objective: Any,
    loss: Callable[..., Any],
    compare: Callable[..., None],
) -> None:
    rng = np.random.default_rng(cols)
    z, q = rng.normal(scale=2.0, size=(2, 50, cols))
    q += offset
    step = objective.gradient(z, None, action_values=q, weights=1.0 / len(z))
    value, gradient = jax.value_and_grad(loss)(z, q)
    # rlax rounds q - v at the size of the offset.
    rtol = 1e-12 * (1.0 + offset)
    if cols > 1:
        compare(loss.__name__, step.gradient, -np.asarray(gradient), rtol)
    if loss is rlax.qpg_loss:  # whose value is sum_a pi(a) (q(a) - v), which is 0
        assert float(value) == pytest.approx(0.0, abs=rtol)
    elif cols > 1:
        compare(loss.__name__, step.objective, -float(value), rtol)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of rlax
def test_entropy(compare: Callable[..., None]) -> None:
    z = np.random.default_rng(0).normal(size=(50, 7))
    step = scorefn.ExpectedReward(entropy_coef=1.0 / len(z)).gradient(
        z, None, action_values=np.zeros_like(z)
    )
    value, gradient = jax.value_and_grad(rlax.entropy_loss)(z, np.ones(len(z)))
    compare("entropy_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("entropy_loss", step.objective, -float(value), 1e-12)


def test_policy_gradient(compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    z, actions, advantages = rng.normal(size=(50, 7)), rng.integers(7, size=50), rng.normal(size=50)
    step = scorefn.WeightedLogProb().gradient(z, None, actions, weights=advantages / len(z))
    value, gradient = jax.value_and_grad(rlax.policy_gradient_loss)(
        z, actions, advantages, np.ones(len(z))
    )
    compare("policy_gradient_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("policy_gradient_loss", step.objective, -float(value), 1e-12)


def test_clipped_surrogate(compare: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    z, actions, advantages = rng.normal(size=(50, 7)), rng.integers(7, size=50), rng.normal(size=50)
    old = scorefn.log_prob(z, actions) + rng.normal(scale=0.3, size=50)

    def loss(logits: Any) -> Any:
        log_prob = jax.nn.log_softmax(logits)[np.arange(50), actions]
        ratios = jax.numpy.exp(log_prob - old)
        return rlax.clipped_surrogate_pg_loss(ratios, advantages, 0.2)

    value, gradient = jax.value_and_grad(loss)(z)
    step = scorefn.ClippedSurrogate().gradient(
        z, None, actions, old_log_prob=old, advantages=advantages / len(z)
    )
    compare("clipped_surrogate_pg_loss", step.gradient, -np.asarray(gradient), 1e-12)
    compare("clipped_surrogate_pg_loss", step.objective, -float(value), 1e-12)


# Its scans take discounts that are 0 where an episode terminates, and one value more than steps.
STEPS, DISCOUNT = 40, 0.9


def episodes() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    rewards, log_ratio = rng.normal(size=(2, STEPS))
    values, terminated = rng.normal(size=STEPS + 1), rng.random(STEPS) < 0.1
    never = np.zeros(STEPS, bool)
    return {
        "rewards": rewards,
        "values": values[:-1],
        "next_values": values[1:],
        "log_ratio": log_ratio,
        "terminated": terminated,
        "truncated": never,
        "discount": DISCOUNT,
        "discounts": DISCOUNT * ~terminated,
    }


def but(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: x for name, x in arguments.items() if name not in names}


@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
def test_lambda_returns(lambda_: float, compare: Callable[..., None]) -> None:
    e = episodes()
    arguments = but(e, "values", "log_ratio", "discounts")
    expected = rlax.lambda_returns(e["rewards"], e["discounts"], e["next_values"], lambda_)
    actual = scorefn.lambda_returns(**arguments, lambda_=lambda_)
    compare("lambda_returns", actual, expected, 1e-14)


@pytest.mark.parametrize("n", [1, 3, STEPS])
def test_n_step_returns(n: int, compare: Callable[..., None]) -> None:
    e = episodes()
    arguments = but(e, "values", "log_ratio", "discounts")
    expected = rlax.n_step_bootstrapped_returns(e["rewards"], e["discounts"], e["next_values"], n)
    actual = scorefn.n_step_returns(**arguments, n=n)
    compare("n_step_bootstrapped_returns", actual, expected, 1e-14)


def test_gae(compare: Callable[..., None]) -> None:
    e = episodes()
    values = np.append(e["values"], e["next_values"][-1])
    expected = rlax.truncated_generalized_advantage_estimation(
        e["rewards"], e["discounts"], 0.8, values
    )
    actual = scorefn.gae(**but(e, "log_ratio", "discounts"), gae_lambda=0.8)
    compare("truncated_generalized_advantage", actual, expected, 1e-14)


@pytest.mark.parametrize(
    "options",
    [{}, {"lambda_": 0.8}, {"clip_rho": 1.5, "clip_pg_rho": 2.0}, {"alpha": 0.7, "lambda_": 0.9}],
)
def test_vtrace(options: dict[str, float], compare: Callable[..., None]) -> None:
    """The advantages of the leaky one are not defined there."""
    e = episodes()
    ratios = np.exp(e["log_ratio"])
    lambda_, clip_rho = options.get("lambda_", 1.0), options.get("clip_rho", 1.0)
    arrays = (e["values"], e["next_values"], e["rewards"], e["discounts"], ratios)
    actual = scorefn.vtrace(**but(e, "discounts"), **options, lambda_in_advantages=True)
    if "alpha" in options:
        errors = rlax.leaky_vtrace(*arrays, options["alpha"], lambda_, clip_rho)
        compare("leaky_vtrace", actual.targets - e["values"], errors, 1e-14)
        return
    expected = rlax.vtrace_td_error_and_advantage(
        *arrays, lambda_, clip_rho, options.get("clip_pg_rho", 1.0)
    )
    compare("vtrace", actual.targets - e["values"], expected.errors, 1e-14)
    compare("vtrace advantages", actual.advantages, expected.pg_advantage, 1e-14)


def test_traces_of_action_values(compare: Callable[..., None]) -> None:
    """Its general off-policy returns have the action values and traces of the next steps."""
    e = episodes()
    rng = np.random.default_rng(1)
    q = rng.normal(size=STEPS)
    arguments = {**but(e, "values", "discounts"), "action_values": q}
    log_ratio = arguments.pop("log_ratio")
    ratios = np.exp(log_ratio)
    for name, traces, actual in (
        (
            "retrace",
            0.9 * np.minimum(1.0, ratios),
            scorefn.retrace(**arguments, log_ratio=log_ratio, lambda_=0.9),
        ),
        (
            "importance sampling",
            ratios,
            scorefn.retrace(**arguments, log_ratio=log_ratio, clip=np.inf),
        ),
        ("q_lambda", np.full(STEPS, 0.7), scorefn.q_lambda(**arguments, lambda_=0.7)),
        (
            "tree_backup",
            np.exp(-np.abs(log_ratio)),
            scorefn.tree_backup(**arguments, log_prob=-np.abs(log_ratio)),
        ),
    ):
        expected = rlax.general_off_policy_returns_from_q_and_v(
            q[1:], e["next_values"], e["rewards"], e["discounts"], traces[1:]
        )
        compare(name, actual, expected, 1e-13)
