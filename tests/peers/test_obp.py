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
