"""Terms over all actions of hard rows: masks, infinities, NaN, offsets, near and far references."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from _objectives import EXAMPLES
from scorefn import testing
from test_joint import N
from test_joint_terms import arguments, every_term, with_term

Array = NDArray[Any]


@every_term
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cols", [3, 6, 40, 200])
def test_masked_slots_may_hold_anything(term: str, dtype: Any, cols: int) -> None:
    rng = np.random.default_rng(3)
    z, x = rng.normal(size=(2, N, cols)).astype(dtype)
    where = rng.random((N, cols)) < 0.6
    where[:, 0] = True
    actions, weights = np.zeros(N, dtype=int), rng.normal(size=N)
    objective = with_term(EXAMPLES[0], term, 0.7, 0.1)
    clean = objective.gradient(
        np.where(where, z, dtype(-np.inf)),
        None,
        actions,
        weights=weights,
        **arguments(term, np.where(where, x, dtype(-np.inf if term != "expected_value" else 0))),
    )
    for garbage in (np.nan, np.inf, -np.inf):
        step = objective.gradient(
            np.where(where, z, dtype(garbage)),
            None,
            actions,
            weights=weights,
            where=where,
            **arguments(term, np.where(where, x, dtype(garbage))),
        )
        np.testing.assert_array_equal(step.gradient, clean.gradient)
        assert (step.gradient[~where] == 0.0).all()
        assert step.objective == pytest.approx(clean.objective, rel=1e-6)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_gradients_of_hard_rows(direction: str, dtype: Any) -> None:
    """Against many digits: nearly equal, far apart, shifted, with a dominant action."""
    base = np.array([0.3, -1.2, 2.0, 0.5])
    cases = [
        (base, base + np.array([1e-3, -1e-3, 0.0, 2e-3])),
        (base, base[::-1]),
        (base + 50.0, base - 30.0),
        (np.array([30.0, 0.0, -5.0, 1.0]), base),
        (base, np.array([25.0, 0.0, -5.0, 1.0])),
        (np.array([0.0, -80.0, -1.0, -200.0]), base),
    ]
    mpmath.mp.dps = 60
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    z = np.array([p for p, _ in cases], dtype=dtype)
    reference = np.array([q for _, q in cases], dtype=dtype)
    objective = scorefn.WeightedLogProb(kl_coef=1.0, kl_direction=direction)
    step = objective.gradient(
        z, None, [0] * len(cases), weights=[0.0] * len(cases), reference=reference
    )
    for i in range(len(cases)):
        p, log_p = softmax_of(z[i])
        q, log_q = softmax_of(reference[i])
        d = [a - b for a, b in zip(log_p, log_q, strict=True)]
        if direction == "reverse":
            kl = mpmath.fsum(a * b for a, b in zip(p, d, strict=True))
            exact = [-a * (b - kl) for a, b in zip(p, d, strict=True)]
            sizes = [
                abs(a) * (abs(b) + abs(kl) + np.abs([z[i], reference[i]]).max())
                for a, b in zip(p, d, strict=True)
            ]
        else:
            kl = -mpmath.fsum(a * b for a, b in zip(q, d, strict=True))
            exact = [b - a for a, b in zip(p, q, strict=True)]
            sizes = [abs(a) + abs(b) for a, b in zip(p, q, strict=True)]
        assert step.kl_divergence[i] == pytest.approx(float(kl), rel=20 * eps)
        # Some roundings of the logits, whose differences cancel, each as large as p_j.
        for got, want, size in zip(step.gradient[i], exact, sizes, strict=True):
            assert abs(float(got) - float(want)) <= 8 * eps * float(size) + tiny


def softmax_of(z: Array) -> tuple[list[Any], list[Any]]:
    e = [mpmath.exp(mpmath.mpf(float(x))) for x in z]
    total = mpmath.fsum(e)
    return [x / total for x in e], [mpmath.log(x / total) for x in e]


def test_what_a_reference_forbids() -> None:
    """The policy allows what the reference forbids: an infinite divergence, in that row alone."""
    z = np.zeros((3, 2))
    reference = np.array([[0.0, -np.inf], [0.0, 0.0], [0.0, -np.inf]])
    z[2, 1] = -np.inf  # both forbid it
    objective = scorefn.WeightedLogProb(kl_coef=1.0)
    step = objective.gradient(z, None, [0, 0, 0], weights=[1.0, 1.0, 1.0], reference=reference)
    assert step.kl_divergence.tolist() == [np.inf, 0.0, 0.0]
    assert np.isfinite(step.gradient[1:]).all()
    assert (step.gradient[2] == 0.0).all()
    exempt = scorefn.WeightedLogProb(kl_coef=np.array([0.0, 1.0, 1.0]))
    step = exempt.gradient(z, None, [0, 0, 0], weights=[1.0, 1.0, 1.0], reference=reference)
    assert np.isfinite(step.gradient).all()
    assert np.isfinite(step.objective)


def test_a_reference_without_an_allowed_action() -> None:
    z = np.zeros((4, 3))
    reference = z.copy()
    reference[2] = -np.inf
    objective = scorefn.WeightedLogProb(kl_coef=1.0)
    arguments_ = {"weights": np.zeros(4), "reference": reference}
    for policy, x in (
        (z, None),
        (scorefn.TabularPolicy(z), np.arange(4)),
        (scorefn.LinearPolicy(z[:2]), np.ones((4, 2))),
    ):
        with pytest.raises(ValueError, match=r"reference\[2\] has no allowed action"):
            objective.gradient(policy, x, [0] * 4, **arguments_)
    step = objective.gradient(
        scorefn.TabularPolicy(z), [0, 1], [0, 0], weights=np.zeros(2), reference=reference
    )
    assert (step.gradient[2] == 0.0).all()


@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_logit_of_minus_infinity_forbids_as_a_mask_does(direction: str, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    z, reference = rng.normal(size=(2, N, 7)).astype(dtype)
    where = rng.random((N, 7)) < 0.6
    where[:, 0] = True
    objective = scorefn.WeightedLogProb(kl_coef=0.5, kl_direction=direction)
    numbers = {"weights": rng.normal(size=N), "reference": reference}
    actions = np.zeros(N, dtype=int)
    masked = objective.gradient(z, None, actions, where=where, **numbers)
    infinite = np.where(where, z, dtype(-np.inf))
    step = objective.gradient(infinite, None, actions, **numbers)
    np.testing.assert_array_equal(step.gradient, masked.gradient)
    assert step.objective == masked.objective
    exact = testing.objective_gradient(objective, infinite, actions, **numbers)
    assert step.objective == pytest.approx(exact.objective, rel=1e-5)


def test_what_a_policy_of_reference_forbids_by_its_mask() -> None:
    class Rows:
        """A table of one's own."""

        def __init__(self, table: Array) -> None:
            self.table = table

        def logits(self, observations: Any) -> Array:
            return self.table[observations]

        def adjoint(self, observations: Any, logits_gradient: Array) -> Array:
            return logits_gradient

    z, mask = np.zeros((4, 3)), np.array([[True, True, False]] * 4)
    reference = scorefn.TabularPolicy(z, where=mask)
    step = scorefn.WeightedLogProb(kl_coef=1.0).gradient(
        Rows(z), np.arange(4), [0] * 4, weights=np.zeros(4), reference=reference
    )
    assert (step.kl_divergence == np.inf).all()


@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_an_offset_of_the_matrix_means_nothing(offset: float) -> None:
    """Beside the error of the matrix itself, which is exact here."""
    rng = np.random.default_rng(7)
    z = rng.normal(size=(64, 10)).astype(np.float32)
    x = (rng.integers(-8, 8, size=(64, 10)) / 8).astype(np.float32)
    for term in ("reverse", "expected_value"):
        objective = with_term(EXAMPLES[0], term, 1.0, 0.0)
        steps = [
            objective.gradient(z, None, [0] * 64, weights=np.zeros(64), **arguments(term, y))
            for y in (x, x + np.float32(offset))
        ]
        np.testing.assert_allclose(steps[1].gradient, steps[0].gradient, rtol=0, atol=1e-6)


def test_no_samples_per_observation() -> None:
    actions, none = np.zeros((4, 0), dtype=int), np.zeros((4, 0))
    for policy, x in (
        (np.zeros((4, 3)), None),
        (scorefn.TabularPolicy(np.zeros((4, 3))), np.arange(4)),
        (scorefn.LinearPolicy(np.zeros((2, 3))), np.ones((4, 2))),
    ):
        step = scorefn.WeightedLogProb().gradient(policy, x, actions, weights=none)
        assert step.entropy.shape == (4,)
        assert (step.gradient == 0.0).all()
    with pytest.raises(ValueError, match=r"where must have shape \(4, 3\) or \(3,\), got \(4, 1\)"):
        scorefn.WeightedLogProb().gradient(
            np.zeros((4, 3)), None, actions, weights=none, where=np.ones((4, 1), dtype=bool)
        )


def test_nan_rows_that_do_not_count() -> None:
    z = np.array([[0.0, np.nan, 1.0], [0.0, 1.0, 2.0]])
    q = np.ones((2, 3))
    coefs = np.array([0.0, 0.5])
    objective = scorefn.WeightedLogProb(kl_coef=coefs, entropy_coef=coefs)
    step = objective.gradient(z, None, [0, 0], weights=[0.0, 1.0], reference=q)
    assert (step.gradient[0] == 0.0).all()
    assert np.isfinite(step.gradient[1]).all()
    step = objective.gradient(z, None, [0, 0], weights=[1.0, 1.0], reference=q)
    assert np.isnan(step.gradient[0]).all()


def test_unvisited_states_may_hold_anything() -> None:
    table = np.array([[0.0, 1.0], [np.nan, 0.0], [-np.inf, -np.inf], [2.0, 1.0]])
    reference = np.array([[0.0, 0.0], [np.nan, 0.0], [0.0, 0.0], [0.0, 1.0]])
    step = scorefn.WeightedLogProb(kl_coef=0.5).gradient(
        scorefn.TabularPolicy(table), [0, 3], [0, 1], weights=[1.0, 2.0], reference=reference
    )
    assert (step.gradient[1:3] == 0.0).all()
    assert np.isfinite(step.gradient).all()
    assert np.isfinite(step.objective)
