#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* policy_gradient =
R"(policy_gradient(logits, actions, weights, *, entropy_coef=0.0, accumulate=False, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Policy-gradient objective, its gradient, and the log-probabilities and entropies, in one pass over the logits.

Parameters
----------
)" SCOREFN_DOC_LOGITS
SCOREFN_DOC_ACTIONS
R"(weights : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Cast to the dtype of `logits`.
)" SCOREFN_DOC_WEIGHT_FACTOR SCOREFN_DOC_GRADIENT_OPTIONS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
SCOREFN_DOC_OUT_LIKE("logits") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
WeightedLogProbStep
    Named tuple of ``objective`` (float), ``gradient`` (like `logits`; `out` if given), ``log_prob`` (of the
    shape of `actions`) and ``entropy`` (one number per row), in the dtype of the logits. Sums, not means; the
    gradient is the ascent direction.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
J = sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i), with the sums over the samples [1]_ [2]_. The gradient
is that of `score_gradient`. Several samples per row take memory for the logits of all samples.

References
----------
.. [1] Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
       learning", Machine Learning 8.
.. [2] Williams & Peng (1991), "Function optimization using connectionist reinforcement learning algorithms",
       Connection Science 3(3): the entropy.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> result = scorefn.policy_gradient(np.zeros((2, 2)), actions=[0, 1], weights=[2.0, 4.0])
>>> result.gradient
array([[ 1., -1.],
       [-2.,  2.]])
>>> round(result.objective, 3)  # 6 log 1/2
-4.159
)";

inline constexpr const char* clipped_surrogate =
R"(clipped_surrogate(logits, actions, old_log_prob, advantages, *, clip_range=0.2, entropy_coef=0.0, accumulate=False, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Clipped surrogate objective of PPO, its gradient, and the statistics, in one pass over the logits.

Parameters
----------
)" SCOREFN_DOC_LOGITS
SCOREFN_DOC_ACTIONS
R"(old_log_prob : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Log-probabilities of the actions under the policy that drew them, as `sample` and `log_prob` give them.
    Cast to the dtype of `logits`.
advantages : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Cast to the dtype of `logits`. An advantage of 0 adds exactly 0.
clip_range : float or (low, high), default 0.2
    Ratios are clipped to [1 - low, 1 + high]; a number is both. At least 0; inf: not clipped on that side.
)" SCOREFN_DOC_GRADIENT_OPTIONS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
SCOREFN_DOC_OUT_LIKE("logits") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
ClippedSurrogateStep
    Named tuple of ``objective`` (float, a sum), ``gradient`` (like `logits`; `out` if given), ``log_prob`` and
    ``ratio`` (of the shape of `actions`), ``entropy`` (one number per row), ``approx_kl`` and ``clip_fraction``
    (floats, means over the samples; NaN if there are none). The gradient is the ascent direction.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
With ratio r_i = pi_i(a_i) / exp(old_log_prob_i) and advantage A_i [1]_:

    J = sum_i min(r_i A_i, clip(r_i, 1 - low, 1 + high) A_i) + entropy_coef sum_i H(pi_i)

The gradient of a sample is r A times that of log pi(a); it is zero where the clipped term is the smaller.
``approx_kl`` is the mean of (r_i - 1) - log r_i [2]_. ``clip_fraction`` is the share of samples whose
ratio is outside the clip range. Several samples per row take memory for the logits of all samples.

References
----------
.. [1] Schulman, Wolski, Dhariwal, Radford & Klimov (2017), "Proximal policy optimization algorithms",
       arXiv:1707.06347, equation 7.
.. [2] Schulman (2020), "Approximating KL divergence", http://joschu.net/blog/kl-approx.html.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> result = scorefn.clipped_surrogate(np.zeros((2, 2)), [0, 1], np.log([0.5, 0.25]), [1.0, 1.0])
>>> result.ratio, result.clip_fraction
(array([1., 2.]), 0.5)
>>> result.gradient  # the ratio of the second row is clipped
array([[ 0.5, -0.5],
       [ 0. ,  0. ]])
)";

}  // namespace scorefn::python::docs
