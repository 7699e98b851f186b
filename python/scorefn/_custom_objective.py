"""An objective of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._check import check_real, check_shape, to_array, type_name
from ._objective import CLASSES
from ._objective_pass import FloatArray
from ._row_policy import RowPolicy


class CustomStep(NamedTuple):
    """What `CustomObjective.gradient` returns.

    Attributes
    ----------
    objective : float
        The sum of the values, with all terms.
    gradient, log_prob, entropy, kl_divergence, expected_value
        As in `WeightedLogProbStep`.
    """

    objective: float
    gradient: FloatArray
    log_prob: FloatArray | None
    entropy: FloatArray | None
    kl_divergence: FloatArray | None = None
    expected_value: FloatArray | None = None


@dataclass(frozen=True)
class CustomObjective:
    """An objective of your own: a function of the log-probabilities of the samples' actions.

    These are computed first, a block of samples at a time where the policy is linear; then the
    function is called once, and the gradient is a second pass.

    Parameters
    ----------
    function : callable
        ``function(log_prob, **numbers) -> (value, derivative)``, three arrays of one shape: the
        value of each sample, and its derivative with respect to log_prob. The numbers are the
        keyword arguments of `gradient`, whose own names they cannot have. The log-probabilities
        have the dtype of the policy.
    entropy_coef, kl_coef, kl_direction
        As for `WeightedLogProb`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> def squared(log_prob, target):
    ...     return -((log_prob - target) ** 2), -2.0 * (log_prob - target)
    >>> objective = scorefn.CustomObjective(squared)
    >>> policy = scorefn.LogitsPolicy(np.zeros(2))
    >>> step = objective.gradient(policy, None, [0], target=np.array([0.0]))
    >>> step.gradient.round(3)
    array([ 0.693, -0.693])
    """

    function: Callable[..., tuple[ArrayLike, ArrayLike]]
    entropy_coef: Any = 0.0
    kl_coef: Any = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function must be callable, got {type_name(self.function)}")
        self._weighted_log_prob()  # whose options these are

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
        **numbers: Any,
    ) -> CustomStep:
        """The objective's value and its gradient; see `WeightedLogProb.gradient`."""
        weighted_log_prob = self._weighted_log_prob()
        log_prob = _log_prob(policy, observations, actions, where, valid)
        result = self.function(log_prob, **numbers)
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"{len(result)}" if isinstance(result, tuple) else type_name(result)
            raise TypeError(f"function must return two arrays, value and derivative, got {got}")
        values, derivatives = result
        value = check_real("value", values, shape=log_prob.shape)
        w = to_array("derivative", derivatives)
        check_shape("derivative", w, log_prob.shape)
        if valid is not None:
            value, w = np.where(valid, value, 0.0), np.where(valid, w, w.dtype.type(0))
        step = weighted_log_prob.gradient(
            policy,
            observations,
            actions,
            weights=w,
            where=where,
            valid=valid,
            reference=reference,
            action_values=action_values,
        )
        objective = float(value.sum()) + self._value_of_terms(step, valid)
        if not statistics:
            return CustomStep(objective, step.gradient, None, None)
        return CustomStep(objective, *step[1:])

    def _weighted_log_prob(self) -> Any:
        """The objective with this one's terms, whose weights are to be the derivatives."""
        weighted_log_prob: Any = CLASSES["WeightedLogProb"]
        return weighted_log_prob(self.entropy_coef, self.kl_coef, self.kl_direction)

    def _value_of_terms(self, step: Any, valid: ArrayLike | None) -> float:
        shape = step.log_prob.shape
        counts = np.broadcast_to(True, shape) if valid is None else np.asarray(valid, dtype=bool)
        sum_of_terms = _weighted_sum(self.entropy_coef, step.entropy, counts)
        if step.kl_divergence is not None:
            sum_of_terms -= _weighted_sum(self.kl_coef, step.kl_divergence, counts)
        if step.expected_value is not None:
            sum_of_terms += _weighted_sum(1.0, step.expected_value, counts)
        return sum_of_terms


def _weighted_sum(coef: Any, values: NDArray[Any], counts: NDArray[np.bool_]) -> float:
    """sum_i c_i x_i over the samples that count, which may share a value; c_i = 0 adds 0."""
    if np.ndim(coef) == 0 and coef == 0:
        return 0.0
    x = np.asarray(values, dtype=np.float64)
    x = np.broadcast_to(x if x.ndim in (0, counts.ndim) else x[..., np.newaxis], counts.shape)
    return float(np.sum(np.where(np.equal(coef, 0) | ~counts, 0.0, coef * x)))


def _log_prob(
    policy: Any,
    observations: Any,
    actions: ArrayLike,
    where: ArrayLike | None,
    valid: ArrayLike | None,
) -> NDArray[Any]:
    if isinstance(policy, RowPolicy):
        return np.asarray(policy.log_prob(observations, actions, where=where, valid=valid))
    logits = policy.logits(observations) if hasattr(policy, "logits") else policy
    return np.asarray(_core.log_prob(logits, actions, where=where, valid=valid))
