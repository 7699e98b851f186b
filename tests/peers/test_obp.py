"""Off-policy estimates of Open Bandit Pipeline, and the gradients of its policy learner.

`bash .ci/nightly peers` installs it: it asks for versions of 2022, but works with newer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import scorefn

torch = pytest.importorskip("torch")
ope = pytest.importorskip("obp.ope")
offline = pytest.importorskip("obp.policy.offline")

PEER = "obp"
N, K = 200, 5


class Log:
    """Logged actions with propensities and rewards, and a model's values of all actions."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.logits = rng.normal(size=(N, K))
        logged = scorefn.softmax(rng.normal(size=(N, K)))
        self.actions = np.array([rng.choice(K, p=p) for p in logged])
        self.propensities = logged[np.arange(N), self.actions]
        self.rewards, self.q = rng.normal(size=N), rng.normal(size=(N, K))

    def step(self, objective: Any, *, doubly_robust: bool, weight: float = 1.0) -> Any:
        """Our side, where each sample has this weight."""
        advantages = self.rewards
        if doubly_robust:
            advantages = advantages - self.q[np.arange(N), self.actions]
        return objective.gradient(
            self.logits,
            None,
            self.actions,
            propensities=self.propensities,
            advantages=weight * advantages,
            action_values=weight * self.q if doubly_robust else None,
        )


PLAIN = scorefn.ImportanceSampling()
CLIPPED = scorefn.ImportanceSampling("clipped", max_weight=2.0)
SWITCH = scorefn.ImportanceSampling("switch", max_weight=2.0)
SUB_GAUSSIAN = scorefn.ImportanceSampling("sub_gaussian", sub_gaussian_lambda=0.1)
SHRUNK = scorefn.ImportanceSampling("optimistic_shrinkage", shrinkage_lambda=3.0)
CASES = [
    (PLAIN, ope.InverseProbabilityWeighting()),
    (CLIPPED, ope.InverseProbabilityWeighting(lambda_=2.0, estimator_name="ipw, clipped")),
    (SUB_GAUSSIAN, ope.SubGaussianInverseProbabilityWeighting(lambda_=0.1)),
    (PLAIN, ope.DoublyRobust()),
    (CLIPPED, ope.DoublyRobust(lambda_=2.0, estimator_name="dr, clipped")),
    (SWITCH, ope.SwitchDoublyRobust(lambda_=2.0)),
    (SHRUNK, ope.DoublyRobustWithShrinkage(lambda_=3.0)),
    (SUB_GAUSSIAN, ope.SubGaussianDoublyRobust(lambda_=0.1)),
]


@pytest.mark.parametrize(
    ("objective", "estimator"), CASES, ids=lambda x: getattr(x, "estimator_name", "")
)
def test_estimate_is_the_objective(
    objective: Any, estimator: Any, compare: Callable[..., None]
) -> None:
    log = Log()
    estimate = estimator.estimate_policy_value(
        reward=log.rewards,
        action=log.actions,
        pscore=log.propensities,
        action_dist=scorefn.softmax(log.logits)[:, :, None],
        estimated_rewards_by_reg_model=log.q[:, :, None],
    )
    doubly_robust = isinstance(estimator, ope.DoublyRobust)
    step = log.step(objective, doubly_robust=doubly_robust, weight=1.0 / N)
    compare(estimator.estimator_name, step.objective, estimate)


def test_self_normalized(compare: Callable[..., None]) -> None:
    log = Log()
    estimate = ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(
        reward=log.rewards,
        action=log.actions,
        pscore=log.propensities,
        action_dist=scorefn.softmax(log.logits)[:, :, None],
    )
    step = log.step(PLAIN, doubly_robust=False, weight=1.0 / N)
    compare("snipw", step.objective / step.mean_weight, estimate)


# Self-normalised intervals differ: those of obp keep the denominator of the whole log.
ESTIMATORS = [
    (scorefn.OffPolicy("ips"), ope.InverseProbabilityWeighting()),
    (
        scorefn.OffPolicy("clipped", max_weight=2.0),
        ope.InverseProbabilityWeighting(lambda_=2.0, estimator_name="ipw, clipped"),
    ),
    (
        scorefn.OffPolicy("sub_gaussian", sub_gaussian_lambda=0.1),
        ope.SubGaussianInverseProbabilityWeighting(lambda_=0.1),
    ),
    (scorefn.OffPolicy("snips"), ope.SelfNormalizedInverseProbabilityWeighting()),
    (scorefn.OffPolicy("dm"), ope.DirectMethod()),
    (scorefn.OffPolicy("dr"), ope.DoublyRobust()),
    (
        scorefn.OffPolicy("dr", max_weight=2.0),
        ope.DoublyRobust(lambda_=2.0, estimator_name="dr, clipped"),
    ),
    (scorefn.OffPolicy("switch", max_weight=2.0), ope.SwitchDoublyRobust(lambda_=2.0)),
    (
        scorefn.OffPolicy("dros", shrinkage_lambda=3.0),
        ope.DoublyRobustWithShrinkage(lambda_=3.0),
    ),
    (
        scorefn.OffPolicy("sub_gaussian_dr", sub_gaussian_lambda=0.1),
        ope.SubGaussianDoublyRobust(lambda_=0.1),
    ),
    (scorefn.OffPolicy("sndr"), ope.SelfNormalizedDoublyRobust()),
]
NORMALIZED = ("snips", "sndr")


def interval_of(estimator: Any, log: Any, seed: int, num_resamples: int) -> Any:
    """The lower and the upper bound of obp's interval of 95 %."""
    interval = estimator.estimate_interval(
        reward=log.rewards,
        action=log.actions,
        pscore=log.propensities,
        action_dist=scorefn.softmax(log.logits)[:, :, None],
        estimated_rewards_by_reg_model=log.q[:, :, None],
        n_bootstrap_samples=num_resamples,
        random_state=seed,
    )
    return [interval["95.0% CI (lower)"], interval["95.0% CI (upper)"]]


@pytest.mark.parametrize(
    ("ours", "theirs"), ESTIMATORS, ids=lambda x: getattr(x, "estimator_name", "")
)
def test_estimators_and_their_intervals(
    ours: Any, theirs: Any, compare: Callable[..., None]
) -> None:
    log, name = Log(), f"OffPolicy: {theirs.estimator_name}"
    expected = theirs.estimate_policy_value(
        reward=log.rewards,
        action=log.actions,
        pscore=log.propensities,
        action_dist=scorefn.softmax(log.logits)[:, :, None],
        estimated_rewards_by_reg_model=log.q[:, :, None],
    )
    arguments = (log.logits, None, log.actions, log.rewards)
    options: dict[str, Any] = {"propensities": log.propensities, "action_values": log.q}
    compare(name, ours.estimate(*arguments, **options).objective, expected)
    result = ours.value(
        *arguments,
        **options,
        interval="bootstrap",
        num_resamples=300,
        rng=np.random.RandomState(12345),
    )
    compare(name, result.value, expected)
    if ours.method not in NORMALIZED:
        interval = interval_of(theirs, log, 12345, 300)
        compare(f"{name}, interval", [result.low, result.high], interval)


class SimulatedLog:
    """Rewards near 1: what is uncertain is the sum of the weights, which cancels."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.logits = np.tile([0.0, 0.5, 1.0], (N, 1))
        mu = scorefn.softmax(0.5 * self.logits)
        self.actions = scorefn.sample(np.log(mu), rng=rng).actions
        self.propensities = mu[np.arange(N), self.actions]
        means = np.array([0.9, 1.0, 1.1])
        self.rewards = means[self.actions] + 0.1 * rng.normal(size=N)
        self.q = np.tile([0.2, 0.1, 0.3], (N, 1))
        self.value = float(scorefn.softmax(self.logits)[0] @ means)


@pytest.mark.parametrize(
    ("ours", "theirs"), [x for x in ESTIMATORS if x[0].method in NORMALIZED], ids=NORMALIZED
)
def test_coverage_of_self_normalised_intervals(ours: Any, theirs: Any) -> None:
    """Of 1000 logs, 95 % of the intervals have the value: the standard deviation is 0.7 %.

    Those of obp are about twice as wide and nearly always have it, as the sum of the weights does
    not vary in them.
    """
    covered, their_covered, widths = 0, 0, []
    for seed in range(1000):
        log = SimulatedLog(seed)
        got = ours.value(
            log.logits,
            None,
            log.actions,
            log.rewards,
            propensities=log.propensities,
            action_values=log.q,
            interval="bootstrap",
            num_resamples=200,
            rng=seed,
        )
        covered += got.low <= log.value <= got.high
        low, high = interval_of(theirs, log, seed, 200)
        their_covered += low <= log.value <= high
        widths.append((high - low) / (got.high - got.low))
    assert 0.922 < covered / 1000 < 0.978
    assert their_covered > 985
    assert np.median(widths) > 1.5


# The learner's names, and its lambda.
LEARNERS = [
    ("ipw", PLAIN, 0.0),
    ("dr", PLAIN, 0.0),
    ("ipw-os", SHRUNK, 3.0),
    ("ipw-subgauss", SUB_GAUSSIAN, 0.1),
]


@pytest.mark.parametrize(("name", "objective", "lambda_"), LEARNERS)
def test_gradient_of_the_policy_learner(
    name: str, objective: Any, lambda_: float, compare: Callable[..., None]
) -> None:
    log = Log()
    learner = offline.NNPolicyLearner(
        n_actions=K, dim_context=1, off_policy_objective=name, lambda_=lambda_
    )
    learner.q_func_estimator = SimpleNamespace(predict=lambda context: torch.tensor(log.q))
    logits = torch.tensor(log.logits, requires_grad=True)
    learner._estimate_policy_gradient(
        context=None,
        action=torch.tensor(log.actions),
        reward=torch.tensor(log.rewards),
        pscore=torch.tensor(log.propensities),
        action_dist=torch.softmax(logits, 1)[:, :, None],
        position=None,
    ).sum().backward()
    step = log.step(objective, doubly_robust=name == "dr")
    compare(f"learner: {name}", step.gradient, logits.grad.numpy())
    estimator: Any = {
        "ipw": scorefn.OffPolicy("ips"),
        "dr": scorefn.OffPolicy("dr"),
        "ipw-subgauss": scorefn.OffPolicy("sub_gaussian", sub_gaussian_lambda=0.1),
    }.get(name)
    if estimator is not None:
        estimate = estimator.estimate(
            log.logits,
            None,
            log.actions,
            log.rewards,
            propensities=log.propensities,
            action_values=log.q,
        )
        compare(f"learner: {name}", N * estimate.gradient, logits.grad.numpy())
