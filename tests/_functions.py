"""Every function: what it takes, good calls of it, and how its results are compared."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing

Array = NDArray[Any]

DTYPES = [np.float32, np.float64]
# Around the widths of vectors, tiles and loops, and rows too long for a cache line or a page: for
# tests of a kernel's values and bits. For others a few will do; --lengths=all adds the rest.
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 128, 129, 1000, 4099]
FEW_LENGTHS = [1, 3, 17, 64, 129, 4099]

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
FUNCTIONS = list(ARGUMENTS)
GRADIENTS = ["score_gradient", "tabular_gradient", "linear_gradient"]
# Their results are tuples, of which `out` takes the gradient.
OBJECTIVES = ["policy_gradient", "clipped_surrogate"]
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
# The names above are those of `inputs_for`; these parameters have others.
_PARAMETERS = {
    ("kl_divergence", "logits"): "logits_p",
    ("clipped_surrogate", "weights"): "advantages",
}


def parameters(function: str) -> dict[str, str]:
    """The array parameters of a function, and what `inputs_for` calls what they take."""
    return {_PARAMETERS.get((function, name), name): name for name in ARGUMENTS[function]}


def _parameters_of(*inputs: str) -> dict[str, tuple[str, ...]]:
    """Those of each function that take one of these inputs."""
    found = {
        function: tuple(name for name, of in parameters(function).items() if of in inputs)
        for function in FUNCTIONS
    }
    return {function: names for function, names in found.items() if names}


MATRICES = _parameters_of("logits", "logits_q", "table", "features", "coef")
INDICES = _parameters_of("states", "actions")
WEIGHTS = _parameters_of("weights", "old_log_prob")


NOT_OF_SAMPLES = ("table", "coef")


def inputs_for(
    rows: int, cols: int, dtype: Any, *, seed: int = 0, states: int = 6, features: int = 3
) -> dict[str, Array]:
    """Arguments for every function: `rows` samples of `cols` actions. Each call returns copies."""
    made = _make_inputs(rows, cols, np.dtype(dtype), seed, states, features)
    return {name: x.copy() for name, x in made.items()}


@lru_cache(maxsize=300)  # Many tests use the same arrays.
def _make_inputs(
    rows: int, cols: int, dtype: Any, seed: int, states: int, features: int
) -> dict[str, Array]:
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


def arguments_of(function: str, dtype: Any = np.float64) -> dict[str, Any]:
    """By their names: of 2 x 3 samples, 4 actions, 6 states, 5 features. All allow action 1."""
    inputs = inputs_for(6, 4, dtype, states=6, features=5)
    arguments: dict[str, Any] = {}
    for parameter, name in parameters(function).items():
        x = inputs[name]
        arguments[parameter] = x if name in NOT_OF_SAMPLES else x.reshape(2, 3, *x.shape[1:])
    if function == "sample":
        arguments["rng"] = 1
    where = mask_for(function, inputs)
    where[:, 1] = True
    shape = (6, 4) if function == "tabular_gradient" else (2, 3, 4)
    return {**arguments, "where": where.reshape(shape)}


def call_with(function: str, **arguments: Any) -> Any:
    return getattr(scorefn, function)(**arguments)


def written(result: Any) -> Any:
    """What `out` takes: a result, both arrays of a sample, the gradient of an objective."""
    return getattr(result, "gradient", result)


def take_rows(inputs: dict[str, Array], rows: Any) -> dict[str, Array]:
    """The inputs of some of the samples."""
    return {name: x if name in NOT_OF_SAMPLES else x[rows] for name, x in inputs.items()}


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


def assert_same(actual: Any, expected: Any) -> None:
    """Same types and bits; of Python floats, which may be NaN, the same value."""
    assert type(actual) is type(expected)
    if isinstance(expected, tuple):
        for a, e in zip(actual, expected, strict=True):
            assert_same(a, e)
    elif type(expected) is float:
        assert np.array_equal(actual, expected, equal_nan=True)
    else:
        assert same_bits(actual, expected)
