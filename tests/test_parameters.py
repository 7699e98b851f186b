"""Options of every estimator: get, set, show, copy, and the presets of libraries."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

import scorefn
from scorefn import A2C, GRPO, PPO, RLOO, ClippedSurrogate, Reinforce, estimators
from scorefn.estimators.presets import PRESETS

NAMES = {**vars(scorefn), **vars(estimators), "inf": np.inf}


def all_estimators() -> dict[str, type[Any]]:
    named = {name: getattr(estimators, name) for name in estimators.__all__}
    return {name: value for name, value in named.items() if hasattr(value, "estimate")}


# Of each estimator, an object whose options are not all the usual ones.
OTHERS: dict[str, Any] = {
    "A2C": A2C(gae_lambda=0.9),
    "GRPO": GRPO("gspo", objective=ClippedSurrogate(clip_range=(0.1, np.inf)), eps=1e-6),
    "PPO": PPO(objective=ClippedSurrogate(dual_clip=3.0), epochs=4),
    "RLOO": RLOO(kl_coef=0.1),
    "Reinforce": Reinforce("leave_one_out", axis=-1),
}


@pytest.fixture(params=all_estimators())
def made(request: pytest.FixtureRequest) -> list[Any]:
    """The usual object of each estimator, one of each preset, and another."""
    kind, others = all_estimators()[request.param], [OTHERS.get(request.param)]
    presets = [kind(preset=preset) for preset in PRESETS.get(request.param, {})]
    return [kind(), *presets, *(other for other in others if other is not None)]


def test_estimators_are_values(made: list[Any]) -> None:
    for estimator in made:
        kind = type(estimator)
        for again in (
            pickle.loads(pickle.dumps(estimator)),
            copy.deepcopy(estimator),
            dataclasses.replace(estimator),
            kind(**estimator.get_params(deep=False)),
            kind().set_params(**estimator.get_params(deep=False)),
            eval(repr(estimator), NAMES),
        ):
            assert type(again) is kind
            assert again == estimator
            assert hash(again) == hash(estimator)
    assert repr(made[0]) == f"{type(made[0]).__name__}()"


def test_options_are_those_of_the_constructor(made: list[Any]) -> None:
    for estimator in made:
        options = {f.name: getattr(estimator, f.name) for f in dataclasses.fields(estimator)}
        assert estimator.get_params(deep=False) == options
        nested = {k: v for k, v in estimator.get_params().items() if k not in options}
        for name, value in nested.items():
            outer, _, inner = name.partition("__")
            assert value is getattr(options[outer], inner)
        assert estimator.set_params(**estimator.get_params()) is estimator
        assert estimator.get_params(deep=False) == options


def test_a_wrong_option_changes_nothing(made: list[Any]) -> None:
    for estimator in made:
        first = next(iter(estimator.get_params(deep=False)))
        before = estimator.get_params()
        for wrong in ({first: object()}, {"gamma": 1.0}, {"preset": "sb3"}, {"gamma__a": 1}):
            with pytest.raises((TypeError, ValueError)):
                estimator.set_params(**wrong)
            assert estimator.get_params() == before


def test_nested_options() -> None:
    objective = ClippedSurrogate(clip_range=0.1)
    one, other = PPO(objective=objective), PPO(objective=objective)
    assert one.get_params()["objective__clip_range"] == 0.1
    one.set_params(objective__clip_range=(0.1, 0.3), epochs=2)
    assert one == PPO(objective=ClippedSurrogate(clip_range=(0.1, 0.3)), epochs=2)
    assert other.objective is objective  # which has not changed
    assert objective.clip_range == 0.1
    one.set_params(objective=scorefn.SAPO(), objective__tau_neg=2.0)
    assert repr(one) == "PPO(objective=SAPO(tau_neg=2.0), epochs=2)"
    assert "objective__clip_range" not in GRPO().get_params()


def test_wrong_names() -> None:
    ppo = PPO()
    with pytest.raises(ValueError, match=r"parameters of PPO must be among objective, .*, got gam"):
        ppo.set_params(epochs=3, gamma=0.9)
    with pytest.raises(ValueError, match=r"of ClippedSurrogate must be among clip_range, .* got e"):
        ppo.set_params(epochs=3, objective__eps=0.9)
    with pytest.raises(ValueError, match="epochs must have options to set epochs__a, got 3"):
        ppo.set_params(epochs=3, epochs__a=0.9)
    with pytest.raises(ValueError, match="objective must have options to set objective__a, got No"):
        GRPO().set_params(objective__a=0.9)
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        ppo.set_params(minibatch_size=3, epochs=0)
    assert ppo == PPO()


def test_an_option_that_is_an_object_of_its_own_is_shown_in_full() -> None:
    objective = scorefn.CustomObjective(len)
    assert repr(PPO(objective=objective)) == f"PPO(objective=CustomObjective(function={len!r}))"


# --- presets ------------------------------------------------------------------------------------


def test_options_that_are_given_win_over_a_preset() -> None:
    assert GRPO(preset="verl", eps=1e-4).eps == 1e-4
    assert GRPO(preset="verl").eps == 1e-6
    assert GRPO("bnpo", preset="verl") == GRPO(preset="verl")
    assert PPO(ClippedSurrogate(clip_range=0.1), preset="sb3").objective.clip_range == 0.1
    # The objective goes with the variant.
    assert GRPO("cispo", preset="verl").objective is None
    own = ClippedSurrogate(dual_clip=10.0)
    assert GRPO("dapo", own, preset="verl").objective is own


def test_presets_that_are_the_usual_options() -> None:
    assert PPO(preset="sb3") == PPO()
    assert A2C(preset="sb3") == A2C()


def test_an_unknown_preset() -> None:
    for kind, presets in (("GRPO", "trl, verl"), ("RLOO", "trl"), ("PPO", "sb3"), ("A2C", "sb3")):
        with pytest.raises(ValueError, match=f"preset must be one of {presets}, got 'jax'"):
            NAMES[kind](preset="jax")
    with pytest.raises(TypeError, match="preset must be a str, got int"):
        GRPO(preset=1)
    with pytest.raises(ValueError, match="eps must be at least 0"):
        GRPO(preset="trl", eps=-1.0)


def test_each_preset_names_options_and_the_table_has_it() -> None:
    for name, presets in PRESETS.items():
        for preset, options in presets.items():
            made = NAMES[name](preset=preset)
            assert {k: v for k, v in made.get_params().items() if k in options} == options
            assert f"`{name}`".ljust(9) + f" {preset}" in (estimators.presets.__doc__ or "")


def test_verl_is_a_mean_over_tokens_with_a_second_clip() -> None:
    """The formulas of verl's grpo and vanilla loss, with a group of one sequence."""
    rng = np.random.default_rng(0)
    logits, actions = rng.normal(size=(5, 4, 3)), rng.integers(3, size=(5, 4))
    valid = np.arange(4) < np.array([2, 4, 1, 3, 4])[:, np.newaxis]
    log_prob = scorefn.log_prob(logits, actions)
    old = log_prob + rng.normal(size=(5, 4))
    rewards, groups = np.array([1.0, 3.0, 2.0, -0.5, 0.25]), np.array([7, 7, 7, 7, 2])
    a = np.full(5, 0.25 / (1 + 1e-6))
    a[:4] = (rewards[:4] - rewards[:4].mean()) / (rewards[:4].std(ddof=1) + 1e-6)
    a = a[:, np.newaxis]
    ratio = np.exp(log_prob - old)
    values = np.minimum(ratio * a, np.clip(ratio, 0.8, 1.2) * a)
    values = np.where(a < 0, np.maximum(values, 3.0 * a), values)
    assert (ratio * a < 3.0 * a)[valid].any()
    result = GRPO(preset="verl").estimate(
        logits, None, actions, rewards, old_log_prob=old, groups=groups, valid=valid
    )
    # Sums over 14 tokens, each with some roundings.
    assert result.objective == pytest.approx(values[valid].mean(), rel=1e-13)
    np.testing.assert_allclose(result.advantages, a[:, 0], rtol=1e-13)
    other = GRPO(preset="trl").estimate(
        logits, None, actions, rewards, old_log_prob=old, groups=groups, valid=valid
    )
    assert other.advantages[4] == 0.0
    a[:4] *= ((rewards[:4].std(ddof=1) + 1e-6) / (rewards[:4].std(ddof=1) + 1e-4)).item()
    a[4] = 0.0
    values = np.minimum(ratio * a, np.clip(ratio, 0.8, 1.2) * a)
    assert other.objective == pytest.approx(values[valid].mean(), rel=1e-13)
