"""Readable NumPy reference implementations (float64), the ground truth in the tests.

They take the arguments of their namesakes (without ``out``, ``accumulate``, ``num_threads`` and
``axis``), keep the same conventions for ``-inf``, masks and NaN, and return float64. For float32
logits each result has an error of a few float64 roundings, so it can check float32 results to the
last bit. For float64 logits a probability may be off by |z - max z| ULP, because z - max z is
rounded: check float64 results with more digits (mpmath).

A row with a NaN or +inf in an allowed slot is NaN throughout, and `sample` refuses it. A masked or
``-inf`` slot of any other row has log-probability -inf, probability 0 and gradient exactly 0.

`ulp_error` and `central_difference` help to test your own code, and `exact_expectation` and
`variance` your own estimator, on a small `Bandit` or on `Episodes`: see `scorefn.testing.lab`.
"""

from .all_actions import all_action_gradient
from .baselines import advantages, normalize, sequence_weights
from .checks import central_difference, ulp_error
from .credit import (
    discounted_returns,
    gae,
    lambda_returns,
    n_step_returns,
    q_lambda,
    retrace,
    tree_backup,
    upgo,
    vtrace,
)
from .fisher import fisher_matrix, fisher_vector_product, natural_gradient
from .functions import entropy, kl_divergence, log_prob, log_softmax, logsumexp, softmax
from .gradients import linear_gradient, score, score_gradient, tabular_gradient
from .lab import (
    Bandit,
    Episodes,
    ExactMoments,
    Problem,
    SampledMoments,
    Samples,
    Steps,
    exact_expectation,
    exact_moments,
    sampled_moments,
    variance,
)
from .objectives import clipped_surrogate, objective_gradient, policy_gradient
from .off_policy import off_policy_value
from .random import philox4x32, philox_uniforms, sample
from .squared_scores import (
    coordinate_baseline_gradient,
    squared_score_norms,
    squared_score_sums,
)

__all__ = [
    "Bandit",
    "Episodes",
    "ExactMoments",
    "Problem",
    "SampledMoments",
    "Samples",
    "Steps",
    "advantages",
    "all_action_gradient",
    "central_difference",
    "clipped_surrogate",
    "coordinate_baseline_gradient",
    "discounted_returns",
    "entropy",
    "exact_expectation",
    "exact_moments",
    "fisher_matrix",
    "fisher_vector_product",
    "gae",
    "kl_divergence",
    "lambda_returns",
    "linear_gradient",
    "log_prob",
    "log_softmax",
    "logsumexp",
    "n_step_returns",
    "natural_gradient",
    "normalize",
    "objective_gradient",
    "off_policy_value",
    "philox4x32",
    "philox_uniforms",
    "policy_gradient",
    "q_lambda",
    "retrace",
    "sample",
    "sampled_moments",
    "score",
    "score_gradient",
    "sequence_weights",
    "softmax",
    "squared_score_norms",
    "squared_score_sums",
    "tabular_gradient",
    "tree_backup",
    "ulp_error",
    "upgo",
    "variance",
    "vtrace",
]
