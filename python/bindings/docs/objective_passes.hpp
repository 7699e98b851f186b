// Docstrings of the passes that scorefn.objectives is made of.
#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* declarations =
    R"(objective_declarations()
--

The objectives that the core declares.

Returns
-------
tuple
    For each its name, summary and details, then its numbers per sample, options, results per sample, and means over
    samples: pairs of a name and what it says. An option also has its default as a pair, the least and greatest value, whether it
    must be greater than the least one, that in words, whether it is a pair, and the names that it may be.

Examples
--------
>>> from scorefn import _core
>>> [name for name, *_ in _core.objective_declarations()][:2]
['WeightedLogProb', 'ClippedSurrogate']
)";

#define SCOREFN_DOC_TERMS                                                           \
    "numbers : tuple of arrays\n"                                                   \
    "    One number per sample each, in the order of the declaration.\n"            \
    "options : tuple of float and of pairs of float\n"                               \
    "    In the order of the declaration; of a name, its place among the choices.\n"

#define SCOREFN_DOC_PASS                                                                     \
    "\nReturns\n-------\n"                                                                   \
    "gradient, log_prob, entropy : arrays\n"                                                 \
    "    The gradient is a sum over the samples; the others have one number per sample.\n"   \
    "term : array or None\n"                                                                 \
    "    The term's divergence or expected value of each sample.\n"                          \
    "rows, sums : tuple of arrays, tuple of float\n"                                         \
    "    In the order of the declaration. The first sum has the entropy bonus.\n"            \
    "\nRaises\n------\n"                                                                     \
    "TypeError, ValueError, IndexError\n"                                                    \
    "    As `scorefn.clipped_surrogate`.\n"

#define SCOREFN_DOC_PASS_OPTIONS                                 \
    "entropy_coef : float or array\n    Weight of the entropies, or of each.\n" \
    "term : tuple, optional\n"                                    \
    "    An objective over all actions that is added, as `all_actions_of_logits` takes it.\n" \
    "statistics : bool\n    False: log_prob, entropy, term and rows are None or empty, and cost nothing.\n" \
    "where : bool array, optional\n    Allowed actions (True).\n" \
    "valid : bool array, optional\n    Samples that count (True).\n"

inline constexpr const char* rows_pass =
    R"(objective_of_logits(objective, logits, actions, numbers, options, *, entropy_coef=0.0, term=None, statistics=True, where=None, valid=None, offsets=None)
--

One pass of an objective over rows of logits.

Parameters
----------
objective : str
logits : (..., num_actions) array
actions : (...) integer array
)" SCOREFN_DOC_TERMS SCOREFN_DOC_PASS_OPTIONS R"(offsets : (num_rows + 1,) integer array, optional
    Of ragged rows, whose logits are flat.
)" SCOREFN_DOC_PASS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> _core.objective_of_logits("WeightedLogProb", np.zeros((1, 2)), [0], ([2.0],), ())[0]
array([[ 1., -1.]])
)";

inline constexpr const char* table_pass =
    R"(objective_of_table(objective, table, states, actions, numbers, options, *, entropy_coef=0.0, term=None, statistics=True, where=None, valid=None)
--

The same with respect to a table of logits.

Parameters
----------
objective : str
table : (num_states, num_actions) array
states : (...) integer array
actions : (...) or (..., num_samples) integer array
    Several samples per state have one more axis.
)" SCOREFN_DOC_TERMS SCOREFN_DOC_PASS_OPTIONS SCOREFN_DOC_PASS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> _core.objective_of_table("WeightedLogProb", np.zeros((2, 2)), [1], [0], ([2.0],), ())[0]
array([[ 0.,  0.],
       [ 1., -1.]])
)";

inline constexpr const char* linear_pass =
    R"(objective_of_features(objective, features, coef, actions, numbers, options, *, entropy_coef=0.0, term=None, statistics=True, where=None, valid=None)
--

The same with respect to the coefficients of a linear policy.

Parameters
----------
objective : str
features : (..., num_features) array
coef : (num_features, num_actions) array
actions : (...) integer array
)" SCOREFN_DOC_TERMS SCOREFN_DOC_PASS_OPTIONS SCOREFN_DOC_PASS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x = np.array([[3.0]])
>>> _core.objective_of_features("WeightedLogProb", x, np.zeros((1, 2)), [0], ([2.0],), ())[0]
array([[ 3., -3.]])
)";

}  // namespace scorefn::python::docs
