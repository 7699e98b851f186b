from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sample(NamedTuple):
    """Actions drawn from a policy, and their log-probabilities.

    Attributes
    ----------
    actions : int64 array
        Has the leading shape of the logits, and one more axis if `num_samples` was given.
    log_prob : float32 or float64 array of the same shape
        ``log pi(actions)``, in the dtype of the logits.
    """

    actions: NDArray[np.int64]
    log_prob: NDArray[np.floating[Any]]


class SampleWithEntropy(NamedTuple):
    """A `Sample`, and the entropies of the policy.

    Attributes
    ----------
    actions, log_prob : arrays
        The same as in `Sample`.
    entropy : float32 or float64 array
        ``H(pi)`` of each row; has the leading shape of the logits.
    """

    actions: NDArray[np.int64]
    log_prob: NDArray[np.floating[Any]]
    entropy: NDArray[np.floating[Any]]
