"""Logs of actions, and off-policy estimators."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn.estimators.off_policy import OffPolicyMethod

Array = NDArray[Any]
METHODS = get_args(OffPolicyMethod)
# Options under which each weight differs from the ratio.
OPTIONS: dict[str, dict[str, float]] = {
    "clipped": {"max_weight": 1.5},
    "dr": {"max_weight": 1.5},
    "switch": {"max_weight": 1.5},
    "sub_gaussian": {"sub_gaussian_lambda": 0.3},
    "sub_gaussian_dr": {"sub_gaussian_lambda": 0.3},
    "dros": {"shrinkage_lambda": 2.0},
}
MODELS = {"dm", "dr", "switch", "dros", "sub_gaussian_dr", "sndr"}


def estimator(method: Any, **options: Any) -> scorefn.OffPolicy:
    return scorefn.OffPolicy(method, **OPTIONS.get(method, {}), **options)


def weight(method: str, r: Array) -> Array:
    """w(r), with these options."""
    if method in ("clipped", "dr"):
        return np.minimum(r, 1.5)
    if method == "switch":
        return np.where(r <= 1.5, r, 0.0)
    if method in ("sub_gaussian", "sub_gaussian_dr"):
        return r / (0.7 + 0.3 * r)
    if method == "dros":
        return 2.0 * r / (r**2 + 2.0)
    return r


class Log:
    """Actions of one policy with their propensities, and the logits of another one."""

    def __init__(self, n: int = 7, num_actions: int = 4, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.logits = rng.normal(size=(n, num_actions))
        mu = scorefn.softmax(rng.normal(size=(n, num_actions)))
        self.actions = np.array([rng.choice(num_actions, p=p) for p in mu])
        self.propensities = mu[np.arange(n), self.actions]
        self.rewards = rng.normal(size=n)
        self.action_values = rng.normal(size=(n, num_actions))

    def arguments(self) -> dict[str, Any]:
        """What both methods of `OffPolicy` take beside the policy."""
        names = ("actions", "rewards", "propensities", "action_values")
        return {"observations": None, **{name: getattr(self, name) for name in names}}
