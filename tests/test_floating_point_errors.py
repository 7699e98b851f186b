"""NumPy's floating-point errors are the caller's setting: no public function trips over it."""

import numpy as np
import pytest

import scorefn
from _functions import FUNCTIONS, arguments_of, call_with
from scorefn import Reinforce, credit

HUGE = np.array([1e308, -1e308, 1e-310, 0.0, 3.0, -1e-200])
NUMBERS = HUGE.reshape(3, 2)
TINY = np.ldexp(NUMBERS, -1060)
NEVER = np.zeros((3, 2), dtype=bool)
POLICIES = {
    "logits": (scorefn.LogitsPolicy(np.array([0.0, 800.0, -900.0])), None),
    "table": (scorefn.TabularPolicy(np.array([[0.0, 800.0, -900.0]])), np.zeros(6, int)),
    "linear": (scorefn.LinearPolicy(np.array([[0.0, 1e300, -1e300]])), np.full((6, 1), 1e-298)),
}


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions(function, dtype, size):
    with np.errstate(all="ignore"):
        arguments = {
            name: (x * size).astype(dtype) if isinstance(x, np.ndarray) and x.dtype == dtype else x
            for name, x in arguments_of(function, dtype).items()
        }
    if function == "sample" and not np.isfinite(arguments["logits"]).all():
        pytest.skip("no action can be drawn")
    with np.errstate(all="raise"):
        call_with(function, **arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scans(dtype):
    with np.errstate(all="ignore"):
        x = np.clip(NUMBERS, -1e38, 1e38).astype(dtype)
    with np.errstate(all="raise"):
        scorefn.discounted_returns(x, 1.0, next_values=NUMBERS)
        scorefn.discounted_returns(x, 1.0)
        ends = {"terminated": NEVER, "truncated": NEVER}
        scorefn.gae(x, -x, x, **ends, discount=1.0, gae_lambda=1.0)
        scorefn.lambda_returns(x, -x, **ends, discount=1.0, lambda_=0.5)
        scorefn.n_step_returns(x, -x, **ends, discount=1.0, n=2)
        scorefn.vtrace(x, -x, x, x, **ends, discount=1.0, clip_rho=np.inf)
        scorefn.retrace(x, -x, x, x, **ends, discount=1.0, clip=np.inf)
        scorefn.upgo(x, -x, x, **ends, discount=1.0)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
def test_credit(baseline, axis):
    values = -NUMBERS if baseline == "values" else None
    with np.errstate(all="raise"):
        credit.advantages(NUMBERS, baseline, values=values, axis=axis)
        credit.normalize(NUMBERS, axis=axis)
        credit.normalize(TINY, axis=axis, eps=0)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out"])
@pytest.mark.parametrize("name", POLICIES)
def test_policies_and_estimates(name, baseline, normalize):
    policy, x = POLICIES[name]
    actions = np.ones(6, dtype=int)
    with np.errstate(all="raise"):
        policy.sample(x, num_samples=6 if x is None else None, rng=0)
        policy.log_prob(x, actions)
        policy.entropy(x)
        policy.gradient(x, actions, HUGE)
        reinforce = Reinforce(baseline, 0.1, normalize)
        estimate = reinforce.estimate(policy, x, actions, HUGE)
    assert np.isfinite(estimate.diagnostics.mean_reward)
