"""Off-policy evaluation and learning from logged bandit data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from .._check import check_choice, check_finite, check_int, check_number
from .._moments import Moments
from .._parameters import Parameters
from ..objectives import ImportanceSampling
from .estimate import Diagnostics, Estimate
from .logged import Log, check_log
from .logged_passes import Step, expected_rewards, model_step, normalized_step, ratio_step
from .logged_weights import (
    Float64,
    importance_weights,
    log_probs_of,
    normalized_weights,
    weight_diagnostics,
)
from .surrogate import estimate_of
from .value_interval import (
    Interval,
    Rng,
    Terms,
    ValueEstimate,
    check_confidence,
    value_estimate,
)

OffPolicyMethod = Literal[
    "ips",
    "clipped",
    "sub_gaussian",
    "snips",
    "dm",
    "dr",
    "switch",
    "dros",
    "sub_gaussian_dr",
    "sndr",
]


class _Recipe(NamedTuple):
    """What a method is made of."""

    weighting: str | None = None  # of ImportanceSampling; None: no importance weights
    has_model: bool = False
    is_normalized: bool = False


_RECIPES: dict[OffPolicyMethod, _Recipe] = {
    "ips": _Recipe("plain"),
    "clipped": _Recipe("clipped"),
    "sub_gaussian": _Recipe("sub_gaussian"),
    "snips": _Recipe("plain", is_normalized=True),
    "dm": _Recipe(has_model=True),
    "dr": _Recipe("clipped", has_model=True),
    "switch": _Recipe("switch", has_model=True),
    "dros": _Recipe("optimistic_shrinkage", has_model=True),
    "sub_gaussian_dr": _Recipe("sub_gaussian", has_model=True),
    "sndr": _Recipe("plain", has_model=True, is_normalized=True),
}
# The option that a weighting reads.
_OPTIONS = {
    "clipped": "max_weight",
    "switch": "max_weight",
    "sub_gaussian": "sub_gaussian_lambda",
    "optimistic_shrinkage": "shrinkage_lambda",
}


@dataclass(frozen=True)
class OffPolicy(Parameters):
    """The value of a policy, and its gradient, from actions that another policy took.

    With r_i = pi(a_i | x_i) / propensities_i, a model q of the rewards, q_pi(x) = sum_a pi(a | x)
    q(x, a), and the residual d_i = rewards_i - q(x_i, a_i), the value is

    ================= ====================================== =================================
    "ips"             mean_i r_i rewards_i                   Horvitz & Thompson 1952
    "clipped"         mean_i min(r_i, max_weight) rewards_i  Ionides 2008
    "sub_gaussian"    mean_i w_i rewards_i                   Metelli et al. 2021
    "snips"           sum_i r_i rewards_i / sum_i r_i        Swaminathan & Joachims 2015
    "dm"              mean_i q_pi(x_i)                       the direct method
    "dr"              mean_i (q_pi + min(r, max_weight) d)   Dudik et al. 2014
    "switch"          mean_i (q_pi + 1[r <= max_weight] r d) Wang et al. 2017
    "dros"            mean_i (q_pi + w d)                    Su et al. 2020, "optimistic"
    "sub_gaussian_dr" mean_i (q_pi + w d)                    Metelli et al. 2021
    "sndr"            mean_i q_pi + sum_i r d / sum_i r      Robins et al. 2007
    ================= ====================================== =================================

    Sub-Gaussian weights are w = r / (1 - l + l r) with l = sub_gaussian_lambda; those of "dros" are
    w = s r / (r^2 + s) with s = shrinkage_lambda. The gradient is exactly that of the value. For
    "snips" that is sum_i r_i (rewards_i - value) d log pi(a_i | x_i) / sum_i r_i. BanditNet
    (Joachims et al. 2018) is "ips" with rewards - lambda.

    If each action that pi may take has a propensity above 0, "ips" is unbiased, and so is "dr"
    without a cap, for any q that was not fitted to the same samples. Weights w in place of r have
    the bias  E_x sum_a mu(a | x) (w - r) (E[reward | x, a] - q(x, a)),  where mu is the policy of
    the log and q is 0 if the method has none. "dm" has the bias  E_x sum_a pi(a | x) (q(x, a) -
    E[reward | x, a]).  "snips" and "sndr" are consistent, with a bias of about
    -E[r^2 (d - E[r d])] / n.

    Parameters
    ----------
    method : str
        One of those above.
    max_weight : float
        The cap of "clipped", "dr" and "switch". Greater than 0; inf, the default, is no cap.
    sub_gaussian_lambda : float in [0, 1]
        That of "sub_gaussian" and "sub_gaussian_dr"; 0 gives r itself.
    shrinkage_lambda : float
        That of "dros". Greater than 0; inf gives r itself. The names and the defaults of the
        options are those of `ImportanceSampling`.
    entropy_coef : float
        Weight of the policy's entropy in the objective of `estimate`.

    Examples
    --------
    >>> import numpy as np, scorefn
    >>> payoff = np.array([0.0, 0.2, 1.0])
    >>> logging = scorefn.LogitsPolicy(np.zeros(3))
    >>> actions, log_prob = logging.sample(num_samples=2000, rng=0)
    >>> log = {"actions": actions, "rewards": payoff[actions], "propensities": np.exp(log_prob)}
    >>> policy = scorefn.LogitsPolicy(np.array([0.0, 0.0, 2.0]))
    >>> round(float(scorefn.softmax(policy.parameters) @ payoff), 3)  # what is to be estimated
    0.808
    >>> result = scorefn.OffPolicy("snips").value(policy, None, **log)
    >>> round(result.value, 3), round(result.low, 3), round(result.high, 3)
    (0.803, 0.788, 0.817)
    >>> for _ in range(100):
    ...     policy.parameters += scorefn.OffPolicy("snips").estimate(policy, None, **log).gradient
    >>> int(policy.parameters.argmax())
    2
    """

    method: OffPolicyMethod = "ips"
    max_weight: float = math.inf
    sub_gaussian_lambda: float = 0.001
    shrinkage_lambda: float = 1e4
    entropy_coef: float = 0.0

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(OffPolicyMethod))
        own = _OPTIONS.get(self._recipe.weighting or "")
        for option in dataclasses.fields(self):
            if option.name in _OPTIONS.values() and option.name != own:
                value = getattr(self, option.name)
                if value != option.default:
                    raise ValueError(
                        f"{option.name} must be left out for method={self.method!r}, got {value!r}"
                    )
        check_number("entropy_coef", self.entropy_coef)
        if self._recipe.weighting is not None:
            self._objective()

    def estimate(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        propensities: ArrayLike | None = None,
        action_values: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> Estimate:
        """The gradient of the value with respect to the policy's parameters.

        Parameters
        ----------
        policy : policy or array
            The policy to improve, or the logits of the samples.
        observations : array
            What the policy takes; None for logits and `LogitsPolicy`.
        actions : (...) integer array
            The action that was taken for each observation.
        rewards : (...) array
            What it was rewarded with. "dm" only reports their mean.
        propensities : (...) array, optional
            The probability in (0, 1] with which each action was taken. Only "dm" needs none.
        action_values : (..., num_actions) array, optional
            q: a model's rewards of all actions for each sample. Needed by methods with a model and
            not read by the others. Those of actions that the policy cannot take may be anything.
        where : bool array, optional
            Allowed actions (True), as the policy takes it.
        valid : (...) bool array, optional
            Samples that count (True). The others may hold anything.

        Returns
        -------
        Estimate
            Its objective is the value, plus the entropy bonus. Its advantages are the rewards, the
            residuals of a method with a model, either of them centred for a self-normalised method,
            and 0 for "dm".

        Raises
        ------
        TypeError, ValueError, IndexError
            An array of the wrong kind or shape, one that is missing, no sample that counts, a
            number that is not finite or out of range, a gradient that is not finite; for a
            self-normalised method no action of the log that the policy can take.
        """
        log = self._log(
            policy, observations, actions, rewards, propensities, action_values, where, valid
        )
        step = self._step(log)
        return estimate_of(
            step,
            step.advantages,
            Moments("advantages", log.advantages[log.counts]),
            log.counts,
            num_samples=log.num_samples,
            diagnostics=True,
            mean_reward=log.mean_reward(),
            **self._of_weights(step.ratios, log),
        )

    def value(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        rewards: ArrayLike,
        *,
        propensities: ArrayLike | None = None,
        action_values: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        interval: Interval = "normal",
        confidence: float = 0.95,
        num_resamples: int = 1000,
        rng: Rng = None,
    ) -> ValueEstimate:
        """The value with its standard error and a confidence interval.

        Parameters
        ----------
        policy, observations, actions, rewards, propensities, action_values, where, valid
            As for `estimate`. A policy needs no method but `logits`.
        interval : {"normal", "bootstrap"}
            ``"normal"``: value +- z standard errors, by the central limit theorem.

            ``"bootstrap"``: percentiles of the values of samples drawn with replacement (Efron
            1979). Self-normalised methods divide by the weights of each such sample. One whose
            weights are all 0 has no value and is left out.

            Both are too narrow where few weights dominate: see the effective sample size.
        confidence : float in (0, 1)
            How often such intervals contain the expectation of the estimate. A bias is not in them.
        num_resamples : int
            How many samples the bootstrap draws.
        rng : int, Generator or RandomState, optional
            For the bootstrap. A RandomState gives the draws of scikit-learn and Open Bandit
            Pipeline.

        Returns
        -------
        ValueEstimate

        Raises
        ------
        TypeError, ValueError, IndexError
            As `estimate`, or fewer than two samples that count.
        """
        check_choice("interval", interval, get_args(Interval))
        level = check_confidence(confidence)
        check_int("num_resamples", num_resamples, at_least=1)
        if hasattr(policy, "logits") and not hasattr(policy, "objective_pass"):
            policy, observations = policy.logits(observations), None
        log = self._log(
            policy, observations, actions, rewards, propensities, action_values, where, valid
        )
        if log.num_samples < 2:
            raise ValueError("number of samples that count must be at least 2, got 1")
        terms, ratios = self._terms(log)
        of_advantages = Moments("advantages", log.advantages[log.counts])
        diagnostics = Diagnostics(
            num_samples=log.num_samples,
            mean_reward=log.mean_reward(),
            advantage_mean=of_advantages.mean(),
            advantage_std=of_advantages.standard_deviation(),
            entropy=math.nan,
            gradient_norm=math.nan,
            **self._of_weights(ratios, log),
        )
        return value_estimate(
            terms,
            diagnostics,
            interval=interval,
            confidence=level,
            num_resamples=num_resamples,
            rng=rng,
        )

    @property
    def _recipe(self) -> _Recipe:
        return _RECIPES[self.method]

    def _option(self) -> dict[str, float]:
        """That of the weighting."""
        name = _OPTIONS.get(self._recipe.weighting or "")
        return {} if name is None else {name: getattr(self, name)}

    def _objective(self, num_samples: int = 1) -> ImportanceSampling:
        """Of the methods that are sums over the samples."""
        options: dict[str, Any] = {"weighting": self._recipe.weighting, **self._option()}
        return ImportanceSampling(entropy_coef=self.entropy_coef / num_samples, **options)

    def _weights(self, ratios: Float64) -> Float64:
        return importance_weights(ratios, self._recipe.weighting, *self._option().values())

    def _of_weights(self, ratios: Float64 | None, log: Log) -> dict[str, Any]:
        """The diagnostics that concern them."""
        if ratios is None:
            return {}
        r = ratios[log.counts]
        is_above = r > self.max_weight if "max_weight" in self._option() else np.nan
        return weight_diagnostics(self._weights(r)) | {"clip_fraction": float(np.mean(is_above))}

    def _log(self, policy: Any, observations: Any, *numbers: Any) -> Log:
        return check_log(
            policy,
            observations,
            *numbers,
            method=self.method,
            needs_propensities=self._recipe.weighting is not None,
            needs_q=self._recipe.has_model,
        )

    def _step(self, log: Log) -> Step:
        if self._recipe.weighting is None:
            return model_step(log, self.entropy_coef)
        if self._recipe.is_normalized:
            return normalized_step(log, self.entropy_coef)
        return ratio_step(log, self._objective(log.num_samples))

    def _terms(self, log: Log) -> tuple[Terms, Float64 | None]:
        """What the value is a sum of, and the ratios."""
        x = np.zeros(log.num_samples) if log.q is None else expected_rewards(log)[log.counts]
        if self._recipe.weighting is None:
            return Terms(x), None
        log_prob = log_probs_of(log)
        with np.errstate(all="ignore"):
            ratios = np.exp(log_prob) / log.propensities
        a = log.advantages
        if self._recipe.is_normalized:
            weights = normalized_weights(log_prob, log.propensities)
            return Terms(x, weights[log.counts], a[log.counts]), ratios
        with np.errstate(all="ignore"):
            products = np.where(a == 0.0, 0.0, self._weights(ratios) * a)
        return Terms(x + check_finite("w(r) * advantages", products)[log.counts]), ratios
