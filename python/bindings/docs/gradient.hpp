#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* score =
R"(score(logits, actions, *, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Score function: the gradient of log pi(action) with respect to the logits.

Parameters
----------
)" SCOREFN_DOC_LOGITS
SCOREFN_DOC_ACTIONS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
R"(out : array of the shape of the result and the dtype of `logits`, or float32 for half precision, optional
    Where to write the result; may be `logits` itself if it has its shape. Left as it was if the call fails;
    Ctrl-C may leave it written in part.
)" SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the dtype of `logits`, shape (..., num_actions) or (..., num_samples, num_actions)
    One row per sample. 0 where an action is not allowed. NaN throughout a row with a NaN or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
d log pi(a) / dz_j = 1[j = a] - pi_j [1]_.

References
----------
.. [1] Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
       learning", Machine Learning 8.

Examples
--------
>>> import scorefn
>>> scorefn.score([0.0, 0.0], 0)
array([ 0.5, -0.5])
)";

inline constexpr const char* score_gradient =
R"(score_gradient(logits, actions, weights, *, entropy_coef=0.0, accumulate=False, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Score-function (REINFORCE) gradient with respect to the logits.

Logits of shape (..., num_actions) give one gradient per row, summed over the samples of the row. A single row
of logits, (num_actions,), is shared by all samples.

Parameters
----------
)" SCOREFN_DOC_LOGITS
R"(actions : (...) or (..., num_samples) array of any integer dtype
    From 0 to num_actions - 1. One action per row, or several per row on an axis at the end, as `sample` draws
    them. If `logits` is a single row, `actions` may have any shape.
weights : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Cast to the dtype of `logits`; accumulated in float64 if samples share a row.
)" SCOREFN_DOC_WEIGHT_FACTOR SCOREFN_DOC_GRADIENT_OPTIONS SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
SCOREFN_DOC_OUT_LIKE("logits") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape and dtype of `logits`
    The ascent direction; a sum, not a mean. 0 where an action is not allowed. NaN throughout a row with a NaN
    or +inf in an allowed slot.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
The gradient of J = sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i) [1]_ [2]_:

    dJ/dz_ij = w_i (1[j = a_i] - pi_ij) - entropy_coef pi_ij (log pi_ij + H(pi_i))

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
>>> scorefn.score_gradient(np.zeros((2, 2)), actions=[0, 1], weights=[2.0, 4.0])
array([[ 1., -1.],
       [-2.,  2.]])
>>> scorefn.score_gradient(np.zeros(2), actions=[0, 1], weights=[2.0, 4.0])
array([-1.,  1.])
)";

inline constexpr const char* tabular_gradient =
R"(tabular_gradient(table, states, actions, weights, *, entropy_coef=0.0, accumulate=False, where=None, valid=None, out=None, num_threads=None)
--

Score-function (REINFORCE) gradient with respect to a table of logits, one row per state.

Parameters
----------
table : (num_states, num_actions) array of float16, bfloat16, float32 or float64
    Sample i has the logits ``table[states[i]]``. -inf forbids an action.
)" SCOREFN_DOC_HALF
R"(states : (...) array of any integer dtype
    From 0 to num_states - 1, in any order. A state may occur any number of times.
)" SCOREFN_DOC_ACTIONS
R"(weights : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Accumulated in float64 for each state.
)" SCOREFN_DOC_WEIGHT_FACTOR SCOREFN_DOC_GRADIENT_OPTIONS
R"(where : array of bool, or of int8 or uint8 of 0 and 1, optional
    True where an action is allowed. The shape is that of `table`, or (num_actions,) if all states share the
    mask. The logits of other actions are never used.
)" SCOREFN_DOC_VALID SCOREFN_DOC_OUT_LIKE("table") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape and dtype of `table`
    The ascent direction; a sum over samples, not a mean. 0 in the rows of states that no sample visits.

Raises
------
TypeError
    An argument of the wrong kind or dtype.
ValueError
    A wrong shape or value, or a visited state without an allowed action.
)" SCOREFN_DOC_RAISES_INDEX("States or actions")
R"(
Notes
-----
With z_i = table[s_i], this is the gradient of J = sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i) [1]_.
Each sample's row (see `score_gradient`) is added to the row of its state. No (samples, num_actions) array is
made.

References
----------
.. [1] Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
       learning", Machine Learning 8.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> scorefn.tabular_gradient(np.zeros((2, 2)), states=[0, 0], actions=[0, 1], weights=[2.0, 4.0])
array([[-1.,  1.],
       [ 0.,  0.]])
)";

inline constexpr const char* linear_gradient =
R"(linear_gradient(features, coef, actions, weights, *, entropy_coef=0.0, accumulate=False, where=None, valid=None, out=None, num_threads=None)
--

Score-function (REINFORCE) gradient with respect to the coefficients of a linear policy.

Parameters
----------
features : (..., num_features) array of float16, bfloat16, float32 or float64
)" SCOREFN_DOC_HALF
R"(coef : (num_features, num_actions) array of the dtype of `features`
    The samples have the logits ``features @ coef``.
)" SCOREFN_DOC_ACTIONS
R"(weights : array of the shape of `actions`, )" SCOREFN_DOC_WEIGHTS_DTYPE R"(
    Cast to the dtype of `coef`.
)" SCOREFN_DOC_WEIGHT_FACTOR SCOREFN_DOC_GRADIENT_OPTIONS
R"(where : array of bool, or of int8 or uint8 of 0 and 1, optional
    True where an action is allowed. The shape is (..., num_actions), or (num_actions,) if all samples share the
    mask.
)" SCOREFN_DOC_VALID SCOREFN_DOC_OUT_LIKE("coef") SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
array of the shape and dtype of `coef`
    The ascent direction; a sum over samples, not a mean.

Raises
------
)" SCOREFN_DOC_RAISES SCOREFN_DOC_RAISES_INDEX("Actions")
R"(
Notes
-----
With z = features @ coef, this is the gradient of J = sum_i w_i log pi_i(a_i) + entropy_coef sum_i H(pi_i) [1]_.
It equals features.T @ dJ/dz, where dJ/dz is that of `score_gradient`. No (samples, num_actions) array is made.

References
----------
.. [1] Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
       learning", Machine Learning 8.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> features = np.array([[1.0, 2.0], [1.0, 4.0]])
>>> scorefn.linear_gradient(features, np.zeros((2, 2)), actions=[0, 1], weights=[1.0, 1.0])
array([[ 0.,  0.],
       [-1.,  1.]])
)";

// For the policies: gradients with their statistics.

#define SCOREFN_DOC_STATISTICS                                                                \
    "weights : array of the shape of `actions`, float32, float64 or integers\n"               \
    "    The factor of each sample.\n"                                                        \
    "entropy_coef : float, default 0.0\n"                                                     \
    "    Adds `entropy_coef` times the sum of the entropies to the objective.\n"              \
    "where : bool array, optional\n"                                                          \
    "    True where an action is allowed, as the gradient takes it.\n"                        \
    "valid : bool array, optional\n"                                                         \
    "    True where a sample counts.\n"                                                      \
    "\n"                                                                                      \
    "Returns\n"                                                                               \
    "-------\n"                                                                               \
    "(gradient, float, float)\n"                                                              \
    "    What the gradient's function returns, the sum of the entropies over the samples, and\n" \
    "    the square root of the sum of the squared norms of the samples' gradients.\n"        \
    "\n"                                                                                      \
    "Raises\n"                                                                                \
    "------\n" SCOREFN_DOC_RAISES                                                             \
    "    Or an action of probability 0 whose weight is not 0.\n" SCOREFN_DOC_RAISES_INDEX("Actions or states")

inline constexpr const char* score_gradient_statistics =
R"(score_gradient_statistics(logits, actions, weights, *, entropy_coef=0.0, where=None, valid=None)
--

The gradient of `scorefn.score_gradient` for one row of logits, and its statistics.

Parameters
----------
logits : (num_actions,) array of float32 or float64
    The row that all samples share.
actions : (...) array of any integer dtype
    From 0 to num_actions - 1.
)" SCOREFN_DOC_STATISTICS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> gradient, entropy, norm = _core.score_gradient_statistics(np.zeros(2), [0, 1], [1.0, 1.0])
>>> print(gradient, round(entropy, 4), round(norm, 4))
[0. 0.] 1.3863 1.0
)";

inline constexpr const char* tabular_gradient_statistics =
R"(tabular_gradient_statistics(table, states, actions, weights, *, entropy_coef=0.0, where=None, valid=None)
--

The gradient of `scorefn.tabular_gradient` and its statistics.

Parameters
----------
table : (num_states, num_actions) array of float32 or float64
    One row of logits per state.
states : (...) array of any integer dtype
    From 0 to num_states - 1.
actions : (...) array of any integer dtype
    From 0 to num_actions - 1.
)" SCOREFN_DOC_STATISTICS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> table = np.zeros((1, 2))
>>> gradient, entropy, norm = _core.tabular_gradient_statistics(table, [0, 0], [0, 1], [1.0, 1.0])
>>> print(gradient, round(entropy, 4), round(norm, 4))
[[0. 0.]] 1.3863 1.0
)";

inline constexpr const char* linear_gradient_statistics =
R"(linear_gradient_statistics(features, coef, actions, weights, *, entropy_coef=0.0, where=None, valid=None)
--

The gradient of `scorefn.linear_gradient` and its statistics.

Parameters
----------
features : (..., num_features) array of float32 or float64
    One row per observation.
coef : (num_features, num_actions) array of the dtype of `features`
    The coefficients.
actions : (...) array of any integer dtype
    From 0 to num_actions - 1.
)" SCOREFN_DOC_STATISTICS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x, coef = np.ones((2, 1)), np.zeros((1, 2))
>>> gradient, entropy, norm = _core.linear_gradient_statistics(x, coef, [0, 1], [1.0, 1.0])
>>> print(gradient, round(entropy, 4), round(norm, 4))
[[0. 0.]] 1.3863 1.0
)";

}  // namespace scorefn::python::docs
