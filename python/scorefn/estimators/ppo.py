"""Proximal policy optimization: several updates on the same samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._check import check_finite, check_flag, check_int, check_number, check_rng, to_array
from .._errstate import divided
from .._groups import check_samples
from .._parameters import Parameters, with_presets
from ..objectives import ClippedSurrogate
from .comparison import compare
from .counts import counts_of, num_counting
from .estimate import Estimate
from .presets import PRESETS
from .standard_errors import derivatives, standard_errors
from .surrogate import check_objective, estimate_of, log_prob_of, old_or_own


@with_presets(PRESETS["PPO"])
@dataclass(frozen=True)
class PPO(Parameters):
    """Proximal policy optimization (Schulman et al. 2017).

    gradient = 1/n sum_i (d min(r_i A_i, clip(r_i) A_i) + entropy_coef dH(pi(. | x_i)))

    with the ratios r_i = pi(a_i | x_i) / pi_old(a_i | x_i). The defaults are those of
    Stable-Baselines3.

    Parameters
    ----------
    objective : objective
        Any with `old_log_prob` and `advantages`, such as ``ClippedSurrogate(clip_range=0.1)``, with
        coefficients of 0.
    entropy_coef : float
        Weight of the policy's entropy.
    normalize_advantages : bool
        Scale the advantages of each estimate to mean 0 and standard deviation 1:
        `scorefn.credit.normalize`.
    epochs, minibatch_size : int
        For `updates`: how often each sample is used, and how many at a time.
    target_kl : float, optional
        `updates` ends before an update whose approximate KL is larger than 1.5 times that. Only
        with an objective that has it.
    diagnostics, standard_error : bool
        As for `Reinforce`.
    preset : {"sb3"}, optional
        Options of a library, where none are given: see `scorefn.estimators.presets`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> policy = scorefn.LinearPolicy(np.zeros((2, 3)))
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> actions, old_log_prob = policy.sample(x, rng=0)
    >>> advantages = (actions == 1) - 0.5  # of scorefn.gae, say
    >>> ppo = scorefn.PPO(epochs=4, minibatch_size=50)
    >>> for estimate in ppo.updates(policy, x, actions, advantages, rng=1):
    ...     policy.parameters += 0.1 * estimate.gradient
    >>> bool(policy.log_prob(x, np.ones(100, int)).mean() > old_log_prob.mean())
    True
    """

    objective: Any = field(default_factory=ClippedSurrogate)
    entropy_coef: float = 0.0
    normalize_advantages: bool = True
    epochs: int = 10
    minibatch_size: int = 64
    target_kl: float | None = None
    diagnostics: bool = True
    standard_error: bool = False
    preset: InitVar[Literal["sb3"] | None] = field(default=None, kw_only=True)

    def __post_init__(self, preset: str | None) -> None:
        check_objective(self.objective, "PPO")
        check_number("entropy_coef", self.entropy_coef)
        for name in ("normalize_advantages", "diagnostics", "standard_error"):
            check_flag(name, getattr(self, name))
        check_int("epochs", self.epochs, at_least=1)
        check_int("minibatch_size", self.minibatch_size, at_least=1)
        if self.normalize_advantages and self.minibatch_size == 1:
            raise ValueError(
                "minibatch_size must be at least 2, as advantages are normalised, got 1"
            )
        results = getattr(getattr(self.objective, "step", None), "_fields", ())
        if self.target_kl is not None and "approx_kl" not in results:
            raise ValueError(f"target_kl must be None, as {self.objective} has no approx_kl")
        if self.target_kl is not None and not check_number("target_kl", self.target_kl) > 0.0:
            raise ValueError(f"target_kl must be larger than 0, got {self.target_kl}")
        if self.target_kl is not None and not self.diagnostics:
            raise ValueError("diagnostics must be True, as target_kl is one of them, got False")

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        advantages: ArrayLike,
        *,
        old_log_prob: Any,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Estimate:
        """Estimate the gradient from samples of an older policy.

        Parameters
        ----------
        policy : Policy or array
            Any policy, or the logits of the samples.
        observations : array
            What the policy takes; None for logits.
        actions : (...) integer array
            One action per observation, or (..., S): S actions per observation.
        advantages : (...) array
            One for each action: of `scorefn.gae`, say.
        old_log_prob : (...) array or policy
            log pi_old(a) of each action: what ``policy.sample`` gave. Of a policy, such as a copy
            of this one, it is computed.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : bool array shaped like actions, optional
            Samples that count (True). The others may hold anything.

        Returns
        -------
        Estimate

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, no sample that counts, a single one where the
            advantages are normalised, a number or a gradient that is not finite, an action out of
            range.
        """
        given, counts = self._checked(actions, advantages, valid)
        n = num_counting(counts)
        compared = compare("advantages", given, counts, normalizes=self.normalize_advantages)
        before, after = compared.divisors(n, self.normalize_advantages)
        bonus = float(self.entropy_coef) / before
        rows: dict[str, Any] = {"where": where, "valid": valid}
        numbers = {
            "old_log_prob": log_prob_of(
                "old_log_prob", old_log_prob, observations, actions, counts, **rows, offsets=None
            ),
            "advantages": divided(compared.advantages, before),
        }
        step = dataclasses.replace(self.objective, entropy_coef=bonus).gradient(
            policy,
            observations,
            actions,
            **numbers,
            **rows,
            statistics=self.diagnostics or self.standard_error,
        )
        errors = None
        if self.standard_error:
            w = derivatives(self.objective, step.log_prob, counts, **numbers)
            samples = (policy, observations, actions, w, bonus)
            errors = standard_errors(*samples, step.gradient, after, **rows)
        return estimate_of(
            step,
            compared.advantages,
            compared.of_raw,
            counts,
            num_samples=n,
            divisor=after,
            diagnostics=self.diagnostics,
            old_log_prob=numbers["old_log_prob"],
            objective=self.objective,
            standard_error=errors,
        )

    def updates(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        advantages: ArrayLike,
        *,
        old_log_prob: Any = None,
        rng: int | np.random.Generator | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Iterator[Estimate]:
        """Estimates from one minibatch after the other; a caller changes the policy in between.

        Each epoch goes through the samples in a new random order. The last minibatch of an epoch
        may be smaller; it is left out if it is too small to be normalised. The samples of each are
        in ``estimate.samples``, for a value function that learns beside the policy::

            adam, value_adam = Adam(preset="sb3"), Adam(preset="sb3")
            for estimate in ppo.updates(policy, x, actions, advantages):
                i = estimate.samples
                error = value_loss(x[i] @ coef, returns[i])
                value_gradient = 0.5 * x[i].T @ error.gradient
                g, h = clip_by_norm([estimate.gradient, value_gradient], 0.5)
                adam.step(policy.parameters, g)
                value_adam.step(coef, h)

        A critic of `scorefn.critics` learns from all samples after the updates instead:
        ``critic.update(x, returns)``.

        Parameters
        ----------
        policy : Policy
            Its parameters are to be changed by the caller after each estimate.
        observations, actions, advantages, where
            As for `estimate`, with one action per observation.
        old_log_prob : array or policy, optional
            As for `estimate`. Default: log-probabilities of the policy as it is at the first step.
        rng : int or Generator, optional
            For the order of the samples.
        valid : bool array shaped like actions, optional
            Samples that count (True). Minibatches are of these alone.

        Yields
        ------
        Estimate
            With the indices of its samples.

        Raises
        ------
        TypeError, ValueError, IndexError
            As `estimate`, before the first update.
        """
        taken = to_array("actions", actions)
        a, counts = self._checked(taken, advantages, valid)
        check_finite("advantages", a)
        rows = {"where": where, "valid": valid, "offsets": None}
        old = old_or_own(old_log_prob, policy, observations, actions, counts, **rows)
        x = _flat("observations", observations, taken.shape)
        is_shared = where is None or np.ndim(where) == 1  # one mask for all samples
        masks = where if is_shared else _flat("where", where, taken.shape)
        order = check_rng(rng)
        arrays = (x, taken.reshape(-1), a.reshape(-1), old.reshape(-1), masks)
        return self._updates(policy, np.flatnonzero(counts), order, *arrays)

    def _updates(
        self,
        policy: Any,
        chosen: NDArray[np.int64],
        order: np.random.Generator,
        observations: NDArray[Any] | None,
        actions: NDArray[Any],
        advantages: NDArray[Any],
        old_log_prob: NDArray[np.float64],
        where: Any,
    ) -> Iterator[Estimate]:
        limit = np.inf if self.target_kl is None else 1.5 * self.target_kl
        fewest = self._fewest()
        for _ in range(self.epochs):
            shuffled = order.permutation(chosen)
            for first in range(0, shuffled.size, self.minibatch_size):
                part = shuffled[first : first + self.minibatch_size]
                if part.size < fewest:
                    continue
                estimate = self.estimate(
                    policy,
                    None if observations is None else observations[part],
                    actions[part],
                    advantages[part],
                    old_log_prob=old_log_prob[part],
                    where=where if where is None or np.ndim(where) == 1 else where[part],
                )
                if estimate.diagnostics.approx_kl > limit:
                    return
                yield dataclasses.replace(estimate, samples=part)

    def _fewest(self) -> int:
        return 2 if self.normalize_advantages else 1

    def _checked(
        self, actions: ArrayLike, advantages: ArrayLike, valid: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The advantages, 0 where samples do not count, and which do."""
        shape = to_array("actions", actions).shape
        a, _ = check_samples("advantages", advantages, valid, shape=shape)
        counts = counts_of(valid, shape)
        n, fewest = num_counting(counts), self._fewest()
        if n < fewest:
            raise ValueError(f"number of samples that count must be at least {fewest}, got {n}")
        return a, counts


def _flat(name: str, x: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """With one axis for all samples."""
    if x is None:
        return None
    array = np.asarray(x)
    if array.shape[: len(shape)] != shape:
        raise ValueError(f"{name} must have shape {shape} as actions has, got {array.shape}")
    return array.reshape(-1, *array.shape[len(shape) :])
