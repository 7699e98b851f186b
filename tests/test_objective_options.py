"""Options of the declared objectives: numbers, pairs, names; and the domains of what they read."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import scorefn
from scorefn import CISPO, SAPO, ClippedSurrogate, ImportanceSampling, KLPenalty, _stub

INF, NAN = np.inf, np.nan
PAIR = "must be a real number or a pair (low, high), got"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ClippedSurrogate, {"clip_range": -0.1}, "clip_range must be at least 0, got -0.1"),
        (ClippedSurrogate, {"clip_range": (0.1, -0.2)}, "clip_range must be at least 0, got -0.2"),
        (ClippedSurrogate, {"clip_range": (NAN, 0.2)}, "clip_range must be at least 0, got nan"),
        (ClippedSurrogate, {"dual_clip": 1.0}, "dual_clip must be greater than 1, got 1.0"),
        (ClippedSurrogate, {"dual_clip": NAN}, "dual_clip must be greater than 1, got nan"),
        (SAPO, {"tau_pos": 0.0}, "tau_pos must be finite and greater than 0, got 0.0"),
        (SAPO, {"tau_neg": INF}, "tau_neg must be finite and greater than 0, got inf"),
        (KLPenalty, {"value": "k4"}, "value must be 'k1', 'k2' or 'k3', got 'k4'"),
        (KLPenalty, {"derivative": 2}, "derivative must be 'k1', 'k2' or 'k3', got 2"),
        (
            ImportanceSampling,
            {"weighting": None},
            "weighting must be 'plain', 'clipped', 'switch', 'sub_gaussian' or "
            "'optimistic_shrinkage', got None",
        ),
        (ImportanceSampling, {"max_weight": 0}, "max_weight must be greater than 0, got 0"),
        (
            ImportanceSampling,
            {"sub_gaussian_lambda": 1.5},
            "sub_gaussian_lambda must be in [0, 1], got 1.5",
        ),
        (
            ImportanceSampling,
            {"shrinkage_lambda": 0.0},
            "shrinkage_lambda must be greater than 0, got 0.0",
        ),
    ],
)
def test_values_outside_a_domain(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ClippedSurrogate, {"clip_range": "0.2"}, f"clip_range {PAIR} str"),
        (ClippedSurrogate, {"clip_range": (0.1, 0.2, 0.3)}, f"clip_range {PAIR} tuple"),
        (ClippedSurrogate, {"clip_range": (0.1, None)}, f"clip_range {PAIR} NoneType"),
        (ClippedSurrogate, {"dual_clip": (2.0, 3.0)}, "dual_clip must be a real number, got tuple"),
        (SAPO, {"tau_pos": True}, "tau_pos must be a real number, got bool"),
    ],
)
def test_values_of_a_wrong_kind(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        kind(**options)


def test_a_number_is_both_ends_of_a_pair() -> None:
    rng = np.random.default_rng(0)
    z, actions = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    numbers = {
        "old_log_prob": scorefn.log_prob(z, actions) + rng.normal(size=50),
        "advantages": rng.normal(size=50),
    }
    one = ClippedSurrogate(clip_range=0.3).gradient(z, None, actions, **numbers)
    for pair in ((0.3, 0.3), [0.3, 0.3]):
        two = ClippedSurrogate(clip_range=pair).gradient(z, None, actions, **numbers)
        function = scorefn.clipped_surrogate(z, actions, **numbers, clip_range=pair)
        for x, y, of_function in zip(one, two, function, strict=True):
            np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(x, of_function)
    pair = (0.1, INF)
    two = ClippedSurrogate(clip_range=pair).gradient(z, None, actions, **numbers)
    function = scorefn.clipped_surrogate(z, actions, **numbers, clip_range=pair)
    np.testing.assert_array_equal(function.gradient, two.gradient)
    assert function.objective == two.objective != one.objective
    listed: Any = [0.1, INF]
    assert hash(ClippedSurrogate(clip_range=listed)) == hash(ClippedSurrogate(clip_range=pair))


def test_signatures_and_docs() -> None:
    signature = inspect.signature(KLPenalty)
    assert [*signature.parameters][:2] == ["value", "derivative"]
    doc = inspect.getdoc(KLPenalty)
    assert doc is not None
    assert 'value : "k1", "k2" or "k3", default "k3"' in doc
    doc = inspect.getdoc(CISPO)
    assert doc is not None
    assert "clip_range : float or (low, high), default (inf, 4.0)" in doc
    assert "At least 0." in doc
    stub = _stub.stub()
    assert '    value: Literal["k1", "k2", "k3"] = "k3"\n' in stub
    assert "    clip_range: float | tuple[float, float] = 0.2\n" in stub


Array = NDArray[Any]


def policies() -> list[tuple[Any, Any, Array]]:
    """With six samples each, one or several per observation."""
    table, flat, grid = np.zeros((3, 2)), np.zeros(6, int), np.zeros((3, 2), int)
    return [
        (np.zeros((6, 2)), None, flat),
        (np.zeros((3, 2)), None, grid),
        (scorefn.LogitsPolicy(np.zeros(2)), None, flat),
        (scorefn.TabularPolicy(table), [0, 0, 1, 1, 2, 2], flat),
        (scorefn.TabularPolicy(table), [0, 1, 2], grid),
        (scorefn.LinearPolicy(table), np.ones((6, 3)), flat),
        (scorefn.LinearPolicy(table), np.ones((3, 3)), grid),
    ]


@pytest.mark.parametrize("policy", policies(), ids=lambda p: f"{type(p[0]).__name__} {p[2].ndim}")
@pytest.mark.parametrize("bad", [0.0, -0.5, 1.5, NAN, INF])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_propensities_are_probabilities(policy: Any, bad: float, dtype: Any) -> None:
    on, observations, actions = policy
    propensities = np.ones(6, dtype)
    propensities[[3, 5]] = bad
    index = "[1, 1]" if actions.ndim == 2 else "[3]"
    message = f"propensities{index} must be in (0, 1], got {bad:g}"
    with pytest.raises(ValueError, match=re.escape(message)):
        ImportanceSampling().gradient(
            on,
            observations,
            actions,
            propensities=propensities.reshape(actions.shape),
            advantages=np.ones(actions.shape),
        )


def test_the_first_bad_propensity_of_many() -> None:
    n = 100_000
    z, propensities = np.zeros((n, 2), np.float32), np.full(n, 0.5)
    numbers = {"propensities": propensities, "advantages": np.ones(n)}
    propensities[[61_234, 90_000]] = 1e-60  # 0 once it is rounded to the dtype of the logits
    message = re.escape("propensities[61234] must be in (0, 1], got 0")
    for num_threads in (1, 3):
        with scorefn.threads(num_threads), pytest.raises(ValueError, match=message):
            ImportanceSampling().gradient(z, None, np.zeros(n, int), **numbers)
    step = ImportanceSampling().gradient(z.astype(float), None, np.zeros(n, int), **numbers)
    assert np.isfinite(step.objective)
