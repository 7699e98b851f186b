"""Readable NumPy reference implementations (float64), the ground truth in the tests.

They take the arguments of their namesakes (without ``out``, ``accumulate`` and ``num_threads``),
keep the same conventions for ``-inf``, masks and NaN, and return float64. For float32 logits each
result has an error of a few float64 roundings, so it can check float32 results to the last bit. For
float64 logits a probability may be off by |z - max z| ULP, because z - max z is rounded: check
float64 results with more digits (mpmath).

A row with a NaN or +inf in an allowed slot is NaN throughout, and `sample` refuses it. A masked or
``-inf`` slot of any other row has log-probability -inf, probability 0 and gradient exactly 0.

`ulp_error` and `central_difference` help to test your own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import check_indices, check_real, check_shape, subscript
from ._reference_credit import discounted_returns, gae
from ._sample import Sample, SampleWithEntropy
from ._steps import ClippedSurrogateStep, WeightedLogProbStep

__all__ = [
    "central_difference",
    "clipped_surrogate",
    "discounted_returns",
    "entropy",
    "gae",
    "kl_divergence",
    "linear_gradient",
    "log_prob",
    "log_softmax",
    "logsumexp",
    "philox4x32",
    "philox_uniforms",
    "policy_gradient",
    "sample",
    "score",
    "score_gradient",
    "softmax",
    "tabular_gradient",
    "ulp_error",
]

Float64 = NDArray[np.float64]


def _allowed(
    logits: ArrayLike, where: ArrayLike | None, name: str = "logits", suffix: str = ""
) -> Float64:
    """-inf in every masked slot, and NaN throughout a row that holds NaN or +inf elsewhere."""
    z = np.asarray(logits, dtype=np.float64)
    if where is not None:
        mask = np.asarray(where)
        if mask.shape not in (z.shape, z.shape[-1:]):
            raise ValueError(f"where must have shape {z.shape} or {z.shape[-1:]}, got {mask.shape}")
        z = np.where(mask, z, -np.inf)
    empty = np.all(z == -np.inf, axis=-1)
    if np.any(empty):
        row = subscript(name, np.argwhere(empty)[0]) + suffix
        raise ValueError(f"{row} has no allowed action: every logit is -inf or masked")
    broken = np.any(np.isnan(z) | (z == np.inf), axis=-1, keepdims=True)
    return np.where(broken, np.nan, z)


def _shift_and_rest(z: Float64) -> tuple[Float64, Float64]:
    """z - max z, and the sum of exp(z - max z) over all slots but that of the maximum.

    The maximum's own term is exactly 1, so log sum exp(z - max z) = log1p(rest): no digit of a
    small rest is lost, and log pi of a dominant action keeps its relative accuracy (Blanchard,
    Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions").
    """
    top = np.argmax(z, axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a difference beyond the range is -inf, as it should round
        shifted = z - np.take_along_axis(z, top, axis=-1)
    terms = np.exp(shifted)
    np.put_along_axis(terms, top, 0.0, axis=-1)
    return shifted, terms.sum(axis=-1, keepdims=True)


def _log_softmax(z: Float64) -> Float64:
    shifted, rest = _shift_and_rest(z)
    return shifted - np.log1p(rest)


def _softmax(z: Float64) -> Float64:
    shifted, rest = _shift_and_rest(z)
    return np.exp(shifted) / (1.0 + rest)


def _check_actions(actions: ArrayLike, z: Float64) -> NDArray[np.integer[Any]]:
    return check_indices("actions", actions, z.shape[-1], "actions", shape=z.shape[:-1])


def log_softmax(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """log pi_j = z_j - log sum_k exp z_k."""
    z, mask = _axis_last(logits, axis, where)
    return np.moveaxis(_log_softmax(_allowed(z, mask)), -1, axis)


def softmax(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """pi_j = exp z_j / sum_k exp z_k."""
    z, mask = _axis_last(logits, axis, where)
    return np.moveaxis(_softmax(_allowed(z, mask)), -1, axis)


def logsumexp(logits: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Float64:
    """log sum_k exp z_k = max z + log1p(the other terms)."""
    z = _allowed(*_axis_last(logits, axis, where))
    _, rest = _shift_and_rest(z)
    return np.asarray(np.max(z, axis=-1) + np.log1p(rest[..., 0]))


def _axis_last(
    logits: ArrayLike, axis: int, where: ArrayLike | None
) -> tuple[Float64, NDArray[Any] | None]:
    z = np.asarray(logits, dtype=np.float64)
    if where is None:
        return np.moveaxis(z, axis, -1), None
    mask = np.asarray(where)
    return np.moveaxis(z, axis, -1), np.moveaxis(mask, axis, -1) if mask.ndim == z.ndim else mask


def log_prob(logits: ArrayLike, actions: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """log pi_i(a_i)."""
    z = _allowed(logits, where)
    return _log_prob(z, _check_actions(actions, z))


def _log_prob(z: Float64, actions: NDArray[np.integer[Any]]) -> Float64:
    return np.take_along_axis(_log_softmax(z), actions[..., None], axis=-1)[..., 0]


def entropy(logits: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """H(pi) = -sum_j pi_j log pi_j, with 0 log 0 = 0."""
    return _entropy(_allowed(logits, where))


def _entropy(z: Float64) -> Float64:
    p, log_p = _softmax(z), _log_softmax(z)
    return np.asarray(np.sum(-p * _finite_where_positive(log_p, p), axis=-1))


def _finite_where_positive(factor: Float64, p: Float64) -> Float64:
    """`factor`, but 0 where p is 0, so that 0 * log 0 = 0."""
    return np.where(p == 0.0, 0.0, factor)


def kl_divergence(
    logits_p: ArrayLike, logits_q: ArrayLike, *, where: ArrayLike | None = None
) -> Float64:
    """KL(p || q) = sum_j p_j d_j with d_j = log p_j - log q_j; +inf if p_j > 0 and q_j = 0.

    Added up as sum_j (p_j d_j - p_j + q_j), which is the same as both sum to 1, but has no negative
    terms: nothing cancels where p is near q.
    """
    z_p, z_q = _allowed(logits_p, where, "logits_p"), _allowed(logits_q, where, "logits_q")
    check_shape("logits_q", z_q, z_p.shape)
    p, q = _softmax(z_p), _softmax(z_q)
    with np.errstate(invalid="ignore", over="ignore"):  # in slots and branches that are not chosen
        d = _log_softmax(z_p) - _log_softmax(z_q)
        near, far = p * (d + np.expm1(-d)), p * d - p + q
    terms = np.where(p == 0.0, q, np.where(np.abs(d) < 0.5, near, far))
    return np.asarray(terms.sum(axis=-1))


def philox4x32(counter: ArrayLike, key: ArrayLike) -> NDArray[np.uint64]:
    """Four random words of 32 bits from a counter of four and a key of two, by ten rounds.

    Shapes (..., 4) and (2,) to (..., 4). Philox4x32-10 of Salmon, Moraes, Dror, Shaw: "Parallel
    random numbers: as easy as 1, 2, 3", SC 2011.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = np.asarray(counter, dtype=np.uint64)
    x0, x1, x2, x3 = (words[..., i] for i in range(4))
    k0, k1 = np.asarray(key, dtype=np.uint64)
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * x0, np.uint64(0xCD9E8D57) * x2
        x0, x1 = (product1 >> half) ^ x1 ^ k0, product1 & low
        x2, x3 = (product0 >> half) ^ x3 ^ k1, product0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.stack([x0, x1, x2, x3], axis=-1)


def philox_uniforms(key: ArrayLike, rows: int, draws: int) -> Float64:
    """The uniforms in [0, 1) that `sample` uses, shape (rows, draws).

    u[i, d] = (w >> 11) 2^-53, where w is the first 64 bits, low word first, of `philox4x32`. The
    two words of `key`, each of 64 bits, are first mixed by `philox4x32` with key 0. Of the outcome,
    the lower 64 bits are the key. The lower 64 bits of the counter are i, and the upper ones are d,
    exclusive-or the upper 64 bits of the outcome.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = np.asarray(key, dtype=np.uint64)
    mixed = philox4x32(np.stack([words & low, words >> half], axis=-1).ravel(), [0, 0])
    offset = (mixed[3] << half) | mixed[2]
    row, draw = np.meshgrid(
        np.arange(rows, dtype=np.uint64), np.arange(draws, dtype=np.uint64) ^ offset, indexing="ij"
    )
    counter = np.stack([row & low, row >> half, draw & low, draw >> half], axis=-1)
    random = philox4x32(counter, mixed[:2])
    bits = (random[..., 1] << half) | random[..., 0]
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


@overload
def sample(
    logits: ArrayLike,
    *,
    rng: int | np.random.Generator | None = None,
    num_samples: int | None = None,
    entropy: Literal[False] = False,
    where: ArrayLike | None = None,
) -> Sample: ...
@overload
def sample(
    logits: ArrayLike,
    *,
    rng: int | np.random.Generator | None = None,
    num_samples: int | None = None,
    entropy: Literal[True],
    where: ArrayLike | None = None,
) -> SampleWithEntropy: ...
def sample(
    logits: ArrayLike,
    *,
    rng: int | np.random.Generator | None = None,
    num_samples: int | None = None,
    entropy: bool = False,
    where: ArrayLike | None = None,
) -> Sample | SampleWithEntropy:
    """a ~ pi by inversion: the first action with sum_{j <= a} pi_j > u; and H(pi), if asked for.

    With an equal `rng` the fast implementation draws the same actions, except where u lies within a
    rounding error of a step of the cumulative sum. A row with NaN or +inf in an allowed slot is a
    ValueError.
    """
    z = _allowed(logits, where)
    broken = np.isnan(z).any(axis=-1)
    if np.any(broken):
        row = subscript("logits", np.argwhere(broken)[0])
        raise ValueError(
            f"{row} has NaN or +inf in an allowed slot: no action can be drawn from it"
        )
    rows = z.reshape(-1, z.shape[-1])
    draws = 1 if num_samples is None else num_samples
    key = np.random.default_rng(rng).integers(2**64, dtype=np.uint64, size=2)
    u = philox_uniforms(key, len(rows), draws)

    steps = np.cumsum(_softmax(rows), axis=-1)
    last = steps.shape[-1] - 1 - np.argmax(rows[:, ::-1] > -np.inf, axis=-1)
    below = steps[:, None, :] <= (u * steps[:, -1:])[:, :, None]
    actions = np.minimum(below.sum(axis=-1), last[:, None])
    log_probs = np.take_along_axis(_log_softmax(rows), actions, axis=-1)

    shape = z.shape[:-1] if num_samples is None else (*z.shape[:-1], num_samples)
    drawn = Sample(actions.reshape(shape), log_probs.reshape(shape))
    return SampleWithEntropy(*drawn, _entropy(z)) if entropy else drawn


def score(logits: ArrayLike, actions: ArrayLike, *, where: ArrayLike | None = None) -> Float64:
    """d log pi(a) / dz = onehot(a) - pi, where 1 - pi_a is summed as the other probabilities."""
    z = _allowed(logits, where)
    return _score(z, _check_actions(actions, z))


def _score(z: Float64, actions: NDArray[np.integer[Any]]) -> Float64:
    p = _softmax(z)
    is_action = np.arange(z.shape[-1]) == actions[..., None]
    others = np.where(is_action, 0.0, p).sum(axis=-1, keepdims=True)
    s = np.where(is_action, others, -p)
    return np.where(z == -np.inf, 0.0, np.where(np.isnan(z), np.nan, s))


def _entropy_gradient(z: Float64) -> Float64:
    """dH/dz_j = -pi_j (log pi_j + H)."""
    p = _softmax(z)
    return -p * _finite_where_positive(_log_softmax(z) + _entropy(z)[..., None], p)


def _row_gradients(
    z: Float64, actions: NDArray[np.integer[Any]], weights: Float64, entropy_coef: float
) -> Float64:
    """d/dz_i of  w_i log pi_i(a_i) + entropy_coef H(pi_i).  A weight of 0 gives 0, not 0 * NaN."""
    w = weights[..., None]
    with np.errstate(invalid="ignore"):
        gradient = np.where((w == 0.0) | (z == -np.inf), 0.0, w * _score(z, actions))
    if entropy_coef != 0.0:
        gradient = gradient + entropy_coef * _entropy_gradient(z)
    return gradient


def score_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """d/dlogits of  sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)  (Williams 1992).

    Logits of shape (num_actions,): one row shared by all samples; the gradient is summed over them.
    """
    z = _allowed(logits, where)
    is_shared = z.ndim == 1
    if is_shared:
        z = np.broadcast_to(z, (*np.shape(actions), *z.shape))
    a = _check_actions(actions, z)
    w = check_real("weights", weights, shape=z.shape[:-1])
    rows = _row_gradients(z, a, w, entropy_coef)
    return np.asarray(rows.reshape(-1, z.shape[-1]).sum(axis=0)) if is_shared else rows


def tabular_gradient(
    table: ArrayLike,
    states: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """`score_gradient` with logits_i = table[states_i], the rows added up by state."""
    table = np.asarray(table, dtype=np.float64)
    s = check_indices("states", states, len(table), "states")
    z = np.zeros_like(table)  # an unvisited state may hold anything, even no allowed action
    for state in np.unique(s):
        mask = None if where is None else np.broadcast_to(np.asarray(where), table.shape)[state]
        z[state] = _allowed(table[state], mask, f"table[{state}]")
    a = _check_actions(actions, z[s])
    w = check_real("weights", weights, shape=s.shape)
    gradient = np.zeros_like(table)
    np.add.at(gradient, s, _row_gradients(z[s], a, w, entropy_coef))
    return gradient


def linear_gradient(
    features: ArrayLike,
    coef: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> Float64:
    """`score_gradient` with logits = features @ coef, carried back as features^T @ rows."""
    x = np.asarray(features, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # makes its own row NaN, and no other
        z = _allowed(x @ np.asarray(coef, dtype=np.float64), where, "features", " @ coef")
        a = _check_actions(actions, z)
        w = check_real("weights", weights, shape=z.shape[:-1])
        rows = _row_gradients(z, a, w, entropy_coef)
        counts = (w != 0.0) | (entropy_coef != 0.0)  # 0 * inf would come back as NaN
        return np.asarray(x[counts].T @ rows[counts])


def policy_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> WeightedLogProbStep:
    """sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i)  and its gradient (Williams 1992)."""
    z = _allowed(logits, where)
    a = _check_actions(actions, z)
    w = check_real("weights", weights, shape=z.shape[:-1])
    log_p, h = _log_prob(z, a), _entropy(z)
    with np.errstate(invalid="ignore"):
        objective = np.where(w == 0.0, 0.0, w * log_p).sum() + _entropy_bonus(h, entropy_coef)
    return WeightedLogProbStep(float(objective), _row_gradients(z, a, w, entropy_coef), log_p, h)


def clipped_surrogate(
    logits: ArrayLike,
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    *,
    clip_range: float = 0.2,
    entropy_coef: float = 0.0,
    where: ArrayLike | None = None,
) -> ClippedSurrogateStep:
    """sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i)  and its gradient.

    r_i = pi_i(a_i) / exp(old_log_prob_i), clipped to [1 - clip_range, 1 + clip_range] (Schulman et
    al. 2017, "Proximal policy optimization algorithms", equation 7). As dr = r d log pi, the
    gradient of a row is that of log pi times r A, or 0 where the clipped arm is the smaller. An
    advantage of 0 adds 0, whatever the ratio.
    """
    z = _allowed(logits, where)
    a = _check_actions(actions, z)
    old = check_real("old_log_prob", old_log_prob, shape=z.shape[:-1])
    advantage = check_real("advantages", advantages, shape=z.shape[:-1])
    log_p, h = _log_prob(z, a), _entropy(z)
    low, high = 1.0 - clip_range, 1.0 + clip_range
    with np.errstate(invalid="ignore", over="ignore"):
        log_ratio = log_p - old
        ratio = np.exp(log_ratio)
        arm, clipped_arm = ratio * advantage, np.clip(ratio, low, high) * advantage
        terms = np.where(advantage == 0.0, 0.0, np.minimum(arm, clipped_arm))
        coefficients = np.where((advantage == 0.0) | (clipped_arm < arm), 0.0, arm)
        # (r - 1) - log r (Schulman 2020, "Approximating KL divergence"), which is inf where r is
        kl = np.where(ratio == np.inf, np.inf, np.expm1(log_ratio) - log_ratio)
        gradient = _row_gradients(z, a, coefficients, entropy_coef)
    return ClippedSurrogateStep(
        objective=float(terms.sum() + _entropy_bonus(h, entropy_coef)),
        gradient=gradient,
        log_prob=log_p,
        entropy=h,
        ratio=ratio,
        approx_kl=_mean(kl),
        clip_fraction=_mean((ratio < low) | (ratio > high)),
    )


def _entropy_bonus(h: Float64, entropy_coef: float) -> float:
    """A coefficient of 0 adds 0, even to the entropy of a row of NaN."""
    return 0.0 if entropy_coef == 0.0 else float(entropy_coef * h.sum())


def _mean(x: NDArray[Any]) -> float:
    return float(x.mean()) if x.size else np.nan


def ulp_error(actual: ArrayLike, exact: ArrayLike) -> Float64:
    """Distance from `actual` to `exact`, in units in the last place of `exact`, entry by entry.

    Parameters
    ----------
    actual : float32 or float64 array
    exact : array of the same shape
        The true values, with more digits than `actual` has: float64 for float32, mpmath numbers for
        float64. They are first rounded to the dtype of `actual`.

    Returns
    -------
    float64 array
        0 where both are the same infinity or both NaN, inf where only one of them is non-finite.
    """
    a = np.asarray(actual)
    with np.errstate(all="ignore"):
        e = np.asarray(exact).astype(a.dtype)
        check_shape("exact", e, a.shape)
        distance = np.abs(a.astype(np.float64) - e.astype(np.float64)) / np.spacing(np.abs(e))
        same = (a == e) | (np.isnan(a) & np.isnan(e))
        return np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))


def central_difference(
    function: Callable[[Float64], Any], x: ArrayLike, *, step: float = 2.0**-17
) -> Float64:
    """(f(x + h e_j) - f(x - h e_j)) / 2h for each entry j: the gradient of a scalar function.

    The truncation error is h^2 / 6 times the third derivative and the rounding error about
    1e-16 |f| / h: with the default step both are near 1e-11 for values and derivatives near 1.
    """
    point = np.array(x, dtype=np.float64)
    gradient = np.empty_like(point)
    for j in np.ndindex(point.shape):
        center = point[j]
        point[j] = center + step
        above = float(function(point))
        point[j] = center - step
        below = float(function(point))
        point[j] = center
        gradient[j] = (above - below) / (2.0 * step)
    return gradient
