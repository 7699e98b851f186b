"""The references against what is not ours: mpmath, SciPy, differences, published numbers."""

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from scorefn import testing

INF, NAN = np.inf, np.nan

# Logits that are hard to be exact on.
HARD_ROWS = {
    "dominant": [40.0, 0.0, -1.0, 2.0],
    "nearly certain": [0.0, -700.0, -710.0],
    "equal": [0.25] * 1000,
    "far from 0": [1e4, 1e4 - 0.3, 1e4 - 30.0],
    "wide": list(np.arange(-600.0, 100.0, 7.25)),
    "wide, with rounded differences": list(np.linspace(-600.0, 100.0, 97)),
    "subnormal": [5e-324, -5e-324, 0.0],
    "forbidden": [1.0, -INF, 2.0, -INF],
    "one allowed": [-INF, 3.0],
    "single": [7.0],
}
# One or two float64 roundings for each of the steps: difference, exp, sum, log1p, difference.
ULP = 8


def exact_distribution(row):
    """Probabilities and log-probabilities to 60 digits."""
    with mpmath.workdps(60):
        terms = [mpmath.exp(mpmath.mpf(float(z))) for z in row]
        total = mpmath.fsum(terms)
        p = [term / total for term in terms]
        # 1 - p from the other terms, so that log p keeps its digits near 0
        others = [mpmath.fsum(terms[:j] + terms[j + 1 :]) / total for j in range(len(terms))]
        log_p = [
            mpmath.log1p(-q) if x > 0.5 else mpmath.log(x) if x > 0 else mpmath.mpf("-inf")
            for x, q in zip(p, others, strict=True)
        ]
        return p, log_p, others


def assert_within(actual, exact, ulp=ULP):
    assert testing.ulp_error(actual, exact).max() <= ulp


@pytest.mark.parametrize("row", HARD_ROWS.values(), ids=HARD_ROWS.keys())
def test_functions_of_a_row_are_exact(row):
    p, log_p, others = exact_distribution(row)
    with mpmath.workdps(60):
        h = -mpmath.fsum(x * y for x, y in zip(p, log_p, strict=True) if x > 0)
        total = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(float(z))) for z in row))
        score = [-x for x in p]
    z = np.array(row)
    allowed = np.flatnonzero(z > -INF)
    # Where z - max z rounds (for float32 values it does not), its exp is off by as many units.
    is_exact = (z.astype(np.float32) == z).all()
    ulp = ULP if is_exact else ULP + z.max() - z[allowed].min()
    assert_within(testing.softmax(z), p, ulp)
    assert_within(testing.log_softmax(z), log_p)
    assert_within(testing.entropy(z), h)
    # Nothing is promised about the relative error of a logsumexp near 0.
    assert abs(testing.logsumexp(z) - float(total)) <= 1e-15 * max(1.0, np.max(np.abs(z[z > -INF])))
    for a in allowed[:5]:
        assert_within(testing.log_prob(z, a), log_p[a])
        assert_within(testing.score(z, a), [*score[:a], others[a], *score[a + 1 :]], ulp)


@pytest.mark.parametrize("distance", [1.0, 1e-3, 1e-6])
def test_kl_divergence_is_exact_for_near_distributions(distance):
    rng = np.random.default_rng(0)
    z_p = rng.normal(size=7)
    z_q = z_p + distance * rng.normal(size=7)
    p, log_p, _ = exact_distribution(z_p)
    _, log_q, _ = exact_distribution(z_q)
    with mpmath.workdps(60):
        kl = mpmath.fsum(x * (y - w) for x, y, w in zip(p, log_p, log_q, strict=True))
    # The log-probabilities have errors near 1e-16, which d^2 turns into 1e-16 d.
    assert abs(testing.kl_divergence(z_p, z_q) - float(kl)) <= 1e-15 * distance


def test_kl_divergence_conventions():
    p, q = np.array([0.0, -INF, 0.0]), np.array([0.0, 1.0, -INF])
    assert testing.kl_divergence(p, q) == INF
    assert testing.kl_divergence(p, np.zeros(3)) == pytest.approx(np.log(1.5), rel=1e-15)
    assert testing.kl_divergence(p, p) == 0.0
    mask = [True, True, False]
    np.testing.assert_allclose(
        testing.kl_divergence([1.0, 2.0, NAN], [3.0, 1.0, -INF], where=mask),
        testing.kl_divergence([1.0, 2.0], [3.0, 1.0]),
        rtol=1e-15,
    )


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 5), cols=st.integers(1, 9))
def test_softmax_family_agrees_with_scipy(seed, rows, cols):
    z = np.random.default_rng(seed).normal(scale=5.0, size=(rows, cols, 2))
    close = {"rtol": 1e-13, "atol": 1e-13}  # SciPy's own rounding
    for axis in (1, -2, -1):
        np.testing.assert_allclose(
            testing.log_softmax(z, axis=axis), scipy.special.log_softmax(z, axis=axis), **close
        )
        np.testing.assert_allclose(
            testing.softmax(z, axis=axis), scipy.special.softmax(z, axis=axis), **close
        )
        np.testing.assert_allclose(
            testing.logsumexp(z, axis=axis), scipy.special.logsumexp(z, axis=axis), **close
        )


# The errors of central differences with their default step, for values and derivatives near 10.
DIFFERENCE = {"rtol": 1e-8, "atol": 1e-9}


@pytest.fixture
def batch():
    rng = np.random.default_rng(3)
    n, k, s, f = 7, 5, 4, 3
    return {
        "logits": rng.normal(size=(n, k)),
        "table": rng.normal(size=(s, k)),
        "features": rng.normal(size=(n, f)),
        "coef": rng.normal(size=(f, k)),
        "states": rng.integers(s - 1, size=n),  # the last state is not visited
        "actions": np.array([0, 1, 2, 0, 1, 2, 0]),
        "weights": np.array([1.5, -2.0, 0.0, 0.5, 1.0, -0.25, 3.0]),
        "mask": np.arange(k) != 3,
    }


def objective(logits, actions, weights, entropy_coef, where):
    shared = np.broadcast_to(logits, (len(actions), logits.shape[-1]))
    log_prob = testing.log_prob(shared, actions, where=where)
    return weights @ log_prob + entropy_coef * testing.entropy(shared, where=where).sum()


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_are_central_differences(batch, entropy_coef, masked):
    actions, weights = batch["actions"], batch["weights"]
    where = batch["mask"] if masked else None
    options = {"entropy_coef": entropy_coef, "where": where}

    def check(gradient, function, x):
        difference = testing.central_difference(function, x)
        np.testing.assert_allclose(gradient, difference, **DIFFERENCE)
        if masked:
            assert (gradient[..., 3] == 0.0).all()

    for logits in (batch["logits"], batch["logits"][0]):
        check(
            testing.score_gradient(logits, actions, weights, **options),
            lambda z: objective(z, actions, weights, **options),
            logits,
        )
    states = batch["states"]
    check(
        testing.tabular_gradient(batch["table"], states, actions, weights, **options),
        lambda table: objective(table[states], actions, weights, **options),
        batch["table"],
    )
    features = batch["features"]
    check(
        testing.linear_gradient(features, batch["coef"], actions, weights, **options),
        lambda coef: objective(features @ coef, actions, weights, **options),
        batch["coef"],
    )


@pytest.mark.parametrize("entropy_coef", [0.0, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_objectives_are_central_differences(batch, entropy_coef, masked):
    logits, samples = batch["logits"], (batch["actions"], batch["weights"])
    options = {"entropy_coef": entropy_coef, "where": batch["mask"] if masked else None}
    result = testing.policy_gradient(logits, *samples, **options)
    assert result.objective == pytest.approx(objective(logits, *samples, **options), rel=1e-14)
    np.testing.assert_array_equal(
        result.gradient, testing.score_gradient(logits, *samples, **options)
    )

    actions, advantages = samples
    # On both sides of the bounds, none within a step of one.
    log_ratio = np.array([0.1, -0.1, 1.0, 0.5, -0.5, -0.5, 0.5])
    old_log_prob = testing.log_prob(logits, actions, where=options["where"]) - log_ratio

    def surrogate(z):
        return testing.clipped_surrogate(z, actions, old_log_prob, advantages, **options)

    difference = testing.central_difference(lambda z: surrogate(z).objective, logits)
    np.testing.assert_allclose(surrogate(logits).gradient, difference, **DIFFERENCE)


def test_clipped_surrogate_by_hand():
    """pi = 1/2 throughout, the ratios 1, 2, 1/2, inf, 2 and 1/2."""
    old = np.log([0.5, 0.25, 1.0, 0.0, 0.25, 1.0], where=np.arange(6) != 3, out=np.full(6, -INF))
    result = testing.clipped_surrogate(
        np.zeros((6, 2)), np.zeros(6, int), old, [1.0, 1.0, 1.0, 0.0, -1.0, -1.0], clip_range=0.25
    )
    close = {"rtol": 1e-15, "atol": 1e-15}  # of logarithms, and of their exponentials
    np.testing.assert_allclose(result.ratio, [1.0, 2.0, 0.5, INF, 2.0, 0.5], **close)
    np.testing.assert_allclose(result.objective, 1.0 + 1.25 + 0.5 - 2.0 - 0.75, **close)
    expected = np.array([0.5, 0.0, 0.25, 0.0, -1.0, 0.0])
    np.testing.assert_allclose(result.gradient, np.stack([expected, -expected], axis=1), **close)
    assert result.clip_fraction == 5 / 6
    assert result.approx_kl == INF
    finite = testing.clipped_surrogate(np.zeros((3, 2)), np.zeros(3, int), old[:3], np.ones(3))
    # (1 - log 2) + (1/2 - 1 + log 2) and 0
    np.testing.assert_allclose(finite.approx_kl, 0.5 / 3, **close)


def test_score_is_the_gradient_of_log_prob(batch):
    logits, actions = batch["logits"], batch["actions"]
    logits[:, 4] = -INF
    difference = testing.central_difference(
        lambda z: testing.log_prob(np.column_stack([z, logits[:, 4]]), actions).sum(), logits[:, :4]
    )
    score = testing.score(logits, actions)
    np.testing.assert_allclose(score[:, :4], difference, **DIFFERENCE)
    np.testing.assert_array_equal(score[:, 4], 0.0)
    np.testing.assert_array_equal(testing.score([0.0, -INF], 1), [-1.0, 0.0])


def test_a_bad_row_is_nan_and_harms_no_other():
    z = np.array([[0.0, 1.0], [NAN, 0.0], [0.0, INF], [1.0, 0.0]])
    good = [0, 3]
    for function in (testing.log_softmax, testing.softmax, testing.logsumexp, testing.entropy):
        result = function(z)
        assert np.isnan(result[1:3]).all()
        np.testing.assert_array_equal(result[good], function(z[good]))
    actions = np.zeros(4, dtype=int)
    assert np.isnan(testing.log_prob(z, actions)[1:3]).all()
    assert np.isnan(testing.score(z, actions)[1:3]).all()
    assert np.isnan(testing.kl_divergence(z, np.zeros((4, 2)))[1:3]).all()
    assert np.isnan(testing.kl_divergence(np.zeros((4, 2)), z)[1:3]).all()
    with pytest.raises(ValueError, match=r"^logits\[1\] has NaN or \+inf in an allowed slot"):
        testing.sample(z, rng=0)
    allowed = [[True, True], [False, True], [True, False], [True, True]]
    drawn = testing.sample(z, rng=0, where=allowed)
    np.testing.assert_array_equal(drawn.actions[1:3], [1, 0])


def test_a_weight_of_zero_contributes_zero():
    z = np.array([[NAN, 0.0], [-INF, 0.0]])
    np.testing.assert_array_equal(testing.score_gradient(z, [0, 0], [0.0, 0.0]), 0.0)
    assert np.isnan(testing.score_gradient(z, [0, 0], [1.0, 0.0])[0]).all()
    table = testing.tabular_gradient(z, [0, 1], [0, 1], [0.0, 2.0])
    np.testing.assert_array_equal(table, 0.0)
    features, coef = np.array([[INF], [1.0]]), np.zeros((1, 2))
    np.testing.assert_array_equal(
        testing.linear_gradient(features, coef, [0, 0], [0.0, 1.0]), [[0.5, -0.5]]
    )


def test_masked_slots_may_hold_anything():
    where = np.array([True, False, True])
    z = np.array([[1.0, NAN, 2.0], [0.5, INF, -1.0]])
    clean = z[:, where]
    np.testing.assert_array_equal(testing.log_softmax(z, where=where)[:, 1], -INF)
    assert_within(testing.softmax(z, where=where)[:, where], testing.softmax(clean), 0)
    assert_within(testing.entropy(z, where=where), testing.entropy(clean), 0)
    gradient = testing.score_gradient(z, [0, 2], [1.0, 2.0], entropy_coef=0.5, where=where)
    expected = testing.score_gradient(clean, [0, 1], [1.0, 2.0], entropy_coef=0.5)
    np.testing.assert_array_equal(gradient[:, where], expected)
    np.testing.assert_array_equal(gradient[:, 1], 0.0)


def test_philox_counts_rows_and_draws():
    key = [(7 << 32) | 123, (9 << 32) | 5]
    u = testing.philox_uniforms(key, rows=3, draws=4)
    *mixed, third, fourth = testing.philox4x32([123, 7, 5, 9], [0, 0]).tolist()
    for row, draw in np.ndindex(3, 4):
        low, high, *_ = testing.philox4x32([row, 0, draw ^ third, fourth], mixed).tolist()
        assert u[row, draw] == (((high << 32) | low) >> 11) * 2.0**-53


def test_sample_follows_the_distribution():
    logits = np.log([0.1, 0.2, 0.0001, 0.6999])
    logits = np.append(logits, -INF)
    n = 200_000
    actions, log_probs = testing.sample(np.tile(logits, (10, 1)), rng=5, num_samples=n // 10)
    assert actions.shape == log_probs.shape == (10, n // 10)
    p = np.exp(logits)
    counts = np.bincount(actions.ravel(), minlength=5)
    # Six standard deviations: fails by chance once in 10^9 seeds, and the seed is fixed.
    assert (np.abs(counts - n * p) <= 6.0 * np.sqrt(n * p * (1.0 - p))).all()
    np.testing.assert_array_equal(log_probs, testing.log_softmax(logits)[actions])


def test_sample_takes_one_key_from_the_generator():
    rng, other = np.random.default_rng(9), np.random.default_rng(9)
    by_generator = testing.sample(np.zeros((50, 3)), rng=rng)
    np.testing.assert_array_equal(
        by_generator.actions, testing.sample(np.zeros((50, 3)), rng=9).actions
    )
    other.integers(2**64, dtype=np.uint64, size=2)
    assert rng.random() == other.random()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: testing.softmax([[0.0, 1.0], [-INF, -INF]]),
            ValueError,
            r"logits\[1\] has no allowed action: every logit is -inf or masked",
        ),
        (
            lambda: testing.entropy(np.zeros((2, 2, 3)), where=np.arange(12).reshape(2, 2, 3) < 9),
            ValueError,
            r"logits\[1, 1\] has no allowed action",
        ),
        (
            lambda: testing.tabular_gradient(np.full((3, 2), -INF), [2], [0], [1.0]),
            ValueError,
            r"table\[2\] has no allowed action",
        ),
        (
            lambda: testing.log_prob(np.zeros((2, 5)), [0, 7]),
            IndexError,
            r"actions\[1\] = 7 is out of range for 5 actions",
        ),
        (
            lambda: testing.tabular_gradient(np.zeros((3, 2)), [-1], [0], [1.0]),
            IndexError,
            r"states\[0\] = -1 is out of range for 3 states",
        ),
        (
            lambda: testing.log_prob(np.zeros((2, 5)), [0.0, 1.0]),
            TypeError,
            "actions must be integers, got float64",
        ),
        (
            lambda: testing.score_gradient(np.zeros((2, 5)), [0, 1], [[1.0], [2.0]]),
            ValueError,
            r"weights must have shape \(2,\), got \(2, 1\)",
        ),
        (
            lambda: testing.softmax(np.zeros((2, 5)), where=np.ones((2, 1), dtype=bool)),
            ValueError,
            r"where must have shape \(2, 5\) or \(5,\), got \(2, 1\)",
        ),
        (
            lambda: testing.kl_divergence(np.zeros(3), np.zeros(4)),
            ValueError,
            r"logits_q must have shape \(3,\), got \(4,\)",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_ulp_error():
    one = np.float32(1.0)
    below = np.nextafter(one, np.float32(0.0))
    actual = np.array([one, np.nextafter(one, np.float32(2.0)), below, 0.0, NAN, INF, INF, 1.0])
    exact = [1.0, 1.0, 1.0 + 1e-12, 2.0**-149, NAN, INF, 1.0, NAN]
    errors = testing.ulp_error(actual.astype(np.float32), exact)
    np.testing.assert_array_equal(errors, [0.0, 1.0, 0.5, 1.0, 0.0, 0.0, INF, INF])
    third = mpmath.mpf(1) / 3
    assert testing.ulp_error(np.float64(1.0) / 3.0, third) == 0.0
    with pytest.raises(ValueError, match=r"exact must have shape \(2,\), got \(3,\)"):
        testing.ulp_error(np.ones(2), np.ones(3))


def test_central_difference():
    x = np.array([[1.0, 2.0], [-1.0, 0.5]])
    np.testing.assert_allclose(
        testing.central_difference(lambda y: (y**3).sum(), x), 3.0 * x**2, **DIFFERENCE
    )
    np.testing.assert_array_equal(x, [[1.0, 2.0], [-1.0, 0.5]])
