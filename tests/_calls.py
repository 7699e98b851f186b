"""A good call of every function, for tests to vary."""

from typing import Any

import numpy as np

import scorefn

FUNCTIONS = [
    "log_softmax",
    "softmax",
    "logsumexp",
    "log_prob",
    "entropy",
    "kl_divergence",
    "sample",
    "score",
    "score_gradient",
    "tabular_gradient",
    "linear_gradient",
    "policy_gradient",
    "clipped_surrogate",
]
GRADIENTS = ["score_gradient", "tabular_gradient", "linear_gradient"]
# Their results are tuples, of which `out` takes the gradient.
OBJECTIVES = ["policy_gradient", "clipped_surrogate"]


def arguments_of(function: str, dtype: Any = np.float64) -> dict[str, Any]:
    """2 x 3 samples, 4 actions; 6 states or 5 features."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4)).astype(dtype)
    actions = rng.integers(4, size=(2, 3))
    where = rng.random((2, 3, 4)) < 0.7
    where[..., 1] = True
    samples = {"actions": actions, "weights": rng.normal(size=(2, 3)).astype(dtype)}
    arguments: dict[str, dict[str, Any]] = {
        "log_softmax": {"logits": logits},
        "softmax": {"logits": logits},
        "logsumexp": {"logits": logits},
        "log_prob": {"logits": logits, "actions": actions},
        "entropy": {"logits": logits},
        "kl_divergence": {"logits_p": logits, "logits_q": rng.normal(size=(2, 3, 4)).astype(dtype)},
        "sample": {"logits": logits, "rng": 1},
        "score": {"logits": logits, "actions": actions},
        "score_gradient": {"logits": logits, **samples},
        "tabular_gradient": {
            "table": rng.normal(size=(6, 4)).astype(dtype),
            "states": rng.integers(6, size=(2, 3)),
            **samples,
        },
        "linear_gradient": {
            "features": rng.normal(size=(2, 3, 5)).astype(dtype),
            "coef": rng.normal(size=(5, 4)).astype(dtype),
            **samples,
        },
        "policy_gradient": {"logits": logits, **samples},
        "clipped_surrogate": {
            "logits": logits,
            "actions": actions,
            "old_log_prob": np.linspace(-1.6, -0.2, 6).reshape(2, 3).astype(dtype),
            "advantages": samples["weights"],
        },
    }
    mask = {"tabular_gradient": rng.random((6, 4)) < 0.7}.get(function, where)
    mask[..., 1] = True
    return {**arguments[function], "where": mask}


def call(function: str, **arguments: Any) -> Any:
    return getattr(scorefn, function)(**arguments)


def written(result: Any) -> Any:
    """What `out` takes: a result, both arrays of a sample, the gradient of an objective."""
    return getattr(result, "gradient", result)
