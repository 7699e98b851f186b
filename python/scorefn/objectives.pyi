# Printed by `python -m scorefn._stub` from what the core declares.

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from numpy.typing import ArrayLike, NDArray

from ._custom_objective import CustomObjective as CustomObjective
from ._custom_objective import CustomStep as CustomStep

__all__ = [
    "ClippedSurrogate",
    "ClippedSurrogateStep",
    "CustomObjective",
    "CustomStep",
    "DualClip",
    "DualClipStep",
    "SquaredLogRatio",
    "SquaredLogRatioStep",
    "WeightedLogProb",
    "WeightedLogProbStep",
]

class WeightedLogProbStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class WeightedLogProb:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[WeightedLogProbStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        weights: ArrayLike,
        where: ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> WeightedLogProbStep: ...

class ClippedSurrogateStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    ratio: NDArray[Any]
    approx_kl: float
    clip_fraction: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class ClippedSurrogate:
    clip_range: float = 0.2
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[ClippedSurrogateStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        old_log_prob: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> ClippedSurrogateStep: ...

class DualClipStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    ratio: NDArray[Any]
    approx_kl: float
    clip_fraction: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class DualClip:
    clip_range: float = 0.2
    dual_clip: float = 3.0
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[DualClipStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        old_log_prob: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> DualClipStep: ...

class SquaredLogRatioStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    k2: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class SquaredLogRatio:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[SquaredLogRatioStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        weights: ArrayLike,
        reference_log_prob: ArrayLike,
        where: ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> SquaredLogRatioStep: ...
