"""What an estimator cannot take, and what it says then."""

import numpy as np
import pytest

from scorefn import LogitsPolicy, Reinforce

INF = np.inf


K = 3


@pytest.mark.parametrize(
    ("baseline", "values"), [("leave_one_out", None), ("values", [-1.7e308, 1.0])]
)
def test_infinite_advantages_are_not_taken_for_equal_ones(baseline, values):
    reinforce = Reinforce(baseline, normalize_advantages=True)
    with pytest.raises(ValueError, match=r"advantages\[0\] must be finite, got inf"):
        reinforce.estimate(policy, None, [0, 1], [1.7e308, -1.7e308], values=values)


policy = LogitsPolicy(np.zeros(K))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Reinforce("median"),
            ValueError,
            "baseline must be one of none, mean, .*, weighted_mean, values, got 'median'",
        ),
        (
            lambda: Reinforce(entropy_coef=np.nan),
            ValueError,
            "entropy_coef must be finite, got nan",
        ),
        (
            lambda: Reinforce(entropy_coef=10**5000),
            ValueError,
            "entropy_coef must be finite, got an int too long to show",
        ),
        (
            lambda: Reinforce(entropy_coef=None),
            TypeError,
            "entropy_coef must be a real number, got NoneType",
        ),
        (
            lambda: Reinforce(normalize_advantages="no"),
            TypeError,
            "normalize_advantages must be a bool, got str",
        ),
        (
            lambda: Reinforce(baseline=None),
            TypeError,
            "baseline must be a str, got NoneType",
        ),
        (
            lambda: Reinforce(folds=2),
            ValueError,
            "folds must be left out for baseline='none'",
        ),
        (
            lambda: Reinforce(singleton="skip"),
            ValueError,
            "singleton must be one of error, zero, raw, got 'skip'",
        ),
        (
            lambda: Reinforce(diagnostics=None),
            TypeError,
            "diagnostics must be a bool, got NoneType",
        ),
        (
            lambda: Reinforce("weighted_mean").estimate(policy, None, [0, 1], [1.0, 2.0]),
            ValueError,
            "weights must be given for baseline='weighted_mean'",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0, 1], [1.0, 2.0], weights=[1.0, 1.0]),
            ValueError,
            "weights must be left out for baseline='none'",
        ),
        (
            lambda: Reinforce(axis=0).estimate(policy, None, [0, 1], [1.0, 2.0], groups=[0, 0]),
            ValueError,
            "axis must be left out if groups is given, got 0",
        ),
        (
            lambda: Reinforce("leave_one_out").estimate(
                policy, None, [0, 1, 1], [1.0, 2.0, 3.0], groups=[4, 4, 7]
            ),
            ValueError,
            "number of samples to compare must be at least 2, got 1 in group 7",
        ),
        (
            lambda: Reinforce("mean", normalize_advantages=True).estimate(
                policy, None, [0, 1, 1], [1.0, 2.0, 3.0], groups=[4, 4, 7]
            ),
            ValueError,
            "number of samples to compare must be at least 2, got 1 in group 7",
        ),
        (
            lambda: Reinforce().estimate(
                policy, None, [0, 1], [1.0, 2.0], valid=np.zeros(2, np.bool_)
            ),
            ValueError,
            r"rewards must have a sample that counts, got shape \(2,\)",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [[0], [1, 2]], [1.0, 1.0]),
            TypeError,
            "actions must be an array, got list",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0, 1], [1.0]),
            ValueError,
            r"rewards must have shape \(2,\), got \(1,\)",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0, 1], [[1.0], [2.0]]),
            ValueError,
            r"rewards must have shape \(2,\), got \(2, 1\)",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [], []),
            ValueError,
            r"rewards must not be empty, got shape \(0,\)",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0, 1], [1.0, np.nan]),
            ValueError,
            r"rewards\[1\] must be finite, got nan",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0, 5], [1.0, 2.0]),
            IndexError,
            r"actions\[1\] = 5 is out of range for 3 actions",
        ),
        (
            lambda: Reinforce("leave_one_out").estimate(policy, None, [0], [1.0]),
            ValueError,
            "number of samples to compare must be at least 2, got 1",
        ),
        (
            lambda: Reinforce("values").estimate(policy, None, [0], [1.0]),
            ValueError,
            "values must be given for baseline='values'",
        ),
        (
            lambda: Reinforce().estimate(policy, None, [0], [1.0], values=[1.0]),
            ValueError,
            "values must be left out for baseline='none'",
        ),
        (
            lambda: Reinforce(normalize_advantages=True).estimate(policy, None, [0], [1.0]),
            ValueError,
            "number of samples to compare must be at least 2, got 1",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
