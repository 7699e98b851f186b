#pragma once

namespace scorefn::python::docs {

#define SCOREFN_DOC_RAISES_STEPS                                  \
    "TypeError\n"                                                 \
    "    An argument of the wrong kind or dtype.\n"               \
    "ValueError\n"                                                \
    "    A wrong shape, or a number that counts and is not finite.\n"

inline constexpr const char* discounted_returns =
R"(discounted_returns(rewards, next_values, terminated, truncated, valid, discount)
--

The scan of `scorefn.discounted_returns`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
next_values : array of the shape and dtype of `rewards`, or None
    What follows a truncated step and the last one; None: 0.
terminated : (T, ...) bool array or None
    Whether the episode terminated with step t; None: never.
truncated : (T, ...) bool array or None
    Whether the episode was truncated at step t; None: never.
valid : (T, ...) bool array or None
    Whether step t counts; None: all do.
discount : float
    The discount factor (gamma), from 0 to 1.

Returns
-------
array of the shape and dtype of `rewards`

Raises
------
)" SCOREFN_DOC_RAISES_STEPS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> _core.discounted_returns(np.array([1.0, 2.0, 4.0]), None, None, None, None, 0.5)
array([3., 4., 4.])
)";

inline constexpr const char* gae =
R"(gae(rewards, values, next_values, terminated, truncated, valid, discount, gae_lambda)
--

The scan of `scorefn.gae`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
values : array of the shape and dtype of `rewards`
    The value of the observation of step t.
next_values : array of the shape and dtype of `rewards`
    The value of the observation after step t.
terminated : (T, ...) bool array or None
    Whether the episode terminated with step t; None: never.
truncated : (T, ...) bool array or None
    Whether the episode was truncated at step t; None: never.
valid : (T, ...) bool array or None
    Whether step t counts; None: all do.
discount : float
    The discount factor (gamma), from 0 to 1.
gae_lambda : float
    The GAE lambda, from 0 to 1.

Returns
-------
array of the shape and dtype of `rewards`

Raises
------
)" SCOREFN_DOC_RAISES_STEPS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> ones = np.ones(2)
>>> _core.gae(ones, ones, ones, None, None, None, 0.5, 1.0)
array([0.75, 0.5 ])
)";

inline constexpr const char* moments =
R"(moments(groups)
--

Mean, spread and extremes of each group of numbers.

The mean and the spread are in units of `unit`, a power of 2. It is 1 unless squares overflow or underflow.

Parameters
----------
groups : (groups, samples) float32 or float64 array
    A group per row, of at least one number.

Returns
-------
(groups, 6) float64 array
    The columns are unit, pivot = groups[:, 0] / unit, the mean of groups / unit - pivot, the root of the
    sum of the squared deviations from it, the least and the greatest number. NaN if a number is not finite.

Raises
------
TypeError
    Numbers of another dtype.
ValueError
    A wrong shape, or groups of no numbers.

Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> _core.moments(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]))[0, :3]
array([1., 1., 2.])
)";

inline constexpr const char* standardize =
R"(standardize(groups, moments, factors, *, out=None)
--

Center and scale each group of numbers by its moments.

The result is factors * (groups / unit - pivot - mean), and exactly 0 where the factor is 0.

Parameters
----------
groups : (groups, samples) float32 or float64 array
    A group per row.
moments : (groups, 6) float64 array
    What `moments` returns.
factors : (groups, 1) float64 array
    One factor per group.
out : (groups, samples) float64 array, optional
    Where the result goes; may be `groups`.

Returns
-------
(groups, samples) float64 array

Raises
------
TypeError
    Numbers of another dtype.
ValueError
    A wrong shape, or groups of no numbers.

Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> x = np.array([[1.0, 2.0, 6.0]])
>>> _core.standardize(x, _core.moments(x), np.array([[0.5]]))
array([[-1. , -0.5,  1.5]])
)";

}  // namespace scorefn::python::docs
