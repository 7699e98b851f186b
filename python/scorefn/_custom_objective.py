"""An objective of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import check_real, check_shape, to_array, type_name
from ._objective import CLASSES
from ._objective_pass import FloatArray
from ._segments import to_segments
from ._two_passes import log_probs, second_pass


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
        have the dtype of the policy; with ``segments=`` they are those of the decisions, in
        float64.
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
        offsets: ArrayLike | None = None,
        segments: Any = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
        **numbers: Any,
    ) -> CustomStep:
        """The objective's value and its gradient; see `WeightedLogProb.gradient`."""
        weighted_log_prob = self._weighted_log_prob()
        log_prob = log_probs(policy, observations, actions, where, valid, offsets)
        if segments is None:
            value, w = self._values(log_prob, numbers)
            counts = None if valid is None else np.asarray(valid, bool)
        else:
            how = to_segments(segments)
            how.check_shape(actions)
            if not np.all(np.isinf(how.row_clip)):
                raise ValueError(
                    "segments.row_clip must be inf, as an objective of your own has no log-ratios, "
                    f"got {how.row_clip}"
                )
            decisions = how.on(log_prob.size, valid)
            value, w = self._values(decisions.log_prob(log_prob), numbers)
            counts = decisions.num_rows > 0
        if counts is not None:
            value, w = np.where(counts, value, 0.0), np.where(counts, w, w.dtype.type(0))
        if segments is not None:
            w = decisions.derivative_of_rows(w).reshape(log_prob.shape)
        objective, step = second_pass(
            weighted_log_prob,
            float(value.sum()),
            policy,
            observations,
            actions,
            derivatives=w,
            where=where,
            valid=valid,
            offsets=offsets,
            matrix={"reference": reference, "action_values": action_values},
            statistics=statistics,
        )
        if not statistics:
            return CustomStep(objective, step.gradient, None, None)
        return CustomStep(objective, *step[1:])

    def _values(
        self, log_prob: NDArray[Any], numbers: dict[str, Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """What the function says of log-probabilities: values and derivatives."""
        result = self.function(log_prob, **numbers)
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"{len(result)}" if isinstance(result, tuple) else type_name(result)
            raise TypeError(f"function must return two arrays, value and derivative, got {got}")
        value = check_real("value", result[0], shape=log_prob.shape)
        w = to_array("derivative", result[1])
        check_shape("derivative", w, log_prob.shape)
        return value, w

    def _weighted_log_prob(self) -> Any:
        """The objective with this one's terms, whose weights are to be the derivatives."""
        weighted_log_prob: Any = CLASSES["WeightedLogProb"]
        return weighted_log_prob(self.entropy_coef, self.kl_coef, self.kl_direction)
