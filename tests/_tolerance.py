"""How far a result may be from the reference of scorefn.testing."""

from __future__ import annotations

from typing import Any

import numpy as np

from _functions import Array, call
from scorefn import testing


def distributions(logits: Array, where: Array | None = None) -> tuple[Array, Array, Array]:
    """p, log p (0 where p is 0) and the largest |z - max z|, in float64."""
    p = testing.softmax(logits, where=where)
    log_p = np.where(p > 0.0, testing.log_softmax(logits, where=where), 0.0)
    return p, log_p, np.abs(log_p).max(axis=-1, keepdims=True, initial=0.0)


def row_gradient_scale(
    logits: Array, inputs: dict[str, Array], entropy_coef: float, where: Array | None
) -> Array:
    """The sum of the magnitudes of the terms of a row gradient."""
    p, log_p, _ = distributions(logits, where)
    h = -(p * log_p).sum(axis=-1, keepdims=True)
    weights = np.abs(inputs["weights"].astype(np.float64))
    score = testing.score_gradient(logits, inputs["actions"], weights, where=where)
    return np.abs(score) + np.abs(entropy_coef) * p * (np.abs(log_p) + h)


def tolerance(
    function: str, inputs: dict[str, Array], where: Array | None, entropy_coef: float = 0.0
) -> Any:
    """What the errors of both implementations may add up to, entry by entry.

    Four ULP of the result's dtype, of the terms that are added up. To that the reference adds what
    its own rounding of z - max z in float64 costs: |z - max z| ULP of a probability.
    """
    logits = inputs["logits"]
    eps = float(np.finfo(logits.dtype).eps)
    eps64 = float(np.finfo(np.float64).eps)
    z, z_where = logits, where
    steps = 4.0 * eps
    if function == "tabular_gradient":
        z = inputs["table"][inputs["states"]]
        z_where = None if where is None else where[inputs["states"]]
    if function == "linear_gradient":
        x, coef = inputs["features"].astype(np.float64), inputs["coef"].astype(np.float64)
        z = x @ coef
        # The logits are sums of num_features terms, then rounded to their dtype.
        largest = (np.abs(x) @ np.abs(coef)).max(initial=0.0)
        steps += 2.0 * (eps + len(coef) * eps64) * largest
    p, log_p, widest = distributions(z, z_where)
    relative = steps + (4.0 + 2.0 * widest) * eps64

    if function in ("log_softmax", "log_prob"):
        return relative.reshape(len(z), *[1] * (function == "log_softmax")) * np.abs(
            call(function, inputs, module=testing, where=where)
        )
    if function == "logsumexp":
        return 4.0 * eps * (np.abs(np.where(p > 0.0, logits, 0.0)).max(-1) + widest[..., 0])
    if function == "softmax":
        return relative * p
    if function == "score":
        return relative * np.abs(testing.score(logits, inputs["actions"], where=where))
    if function == "entropy":
        return (relative * p * np.abs(log_p)).sum(axis=-1)
    if function == "kl_divergence":
        q, log_q, widest_q = distributions(inputs["logits_q"], where)
        terms = np.abs(p * (log_p - log_q)) + np.abs(p - q)
        kl = testing.kl_divergence(logits, inputs["logits_q"], where=where)
        return 4.0 * eps * kl + (8.0 * eps64 * (1.0 + widest + widest_q) * terms).sum(axis=-1)

    rows = relative * row_gradient_scale(z, inputs, entropy_coef, z_where)
    if function == "score_gradient":
        return rows
    if function == "tabular_gradient":
        table = np.zeros(inputs["table"].shape)
        np.add.at(table, inputs["states"], rows)
        return table
    return np.abs(x).T @ rows


def assert_near(
    function: str, inputs: dict[str, Array], *, where: Array | None = None, **options: Any
) -> Array:
    dtype = inputs["logits"].dtype
    actual = call(function, inputs, where=where, **options)
    expected = call(function, inputs, module=testing, where=where, **options)
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    allowed = tolerance(function, inputs, where, **options) + np.finfo(dtype).smallest_subnormal
    with np.errstate(invalid="ignore"):  # -inf less -inf, which is the same
        assert (same | (np.abs(actual - expected) <= allowed)).all()
    return actual
