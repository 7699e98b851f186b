// Docstrings of products with the Fisher matrix.
#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* fisher_vector_product =
R"(fisher_vector_product(features, coef, vector, *, where=None, valid=None)
--

The product of the Fisher matrix of a linear policy and a vector, times the number of samples.

Parameters
----------
features : (..., num_features) array of float32 or float64
    One row per observation.
coef : (num_features, num_actions) array of the dtype of `features`
    The coefficients.
vector : array of the shape and dtype of `coef`
    What is multiplied.
where : bool array, optional
    True where an action is allowed.
valid : bool array, optional
    True where an observation counts.

Returns
-------
array of the shape and dtype of `coef`
    sum_i x_i (pi_i * (t_i - pi_i . t_i)), with t_i = x_i @ vector. No (samples, num_actions) array is made.

Raises
------
)" SCOREFN_DOC_RAISES R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x, coef, vector = np.array([[2.0]]), np.zeros((1, 2)), np.array([[0.0, 1.0]])
>>> _core.fisher_vector_product(x, coef, vector)
array([[-1.,  1.]])
)";

inline constexpr const char* fisher_product_of_probabilities =
R"(fisher_product_of_probabilities(features, probabilities, vector, *, valid=None)
--

The same from the probabilities of the actions, which are 0 where an action is forbidden.

Parameters
----------
features : (..., num_features) array of float32 or float64
    One row per observation.
probabilities : (..., num_actions) array of the dtype of `features`
    One row per observation.
vector : (num_features, num_actions) array of the dtype of `features`
    What is multiplied.
valid : bool array, optional
    True where an observation counts.

Returns
-------
array of the shape and dtype of `vector`
    As `fisher_vector_product` has it.

Raises
------
TypeError
    An argument of the wrong kind or dtype.
ValueError
    A wrong shape.

Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x, p, vector = np.array([[2.0]]), np.full((1, 2), 0.5), np.array([[0.0, 1.0]])
>>> _core.fisher_product_of_probabilities(x, p, vector)
array([[-1.,  1.]])
)";

}  // namespace scorefn::python::docs
