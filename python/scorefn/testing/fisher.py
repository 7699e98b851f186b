"""References of natural gradients: the dense Fisher matrix and its pseudo-inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..policies import LinearPolicy, TabularPolicy
from .functions import softmax

Float64 = NDArray[np.float64]


def fisher_matrix(
    policy: Any,
    observations: Any,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """1/n sum_i sum_a pi(a | x_i) s_ia s_ia^T, a row and a column for each of the flat parameters.

    s_ia is the gradient of log pi(a | x_i).
    """
    theta = np.asarray(policy.parameters, dtype=np.float64)
    x = np.zeros((), np.intp) if observations is None else np.asarray(observations)
    leading = x.shape[:-1] if isinstance(policy, LinearPolicy) else x.shape
    counts = np.full(leading, True)
    if valid is not None and observations is not None:
        counts = np.asarray(valid, dtype=np.bool_)
    mask = policy.where if isinstance(policy, TabularPolicy) else where
    eye = np.eye(theta.shape[-1])
    total = np.zeros((theta.size, theta.size))
    for i in np.ndindex(leading):
        if not counts[i]:
            continue
        place: Any = i  # of the mask's row
        if isinstance(policy, LinearPolicy):
            logits = x[i].astype(np.float64) @ theta
            jacobian = x[i].astype(np.float64)[:, np.newaxis] * eye[:, np.newaxis]
        else:  # d logits_k / dparameters, k along the first axis
            place = x[i]
            logits = np.atleast_2d(theta)[place]
            jacobian = np.zeros((len(eye), *np.atleast_2d(theta).shape))
            jacobian[:, place] = eye
        jacobian = jacobian.reshape(len(eye), theta.size)
        of_row = mask if mask is None or np.ndim(mask) == 1 else np.asarray(mask)[place]
        pi = softmax(logits, where=of_row)
        for a in np.flatnonzero(pi):
            score = jacobian[a] - pi @ jacobian
            total += pi[a] * np.outer(score, score)
    return total / np.count_nonzero(counts)


def fisher_vector_product(
    policy: Any,
    observations: Any,
    vector: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """F v."""
    v = np.asarray(vector, dtype=np.float64)
    matrix = fisher_matrix(policy, observations, where=where, valid=valid)
    return np.asarray(matrix @ v.reshape(-1)).reshape(v.shape)


def natural_gradient(
    policy: Any,
    observations: Any,
    gradient: ArrayLike,
    *,
    damping: float = 0.0,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Float64:
    """(F + damping I)^+ gradient."""
    g = np.asarray(gradient, dtype=np.float64)
    matrix = fisher_matrix(policy, observations, where=where, valid=valid)
    inverse = np.linalg.pinv(matrix + damping * np.eye(g.size), rcond=1e-12, hermitian=True)
    return np.asarray(inverse @ g.reshape(-1)).reshape(g.shape)
