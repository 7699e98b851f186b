"""The policies against the references on explicit logits, their bad input, and saving them."""

import tracemalloc

import numpy as np
import pytest

import scorefn
from _cases import for_each
from scorefn import LinearPolicy, LogitsPolicy, TabularPolicy, load_policy, testing

INF = np.inf
NUM_ACTIONS = 4
KINDS = ["logits", "tabular", "linear"]
SHAPES = [(), (0,), (5,), (3, 2)]


class Case:
    """A policy with samples of some shape, and its logits, mask and gradient written out."""

    def __init__(self, kind, shape, dtype=np.float64, masked=False, seed=0):
        rng = np.random.default_rng(seed)
        k = NUM_ACTIONS
        n = int(np.prod(shape))
        self.kind, self.shape, self.dtype = kind, shape, dtype
        self.actions = rng.integers(k, size=shape)
        self.weights = rng.normal(size=shape)
        if kind == "logits":
            self.policy = LogitsPolicy(rng.normal(size=k).astype(dtype))
            self.observations = None
            self.jacobian = np.broadcast_to(np.eye(k), (n, k, k))
            self.where = np.array([True, True, True, False]) if masked else None
            mask = self.where
        elif kind == "tabular":
            num_states = 6
            table = rng.normal(size=(num_states, k)).astype(dtype)
            self.observations = rng.integers(num_states, size=shape, dtype=np.int16)
            one_hot = np.eye(num_states)[self.observations.reshape(-1)]
            self.jacobian = np.einsum("ns,kj->nksj", one_hot, np.eye(k))
            own = rng.random((num_states, k)) < 0.7 if masked else None
            if masked:
                own[:, 0] = True
            self.where = None
            self.policy = TabularPolicy(table, where=own)
            mask = own[self.observations] if masked else None
        else:
            self.policy = LinearPolicy(rng.normal(size=(3, k)).astype(dtype))
            self.observations = rng.normal(size=(*shape, 3)).astype(dtype)
            self.jacobian = np.einsum("nf,kj->nkfj", self.observations.reshape(-1, 3), np.eye(k))
            self.where = rng.random((*shape, k)) < 0.7 if masked else None
            if masked:
                self.where[..., 0] = True
            mask = self.where
        if kind == "linear":
            rows = self.observations.astype(np.float64) @ self.policy.parameters
        else:
            rows = np.asarray(self.policy.parameters, dtype=np.float64)
            rows = rows if kind == "logits" else rows[self.observations]
        rows = np.broadcast_to(rows, (*shape, k))
        mask = np.broadcast_to(True if mask is None else mask, rows.shape)
        self.logits, self.mask = rows, mask
        self.flat_logits, self.flat_mask = rows.reshape(n, k), mask.reshape(n, k)

    def sample_gradients(self, entropy_coef, weights=None):
        """The gradient of each sample, (N, *parameters.shape)."""
        rows = testing.score_gradient(
            self.flat_logits,
            self.actions.reshape(-1),
            (self.weights if weights is None else weights).reshape(-1),
            entropy_coef=entropy_coef,
            where=self.flat_mask,
        )
        return np.einsum("nk,nk...->n...", rows, self.jacobian)

    @property
    def close(self):
        """A few roundings of sums of numbers near 1 (and, for linear logits, of their products)."""
        eps = np.finfo(self.dtype).eps
        return {"rtol": 50 * eps, "atol": 50 * eps}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize("shape", SHAPES)
@for_each(dtype=[np.float32, np.float64], masked=[False, True])
def test_a_policy_is_the_functions_of_its_logits(kind, shape, masked, dtype):
    case = Case(kind, shape, dtype, masked)
    policy, x, where = case.policy, case.observations, case.where
    assert policy.num_actions == NUM_ACTIONS

    logits = policy.logits(x)
    assert logits.dtype == dtype
    np.testing.assert_allclose(
        np.broadcast_to(logits, case.logits.shape), case.logits, **case.close
    )

    log_prob = policy.log_prob(x, case.actions, where=where)
    assert log_prob.shape == shape
    assert log_prob.dtype == dtype
    expected = testing.log_prob(case.logits, case.actions, where=case.mask)
    np.testing.assert_allclose(log_prob, expected, **case.close)

    entropy = policy.entropy(x, where=where)
    assert entropy.dtype == dtype
    expected = testing.entropy(case.logits, where=case.mask)
    np.testing.assert_allclose(np.broadcast_to(entropy, shape), expected, **case.close)


@pytest.mark.parametrize("shape", SHAPES)
@for_each(dtype=[np.float32, np.float64], masked=[False, True], entropy_coef=[0.0, 0.5])
def test_gradient_and_statistics(kind, shape, entropy_coef, masked, dtype):
    case = Case(kind, shape, dtype, masked)
    options = {"entropy_coef": entropy_coef, "where": case.where}
    samples = (case.observations, case.actions, case.weights)
    gradients = case.sample_gradients(entropy_coef)

    gradient = case.policy.gradient(*samples, **options)
    assert gradient.shape == case.policy.parameters.shape
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, gradients.sum(axis=0), **case.close)

    out = np.ones_like(gradient)
    assert case.policy.gradient(*samples, **options, out=out, accumulate=True) is out
    np.testing.assert_allclose(out, 1.0 + gradients.sum(axis=0), **case.close)

    allowed = np.take_along_axis(case.mask, case.actions[..., None], axis=-1)[..., 0]
    weights = np.where(allowed, case.weights, 0.0)  # a policy takes no action that is forbidden
    samples = (case.observations, case.actions, weights)
    gradients = case.sample_gradients(entropy_coef, weights=weights)
    gradient, entropy, root_sum_square = case.policy.gradient_statistics(*samples, **options)
    np.testing.assert_array_equal(gradient, case.policy.gradient(*samples, **options))
    expected = testing.entropy(case.logits, where=case.mask).sum()
    np.testing.assert_allclose(entropy, expected, **case.close)
    # Each gradient is within this tolerance, and so is the root of the sum of their squares.
    expected = np.sqrt((gradients**2).sum())
    np.testing.assert_allclose(root_sum_square, expected, **case.close)


def test_gradient_is_the_derivative_of_log_prob(kind):
    case = Case(kind, (3, 2), masked=True)
    policy = case.policy
    parameters = policy.parameters.copy()

    def objective(theta):
        policy.parameters[...] = theta
        log_prob = policy.log_prob(case.observations, case.actions, where=case.where)
        entropy = policy.entropy(case.observations, where=case.where)
        return (case.weights * log_prob).sum() + 0.3 * np.broadcast_to(entropy, case.shape).sum()

    allowed = np.take_along_axis(case.mask, case.actions[..., None], axis=-1)[..., 0]
    case.weights[~allowed] = 0.0  # the log-probability of a forbidden action is -inf
    case.actions[~allowed] = 0
    difference = testing.central_difference(objective, parameters)
    policy.parameters[...] = parameters
    gradient = policy.gradient(
        case.observations, case.actions, case.weights, entropy_coef=0.3, where=case.where
    )
    # The errors of central differences with their default step, for values near 10.
    np.testing.assert_allclose(gradient, difference, rtol=1e-8, atol=1e-9)


def test_parameters_are_live(kind):
    case = Case(kind, (5,))
    array = case.policy.parameters
    same = type(case.policy)(array)
    before = same.entropy(case.observations).copy()
    array *= 2.0
    assert same.parameters is array
    assert not np.array_equal(same.entropy(case.observations), before)
    same.parameters += 1.0  # an attribute that can be added to in place
    assert same.parameters is array


def test_sample_of_a_bandit_needs_no_observations():
    policy = scorefn.LogitsPolicy(np.zeros(3))
    for options in ({}, {"num_samples": 5}, {"where": np.array([True, False, True])}):
        drawn = policy.sample(rng=1, **options)
        np.testing.assert_array_equal(drawn.actions, policy.sample(None, rng=1, **options).actions)


def test_sample(kind):
    case = Case(kind, (5,), masked=True)
    policy, x = case.policy, case.observations
    shape = () if kind == "logits" else (5,)
    drawn = policy.sample(x, rng=3, where=case.where)
    assert isinstance(drawn, scorefn.Sample)
    assert drawn.actions.shape == drawn.log_prob.shape == shape
    np.testing.assert_array_equal(drawn.actions, policy.sample(x, rng=3, where=case.where).actions)
    actions, log_probs = policy.sample(x, rng=3, num_samples=200, where=case.where)
    assert actions.shape == (*shape, 200)
    for row, mask in zip(np.atleast_2d(actions), case.flat_mask, strict=False):
        assert set(row) == set(np.flatnonzero(mask))  # 200 draws find each of at most 4 actions
    expected = policy.log_prob(x, actions[..., 0], where=case.where)
    np.testing.assert_allclose(log_probs[..., 0], expected, rtol=1e-14)


@pytest.mark.parametrize("kind", ["logits", "linear"])
def test_mask_for_all_samples(kind):
    case = Case(kind, (3, 2))
    one = np.array([True, False, True, True])
    case.actions[case.actions == 1] = 0
    everywhere = np.broadcast_to(one, case.policy.logits(case.observations).shape)
    x, samples = case.observations, (case.observations, case.actions, case.weights)
    policy = case.policy
    for result, expected in (
        (policy.entropy(x, where=one), policy.entropy(x, where=everywhere)),
        (
            policy.log_prob(x, case.actions, where=one),
            policy.log_prob(x, case.actions, where=everywhere),
        ),
        (policy.gradient(*samples, where=one), policy.gradient(*samples, where=everywhere)),
        (
            policy.gradient_statistics(*samples, where=one)[1:],
            policy.gradient_statistics(*samples, where=everywhere)[1:],
        ),
    ):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_, np.float16])
def test_features_convert_to_the_dtype_of_coef_without_loss(dtype):
    policy = LinearPolicy(np.arange(6.0).reshape(3, 2) / 7.0)
    features = np.array([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    same = features.astype(np.float64)
    np.testing.assert_array_equal(policy.logits(features), policy.logits(same))
    np.testing.assert_array_equal(
        policy.gradient(features, [0, 1], [1.0, 2.0]), policy.gradient(same, [0, 1], [1.0, 2.0])
    )


@pytest.mark.parametrize("entropy_coef", [0.0, 0.5])
def test_an_action_that_the_policy_cannot_take_is_named(kind, entropy_coef):
    case = Case(kind, (4, 5))
    policy, samples = case.policy, (case.observations, case.actions, case.weights)
    policy.gradient_statistics(*samples)
    if kind == "linear":
        where = np.ones((4, 5, NUM_ACTIONS), bool)
        for index in ((2, 3), (3, 1)):
            where[index][case.actions[index]] = False
        with pytest.raises(ValueError, match=r"actions\[2, 3\] = \d has probability 0"):
            policy.gradient_statistics(*samples, where=where, entropy_coef=entropy_coef)
        return
    forbidden = (case.actions[2, 3],)
    if kind == "tabular":
        forbidden = (case.observations[2, 3], *forbidden)
    policy.parameters[forbidden] = -np.inf
    is_state = kind == "logits" or case.observations == case.observations[2, 3]
    is_bad = is_state & (case.actions == case.actions[2, 3])
    i, j = np.argwhere(is_bad)[0]
    with pytest.raises(ValueError, match=rf"actions\[{i}, {j}\] = \d has probability 0"):
        policy.gradient_statistics(*samples, entropy_coef=entropy_coef)
    case.weights[is_bad] = 0.0
    assert np.isfinite(policy.gradient_statistics(*samples).root_sum_square)


def test_repr():
    assert repr(LogitsPolicy([0, 0, 0])) == "LogitsPolicy(num_actions=3, dtype=float64)"
    table = np.zeros((16, 4), dtype=np.float32)
    assert repr(TabularPolicy(table)) == (
        "TabularPolicy(num_states=16, num_actions=4, dtype=float32)"
    )
    coef = np.zeros((5, 2))
    assert repr(LinearPolicy(coef)) == "LinearPolicy(num_features=5, num_actions=2, dtype=float64)"


table = TabularPolicy(np.zeros((3, 2)))
linear = LinearPolicy(np.zeros((3, 2), dtype=np.float32))
shared = LogitsPolicy(np.zeros(2))
ones = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: LogitsPolicy(np.zeros(3, dtype=np.int64)),
            TypeError,
            "logits must be float32 or float64, got int64",
        ),
        (
            lambda: LogitsPolicy(np.zeros((2, 3))),
            ValueError,
            r"logits must have shape \(num_actions\) and not be empty, got \(2, 3\)",
        ),
        (
            lambda: TabularPolicy(np.zeros((2, 0))),
            ValueError,
            r"table must have shape \(num_states, num_actions\) and not be empty, got \(2, 0\)",
        ),
        (
            lambda: LinearPolicy(np.zeros((2, 2), dtype=np.float16)),
            TypeError,
            "coef must be float32 or float64, got float16",
        ),
        (lambda: table.logits([0.0]), TypeError, "states must be integers, got float64"),
        (
            lambda: table.logits([0, -1]),
            IndexError,
            r"states\[1\] = -1 is out of range for 3 states",
        ),
        (
            lambda: table.gradient([[0, 1], [2, 3]], [[0, 0], [0, 0]], ones),
            IndexError,
            r"states\[1, 1\] = 3 is out of range for 3 states",
        ),
        (
            lambda: table.gradient([[0, 1], [2, 0]], [[0, 1], [2, 0]], ones),
            IndexError,
            r"actions\[1, 0\] = 2 is out of range for 2 actions",
        ),
        (
            lambda: table.gradient(np.zeros((2, 3), dtype=int), np.zeros((3, 2), dtype=int), ones),
            ValueError,
            r"actions must have shape \(2, 3\) or \(2, 3, num_samples\), got \(3, 2\)",
        ),
        (
            lambda: table.gradient(np.zeros((2, 2), dtype=int), np.zeros((2, 2), dtype=int), [1.0]),
            ValueError,
            r"weights must have shape \(2, 2\), got \(1,\)",
        ),
        (
            lambda: TabularPolicy(np.zeros((3, 2)), where=np.ones((2, 2), dtype=bool)),
            ValueError,
            r"where must have shape \(3, 2\), got \(2, 2\)",
        ),
        (
            lambda: linear.logits(np.zeros(3)),
            TypeError,
            "features must be float32 as coef is, or convert to it without loss, got float64",
        ),
        (
            lambda: linear.logits(np.zeros((3, 2), dtype=np.float32)),
            ValueError,
            r"features must have shape \(\.\.\., 3\), as coef has shape "
            r"\(num_features, num_actions\) = \(3, 2\), got \(3, 2\)",
        ),
        (
            lambda: linear.gradient(
                np.zeros((2, 2, 3), dtype=np.float32),
                np.zeros((2, 2), dtype=int),
                ones,
                where=np.ones((4, 2), dtype=bool),
            ),
            ValueError,
            r"where must have shape \(2, 2, 2\) or \(2,\), got \(4, 2\)",
        ),
        (
            lambda: shared.log_prob(None, [0, 2]),
            IndexError,
            r"actions\[1\] = 2 is out of range for 2 actions",
        ),
        (lambda: shared.log_prob(None, [True]), TypeError, "actions must be integers, got bool"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load(kind, dtype, tmp_path):
    policy = Case(kind, (), dtype).policy
    path = tmp_path / "any.name"
    policy.save(path)
    policy.save(str(path))  # over the old file
    loaded = load_policy(path)
    assert type(loaded) is type(policy)
    assert loaded.parameters.dtype == dtype
    np.testing.assert_array_equal(loaded.parameters, policy.parameters)
    loaded.parameters += 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["any.name"]


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    policy = LogitsPolicy([1.0, 2.0])
    path = tmp_path / "policy.npz"
    policy.save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        LogitsPolicy([3.0, 4.0]).save(path)
    assert path.read_bytes() == before


def test_parameters_that_are_none_are_not_saved(tmp_path):
    policy = LogitsPolicy(np.zeros(3))
    policy.save(tmp_path / "policy.npz")
    policy.parameters = np.array([object()])
    with pytest.raises(TypeError, match="logits must be float32 or float64, got object"):
        policy.save(tmp_path / "policy.npz")
    assert load_policy(tmp_path / "policy.npz").parameters.tolist() == [0.0] * 3


@pytest.mark.slow
def test_log_prob_of_many_samples_takes_no_memory_for_their_logits() -> None:
    rng = np.random.default_rng(0)
    policy = scorefn.LinearPolicy(rng.normal(size=(4, 200)))
    x, actions = rng.normal(size=(50_000, 4)), rng.integers(200, size=50_000)
    tracemalloc.start()
    log_prob = policy.log_prob(x, actions)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000 * 200 * 8 / 2
    np.testing.assert_allclose(log_prob, testing.log_prob(x @ policy.parameters, actions))
    where = rng.random((50_000, 200)) < 0.5
    where[np.arange(50_000), actions] = True
    np.testing.assert_allclose(
        policy.log_prob(x, actions, where=where),
        testing.log_prob(x @ policy.parameters, actions, where=where),
    )
    pairs = policy.log_prob(x.reshape(2, -1, 4), actions.reshape(2, -1))
    np.testing.assert_array_equal(pairs.reshape(-1), log_prob)
    actions[40_000] = 200
    with pytest.raises(IndexError, match=r"actions\[40000\] = 200 is out of range"):
        policy.log_prob(x, actions)
