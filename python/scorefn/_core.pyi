# Results have the dtype of the logits, which the type checker knows for arrays alone. For logits
# without leading axes, an array of one number a row is a NumPy scalar.

from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._sample import Sample as Sample
from ._sample import SampleWithEntropy as SampleWithEntropy
from .objectives import ClippedSurrogateStep, WeightedLogProbStep

_Number = SupportsFloat | SupportsIndex
_Float = TypeVar("_Float", bound=np.floating[Any])
# Of an objective: gradient, log-probabilities, entropies, values of its term, rows, sums.
_Pass = tuple[
    NDArray[Any],
    NDArray[Any] | None,
    NDArray[Any] | None,
    NDArray[Any] | None,
    tuple[NDArray[Any], ...],
    tuple[float, ...],
]
# An objective over all actions: its name, that of its weights, these, its matrix, whether that is
# instead the parameters of a policy, and its option.
_Term = tuple[str, str, Any, Any, bool, float]

@overload
def log_softmax(
    logits: NDArray[_Float],
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def log_softmax(
    logits: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def softmax(
    logits: NDArray[_Float],
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def softmax(
    logits: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def logsumexp(
    logits: NDArray[_Float],
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def logsumexp(
    logits: ArrayLike,
    *,
    axis: SupportsIndex = -1,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def log_prob(
    logits: NDArray[_Float],
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def log_prob(
    logits: ArrayLike,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def entropy(
    logits: NDArray[_Float],
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def entropy(
    logits: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def kl_divergence(
    logits_p: NDArray[_Float],
    logits_q: NDArray[_Float],
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def kl_divergence(
    logits_p: ArrayLike,
    logits_q: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def sample(
    logits: ArrayLike,
    *,
    rng: SupportsIndex | np.random.Generator | None = None,
    num_samples: SupportsIndex | None = None,
    entropy: Literal[False] = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: tuple[NDArray[np.int64], NDArray[Any]] | None = None,
    num_threads: SupportsIndex | None = None,
) -> Sample: ...
@overload
def sample(
    logits: ArrayLike,
    *,
    rng: SupportsIndex | np.random.Generator | None = None,
    num_samples: SupportsIndex | None = None,
    entropy: Literal[True],
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: tuple[NDArray[np.int64], NDArray[Any]] | None = None,
    num_threads: SupportsIndex | None = None,
) -> SampleWithEntropy: ...
@overload
def sample(
    logits: ArrayLike,
    *,
    rng: SupportsIndex | np.random.Generator | None = None,
    num_samples: SupportsIndex | None = None,
    entropy: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: tuple[NDArray[np.int64], NDArray[Any]] | None = None,
    num_threads: SupportsIndex | None = None,
) -> Sample | SampleWithEntropy: ...
@overload
def score(
    logits: NDArray[_Float],
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def score(
    logits: ArrayLike,
    actions: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def score_gradient(
    logits: NDArray[_Float],
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def score_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def tabular_gradient(
    table: NDArray[_Float],
    states: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def tabular_gradient(
    table: ArrayLike,
    states: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
@overload
def linear_gradient(
    features: NDArray[_Float],
    coef: NDArray[_Float],
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    out: NDArray[_Float] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[_Float]: ...
@overload
def linear_gradient(
    features: ArrayLike,
    coef: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
def policy_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> WeightedLogProbStep: ...
def clipped_surrogate(
    logits: ArrayLike,
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    *,
    clip_range: _Number | tuple[_Number, _Number] = 0.2,
    entropy_coef: _Number = 0.0,
    accumulate: bool = False,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: SupportsIndex | None = None,
) -> ClippedSurrogateStep: ...
def objective_declarations() -> tuple[tuple[Any, ...], ...]: ...
def objective_of_logits(
    objective: str,
    logits: ArrayLike,
    actions: ArrayLike,
    numbers: tuple[ArrayLike, ...],
    options: tuple[float, ...],
    *,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    term: _Term | None = None,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
) -> _Pass: ...
def objective_of_table(
    objective: str,
    table: ArrayLike,
    states: ArrayLike,
    actions: ArrayLike,
    numbers: tuple[ArrayLike, ...],
    options: tuple[float, ...],
    *,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    term: _Term | None = None,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> _Pass: ...
def objective_of_features(
    objective: str,
    features: ArrayLike,
    coef: ArrayLike,
    actions: ArrayLike,
    numbers: tuple[ArrayLike, ...],
    options: tuple[float, ...],
    *,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    term: _Term | None = None,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> _Pass: ...
def all_action_declarations() -> tuple[Any, ...]: ...
def all_actions_of_logits(
    term: _Term,
    logits: ArrayLike,
    *,
    offsets: ArrayLike | None = None,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> _Pass: ...
def all_actions_of_table(
    term: _Term,
    table: ArrayLike,
    states: ArrayLike,
    *,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> _Pass: ...
def all_actions_of_features(
    term: _Term,
    features: ArrayLike,
    coef: ArrayLike,
    *,
    entropy_coef: _Number | NDArray[Any] = 0.0,
    statistics: bool = True,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> _Pass: ...
def fisher_vector_product(
    features: ArrayLike,
    coef: ArrayLike,
    vector: ArrayLike,
    *,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> NDArray[Any]: ...
def fisher_product_of_probabilities(
    features: ArrayLike,
    probabilities: ArrayLike,
    vector: ArrayLike,
    *,
    valid: ArrayLike | None = None,
) -> NDArray[Any]: ...
def segment_derivatives(
    objective: str,
    log_prob: ArrayLike,
    numbers: tuple[ArrayLike, ...],
    options: tuple[Any, ...],
    offsets: ArrayLike,
    mean: bool,
    row_clip: Any,
    *,
    valid: ArrayLike | None = None,
) -> tuple[NDArray[Any], NDArray[Any], tuple[NDArray[Any], ...], tuple[float, ...]]: ...
def get_num_threads() -> int: ...
def set_num_threads(num_threads: SupportsIndex | None) -> None: ...
def set_thread_local_num_threads(num_threads: SupportsIndex | None) -> int | None: ...
def set_worker_process(is_worker: bool) -> None: ...
def num_threads_reason() -> str: ...
def region_counts() -> tuple[int, int]: ...
def share_again() -> None: ...
def version() -> str: ...
def compiler() -> str: ...
def openmp() -> int: ...
def available_isas() -> tuple[str, ...]: ...
def current_isa() -> str: ...
def discounted_returns(
    rewards: NDArray[_Float],
    next_values: NDArray[_Float] | None,
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
) -> NDArray[_Float]: ...
def lambda_returns(
    rewards: NDArray[_Float],
    next_values: NDArray[_Float],
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
    lambda_: SupportsFloat,
) -> NDArray[_Float]: ...
def n_step_returns(
    rewards: NDArray[_Float],
    next_values: NDArray[_Float],
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
    n: SupportsIndex,
) -> NDArray[_Float]: ...
def gae(
    rewards: NDArray[_Float],
    values: NDArray[_Float],
    next_values: NDArray[_Float],
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
    gae_lambda: SupportsFloat,
) -> NDArray[_Float]: ...
def vtrace(
    rewards: NDArray[_Float],
    values: NDArray[_Float],
    next_values: NDArray[_Float],
    log_ratio: NDArray[_Float],
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
    lambda_: SupportsFloat,
    clip_rho: SupportsFloat,
    clip_c: SupportsFloat,
    clip_pg_rho: SupportsFloat,
    alpha: SupportsFloat,
    lambda_in_advantages: bool,
) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
def retrace(
    rewards: NDArray[_Float],
    action_values: NDArray[_Float],
    next_values: NDArray[_Float],
    log_ratio: NDArray[_Float] | None,
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
    lambda_: SupportsFloat,
    clip: SupportsFloat,
    log_ratio_name: str,
) -> NDArray[_Float]: ...
def upgo(
    rewards: NDArray[_Float],
    values: NDArray[_Float],
    next_values: NDArray[_Float],
    terminated: NDArray[np.bool_] | None,
    truncated: NDArray[np.bool_] | None,
    valid: NDArray[np.bool_] | None,
    axis: SupportsIndex,
    discount: SupportsFloat,
) -> NDArray[_Float]: ...
def moments(groups: NDArray[_Float]) -> NDArray[np.float64]: ...
def standardize(
    groups: NDArray[_Float],
    moments: NDArray[np.float64],
    factors: NDArray[np.float64],
    *,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]: ...
def score_gradient_statistics(
    logits: NDArray[_Float],
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: SupportsFloat = 0.0,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> tuple[NDArray[_Float], float, float]: ...
def tabular_gradient_statistics(
    table: NDArray[_Float],
    states: ArrayLike,
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: SupportsFloat = 0.0,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> tuple[NDArray[_Float], float, float]: ...
def linear_gradient_statistics(
    features: NDArray[_Float],
    coef: NDArray[_Float],
    actions: ArrayLike,
    weights: ArrayLike,
    *,
    entropy_coef: SupportsFloat = 0.0,
    where: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> tuple[NDArray[_Float], float, float]: ...
