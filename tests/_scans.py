"""The scans over time: how each is called, with arrays of random episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scorefn
from scorefn import testing

# Those of each scan, and options that are not the defaults.
ARRAYS: dict[str, list[str]] = {
    "discounted_returns": ["rewards"],
    "lambda_returns": ["rewards", "next_values"],
    "n_step_returns": ["rewards", "next_values"],
    "gae": ["rewards", "values", "next_values"],
    "vtrace": ["rewards", "values", "next_values", "log_ratio"],
    "retrace": ["rewards", "action_values", "next_values", "log_ratio"],
    "q_lambda": ["rewards", "action_values", "next_values"],
    "tree_backup": ["rewards", "action_values", "next_values", "log_prob"],
    "upgo": ["rewards", "values", "next_values"],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "lambda_returns": {"lambda_": 0.8},
    "n_step_returns": {"n": 3},
    "gae": {"gae_lambda": 0.8},
    "vtrace": {"lambda_": 0.9, "clip_rho": 1.5, "clip_c": 1.2, "clip_pg_rho": 2.0, "alpha": 0.9},
    "retrace": {"lambda_": 0.9, "clip": 1.5},
    "q_lambda": {"lambda_": 0.7},
    "tree_backup": {"lambda_": 0.9},
}
SCANS = list(ARRAYS)
# The ratios of the others are exponentials, in which NumPy's own differ by an ULP.
WITH_RATIOS = [name for name in SCANS if {"log_ratio", "log_prob"} & {*ARRAYS[name]}]


def arguments_of(name: str, seed: int, shape: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    """Numbers, flags and options for a call by keywords."""
    rng = np.random.default_rng(seed)
    arguments: dict[str, Any] = {array: rng.normal(size=shape) for array in ARRAYS[name]}
    if name == "discounted_returns":
        arguments["next_values"] = rng.normal(size=shape)
    if name == "tree_backup":
        arguments["log_prob"] = -np.abs(arguments["log_prob"])
    arguments = {array: x.astype(dtype) for array, x in arguments.items()}
    arguments["terminated"], arguments["truncated"] = rng.random(size=(2, *shape)) < 0.1
    arguments["valid"] = rng.random(size=shape) < 0.9
    return {**arguments, "discount": 0.95, **OPTIONS.get(name, {})}


def numbers_of(arguments: dict[str, Any]) -> list[str]:
    return [k for k, x in arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


def map_arrays(
    arguments: dict[str, Any], f: Callable[[NDArray[Any]], NDArray[Any]]
) -> dict[str, Any]:
    return {k: f(x) if isinstance(x, np.ndarray) else x for k, x in arguments.items()}


def scan(name: str, arguments: dict[str, Any]) -> tuple[NDArray[Any], ...]:
    """The results, of which V-trace has two."""
    result = getattr(scorefn, name)(**arguments)
    return tuple(result) if isinstance(result, tuple) else (result,)


def reference(name: str, arguments: dict[str, Any]) -> tuple[NDArray[np.float64], ...]:
    result = getattr(testing, name)(**arguments)
    return tuple(result) if isinstance(result, tuple) else (result,)
