"""The Fisher matrix of a policy: products with it, its pseudo-inverse, and exact divergences."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._check import check_bool, check_real, type_name
from ..objectives import ReverseKL
from ..policies import LinearPolicy, LogitsPolicy, TabularPolicy
from .conjugate_gradients import conjugate_gradients
from .score_sums import AnyPolicy, Float64

_TINY = np.finfo(np.float64).tiny  # the least normal number


def fisher_vector_product(
    policy: AnyPolicy,
    observations: Any,
    vector: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> NDArray[Any]:
    """F v with the Fisher matrix F = 1/n sum_i sum_a pi(a | x_i) s_ia s_ia^T of a policy.

    s_ia = d log pi(a | x_i) / dparameters, so F is exact over the actions: none are drawn. It is
    the Hessian of the mean KL(pi || pi') with respect to the parameters of pi', at pi' = pi. For
    logits F v = pi (v - pi . v), and for a linear policy

        F v = 1/n sum_i x_i (pi_i (t_i - pi_i . t_i))^T    with t_i = x_i @ v

    in one pass, without an array of observations by actions (Pearlmutter 1994, "Fast exact
    multiplication by the Hessian"; Kakade 2001, "A natural policy gradient").

    Parameters
    ----------
    policy : LogitsPolicy, TabularPolicy or LinearPolicy
    observations : array
        What the policy takes; None for `LogitsPolicy`.
    vector : array shaped like policy.parameters
        Rounded to their dtype for a `LinearPolicy`.
    where : bool array, optional
        Allowed actions (True), as the policy takes it.
    valid : bool array, one flag per observation, optional
        Observations that count (True); by default all do. The others may hold anything. For
        `LogitsPolicy` of any shape: its F is the same for all observations.

    Returns
    -------
    array of the shape and dtype of policy.parameters
        0 for forbidden actions and for states that were not visited.

    Raises
    ------
    TypeError, ValueError, IndexError
        Another policy; an array of the wrong kind or shape; no observation that counts; an
        observation without an allowed action; a state out of range.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> from scorefn.estimators import fisher_vector_product
    >>> policy = scorefn.LogitsPolicy(np.zeros(2))
    >>> fisher_vector_product(policy, None, [1.0, 0.0])
    array([ 0.25, -0.25])
    """
    fisher = fisher_of(policy, observations, where, valid)
    v = check_real("vector", vector, shape=policy.parameters.shape)
    with np.errstate(all="ignore"):
        return fisher.product(v).astype(policy.parameters.dtype)


class Fisher(Protocol):
    """A Fisher matrix. Vectors have the shape of the parameters."""

    def product(self, v: Float64) -> Float64:
        """F v."""

    def solve(self, g: Float64, damping: float, iterations: int, tolerance: float) -> Float64:
        """(F + damping I)^+ g."""

    def kl_divergence(self, parameters: NDArray[Any]) -> float:
        """The mean of KL(pi || pi') over the observations, with the parameters of pi'."""


def fisher_of(
    policy: AnyPolicy,
    observations: Any,
    where: ArrayLike | None,
    valid: ArrayLike | None,
    cache: bool = False,
) -> Fisher:
    """That of a policy at the observations that count."""
    if isinstance(policy, LinearPolicy):
        return LinearFisher(policy, observations, where, valid, cache)
    if isinstance(policy, TabularPolicy):
        policy._refuse(where)
        states = policy._states(policy._harmless(observations, valid))
        counts = _counts(valid, states.shape)
        visits = np.bincount(states[counts].astype(np.intp), minlength=len(policy.parameters))
        return TableFisher(policy.parameters, visits, policy.where)
    if isinstance(policy, LogitsPolicy):
        counts = _counts(valid, () if valid is None else np.shape(valid))
        if where is not None:
            where = check_bool("where", where, shape=policy.parameters.shape)[np.newaxis]
        return TableFisher(policy.parameters, np.array([np.count_nonzero(counts)]), where)
    raise TypeError(
        f"policy must be a LogitsPolicy, TabularPolicy or LinearPolicy, got {type_name(policy)}"
    )


def _counts(valid: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which observations count: at least one."""
    counts = np.full(shape, True) if valid is None else check_bool("valid", valid, shape=shape)
    if not counts.any():
        raise ValueError(f"observations must have at least one that counts, got shape {shape}")
    return counts


class TableFisher:
    """Of a table: a block w (diag(pi) - pi pi^T) for each state, with its share w of the visits."""

    def __init__(self, parameters: NDArray[Any], visits: NDArray[Any], where: Any) -> None:
        self.shape, self.where, self.visited = parameters.shape, where, visits > 0
        self.logits = np.atleast_2d(parameters).astype(np.float64)
        self.p = _core.softmax(self.logits, where=where, valid=self.visited)
        self.share = (visits / visits.sum())[:, np.newaxis]

    def product(self, v: Float64) -> Float64:
        """w pi (v - pi . v), where the v of a most likely action is subtracted first."""
        rows = np.where(self.p == 0.0, 0.0, v.reshape(self.p.shape))
        rows = rows - np.take_along_axis(rows, self.p.argmax(axis=-1)[:, np.newaxis], axis=-1)
        mean = np.sum(self.p * rows, axis=-1, keepdims=True)
        return np.asarray((self.share * self.p * (rows - mean)).reshape(self.shape))

    def solve(self, g: Float64, damping: float, iterations: int, tolerance: float) -> Float64:
        """x = (g + c w pi) / (w pi + damping) with the c of each state for which the x sum to 0.

        Where the denominator is 0, or so small that a quotient may overflow, x is 0.
        """
        weight = self.share * self.p
        d = weight + damping
        is_zero = d < _TINY
        d = np.where(is_zero, 1.0, d)
        particular = np.where(is_zero, 0.0, g.reshape(d.shape) / d)
        in_null_space = np.where(is_zero, 0.0, weight / d)
        total = in_null_space.sum(axis=-1, keepdims=True)
        total = np.where(total == 0.0, 1.0, total)  # of a state that was not visited
        c = np.sum(particular / total, axis=-1, keepdims=True)
        return np.asarray((particular - c * in_null_space).reshape(self.shape))

    def kl_divergence(self, parameters: NDArray[Any]) -> float:
        new = np.atleast_2d(parameters).astype(np.float64)
        kl = _core.kl_divergence(self.logits, new, where=self.where, valid=self.visited)
        return float(np.sum(self.share[:, 0] * kl))


class LinearFisher:
    """Of a linear policy: products in one pass over the features."""

    def __init__(
        self,
        policy: LinearPolicy,
        observations: Any,
        where: ArrayLike | None,
        valid: ArrayLike | None,
        cache: bool,
    ) -> None:
        self.features, self.coef = policy._features(observations), policy.parameters
        self.where, self.valid = where, valid
        self.n = int(np.count_nonzero(_counts(valid, self.features.shape[:-1])))
        self.p: NDArray[Any] | None = None
        if cache:
            logits = policy.logits(self.features)
            self.p = _core.softmax(logits, where=where, valid=valid, out=logits)

    def product(self, v: Float64) -> Float64:
        vector = v.astype(self.coef.dtype)
        if self.p is None:
            product = _core.fisher_vector_product(
                self.features, self.coef, vector, where=self.where, valid=self.valid
            )
        else:
            product = _core.fisher_product_of_probabilities(
                self.features, self.p, vector, valid=self.valid
            )
        return np.asarray(product.astype(np.float64) / self.n)

    def solve(self, g: Float64, damping: float, iterations: int, tolerance: float) -> Float64:
        """Ends where the residual may be the rounding of the gradient, for which there is no x."""
        return conjugate_gradients(
            lambda v: self.product(v) + damping * v,
            g,
            iterations=iterations,
            tolerance=max(tolerance, 4.0 * float(np.finfo(self.coef.dtype).eps)),
        )

    def kl_divergence(self, parameters: NDArray[Any]) -> float:
        step = ReverseKL().gradient(
            LinearPolicy(self.coef),
            self.features,
            reference=LinearPolicy(parameters),
            where=self.where,
            valid=self.valid,
            statistics=False,
        )
        return -step.objective / self.n
