"""Natural policy gradients, and steps within a trust region."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_flag, check_fraction, check_int, check_number, check_real
from .._parameters import Parameters
from .conjugate_gradients import inner
from .fisher import fisher_of
from .score_sums import AnyPolicy, Float64


class TrustRegionStep(NamedTuple):
    """What `NaturalGradient.step` returns.

    Attributes
    ----------
    change : array
        What to add to policy.parameters; 0 if no step was accepted.
    kl_divergence : float
        The exact mean of KL(old || new) over the observations.
    backtracks : int
        How often the step was shortened; `max_backtracks` if none was accepted.
    accepted : bool
        Whether a step was found within the trust region.
    """

    change: NDArray[Any]
    kl_divergence: float
    backtracks: int
    accepted: bool


@dataclass(frozen=True)
class NaturalGradient(Parameters):
    """The natural policy gradient (Kakade 2001, "A natural policy gradient").

    direction = (F + damping I)^+ gradient

    with the Fisher matrix F of `scorefn.estimators.fisher_vector_product`, which is exact over the
    actions. It is the steepest ascent for a given small KL between the old and the new policy.
    For `LogitsPolicy` and `TabularPolicy` it has a closed form: gradient / (w pi), minus its mean
    over the allowed actions of each state, with w the state's share of the visits. A `LinearPolicy`
    takes conjugate gradients.

    Parameters
    ----------
    damping : float, at least 0
        Added to the diagonal of F. 0 gives the pseudo-inverse. Where the gradient is of other
        observations than those for F, use more, for example 0.1: there may be no solution without.
    iterations : int, at least 1
        The most products with F for a `LinearPolicy`.
    tolerance : float, at least 0
        Conjugate gradients end where the norm of the residual is at most this part of the
        gradient's. Less than 4 epsilons of the dtype count as these.
    cache : bool
        Keep the probabilities of a `LinearPolicy` for all observations, which makes the products
        quicker. They take an array of observations by actions, and NumPy's matrix product makes
        them, whose last bits may depend on the machine.

    Examples
    --------
    The direction does not depend on how likely the actions are: here it is that of the values.

    >>> import numpy as np, scorefn
    >>> policy = scorefn.LogitsPolicy(np.array([0.0, 5.0, -5.0]))
    >>> q = np.array([1.0, 2.0, 6.0])
    >>> gradient = scorefn.ExpectedReward().gradient(policy, None, action_values=q).gradient
    >>> natural = scorefn.NaturalGradient()
    >>> natural.direction(policy, None, gradient).round(6)
    array([-2., -1.,  3.])
    >>> step = natural.step(policy, None, gradient, max_kl=0.01)
    >>> policy.parameters += step.change
    >>> step.accepted, step.kl_divergence <= 0.01
    (True, True)
    """

    damping: float = 0.0
    iterations: int = 20
    tolerance: float = 1e-10
    cache: bool = False

    def __post_init__(self) -> None:
        check_number("damping", self.damping, at_least=0)
        check_int("iterations", self.iterations, at_least=1)
        check_number("tolerance", self.tolerance, at_least=0)
        check_flag("cache", self.cache)

    def direction(
        self,
        policy: AnyPolicy,
        observations: Any,
        gradient: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """The natural gradient, from a gradient such as that of an `Estimate`.

        Parameters
        ----------
        policy : LogitsPolicy, TabularPolicy or LinearPolicy
        observations : array
            What the policy takes; None for `LogitsPolicy`. F is a mean over those that count.
        gradient : array shaped like policy.parameters
            A gradient of the policy, a mean over the observations: so its entries for a state sum
            to 0. If they do not, a table's direction is that of gradient - pi * their sum.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : bool array, one flag per observation, optional
            Observations that count (True); by default all do. The others may hold anything.

        Returns
        -------
        array of the shape and dtype of policy.parameters
            An ascent direction. It sums to 0 over the allowed actions. It is 0 for states that were
            not visited and, without damping, for actions whose share of the visits times their
            probability is below the least normal float64.

        Raises
        ------
        TypeError, ValueError, IndexError
            As for `scorefn.estimators.fisher_vector_product`, or a gradient that is not finite.
        """
        fisher = fisher_of(policy, observations, where, valid, self.cache)
        g, unit = _scaled(gradient, policy)
        with np.errstate(all="ignore"):
            x = fisher.solve(g, self.damping, self.iterations, self.tolerance)
            return np.asarray((unit * x).astype(policy.parameters.dtype))

    def step(
        self,
        policy: AnyPolicy,
        observations: Any,
        gradient: ArrayLike,
        *,
        max_kl: float = 0.01,
        backtracking_factor: float = 0.8,
        max_backtracks: int = 10,
        objective: Callable[[AnyPolicy], float] | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> TrustRegionStep:
        """A step of TRPO (Schulman et al. 2015, "Trust region policy optimization").

        The first one is (2 max_kl / (x . F x))^(1/2) x along the natural gradient x, for which the
        KL is max_kl to second order. It is shortened until the exact mean of KL(old || new) is at
        most max_kl and the objective is larger than before. The policy is left as it is.

        Parameters
        ----------
        policy, observations, gradient
            As for `direction`.
        max_kl : float above 0
            The largest mean KL(old || new).
        backtracking_factor : float above 0 and below 1
            By which a step that is refused is shortened.
        max_backtracks : int, at least 0
            After so many shorter steps none is taken.
        objective : callable, optional
            objective(policy), what the step is to increase, for example that of an objective with
            the samples: ``lambda p: ppo.gradient(p, x, actions, ...).objective``.
        where, valid : bool arrays, optional
            As for `direction`.

        Returns
        -------
        TrustRegionStep

        Raises
        ------
        TypeError, ValueError, IndexError
            As for `direction`, or an option that is not as described.

        Examples
        --------
        >>> import numpy as np, scorefn
        >>> policy = scorefn.LinearPolicy(np.zeros((2, 3)))
        >>> x = np.random.default_rng(0).normal(size=(500, 2))
        >>> actions, old = policy.sample(x, rng=0)
        >>> rewards = np.where(actions == 1, x[:, 0], 0.0)
        >>> gradient = scorefn.Reinforce(baseline="mean").estimate(
        ...     policy, x, actions, rewards
        ... ).gradient
        >>> surrogate = scorefn.ClippedSurrogate(clip_range=np.inf)
        >>> samples = {"old_log_prob": old, "advantages": rewards - rewards.mean()}
        >>> step = scorefn.NaturalGradient(damping=0.01).step(
        ...     policy,
        ...     x,
        ...     gradient,
        ...     objective=lambda p: surrogate.gradient(p, x, actions, **samples).objective,
        ... )
        >>> step.accepted, bool(0.005 < step.kl_divergence <= 0.01)
        (True, True)
        """
        if check_number("max_kl", max_kl) <= 0.0:
            raise ValueError(f"max_kl must be above 0, got {max_kl}")
        if check_fraction("backtracking_factor", backtracking_factor) in (0.0, 1.0):
            raise ValueError(
                f"backtracking_factor must be above 0 and below 1, got {backtracking_factor}"
            )
        check_int("max_backtracks", max_backtracks, at_least=0)
        fisher = fisher_of(policy, observations, where, valid, self.cache)
        g, _ = _scaled(gradient, policy)
        with np.errstate(all="ignore"):
            x = fisher.solve(g, self.damping, self.iterations, self.tolerance)
            first = np.sqrt(np.divide(2.0 * max_kl, inner(x, fisher.product(x))))
        old = -math.inf if objective is None else float(objective(policy))
        new = copy.copy(policy)
        for backtracks in range(max_backtracks + 1 if np.isfinite(first) else 0):
            size = first * backtracking_factor**backtracks
            with np.errstate(all="ignore"):
                change = (size * x).astype(policy.parameters.dtype)
                new.parameters = policy.parameters + change
            kl = fisher.kl_divergence(new.parameters)
            if kl <= max_kl and (objective is None or float(objective(new)) > old):
                return TrustRegionStep(change, kl, backtracks, True)
        return TrustRegionStep(np.zeros_like(policy.parameters), 0.0, max_backtracks, False)


def _scaled(gradient: ArrayLike, policy: AnyPolicy) -> tuple[Float64, float]:
    """g and a power of 2 whose product is the gradient, so that squares of g do not overflow."""
    g = check_finite("gradient", check_real("gradient", gradient, shape=policy.parameters.shape))
    _, exponent = math.frexp(np.max(np.abs(g)))
    unit = math.ldexp(1.0, exponent - 1)
    return g / unit, unit
