"""What other libraries have by default, as options of estimators: ``GRPO(preset="verl")``.

A preset is nothing but values of options. Options that are given win, and ``get_params()`` and the
repr show what holds. What a preset cannot say is in the last column.

========= ====== =============================================== ================================
estimator preset options                                         what else the library does
========= ====== =============================================== ================================
`A2C`     sb3    discount=0.99, gae_lambda=1, entropy_coef=0,    RMSprop; value loss and policy
                 normalize_advantages=False                      share max_grad_norm=0.5
`PPO`     sb3    clip range 0.2, entropy_coef=0, epochs=10,      `Adam` with preset "sb3"; a last
                 minibatch_size=64, target_kl=None,              minibatch of one sample is taken
                 normalize_advantages=True                       as it is, here it is left out
`GRPO`    trl    variant="bnpo", kl_coef=0, entropy_coef=0,      its loss_type="dapo" with epsilon
                 eps=1e-4, count_empty=True, singleton="zero"    0.2 is "bnpo" of the whole batch
`GRPO`    verl   variant="bnpo", clip range 0.2 with             adv_estimator=grpo; log-ratios
                 dual_clip=3, kl_coef=0, entropy_coef=0,         are clamped to 20
                 eps=1e-6, count_empty=True, singleton="raw"
`RLOO`    trl    clip range 0.2, kl_coef=0.05                    a group of one has advantage 0,
                                                                 here it is an error
========= ====== =============================================== ================================

The objective of verl's preset goes with its variant: ``GRPO("gspo", preset="verl")`` has the
objective of "gspo". `RLOO` has no preset of verl, which takes a ratio for each token where `RLOO`
takes one for each sequence. The numbers are those of Stable-Baselines3 2.9, TRL 1.16 and verl 0.9.
"""

from __future__ import annotations

from typing import Any

from ..objectives import ClippedSurrogate

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "A2C": {
        "sb3": {
            "discount": 0.99,
            "gae_lambda": 1.0,
            "entropy_coef": 0.0,
            "normalize_advantages": False,
        }
    },
    "PPO": {
        "sb3": {
            "objective": ClippedSurrogate(clip_range=0.2),
            "entropy_coef": 0.0,
            "normalize_advantages": True,
            "epochs": 10,
            "minibatch_size": 64,
            "target_kl": None,
        }
    },
    "GRPO": {
        "trl": {
            "variant": "bnpo",
            "kl_coef": 0.0,
            "entropy_coef": 0.0,
            "eps": 1e-4,
            "count_empty": True,
            "singleton": "zero",
        },
        "verl": {
            "variant": "bnpo",
            "objective": ClippedSurrogate(clip_range=0.2, dual_clip=3.0),
            "kl_coef": 0.0,
            "entropy_coef": 0.0,
            "eps": 1e-6,
            "count_empty": True,
            "singleton": "raw",
        },
    },
    "RLOO": {"trl": {"objective": ClippedSurrogate(clip_range=0.2), "kl_coef": 0.05}},
}
