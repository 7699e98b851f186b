"""Reinforce against the true gradient, by enumeration of all that could have been sampled."""

import itertools
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from _cases import for_each
from scorefn import LinearPolicy, LogitsPolicy, Reinforce, TabularPolicy, credit, testing
from scorefn.policies import GradientStatistics

INF = np.inf
K = 3
# A sum of at most 27 outcomes, each with a few roundings of numbers near 1.
EXACT = {"rtol": 1e-12, "atol": 1e-12}

CASES = ["logits", "tabular", "linear", "masked logits", "masked tabular", "masked linear", "-inf"]


class Problem:
    """A small batch of observations, with a reward for each action of each sample."""

    def __init__(self, case, n, seed=0):
        rng = np.random.default_rng(seed)
        self.rewards = rng.normal(size=(n, K)) + 2.0
        self.values = rng.normal(size=n)
        self.observations = self.where = None
        if "logits" in case:
            self.policy = LogitsPolicy(rng.normal(size=K))
            if "masked" in case:
                self.where = np.array([True, False, True])
        elif "linear" in case:
            self.policy = LinearPolicy(rng.normal(size=(2, K)))
            self.observations = rng.normal(size=(n, 2))
            if "masked" in case:
                self.where = np.arange(n)[:, None] != np.arange(K)
        else:
            self.policy = TabularPolicy(rng.normal(size=(4, K)))
            self.observations = np.array([2, 0, 2])[:n]  # a state visited twice, two not visited
            if case == "-inf":
                self.policy.parameters[2, 1] = -INF
            if "masked" in case:
                self.policy.where = np.arange(4)[:, None] != np.arange(K)
        self.bandit = testing.Bandit(
            self.policy,
            self.rewards,
            n,
            observations=self.observations,
            where=self.where,
            fixed_observations=True,
        )
        self.p = self.bandit.distribution()

    def estimate(self, reinforce, samples):
        values = self.values if reinforce.baseline == "values" else None
        arguments = (samples.policy, samples.observations, samples.actions, samples.rewards)
        return reinforce.estimate(*arguments, values=values, where=samples.where)

    def outcomes(self):
        """All samples that are possible."""
        for chosen in itertools.product(*map(np.flatnonzero, self.bandit.draws())):
            yield self.bandit.samples(chosen)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
@for_each(n=[2, 3])
def test_expected_gradient_is_the_true_one(case, baseline, n):
    problem = Problem(case, n)
    reinforce, bandit = Reinforce(baseline, entropy_coef=0.3), problem.bandit
    expected = testing.exact_expectation(lambda s: problem.estimate(reinforce, s), bandit)
    # The mean holds the sample's own reward, whose part is lost: exactly one n-th.
    lost = bandit.gradient() / n if baseline == "mean" else 0.0
    np.testing.assert_allclose(expected, bandit.gradient(entropy_coef=0.3) - lost, **EXACT)


def test_the_expected_objective_is_the_true_one(case):
    problem = Problem(case, 2)
    reinforce = Reinforce(entropy_coef=0.3)
    expected = testing.exact_expectation(
        lambda s: problem.estimate(reinforce, s).objective, problem.bandit
    )
    assert expected == pytest.approx(problem.bandit.objective(entropy_coef=0.3), rel=1e-14)


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
def test_normalized_gradient_follows_its_own_formula(case, baseline):
    problem = Problem(case, 3)
    normalized = Reinforce(baseline, normalize_advantages=True)
    for samples in problem.outcomes():
        estimate = problem.estimate(Reinforce(baseline), samples)
        scaled = problem.estimate(normalized, samples)
        a = estimate.advantages
        deviation = np.sqrt(((a - a.mean()) ** 2).sum() / 2.0)
        np.testing.assert_allclose(scaled.advantages, (a - a.mean()) / (deviation + 1e-8), **EXACT)
        assert scaled.diagnostics.advantage_mean == pytest.approx(a.mean(), abs=1e-15)
        assert scaled.diagnostics.advantage_std == pytest.approx(deviation, rel=1e-14)
        assert scaled.objective == estimate.objective


def test_normalized_gradient_is_the_mean_baseline_one_scaled(case):
    problem = Problem(case, 3)
    for samples in problem.outcomes():
        estimate = problem.estimate(Reinforce("mean"), samples)
        scaled = problem.estimate(Reinforce(normalize_advantages=True), samples)
        deviation = estimate.diagnostics.advantage_std + 1e-8
        np.testing.assert_allclose(scaled.gradient * deviation, estimate.gradient, **EXACT)


@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
@pytest.mark.parametrize("baseline", ["none", "leave_one_out"])
def test_standard_error_is_that_of_the_mean_of_the_samples(case, baseline, entropy_coef):
    problem = Problem(case, 3)
    policy, x, where = problem.policy, problem.observations, problem.where
    for samples in problem.outcomes():
        estimate = problem.estimate(Reinforce(baseline, entropy_coef=entropy_coef), samples)
        of_samples = [
            policy.gradient(
                None if x is None else x[[i]],
                samples.actions[[i]],
                estimate.advantages[[i]],
                entropy_coef=entropy_coef,
                where=where if where is None or where.ndim == 1 else where[[i]],
            )
            for i in range(3)
        ]
        gradients = np.reshape(of_samples, (3, -1))
        np.testing.assert_allclose(gradients.mean(axis=0), estimate.gradient.reshape(-1), **EXACT)
        d = estimate.diagnostics
        assert d.gradient_norm == pytest.approx(np.linalg.norm(estimate.gradient), rel=1e-14)
        expected = np.sqrt(gradients.var(axis=0, ddof=1).sum() / 3.0)
        # The variance is a difference of means of squares near 10: its root has half their digits.
        assert d.gradient_standard_error == pytest.approx(expected, rel=1e-12, abs=1e-7)


def test_squared_standard_error_is_an_unbiased_estimate_of_the_variance():
    bandit = testing.Bandit([0.3, -0.5, 1.0], [2.0, -1.0, 0.5], 3)
    reinforce = Reinforce(entropy_coef=0.3)

    def squared_error(s):
        estimate = reinforce.estimate(s.policy, None, s.actions, s.rewards)
        return estimate.diagnostics.gradient_standard_error**2

    expected = testing.variance(reinforce, bandit).sum()
    assert testing.exact_expectation(squared_error, bandit) == pytest.approx(expected, rel=1e-12)


def test_samples_of_any_shape():
    rng = np.random.default_rng(0)
    policy = TabularPolicy(rng.normal(size=(6, K)))
    states = rng.integers(6, size=(4, 5))
    actions, _ = policy.sample(states, rng=1)
    rewards = rng.normal(size=(4, 5))
    estimate = Reinforce("leave_one_out", 0.1).estimate(policy, states, actions, rewards)
    flat = Reinforce("leave_one_out", 0.1).estimate(
        policy, states.ravel(), actions.ravel(), rewards.ravel()
    )
    np.testing.assert_array_equal(estimate.gradient, flat.gradient)
    assert estimate.advantages.shape == (4, 5)
    assert estimate.diagnostics.num_samples == 20
    assert estimate.diagnostics.mean_reward == pytest.approx(rewards.mean(), rel=1e-15)
    assert estimate.diagnostics.entropy == pytest.approx(policy.entropy(states).mean(), rel=1e-14)
    assert estimate.objective == pytest.approx(
        rewards.mean() + 0.1 * policy.entropy(states).mean(), rel=1e-14
    )


def test_float32_policy():
    policy = LinearPolicy(np.zeros((2, K), dtype=np.float32))
    features = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    actions, _ = policy.sample(features, rng=0)
    estimate = Reinforce("mean").estimate(policy, features, actions, actions)
    assert estimate.gradient.dtype == np.float32
    assert estimate.advantages.dtype == np.float64


@pytest.mark.parametrize("size", [1e19, 3e20, 1e30, 1e38])
def test_a_mean_does_not_overflow_where_the_sum_would(size):
    policy = LogitsPolicy(np.zeros(2, dtype=np.float32))
    actions = np.zeros(1000, dtype=int)
    estimate = Reinforce().estimate(policy, None, actions, np.full(1000, size))
    # A float32 gradient has 2^-24 of rounding, and at most three of them.
    np.testing.assert_allclose(estimate.gradient, [size / 2, -size / 2], rtol=2e-7)


def test_one_sample_has_no_standard_error():
    estimate = Reinforce().estimate(LogitsPolicy(np.zeros(2)), None, [1], [2.0])
    np.testing.assert_array_equal(estimate.gradient, [-1.0, 1.0])
    assert np.isnan(estimate.diagnostics.gradient_standard_error)
    assert np.isnan(estimate.diagnostics.advantage_std)


def test_equal_samples_have_standard_error_zero():
    estimate = Reinforce().estimate(LogitsPolicy(np.zeros(2)), None, [1, 1], [2.0, 2.0])
    assert estimate.diagnostics.gradient_standard_error == 0.0


@for_each(size=[1e-310, 1e-200, 1e-30, 1e150, 1e200, 1e300])
def test_rewards_of_any_size(case, size):
    """Diagnostics scale with the rewards and nothing overflows."""
    problem = Problem(case, 3)
    actions = problem.p.argmax(axis=1)
    rewards = problem.rewards[np.arange(3), actions]
    samples = (problem.policy, problem.observations, actions)
    usual = Reinforce("mean").estimate(*samples, rewards, where=problem.where)
    scaled = rewards * size
    with np.errstate(all="raise"):
        estimate = Reinforce("mean").estimate(*samples, scaled, where=problem.where)
        for normalize in (False, True):
            reinforce = Reinforce("leave_one_out", 0.1, normalize_advantages=normalize)
            d = reinforce.estimate(*samples, scaled, where=problem.where).diagnostics
            assert np.isfinite([d.advantage_std, d.gradient_norm, d.gradient_standard_error]).all()
    names = ["mean_reward", "advantage_std", "gradient_norm", "gradient_standard_error"]
    for name in names:
        expected = getattr(usual.diagnostics, name) * size
        # A gradient or a variance that cancels leaves rounding errors, of which a variance has the
        # root; the subnormal numbers have fewer digits.
        rtol = 1e-8 if size > 1e-300 else 1e-2
        close = pytest.approx(expected, rel=rtol, abs=max(1e-7 * size, 1e-322))
        assert getattr(estimate.diagnostics, name) == close


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
@for_each(nearly=[0.0, 1.5e-8])
def test_equal_rewards_have_no_gradient(case, baseline, nearly):
    problem = Problem(case, 3)
    actions = problem.p.argmax(axis=1)
    rewards = 123456789.1 + np.array([0.0, nearly, 0.0])
    values = np.full(3, 123456000.3) if baseline == "values" else None
    reinforce = Reinforce(baseline, normalize_advantages=True)
    estimate = reinforce.estimate(
        problem.policy, problem.observations, actions, rewards, values=values, where=problem.where
    )
    np.testing.assert_array_equal(estimate.gradient, 0.0)
    assert estimate.diagnostics.gradient_standard_error == 0.0


@pytest.mark.parametrize("baseline", ["none", "mean", "leave_one_out", "values"])
def test_rewards_equal_in_float32_have_no_gradient(baseline):
    rewards = np.full(3, 1234.1, np.float32)
    rewards[1] = np.nextafter(rewards[1], np.float32(np.inf))
    values = np.full(3, 1200.3, np.float32) if baseline == "values" else None
    reinforce = Reinforce(baseline, normalize_advantages=True)
    estimate = reinforce.estimate(
        LogitsPolicy(np.zeros(K)), None, [0, 1, 2], rewards, values=values
    )
    np.testing.assert_array_equal(estimate.gradient, 0.0)


@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
@pytest.mark.parametrize("normalize", [False, True])
def test_several_samples_of_an_observation_are_compared_along_an_axis(case, baseline, normalize):
    problem = Problem(case, 3)
    policy, x = problem.policy, problem.observations
    actions, _ = policy.sample(x, num_samples=4, rng=0, where=problem.where)
    if actions.ndim == 1:  # one row for all samples
        actions = policy.sample(x, num_samples=12, rng=0, where=problem.where)[0].reshape(3, 4)
    rewards = np.take_along_axis(problem.rewards, actions, axis=1)
    reinforce = Reinforce(baseline, 0.1, normalize, axis=-1)
    estimate = reinforce.estimate(policy, x, actions, rewards, where=problem.where)
    assert estimate.advantages.shape == (3, 4)
    assert estimate.diagnostics.num_samples == 12
    expected = credit.advantages(rewards, baseline, axis=1)
    if normalize:
        expected = credit.normalize(expected, axis=1)
    np.testing.assert_array_equal(estimate.advantages, expected)

    # The same with an observation for each sample.
    each = None if x is None else np.repeat(x, 4, axis=0)
    where = problem.where
    if where is not None and where.ndim == 2:
        where = np.repeat(where, 4, axis=0)
    single = policy.gradient_statistics(
        each, actions.reshape(-1), expected.reshape(-1), entropy_coef=0.1, where=where
    )
    np.testing.assert_array_equal(estimate.gradient, single.gradient / 12)
    assert estimate.diagnostics.entropy == single.entropy / 12


def test_an_action_that_the_policy_cannot_take():
    table = np.zeros((2, K))
    table[1, 2] = -INF
    where = np.array([[True, True, False], [True, True, True]])
    cases = [
        (LogitsPolicy(np.array([0.0, -INF, 0.0])), None, [0, 1], None),
        (LogitsPolicy(np.zeros(K)), None, [0, 1], [True, False, True]),
        (TabularPolicy(table), [0, 1], [2, 2], None),
        (TabularPolicy(np.zeros((2, K)), where=where), [1, 0], [2, 2], None),
        (LinearPolicy(np.zeros((1, K))), np.ones((2, 1)), [1, 2], where[::-1]),
    ]
    for policy, x, actions, mask in cases:
        samples = (policy, x, actions)
        with pytest.raises(ValueError, match=rf"actions\[1\] = {actions[1]} has probability 0"):
            Reinforce().estimate(*samples, [1.0, 1e-300], where=mask)
        estimate = Reinforce().estimate(*samples, [1.0, 0.0], where=mask)  # adds nothing
        assert np.isfinite(estimate.diagnostics.gradient_standard_error)


def test_a_policy_needs_no_base_class():
    class Cold:
        """A table at half the temperature: the same methods, with another chain rule."""

        def __init__(self, table):
            self.parameters = table

        def gradient(self, states, *samples, **options):
            return 2.0 * TabularPolicy(2.0 * self.parameters).gradient(states, *samples, **options)

        def gradient_statistics(self, states, *samples, **options):
            policy = TabularPolicy(2.0 * self.parameters)
            gradient, entropy, norm = policy.gradient_statistics(states, *samples, **options)
            return GradientStatistics(2.0 * gradient, entropy, 2.0 * norm)

    table = np.random.default_rng(0).normal(size=(2, K))
    states, actions, rewards = [0, 1, 1], [2, 0, 1], [1.0, 2.0, 3.0]

    def expected_reward(theta):
        return np.array(rewards) @ testing.log_prob(2.0 * theta[states], actions) / 3.0

    estimate = Reinforce().estimate(Cold(table), states, actions, rewards)
    np.testing.assert_allclose(
        estimate.gradient, testing.central_difference(expected_reward, table), rtol=1e-8, atol=1e-9
    )


def test_frozen():
    reinforce = Reinforce("mean", entropy_coef=0.1)
    assert repr(reinforce) == "Reinforce(baseline='mean', entropy_coef=0.1)"
    with pytest.raises(FrozenInstanceError):
        reinforce.baseline = "none"
