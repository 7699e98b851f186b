"""Inputs that the numerical tests share."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing

Array = NDArray[Any]

DTYPES = [np.float32, np.float64]
# Around the widths of vectors, tiles and loops, and rows too long for a cache line or a page.
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 128, 129, 1000, 4099]

ARGUMENTS = {
    "log_softmax": ("logits",),
    "softmax": ("logits",),
    "logsumexp": ("logits",),
    "log_prob": ("logits", "actions"),
    "entropy": ("logits",),
    "kl_divergence": ("logits", "logits_q"),
    "sample": ("logits",),
    "score": ("logits", "actions"),
    "score_gradient": ("logits", "actions", "weights"),
    "tabular_gradient": ("table", "states", "actions", "weights"),
    "linear_gradient": ("features", "coef", "actions", "weights"),
    "policy_gradient": ("logits", "actions", "weights"),
    "clipped_surrogate": ("logits", "actions", "old_log_prob", "weights"),
}
# A result of their row i depends on row i of the inputs alone.
ROW_FUNCTIONS = [
    "log_softmax",
    "softmax",
    "logsumexp",
    "log_prob",
    "entropy",
    "kl_divergence",
    "score",
    "score_gradient",
]
GRADIENTS = ["score_gradient", "tabular_gradient", "linear_gradient"]
# Their results are tuples, of which `out` takes the gradient.
OBJECTIVES = ["policy_gradient", "clipped_surrogate"]


def inputs_for(
    rows: int, cols: int, dtype: Any, *, seed: int = 0, states: int = 6, features: int = 3
) -> dict[str, Array]:
    """Arguments for every function: `rows` samples of `cols` actions."""
    rng = np.random.default_rng([seed, rows, cols])

    def normal(*shape: int, scale: float = 3.0) -> Array:
        return rng.normal(scale=scale, size=shape).astype(dtype)

    weights = rng.normal(size=rows).astype(dtype)
    weights[rng.random(rows) < 0.1] = 0.0
    logits = normal(rows, cols)
    inputs = {
        "logits": logits,
        "logits_q": normal(rows, cols),
        "table": normal(states, cols),
        "features": normal(rows, features, scale=1.0),
        "coef": normal(features, cols, scale=1.0),
        "states": rng.integers(states, size=rows),
        "actions": rng.integers(cols, size=rows),
        "weights": weights,
    }
    # Of another policy: about a third of the ratios are within the usual clip range.
    log_prob = testing.log_prob(logits, inputs["actions"])
    inputs["old_log_prob"] = np.minimum(log_prob + normal(rows, scale=0.4), 0.0).astype(dtype)
    return inputs


def mask_for(function: str, inputs: dict[str, Array], *, seed: int = 0) -> Array:
    """A mask that forbids about a third of the actions, but no row all of them."""
    shape = inputs["table" if function == "tabular_gradient" else "logits"].shape
    rng = np.random.default_rng([seed, *shape])
    mask = rng.random(shape) < 0.7
    mask[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = True
    return mask


def call(
    function: str, inputs: dict[str, Array], *, module: ModuleType = scorefn, **options: Any
) -> Any:
    """`function` of its inputs; sample, if no `rng` is given, with the seed 0."""
    if function == "sample":
        options = {"rng": 0, **options}
    arguments = (inputs[name] for name in ARGUMENTS[function])
    return getattr(module, function)(*arguments, **options)


def take_rows(inputs: dict[str, Array], rows: Any) -> dict[str, Array]:
    """The inputs of some of the samples."""
    whole = ("table", "coef")
    return {name: x if name in whole else x[rows] for name, x in inputs.items()}


def same_bits(actual: Any, expected: Any) -> bool:
    """Equal in dtype, shape and every bit; of tuples, in each member."""
    if isinstance(expected, tuple):
        return all(same_bits(a, e) for a, e in zip(actual, expected, strict=True))
    actual, expected = np.asarray(actual), np.asarray(expected)
    return (actual.dtype, actual.shape, actual.tobytes()) == (
        expected.dtype,
        expected.shape,
        expected.tobytes(),
    )
