"""Credit assignment: from rewards to one advantage per sample. Nothing here looks at logits.

Arrays over time have time as their first axis: shape (T,), or (T, ...) for a batch of environments.
A scan has the dtype of its arrays: float32 if all are float32 or half precision, else float64. Its
sums are accumulated in float64.

An episode ends in one of two ways. ``terminated``: the task is over and nothing follows, so the
value of what follows is 0. ``truncated``: only the recording stopped (a time limit), so what
follows still has a value, that of the episode's final observation. Nothing flows back over an
episode's end from the next episode. The last step of the arrays counts as truncated unless it
terminated.

Gymnasium's vector environments (autoreset mode ``NEXT_STEP``, its default) spend a step on each
reset: the step after an episode's end ignores the action and returns reward 0 and the new episode's
first observation. Such a step is no sample. Mark it with False in ``valid`` (True = a step that
counts)::

    valid = ~previous_done      # previous_done[t] = (terminated | truncated)[t - 1]

and pass only the valid steps on to an estimator: ``observations[valid], actions[valid], ...``.
"""

from .baselines import Baseline, Singleton, advantages
from .moving_average import MovingAverage
from .normalization import normalize
from .scans import discounted_returns, gae
from .sequences import Reduction, sequence_weights

__all__ = [
    "Baseline",
    "MovingAverage",
    "Reduction",
    "Singleton",
    "advantages",
    "discounted_returns",
    "gae",
    "normalize",
    "sequence_weights",
]
