"""scorefn: fast, accurate score-function (REINFORCE) gradients of categorical policies on CPUs.

>>> import numpy as np, scorefn
>>> policy = scorefn.LogitsPolicy(np.zeros(4))             # pi = softmax(logits)
>>> payoff = np.array([0.1, 0.5, 0.9, 0.3])                # of each action, unknown to the policy
>>> reinforce = scorefn.Reinforce(baseline="leave_one_out")
>>> for step in range(200):
...     actions, _ = policy.sample(num_samples=256, rng=step)
...     estimate = reinforce.estimate(policy, None, actions, payoff[actions])
...     policy.parameters += 2.0 * estimate.gradient       # ascent
>>> int(policy.parameters.argmax()), bool(scorefn.softmax(policy.parameters)[2] > 0.9)
(2, True)
"""

from . import _workers, credit, critics, estimators, objectives, optimizers, policies
from ._core import (
    clipped_surrogate,
    entropy,
    get_num_threads,
    kl_divergence,
    linear_gradient,
    log_prob,
    log_softmax,
    logsumexp,
    policy_gradient,
    sample,
    score,
    score_gradient,
    set_num_threads,
    softmax,
    tabular_gradient,
    version,
)
from ._sample import Sample, SampleWithEntropy
from ._segments import offsets_from_lengths
from ._threads import threads
from .config import Config, show_config
from .credit import (
    VTrace,
    discounted_returns,
    gae,
    lambda_returns,
    n_step_returns,
    q_lambda,
    retrace,
    tree_backup,
    upgo,
    vtrace,
)
from .estimators import (
    A2C,
    GRPO,
    PPO,
    RLOO,
    AllAction,
    Diagnostics,
    Estimate,
    NaturalGradient,
    OffPolicy,
    Reinforce,
    ValueEstimate,
)
from .objectives import *  # noqa: F403
from .policies import LinearPolicy, LogitsPolicy, TabularPolicy, load_policy

__version__ = version()
_workers.watch()

__all__ = [
    "A2C",
    "GRPO",
    "PPO",
    "RLOO",
    "AllAction",
    "Config",
    "Diagnostics",
    "Estimate",
    "LinearPolicy",
    "LogitsPolicy",
    "NaturalGradient",
    "OffPolicy",
    "Reinforce",
    "Sample",
    "SampleWithEntropy",
    "TabularPolicy",
    "VTrace",
    "ValueEstimate",
    "clipped_surrogate",
    "credit",
    "critics",
    "discounted_returns",
    "entropy",
    "estimators",
    "gae",
    "get_num_threads",
    "kl_divergence",
    "lambda_returns",
    "linear_gradient",
    "load_policy",
    "log_prob",
    "log_softmax",
    "logsumexp",
    "n_step_returns",
    "objectives",
    "offsets_from_lengths",
    "optimizers",
    "policies",
    "policy_gradient",
    "q_lambda",
    "retrace",
    "sample",
    "score",
    "score_gradient",
    "set_num_threads",
    "show_config",
    "softmax",
    "tabular_gradient",
    "threads",
    "tree_backup",
    "upgo",
    "vtrace",
]
__all__ += objectives.__all__
