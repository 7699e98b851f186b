#pragma once

namespace scorefn::python::docs {

#define SCOREFN_DOC_RAISES_STEPS                                  \
    "TypeError\n"                                                 \
    "    An argument of the wrong kind or dtype.\n"               \
    "ValueError\n"                                                \
    "    A wrong shape, or a number that counts and is not finite.\n"

#define SCOREFN_DOC_STEPS \
    "terminated : (T, ...) bool array or None\n" \
    "    Whether the episode terminated with step t; None: never.\n" \
    "truncated : (T, ...) bool array or None\n" \
    "    Whether the episode was truncated at step t; None: never.\n" \
    "valid : (T, ...) bool array or None\n" \
    "    Whether step t counts; None: all do.\n" \
    "axis : int\n" \
    "    The axis of time, from 0 on. The shapes here are those with axis 0.\n" \
    "discount : float\n" \
    "    The discount factor (gamma), from 0 to 1.\n"

inline constexpr const char* discounted_returns =
R"(discounted_returns(rewards, next_values, terminated, truncated, valid, axis, discount)
--

The scan of `scorefn.discounted_returns`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
next_values : array of the shape and dtype of `rewards`, or None
    What follows a truncated step and the last one; None: 0.
)" SCOREFN_DOC_STEPS R"(
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
>>> _core.discounted_returns(np.array([1.0, 2.0, 4.0]), None, None, None, None, 0, 0.5)
array([3., 4., 4.])
)";

inline constexpr const char* lambda_returns =
R"(lambda_returns(rewards, next_values, terminated, truncated, valid, axis, discount, lambda_)
--

The scan of `scorefn.lambda_returns`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
next_values : array of the shape and dtype of `rewards`
    The value of the observation after step t.
)" SCOREFN_DOC_STEPS R"(lambda_ : float
    From 0 to 1.

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
>>> _core.lambda_returns(ones, ones, None, None, None, 0, 0.5, 0.5)
array([1.625, 1.5  ])
)";

inline constexpr const char* n_step_returns =
R"(n_step_returns(rewards, next_values, terminated, truncated, valid, axis, discount, n)
--

The scan of `scorefn.n_step_returns`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
next_values : array of the shape and dtype of `rewards`
    The value of the observation after step t.
)" SCOREFN_DOC_STEPS R"(n : int
    The number of steps.

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
>>> _core.n_step_returns(np.ones(3), np.zeros(3), None, None, None, 0, 0.5, 2)
array([1.5, 1.5, 1. ])
)";

inline constexpr const char* gae =
R"(gae(rewards, values, next_values, terminated, truncated, valid, axis, discount, gae_lambda)
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
)" SCOREFN_DOC_STEPS R"(gae_lambda : float
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
>>> _core.gae(ones, ones, ones, None, None, None, 0, 0.5, 1.0)
array([0.75, 0.5 ])
)";

inline constexpr const char* vtrace =
R"(vtrace(rewards, values, next_values, log_ratio, terminated, truncated, valid, axis, discount, lambda_, clip_rho, clip_c, clip_pg_rho, alpha, lambda_in_advantages)
--

The scan of `scorefn.vtrace`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
values : array of the shape and dtype of `rewards`
    The value of the observation of step t.
next_values : array of the shape and dtype of `rewards`
    The value of the observation after step t.
log_ratio : array of the shape and dtype of `rewards`
    log pi(a) - log mu(a) of each action.
)" SCOREFN_DOC_STEPS R"(lambda_ : float
    From 0 to 1.
clip_rho : float
    The largest weight of a step's error.
clip_c : float
    The largest factor of the trace, before lambda.
clip_pg_rho : float
    The largest weight of an advantage.
alpha : float
    How much of the weights is clipped, from 0 to 1.
lambda_in_advantages : bool
    Whether advantages use lambda.

Returns
-------
targets and advantages : arrays of the shape and dtype of `rewards`

Raises
------
)" SCOREFN_DOC_RAISES_STEPS R"(
Examples
--------
>>> import numpy as np
>>> from scorefn import _core
>>> ones, zeros = np.ones(2), np.zeros(2)
>>> _core.vtrace(ones, ones, ones, zeros, None, None, None, 0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, False)
(array([1.75, 1.5 ]), array([0.75, 0.5 ]))
)";

inline constexpr const char* retrace =
R"(retrace(rewards, action_values, next_values, log_ratio, terminated, truncated, valid, axis, discount, lambda_, clip, log_ratio_name)
--

The scan of `scorefn.retrace`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
action_values : array of the shape and dtype of `rewards`
    The value of the action of step t.
next_values : array of the shape and dtype of `rewards`
    The expected action value of the observation after step t.
log_ratio : array of the shape and dtype of `rewards`, or None
    log pi(a) - log mu(a) of each action.
)" SCOREFN_DOC_STEPS R"(lambda_ : float
    From 0 to 1.
clip : float
    The largest factor of the trace, before lambda.
log_ratio_name : str
    What errors call `log_ratio`.

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
>>> _core.retrace(ones, ones, ones, None, None, None, None, 0, 0.5, 1.0, 1.0, "log_ratio")
array([1.75, 1.5 ])
)";

inline constexpr const char* upgo =
R"(upgo(rewards, values, next_values, terminated, truncated, valid, axis, discount)
--

The scan of `scorefn.upgo`, for arrays that have been checked.

Parameters
----------
rewards : (T, ...) array of float32 or float64
    One reward per step.
values : array of the shape and dtype of `rewards`
    The value of the observation of step t.
next_values : array of the shape and dtype of `rewards`
    The value of the observation after step t.
)" SCOREFN_DOC_STEPS R"(
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
>>> _core.upgo(ones, ones, ones, None, None, None, 0, 0.5)
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
