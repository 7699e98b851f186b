#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* log_prob =
R"(log_prob(logits, actions, *, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Log-probabilities of actions: one per row, or several.

Parameters
----------
)" SCOREFN_DOC_LOGITS
SCOREFN_DOC_ACTIONS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
R"(out : array of the shape of `actions` and the dtype of `logits`, or float32 for half precision, optional
    Where to write the result. Left as it was if the call fails; Ctrl-C may leave it written in part.
)" SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape of `actions` and the dtype of `logits`, or a scalar
    -inf for an action that is not allowed. NaN for a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
log pi(a) = z_a - log sum_k exp(z_k), without the array that `log_softmax` would fill. The result keeps
its relative accuracy close to 0, where an action dominates: it is computed as -log1p of the other terms.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> scorefn.log_prob(np.zeros((2, 4)), [0, 3]).round(4)  # log 1/4
array([-1.3863, -1.3863])
>>> actions, log_prob = scorefn.sample(np.zeros((2, 4)), num_samples=3, rng=0)
>>> bool((scorefn.log_prob(np.zeros((2, 4)), actions) == log_prob).all())
True
)";

inline constexpr const char* entropy =
R"(entropy(logits, *, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Entropy of each row, in nats.

Parameters
----------
)" SCOREFN_DOC_LOGITS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS SCOREFN_DOC_OUT_ROWS SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
(...) array of the dtype of `logits`, or a scalar
    From 0 to log num_actions. NaN for a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES
R"(
Notes
-----
H(pi) = -sum_j pi_j log pi_j [1]_, with 0 log 0 = 0.

References
----------
.. [1] Shannon (1948), "A mathematical theory of communication", Bell System Technical Journal 27(3).

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> scorefn.entropy(np.array([[0.0, 0.0], [0.0, -np.inf]])).round(4)  # log 2, and a sure action
array([0.6931, 0.    ])
)";

inline constexpr const char* kl_divergence =
R"(kl_divergence(logits_p, logits_q, *, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Kullback-Leibler divergence KL(p || q) of each row, in nats.

Parameters
----------
logits_p : (..., num_actions) array of float16, bfloat16, float32 or float64
    Unnormalised log-probabilities, any number of leading axes. -inf forbids an action.
)" SCOREFN_DOC_HALF
R"(logits_q : array of the shape and dtype of `logits_p`
)" SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS SCOREFN_DOC_OUT_ROWS SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
(...) array of the dtype of `logits_p`, or a scalar
    +inf where q forbids an action that p takes. NaN for a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES
R"(
Notes
-----
KL(p || q) = sum_j p_j (log p_j - log q_j) [1]_, with 0 log 0 = 0.

References
----------
.. [1] Kullback & Leibler (1951), "On information and sufficiency", Annals of Mathematical Statistics 22(1).

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> float(scorefn.kl_divergence(np.log([0.5, 0.5]), np.log([0.25, 0.75])).round(4))
0.1438
)";

}  // namespace scorefn::python::docs
