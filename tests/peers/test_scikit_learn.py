"""Estimators under scikit-learn's tools for parameters.

pip install scikit-learn && pytest tests/peers
"""

from __future__ import annotations

import pytest

import scorefn
from scorefn import estimators

base = pytest.importorskip("sklearn.base")
model_selection = pytest.importorskip("sklearn.model_selection")


def test_clone() -> None:
    kinds = [getattr(estimators, name) for name in estimators.__all__]
    usual = [kind() for kind in kinds if hasattr(kind, "estimate")]
    own = scorefn.PPO(scorefn.ClippedSurrogate(clip_range=0.1), epochs=3)
    for estimator in (*usual, own, scorefn.GRPO("gspo", preset="verl")):
        copy = base.clone(estimator)
        assert copy == estimator
        assert copy is not estimator


def test_a_grid_of_parameters() -> None:
    ppo = scorefn.PPO()
    grid = {"objective__clip_range": [0.1, 0.2], "epochs": [4, 10]}
    made = [
        base.clone(ppo).set_params(**parameters)
        for parameters in model_selection.ParameterGrid(grid)
    ]
    assert len(set(made)) == 4
    assert ppo in made
    assert ppo == scorefn.PPO()
