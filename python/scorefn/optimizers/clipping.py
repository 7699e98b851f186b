"""Gradients of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .._check import check_finite, check_float, check_number
from .._errstate import without_float_errors
from .._moments import norm

Gradients = TypeVar("Gradients", NDArray[Any], Sequence[NDArray[Any]])


@without_float_errors
def clip_by_norm(gradient: Gradients, max_norm: float, *, eps: float = 0.0) -> Gradients:
    """g min(1, max_norm / (||g|| + eps)), with the Euclidean norm of all entries.

    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".

    Parameters
    ----------
    gradient : array, or list or tuple of arrays
        Several are clipped by the norm of all together, such as those of a policy and of a value
        function in Stable-Baselines3.
    max_norm : float
        Larger than 0; inf clips nothing.
    eps : float
        1e-6 in PyTorch's `clip_grad_norm_`. At least 0.

    Returns
    -------
    array, or list of arrays
        Shaped like the gradient, in new memory.

    Raises
    ------
    TypeError
        An array of the wrong kind.
    ValueError
        A number that is not finite, or outside its domain.

    Examples
    --------
    >>> import numpy as np
    >>> from scorefn.optimizers import clip_by_norm
    >>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
    array([0.6, 0.8])
    >>> clip_by_norm([np.array([3.0, 0.0]), np.array([4.0])], 1.0)
    [array([0.6, 0. ]), array([0.8])]
    """
    if max_norm != np.inf and check_number("max_norm", max_norm) <= 0.0:
        raise ValueError(f"max_norm must be larger than 0, got {max_norm}")
    check_number("eps", eps, at_least=0)
    several: Any = gradient if isinstance(gradient, list | tuple) else [gradient]
    given = [check_finite("gradient", check_float("gradient", g)) for g in several]
    # In units of a power of 2, as the norm may overflow although no entry does.
    largest = max((float(np.abs(g).max(initial=0.0)) for g in given), default=0.0)
    unit = 2.0**-100 if largest > 1e200 else 1.0
    scaled = [g.astype(np.float64) * unit for g in given]
    size = norm(np.array([norm(g) for g in scaled])) + eps * unit
    clipped = [g.copy() for g in given]
    if size > max_norm * unit:
        for g, x in zip(clipped, scaled, strict=True):
            g[...] = x / size * max_norm
    return cast(Gradients, clipped if several is gradient else clipped[0])
