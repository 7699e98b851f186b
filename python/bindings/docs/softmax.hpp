#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* log_softmax =
R"(log_softmax(logits, *, axis=-1, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Logarithm of the softmax.

Parameters
----------
)" SCOREFN_DOC_LOGITS SCOREFN_DOC_AXIS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
SCOREFN_DOC_OUT_LIKE("logits") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape and dtype of `logits`
    -inf where an action is not allowed. NaN throughout a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES
R"(
Notes
-----
log pi_j = z_j - log sum_k exp(z_k), computed from the differences to the largest logit [1]_. Accurate to
4 units in the last place for float32 and 8 for float64, also where it is close to 0.

References
----------
.. [1] Blanchard, Higham & Higham (2021), "Accurately computing the log-sum-exp and softmax functions",
       IMA Journal of Numerical Analysis 41(4).

Examples
--------
>>> import scorefn
>>> scorefn.log_softmax([0.0, 0.0]).round(4)
array([-0.6931, -0.6931])
)";

inline constexpr const char* softmax =
R"(softmax(logits, *, axis=-1, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Probabilities of the actions.

Parameters
----------
)" SCOREFN_DOC_LOGITS SCOREFN_DOC_AXIS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
SCOREFN_DOC_OUT_LIKE("logits") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape and dtype of `logits`
    0 where an action is not allowed. NaN throughout a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES
R"(
Notes
-----
pi_j = exp(z_j) / sum_k exp(z_k), computed from the differences to the largest logit [1]_. Accurate to
4 units in the last place for float32 and 8 for float64.

References
----------
.. [1] Blanchard, Higham & Higham (2021), "Accurately computing the log-sum-exp and softmax functions",
       IMA Journal of Numerical Analysis 41(4).

Examples
--------
>>> import scorefn
>>> scorefn.softmax([0.0, 0.0, 5.0], where=[True, True, False])
array([0.5, 0.5, 0. ])
)";

inline constexpr const char* logsumexp =
R"(logsumexp(logits, *, axis=-1, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Logarithm of the sum of the exponentials, the normaliser of the softmax.

Parameters
----------
)" SCOREFN_DOC_LOGITS SCOREFN_DOC_AXIS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
R"(out : array of the dtype of `logits`, or float32 for half precision, and of their shape without `axis`, optional
    Where to write the result. Left as it was if the call fails; Ctrl-C may leave it written in part.
)" SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the dtype of `logits` and of their shape without `axis`, or a scalar
    NaN for a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES
R"(
Notes
-----
log sum_k exp(z_k) = m + log sum_k exp(z_k - m) with m the largest logit [1]_. If all logits of a row are -inf,
this is an error, whereas SciPy gives -inf: the row is not a distribution.

References
----------
.. [1] Blanchard, Higham & Higham (2021), "Accurately computing the log-sum-exp and softmax functions",
       IMA Journal of Numerical Analysis 41(4).

Examples
--------
>>> import scorefn
>>> float(scorefn.logsumexp([1000.0, 1000.0]).round(4))  # 1000 + log 2
1000.6931
)";

}  // namespace scorefn::python::docs
