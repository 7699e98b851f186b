"""References of random numbers and of `sample`, which draws actions with them."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import subscript
from .._sample import Sample, SampleWithEntropy
from . import rows
from .ragged import takes_offsets

Float64 = NDArray[np.float64]


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
@takes_offsets("logits")
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
    z = rows.allowed(logits, where)
    broken = np.isnan(z).any(axis=-1)
    if np.any(broken):
        row = subscript("logits", np.argwhere(broken)[0])
        raise ValueError(
            f"{row} has NaN or +inf in an allowed slot: no action can be drawn from it"
        )
    matrix = z.reshape(-1, z.shape[-1])
    draws = 1 if num_samples is None else num_samples
    key = np.random.default_rng(rng).integers(2**64, dtype=np.uint64, size=2)
    u = philox_uniforms(key, len(matrix), draws)

    steps = np.cumsum(rows.softmax(matrix), axis=-1)
    last = steps.shape[-1] - 1 - np.argmax(matrix[:, ::-1] > -np.inf, axis=-1)
    below = steps[:, None, :] <= (u * steps[:, -1:])[:, :, None]
    actions = np.minimum(below.sum(axis=-1), last[:, None])
    log_probs = np.take_along_axis(rows.log_softmax(matrix), actions, axis=-1)

    shape = z.shape[:-1] if num_samples is None else (*z.shape[:-1], num_samples)
    drawn = Sample(actions.reshape(shape), log_probs.reshape(shape))
    return SampleWithEntropy(*drawn, rows.entropy(z)) if entropy else drawn
