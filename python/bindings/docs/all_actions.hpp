// Docstrings of the passes of objectives over all actions.
#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* all_action_declarations =
    R"(all_action_declarations()
--

The objectives over all actions that the core declares.

Returns
-------
tuple
    For each its name, summary and details; the name of its matrix and what that says; and its option, as in
    `objective_declarations`, or None.

Examples
--------
>>> from scorefn import _core
>>> [name for name, *_ in _core.all_action_declarations()][:2]
['ExpectedReward', 'CrossEntropy']
)";

#define SCOREFN_DOC_ALL_ACTIONS                                                                             \
    "entropy_coef : float or array\n    Weight of the entropies, or of each.\n"                             \
    "statistics : bool\n    False: entropy and values are None, and cost nothing.\n"                        \
    "where : bool array, optional\n    Allowed actions (True).\n"                                           \
    "valid : bool array, optional\n    Samples that count (True).\n"                                        \
    "\nReturns\n-------\n"                                                                                  \
    "gradient : array\n    A sum over the samples.\n"                                                       \
    "log_prob : None\n"                                                                                     \
    "entropy, values : arrays\n"                                                                            \
    "    One number per sample; the value is without its weight, and that of a penalty is the divergence.\n" \
    "rows, sums : tuples\n    Empty, and the objective.\n"                                                  \
    "\nRaises\n------\n"                                                                                    \
    "TypeError, ValueError, IndexError\n"                                                                   \
    "    As `scorefn.policy_gradient`; targets that are no distributions over the allowed actions.\n"

#define SCOREFN_DOC_TERM                                                                                       \
    "term : tuple\n"                                                                                           \
    "    The declared name; the name of the weights, and these, a float or an array; the matrix, shaped like\n" \
    "    the logits or the table; whether that is instead the parameters of a policy of the same kind; and the\n" \
    "    option, or 0.\n"

inline constexpr const char* rows_pass_of_all_actions =
    R"(all_actions_of_logits(term, logits, *, offsets=None, entropy_coef=0.0, statistics=True, where=None, valid=None)
--

One pass of an objective over all actions of rows of logits.

Parameters
----------
)" SCOREFN_DOC_TERM R"(logits : (..., num_actions) array
offsets : (num_rows + 1,) integer array, optional
    Of ragged rows, whose logits are flat.
)" SCOREFN_DOC_ALL_ACTIONS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> q = np.array([[1.0, 3.0]])
>>> _core.all_actions_of_logits(("ExpectedReward", "weights", 1.0, q, False, 0.0), np.zeros((1, 2)))[0]
array([[-0.5,  0.5]])
)";

inline constexpr const char* table_pass_of_all_actions =
    R"(all_actions_of_table(term, table, states, *, entropy_coef=0.0, statistics=True, where=None, valid=None)
--

The same with respect to a table of logits.

Parameters
----------
)" SCOREFN_DOC_TERM R"(table : (num_states, num_actions) array
states : (...) integer array
)" SCOREFN_DOC_ALL_ACTIONS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> q = np.array([[1.0, 3.0], [0.0, 8.0]])
>>> _core.all_actions_of_table(("ExpectedReward", "weights", 1.0, q, False, 0.0), np.zeros((2, 2)), [1])[0]
array([[ 0.,  0.],
       [-2.,  2.]])
)";

inline constexpr const char* linear_pass_of_all_actions =
    R"(all_actions_of_features(term, features, coef, *, entropy_coef=0.0, statistics=True, where=None, valid=None)
--

The same with respect to the coefficients of a linear policy.

Parameters
----------
)" SCOREFN_DOC_TERM R"(features : (..., num_features) array
coef : (num_features, num_actions) array
)" SCOREFN_DOC_ALL_ACTIONS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x, q = np.array([[3.0]]), np.array([[1.0, 3.0]])
>>> _core.all_actions_of_features(("ExpectedReward", "weights", 1.0, q, False, 0.0), x, np.zeros((1, 2)))[0]
array([[-1.5,  1.5]])
)";

}  // namespace scorefn::python::docs
