# Printed by `python -m scorefn._stub` from what the core declares.

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from numpy.typing import ArrayLike, NDArray

from ._all_actions import AllActionStep as AllActionStep
from ._custom_objective import CustomObjective as CustomObjective
from ._custom_objective import CustomStep as CustomStep
from ._segments import Segments as Segments

__all__ = [
    "CISPO",
    "SAPO",
    "AllActionStep",
    "CISPOStep",
    "ClippedSurrogate",
    "ClippedSurrogateStep",
    "CrossEntropy",
    "CustomObjective",
    "CustomStep",
    "ExpectedReward",
    "ForwardKL",
    "ImportanceSampling",
    "ImportanceSamplingStep",
    "KLPenalty",
    "KLPenaltyStep",
    "NeuRD",
    "RegretMatching",
    "RegretPolicyGradient",
    "ReverseKL",
    "SAPOStep",
    "Segments",
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
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
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
    clip_range: float | tuple[float, float] = 0.2
    dual_clip: float = ...
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
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> ClippedSurrogateStep: ...

class KLPenaltyStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    kl: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class KLPenalty:
    value: Literal["k1", "k2", "k3"] = "k3"
    derivative: Literal["k1", "k2", "k3"] = "k2"
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[KLPenaltyStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        weights: ArrayLike,
        reference_log_prob: ArrayLike,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> KLPenaltyStep: ...

class CISPOStep(NamedTuple):
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
class CISPO:
    clip_range: float | tuple[float, float] = ...
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[CISPOStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        old_log_prob: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> CISPOStep: ...

class SAPOStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    ratio: NDArray[Any]
    approx_kl: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class SAPO:
    tau_pos: float = 1.0
    tau_neg: float = 1.05
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[SAPOStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        old_log_prob: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> SAPOStep: ...

class ImportanceSamplingStep(NamedTuple):
    objective: float
    gradient: NDArray[Any]
    log_prob: NDArray[Any]
    entropy: NDArray[Any]
    ratio: NDArray[Any]
    mean_weight: float
    mean_square_weight: float
    kl_divergence: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None

@dataclass(frozen=True)
class ImportanceSampling:
    weighting: Literal["plain", "clipped", "switch", "sub_gaussian", "optimistic_shrinkage"] = ...
    max_weight: float = ...
    sub_gaussian_lambda: float = 0.001
    shrinkage_lambda: float = 10000.0
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[ImportanceSamplingStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        propensities: ArrayLike,
        advantages: ArrayLike,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> ImportanceSamplingStep: ...

@dataclass(frozen=True)
class ExpectedReward:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        action_values: ArrayLike,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class CrossEntropy:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        targets: ArrayLike,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class RegretMatching:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        action_values: ArrayLike,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class RegretPolicyGradient:
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        action_values: ArrayLike,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class NeuRD:
    threshold: float = 2.0
    entropy_coef: float | NDArray[Any] = 0.0
    kl_coef: float | NDArray[Any] = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        action_values: ArrayLike,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class ReverseKL:
    entropy_coef: float | NDArray[Any] = 0.0
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        reference: Any,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...

@dataclass(frozen=True)
class ForwardKL:
    entropy_coef: float | NDArray[Any] = 0.0
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
        reference: Any,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        per_sample: bool = False,
        statistics: bool = True,
    ) -> AllActionStep: ...
