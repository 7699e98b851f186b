"""Credit assignment: from rewards to one advantage per sample. Nothing here looks at logits.

Arrays over time have time as their first axis: shape (T,), or (T, ...) for a batch of environments.
``axis=`` names another one, such as 1 for arrays of shape (environments, T). A scan has the dtype
of its arrays: float32 if all are float32 or half precision, else float64. Its sums are accumulated
in float64.

An episode ends in one of two ways. ``terminated``: the task is over and nothing follows, so the
value of what follows is 0. ``truncated``: only the recording stopped (a time limit), so what
follows still has a value, that of the episode's final observation. Nothing flows back over an
episode's end from the next episode. The last step of the arrays counts as truncated unless it
terminated.

The vector environments of Gymnasium have three modes of starting the next episode:

``AutoresetMode.NEXT_STEP``, the default, spends a step on each reset: the step after an episode's
end ignores the action and returns reward 0 and the new episode's first observation. Such a step is
no sample. Mark it with False in ``valid`` (True = a step that counts)::

    valid = ~previous_done      # previous_done[t] = (terminated | truncated)[t - 1]

and pass only the valid steps on to an estimator: ``observations[valid], actions[valid], ...``. The
value of what followed a step is that of the observation that the step returned.

``AutoresetMode.SAME_STEP`` resets within the step that ends an episode and returns the first
observation of the next one. All steps count. What followed such a step is in
``infos["final_obs"]``::

    following = observations.copy()
    for env in np.flatnonzero(terminated | truncated):
        following[env] = infos["final_obs"][env]

``AutoresetMode.DISABLED`` leaves it to you to call ``envs.reset(options={"reset_mask": done})``
before the next step. All steps count, and what followed a step is what the step returned. Compute
the next actions from what the reset returned.
"""

from .baselines import Baseline, Singleton, advantages
from .explained_variance import explained_variance
from .moving_average import MovingAverage
from .normalization import normalize
from .off_policy import VTrace, q_lambda, retrace, tree_backup, upgo, vtrace
from .scans import discounted_returns, gae, lambda_returns, n_step_returns
from .sequences import Reduction, sequence_weights

__all__ = [
    "Baseline",
    "MovingAverage",
    "Reduction",
    "Singleton",
    "VTrace",
    "advantages",
    "discounted_returns",
    "explained_variance",
    "gae",
    "lambda_returns",
    "n_step_returns",
    "normalize",
    "q_lambda",
    "retrace",
    "sequence_weights",
    "tree_backup",
    "upgo",
    "vtrace",
]
