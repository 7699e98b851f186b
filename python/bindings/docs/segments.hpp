#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* segment_derivatives =
    R"(segment_derivatives(objective, log_prob, numbers, options, offsets, mean, row_clip, *, valid=None)
--

The derivatives of an objective of decisions with respect to the log-probabilities of their rows.

Parameters
----------
objective : str
log_prob : (...) array
    One number for each row.
numbers : tuple of arrays
    In the order of the declaration: log-probabilities like `log_prob`, others with one number for each segment.
options : tuple of float and of pairs of float
    In the order of the declaration; of a name, its place among the choices.
offsets : (num_segments + 1,) integer array
mean : bool
    Whether the log-probability of a segment is the mean of those of its rows; else the sum.
row_clip : float or pair of float
    Where the log-ratio of a row is cut.
valid : (...) bool array, optional
    Rows that count (True).

Returns
-------
derivatives : (...) array
log_prob : (num_segments,) array
rows, sums : tuple of arrays, tuple of float
    Of the segments, in the order of the declaration.

Raises
------
TypeError, ValueError
    As `scorefn.clipped_surrogate`, and for offsets that do not cover the rows.

Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> _core.segment_derivatives("WeightedLogProb", np.zeros(3), ([1.0, 2.0],), (), [0, 2, 3], False, np.inf)[0]
array([1., 1., 2.])
)";

}  // namespace scorefn::python::docs
