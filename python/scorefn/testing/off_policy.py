"""The value of a policy from logged bandit data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_real
from . import rows
from .objectives import importance_sampling

Float64 = NDArray[np.float64]

_WEIGHTINGS = {
    "ips": "plain",
    "clipped": "clipped",
    "sub_gaussian": "sub_gaussian",
    "snips": "plain",
    "dr": "clipped",
    "switch": "switch",
    "dros": "optimistic_shrinkage",
    "sub_gaussian_dr": "sub_gaussian",
    "sndr": "plain",
}
_WITHOUT_MODEL = ("ips", "clipped", "sub_gaussian", "snips")


def off_policy_value(
    method: str,
    logits: ArrayLike,
    actions: ArrayLike,
    rewards: ArrayLike,
    *,
    propensities: Any = None,
    action_values: Any = None,
    max_weight: float = np.inf,
    sub_gaussian_lambda: float = 0.001,
    shrinkage_lambda: float = 1e4,
    where: ArrayLike | None = None,
) -> float:
    """mean_i (sum_a pi_ia q_ia + w(r_i) (R_i - q_i,a_i)), as `scorefn.OffPolicy` names its methods.

    q is 0 for methods without a model, and w is 0 for "dm". Self-normalised methods have
    r_i / mean r for w.
    """
    z = rows.allowed(logits, where)
    a = rows.check_actions(actions, z)
    log_p, d = rows.log_prob(z, a), check_real("rewards", rewards, shape=a.shape)
    expected = np.zeros(a.shape)
    if method not in _WITHOUT_MODEL:
        p = rows.softmax(z)
        model = np.where(p > 0.0, check_real("action_values", action_values, shape=z.shape), 0.0)
        expected = np.sum(p * model, axis=-1)
        d = d - np.take_along_axis(model, a[..., np.newaxis], axis=-1)[..., 0]
    if method == "dm":
        return float(expected.mean())
    mu = check_real("propensities", propensities, shape=a.shape)
    if method in ("snips", "sndr"):
        r = np.exp(log_p) / mu
        return float(expected.mean() + (r * d).sum() / r.sum())
    options = (_WEIGHTINGS[method], max_weight, sub_gaussian_lambda, shrinkage_lambda)
    return float(np.mean(expected + importance_sampling(log_p, mu, d, *options).value))
