"""The declared objectives as classes: each is made from what the core declares."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections import namedtuple
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._check import check_number, type_name
from ._declarations import DECLARATIONS, Declaration, Option
from ._objective_pass import ObjectiveCall, Pass, Term, objective_pass
from ._segments import Segments, to_segments
from ._two_passes import log_probs, second_pass

# The options and arguments that all objectives have beside their own.
COMMON_OPTIONS = {
    "entropy_coef": (
        "float or array, default 0",
        "Weight of the policy's entropy in the objective; an array has one for each sample.",
    ),
    "kl_coef": (
        "float or array, default 0",
        "Weight of the divergence from a reference policy, which is subtracted.",
    ),
    "kl_direction": (
        '"reverse" or "forward", default "reverse"',
        "KL(pi || reference) or KL(reference || pi).",
    ),
}
COMMON_ARGUMENTS = {
    "where": ("bool array, optional", "Allowed actions (True), as the policy takes it."),
    "valid": (
        "bool array of the shape of the actions, optional",
        "Samples that count (True); by default all do. The others, such as padding, may hold "
        "anything. They add exactly 0 to every sum, are in no mean, and their results are 0.",
    ),
    "offsets": (
        "(num_rows + 1,) integer array, optional",
        "Rows with different numbers of actions: row i has the logits offsets[i], ..., "
        "offsets[i + 1] - 1 of flat ones. What has an entry for each logit is then flat, too. For "
        "logits, or a policy of your own whose logits are flat.",
    ),
    "segments": (
        "Segments or integer array of offsets, optional",
        "Samples that are one decision, such as the tokens of a sequence or the heads of an "
        "action, with one ratio: see `Segments`. Log-probabilities are then given per sample, and "
        "other numbers per segment. The objective, the means and the numbers of the step that "
        "this objective adds are of segments. That takes two passes.",
    ),
    "reference": (
        "policy or array, optional",
        "A policy of the same kind, or log-probabilities of the shape of the logits; for a "
        "TabularPolicy shaped like its table. They need not be normalised, and are rounded to the "
        "dtype of the logits. What the policy forbids, by a mask or a logit of -inf, it forbids to "
        "the reference, too, which is normalised over the other actions.",
    ),
    "action_values": (
        "array, optional",
        "Values q of all actions, shaped like the logits, for a TabularPolicy like its table: adds "
        "sum_i sum_a pi(a | x_i) q_ia. For that alone, use `ExpectedReward`. Not with a reference; "
        "for both, q + c log ref with entropy_coef=c has the gradient of q and -c KL(pi || ref).",
    ),
    "statistics": (
        "bool, default True",
        "False: log_prob, entropy and the other arrays of the samples are None, which saves their "
        "time; the gradient, the objective and the means are given.",
    ),
}


class Result(NamedTuple):
    """A field of a step."""

    name: str
    kind: str
    doc: str


def results_of(declared: Declaration) -> list[Result]:
    """The fields of the objective's step."""
    return [
        Result(
            "objective",
            "float",
            "A sum over the samples, with the entropy bonus, minus kl_coef times the divergences, "
            "plus the expected values.",
        ),
        Result(
            "gradient",
            "array",
            "Of the objective: the ascent direction. It has the shape and dtype of the policy's "
            "parameters, or of the logits.",
        ),
        Result("log_prob", "array", "log pi(a_i | x_i), of the shape of the actions."),
        Result("entropy", "array", "H(pi(. | x_i)), one number per observation."),
        *(Result(n.name, "array", n.doc) for n in declared.writes),
        *(Result(n.name, "float", f"{n.doc} NaN if there are no samples.") for n in declared.means),
        Result(
            "kl_divergence",
            "array or None",
            "From the reference, one number per observation; None without one.",
        ),
        Result(
            "expected_value",
            "array or None",
            "sum_a pi(a | x_i) q_ia, one number per observation; None without action_values.",
        ),
    ]


# The penalties over all actions, by kl_direction.
KL_OBJECTIVES = {"reverse": "ReverseKL", "forward": "ForwardKL"}


def check_coefficients(objective: Any) -> None:
    """The options of an objective that `COMMON_OPTIONS` describes."""
    for name in ("entropy_coef", "kl_coef"):
        if np.ndim(getattr(objective, name)) == 0:
            check_number(name, getattr(objective, name))
    direction = objective.kl_direction
    if direction not in KL_OBJECTIVES:
        raise ValueError(f"kl_direction must be 'reverse' or 'forward', got {direction!r}")


class DeclaredObjective:
    """What the declared objectives share. Their options are the fields of a frozen dataclass."""

    declaration: ClassVar[Declaration]
    step: ClassVar[type]
    entropy_coef: Any
    kl_coef: Any
    kl_direction: str

    def __post_init__(self) -> None:
        check_coefficients(self)
        for option in self.declaration.options:
            value = option.check(getattr(self, option.name))
            object.__setattr__(self, option.name, value)  # the dataclass is frozen

    def _run(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        numbers: dict[str, ArrayLike],
        where: ArrayLike | None,
        valid: ArrayLike | None,
        offsets: ArrayLike | None,
        term: Term | None,
        statistics: bool,
    ) -> Any:
        declared = self.declaration
        call = ObjectiveCall(
            declared.name,
            actions,
            tuple(numbers[n.name] for n in declared.reads),
            tuple(o.to_core(getattr(self, o.name)) for o in declared.options),
            number_or_array(self.entropy_coef),
            term,
            statistics,
            valid,
            offsets,
        )
        done: Pass = objective_pass(policy, call, observations, where)
        objective, *sums = done.sums
        n = np.size(actions) if valid is None else int(np.count_nonzero(valid))
        means = (s / n if n else float("nan") for s in sums)
        is_value = term is not None and term.objective == "ExpectedReward"
        term_result = "expected_value" if is_value else "kl_divergence"
        values = {} if term is None else {term_result: done.term}
        writes = done.writes or (None,) * len(declared.writes)
        return self.step(
            objective, done.gradient, done.log_prob, done.entropy, *writes, *means, **values
        )

    def _of_segments(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        numbers: dict[str, ArrayLike],
        segments: Segments,
        where: ArrayLike | None,
        valid: ArrayLike | None,
        offsets: ArrayLike | None,
        matrix: dict[str, Any],
        statistics: bool,
    ) -> Any:
        """Log-probabilities first, then the gradient with the derivatives as weights."""
        declared = self.declaration
        derivatives, _, writes, (value, *sums) = _core.segment_derivatives(
            declared.name,
            log_probs(policy, observations, actions, where, valid, offsets),
            tuple(numbers[n.name] for n in declared.reads),
            tuple(o.to_core(getattr(self, o.name)) for o in declared.options),
            segments.offsets,
            segments.log_prob == "mean",
            segments.row_clip,
            valid=valid,
        )
        weighted_log_prob: Any = CLASSES["WeightedLogProb"]
        objective, step = second_pass(
            weighted_log_prob(self.entropy_coef, self.kl_coef, self.kl_direction),
            value,
            policy,
            observations,
            actions,
            derivatives=derivatives,
            where=where,
            valid=valid,
            offsets=offsets,
            matrix=matrix,
            statistics=statistics,
        )
        n = int(np.count_nonzero(segments.on(derivatives.size, valid).num_rows))
        means = (s / n if n else float("nan") for s in sums)
        if not statistics:
            nothing = (None,) * len(declared.writes)
            return self.step(objective, step.gradient, None, None, *nothing, *means)
        return self.step(
            objective,
            step.gradient,
            step.log_prob,
            step.entropy,
            *writes,
            *means,
            step.kl_divergence,
            step.expected_value,
        )

    def _term(self, reference: Any, action_values: Any) -> Term | None:
        """The term over all actions that these arguments ask for."""
        has_kl_coef = bool(np.any(np.not_equal(self.kl_coef, 0)))
        if hasattr(action_values, "logits"):
            got = type_name(action_values)
            raise TypeError(f"action_values must be an array, got {got}")
        if reference is None and has_kl_coef:
            raise ValueError("reference must be given, as kl_coef is not 0, got None")
        if reference is not None and action_values is not None:
            raise ValueError("action_values must be None, as there is a reference, got an array")
        if reference is not None:
            kl = KL_OBJECTIVES[self.kl_direction]
            return Term(kl, "kl_coef", number_or_array(self.kl_coef), reference)
        if action_values is None:
            return None
        return Term("ExpectedReward", "value_coef", 1.0, action_values)


def number_or_array(coef: Any) -> Any:
    return np.asarray(coef) if np.ndim(coef) > 0 else coef


def objective_class(declared: Declaration) -> type[DeclaredObjective]:
    """The class of an objective, whose method `gradient` takes the numbers by their names."""
    fields = [
        *((o.name, Any, dataclasses.field(default=o.default)) for o in declared.options),
        ("entropy_coef", Any, dataclasses.field(default=0.0)),
        ("kl_coef", Any, dataclasses.field(default=0.0)),
        ("kl_direction", str, dataclasses.field(default="reverse")),
    ]
    namespace = {
        "__doc__": _class_doc(declared),
        "__module__": "scorefn.objectives",
        "declaration": declared,
        "step": _step_class(declared),
        "gradient": _gradient_method(declared),
    }
    return dataclasses.make_dataclass(
        declared.name, fields, bases=(DeclaredObjective,), namespace=namespace, frozen=True
    )


def _step_class(declared: Declaration) -> type:
    results = results_of(declared)
    names = [r.name for r in results]
    step = namedtuple(f"{declared.name}Step", names, defaults=(None, None))  # type: ignore[misc]
    step.__module__ = "scorefn.objectives"
    step.__doc__ = (
        f"What `{declared.name}.gradient` returns.\n\nAttributes\n----------\n"
        + "\n".join(entry(*result) for result in results)
    )
    return step


def _gradient_method(declared: Declaration) -> Any:
    names = [n.name for n in declared.reads]

    def gradient(
        self: DeclaredObjective,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Any = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
        **numbers: ArrayLike,
    ) -> Any:
        unexpected = sorted(numbers.keys() - set(names))
        if unexpected and numbers.keys() > set(names):
            raise TypeError(f"{declared.name}.gradient() got an unexpected {unexpected[0]}")
        if numbers.keys() != set(names):
            expected, got = " and ".join(names), ", ".join(numbers) or "none of them"
            raise TypeError(f"{declared.name}.gradient() must be given {expected}, got {got}")
        if segments is not None:
            to_segments(segments).check_shape(actions)
            return self._of_segments(
                policy,
                observations,
                actions,
                numbers,
                to_segments(segments),
                where,
                valid,
                offsets,
                {"reference": reference, "action_values": action_values},
                statistics,
            )
        term = self._term(reference, action_values)
        return self._run(
            policy, observations, actions, numbers, where, valid, offsets, term, statistics
        )

    gradient.__qualname__ = f"{declared.name}.gradient"
    gradient.__module__ = "scorefn.objectives"
    gradient.__signature__ = _signature(gradient, names)  # type: ignore[attr-defined]
    gradient.__doc__ = _gradient_doc(declared)
    return gradient


def _signature(gradient: Any, names: list[str]) -> inspect.Signature:
    """That of `gradient` with the numbers by their names."""
    signature = inspect.signature(gradient)
    parameters = list(signature.parameters.values())[:-1]
    common = [p for p in parameters if p.name in COMMON_ARGUMENTS]
    first = [p for p in parameters if p.name not in COMMON_ARGUMENTS]
    numbers = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation="ArrayLike")
        for name in names
    ]
    return signature.replace(
        parameters=[*first, *numbers, *common], return_annotation=signature.empty
    )


def entry(name: str, kind: str, doc: str) -> str:
    text = textwrap.fill(doc, 96, initial_indent="    ", subsequent_indent="    ")
    return f"{name} : {kind}\n{text}"


def _class_doc(declared: Declaration) -> str:
    options = [
        entry(o.name, f"{o.kind}, default {default_text(o.default)}", option_doc(o))
        for o in declared.options
    ]
    options += [entry(name, *text) for name, text in COMMON_OPTIONS.items()]
    parameters = "\n".join(options)
    return (
        f"{declared.summary}.\n\n"
        f"{textwrap.fill(declared.details, 96)}\n\n"
        f"Parameters\n----------\n{parameters}\n"
    )


def option_doc(option: Option) -> str:
    if option.choices:
        return option.doc
    return f"{option.doc} {option.domain[0].upper()}{option.domain[1:]}."


def default_text(default: Any) -> str:
    return f'"{default}"' if isinstance(default, str) else str(default)


def _gradient_doc(declared: Declaration) -> str:
    numbers = "\n".join(
        entry(n.name, "real array of the shape of the actions", n.doc) for n in declared.reads
    )
    common = "\n".join(entry(name, *text) for name, text in COMMON_ARGUMENTS.items())
    return f"""The objective's value and its gradient with respect to the policy's parameters.

Parameters
----------
policy : policy, or (..., num_actions) array of logits
observations : what the policy takes; None for logits
actions : (...) integer array
{numbers}
{common}

Returns
-------
{declared.name}Step

Raises
------
TypeError, ValueError, IndexError
    An array of the wrong kind; a wrong shape or value; an action or state out of range.
"""


CLASSES = {declared.name: objective_class(declared) for declared in DECLARATIONS}
