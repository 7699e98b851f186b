"""NumPy's floating-point errors are the caller's setting: no public function trips over it."""

import numpy as np
import pytest

import scorefn
from _functions import FUNCTIONS, arguments_of, call_with
from scorefn import A2C, GRPO, PPO, RLOO, AllAction, OffPolicy, Reinforce, credit
from scorefn.critics import LinearCritic, TabularCritic, value_loss
from scorefn.estimators import (
    coordinate_baseline_gradient,
    squared_score_norms,
    squared_score_sums,
)
from scorefn.optimizers import SGD, Adam, clip_by_norm

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


# Numbers that overflow or underflow when they are multiplied, divided, squared or rounded.
FEW = np.array([1e300, -1e300, 1e-310, 0.0, 3.0, -1e-200])
DTYPES = [np.float32, np.float64]


def policy_of(name, dtype):
    policy, x = POLICIES[name]
    if name == "linear":
        return scorefn.LinearPolicy(np.array([[0.0, 1e30, -1e30]], dtype)), np.full(
            (6, 1), dtype(1e-20)
        )
    return type(policy)(policy.parameters.astype(dtype)), x


@pytest.mark.parametrize("size", [1e-300, 1e-40, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POLICIES)
def test_estimators(name, dtype, size):
    policy, x = policy_of(name, dtype)
    actions, old = np.ones(6, dtype=int), np.full(6, -1e-300)
    with np.errstate(all="ignore"):
        r = (FEW if dtype == np.float64 else np.clip(FEW, -1e30, 1e30)) * size
        q = np.resize(r, (1, 3) if name == "table" else (6, 3))
        q_of_samples = np.resize(r, (6, 3))
        half = 0.5 * r
    samples, nothing = (policy, x, actions, r), np.zeros(6, np.bool_)
    error = {"standard_error": True}
    with np.errstate(all="raise"):
        Reinforce(entropy_coef=size, **error).estimate(*samples)
        Reinforce("values", 0.1).estimate(*samples, values=half)
        PPO(normalize_advantages=False, **error).estimate(*samples, old_log_prob=old)
        PPO(entropy_coef=size, **error).estimate(*samples, old_log_prob=old)
        ends = {"terminated": nothing, "truncated": nothing}
        A2C(entropy_coef=size, **error).estimate(*samples, half, half, **ends)
        AllAction(entropy_coef=size).estimate(policy, x, q)
        lengths = {"lengths": [1] * 6}
        for variant in ("grpo", "gspo", "dapo"):
            grpo = GRPO(variant, kl_coef=size, entropy_coef=size)
            grpo.estimate(*samples, reference_log_prob=old, **lengths)
        RLOO(kl_coef=size).estimate(*samples, reference_log_prob=old, **lengths)
        squared_score_norms(policy, x, actions)
        squared_score_sums(policy, x, actions, r)
        coordinate_baseline_gradient(policy, x, actions, r)
        logged = {"propensities": np.full(6, 1e-30), "action_values": q_of_samples}
        for method in ("ips", "snips", "dm", "dr", "sndr", "dros", "sub_gaussian", "switch"):
            off_policy = OffPolicy(method, entropy_coef=size)
            try:
                off_policy.estimate(*samples, **logged)
                off_policy.value(*samples, **logged)
            except ValueError as problem:  # a large weight times a large reward
                assert "must be finite" in str(problem)  # noqa: PT017


def test_critics_and_optimizers():
    features, tiny = np.column_stack([FEW, np.ones(6)]), TINY.reshape(-1)
    small = np.column_stack([np.full(6, 1e-160), np.ones(6)])
    with np.errstate(all="raise"):
        assert np.isfinite(credit.explained_variance(FEW, -FEW))
        value_loss(FEW, -FEW, old_values=tiny, clip_range=1e-300)
        table, linear = TabularCritic(2, decay=1e-200), LinearCritic(2, squares=True)
        for returns in (FEW, tiny):
            table.update([0, 0, 0, 1, 1, 1], returns)
            linear.update(small, returns)
        linear.values(features)
        clip_by_norm([FEW, np.array([1e-30], np.float32)], 1e-20)
        for optimizer in (Adam(), Adam(eps=0.0), SGD(0.1), SGD(0.1, momentum=0.5)):
            parameters = np.zeros(2, np.float32)
            optimizer.step(parameters, [1e-300, 1e-40])
            optimizer.step(parameters, [1e-30, 1e10])
