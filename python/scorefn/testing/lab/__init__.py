"""A lab for estimators of policy gradients: their exact expectations and variances.

A problem is small enough to enumerate all that can be sampled from it: a `Bandit`, or `Episodes` of
a few steps. An author proves an estimator with it in three lines:

>>> from scorefn import Reinforce
>>> from scorefn.testing import Bandit, exact_expectation, variance
>>> problem = Bandit([0.3, -0.5, 1.0], rewards=[2.0, -1.0, 0.5], num_samples=2)
>>> bias = exact_expectation(Reinforce("leave_one_out"), problem) - problem.gradient()
>>> bool(abs(bias).max() < 1e-15), variance(Reinforce("leave_one_out"), problem).round(2)
(True, array([0.22, 0.2 , 0.25]))
"""

from .bandit import Bandit, Samples
from .episodes import Episodes, Steps
from .moments import (
    ExactMoments,
    Problem,
    SampledMoments,
    exact_expectation,
    exact_moments,
    sampled_moments,
    variance,
)

__all__ = [
    "Bandit",
    "Episodes",
    "ExactMoments",
    "Problem",
    "SampledMoments",
    "Samples",
    "Steps",
    "exact_expectation",
    "exact_moments",
    "sampled_moments",
    "variance",
]
