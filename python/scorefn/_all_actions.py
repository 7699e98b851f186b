"""The objectives over all actions as classes: each is made from what the core declares."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._check import type_name
from ._declarations import Number, Option
from ._objective import (
    COMMON_ARGUMENTS,
    COMMON_OPTIONS,
    KL_OBJECTIVES,
    check_coefficients,
    default_text,
    entry,
    number_or_array,
    option_doc,
)
from ._objective_pass import AllActionCall, FloatArray, Term, objective_pass


class AllActionDeclaration(NamedTuple):
    """What cpp/include/scorefn/all_action_list.hpp says of an objective."""

    name: str
    summary: str
    details: str
    matrix: Number
    option: Option | None

    @property
    def is_penalty(self) -> bool:
        return self.name in KL_OBJECTIVES.values()


ALL_ACTION_DECLARATIONS = [
    AllActionDeclaration(
        name, summary, details, Number(*matrix), None if option is None else Option(*option)
    )
    for name, summary, details, matrix, option in _core.all_action_declarations()
]


class AllActionStep(NamedTuple):
    """What `gradient` of an objective over all actions returns.

    Attributes
    ----------
    objective : float
        A sum over the observations, with the entropy bonus, minus kl_coef times the divergences.
    gradient : array
        The ascent direction. It has the shape and dtype of the policy's parameters, or of the
        logits.
    value : array
        The value of each observation, without its weight; for a penalty the divergence itself.
    entropy : array
        H(pi(. | x_i)), one number per observation.
    kl_divergence : array or None
        From the reference, one number per observation; None without one.
    """

    objective: float
    gradient: FloatArray
    value: FloatArray | None
    entropy: FloatArray | None
    kl_divergence: FloatArray | None = None


class AllActionObjective:
    """What they share. Their options are the fields of a frozen dataclass."""

    declaration: ClassVar[AllActionDeclaration]
    step: ClassVar[type[AllActionStep]] = AllActionStep
    entropy_coef: Any
    kl_coef: Any = 0.0
    kl_direction: Literal["reverse", "forward"] = "reverse"

    def __post_init__(self) -> None:
        check_coefficients(self)
        option = self.declaration.option
        if option is not None:
            option.check(getattr(self, option.name))

    def _run(
        self,
        policy: Any,
        observations: Any,
        matrix: Any,
        weights: ArrayLike | None,
        where: ArrayLike | None,
        valid: ArrayLike | None,
        offsets: ArrayLike | None,
        reference: Any,
        per_sample: bool,
        statistics: bool,
    ) -> AllActionStep:
        declared = self.declaration
        name, option = declared.matrix.name, declared.option
        if hasattr(matrix, "logits") and not declared.is_penalty:
            raise TypeError(f"{name} must be an array, got {type_name(matrix)}")
        has_kl_coef = bool(np.any(np.not_equal(self.kl_coef, 0)))
        if reference is None and has_kl_coef:
            raise ValueError("reference must be given, as kl_coef is not 0, got None")

        rows = _rows(matrix, reference, weights, valid, self.entropy_coef, self.kl_coef)

        def run(term: Term, entropy_coef: Any) -> Any:
            call = AllActionCall(term, entropy_coef, statistics, per_sample, valid, rows, offsets)
            return objective_pass(policy, call, observations, where)

        w = 1.0 if weights is None else number_or_array(weights)
        value = 0.0 if option is None else getattr(self, option.name)
        done = run(
            Term(declared.name, "weights", w, matrix, option=value),
            number_or_array(self.entropy_coef),
        )
        step = AllActionStep(done.sums[0], done.gradient, done.term, done.entropy)
        if reference is None:
            return step
        kl = KL_OBJECTIVES[self.kl_direction]
        penalty = run(Term(kl, "kl_coef", number_or_array(self.kl_coef), reference), 0.0)
        return step._replace(
            objective=step.objective + penalty.sums[0],
            gradient=step.gradient + penalty.gradient,
            kl_divergence=penalty.term,
        )


def _rows(matrix: Any, reference: Any, *one_per_row: Any) -> tuple[int, ...]:
    """The shape of the rows, as the arrays have it; () if each is one row or one number."""
    shape: tuple[int, ...] = ()
    for x in (matrix, reference):
        if not shape and x is not None and not hasattr(x, "logits"):
            shape = np.shape(x)[:-1]
    for x in one_per_row:
        if not shape and x is not None and not isinstance(x, int | float):
            shape = np.shape(x)
    return shape


ARGUMENTS = {
    "weights": ("float or array, optional", "The factor of each observation, by default 1."),
    "where": COMMON_ARGUMENTS["where"],
    "valid": (
        "bool array, one flag per observation, optional",
        "Observations that count (True); by default all do. The others, such as padding, may hold "
        "anything. They add exactly 0 to every sum, and their results are 0.",
    ),
    "offsets": COMMON_ARGUMENTS["offsets"],
    "reference": (
        COMMON_ARGUMENTS["reference"][0],
        f"{COMMON_ARGUMENTS['reference'][1]} Its penalty is a second pass, whose gradient is added "
        "to the first.",
    ),
    "per_sample": (
        "bool, default False",
        "True: for a `TabularPolicy`, too, arrays have a row per sample. By default they have one "
        "per state, which costs one softmax per state instead of one per sample.",
    ),
    "statistics": (
        "bool, default True",
        "False: value, entropy and kl_divergence are None, which saves their time.",
    ),
}


def all_action_class(declared: AllActionDeclaration) -> type[AllActionObjective]:
    """The class of an objective, whose method `gradient` takes the matrix by its name."""
    options = [] if declared.option is None else [declared.option]
    fields: list[Any] = [(o.name, Any, dataclasses.field(default=o.default)) for o in options]
    fields.append(("entropy_coef", Any, dataclasses.field(default=0.0)))
    if not declared.is_penalty:
        fields.append(("kl_coef", Any, dataclasses.field(default=0.0)))
        fields.append(("kl_direction", str, dataclasses.field(default="reverse")))
    namespace = {
        "__doc__": _class_doc(declared),
        "__module__": "scorefn.objectives",
        "declaration": declared,
        "gradient": _gradient_method(declared),
    }
    return dataclasses.make_dataclass(
        declared.name, fields, bases=(AllActionObjective,), namespace=namespace, frozen=True
    )


def arguments_of(declared: AllActionDeclaration) -> dict[str, tuple[str, str]]:
    """The keyword arguments of `gradient`. A penalty's reference is its matrix."""
    return {n: doc for n, doc in ARGUMENTS.items() if n != "reference" or not declared.is_penalty}


def _gradient_method(declared: AllActionDeclaration) -> Any:
    name = declared.matrix.name

    def gradient(
        self: AllActionObjective,
        policy: Any,
        observations: Any,
        *,
        weights: ArrayLike | None = None,
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        reference: Any = None,
        per_sample: bool = False,
        statistics: bool = True,
        **matrix: Any,
    ) -> AllActionStep:
        if declared.is_penalty:
            matrix, reference = {"reference": reference, **matrix}, None
        if matrix.keys() != {name} or matrix[name] is None:
            got = ", ".join(matrix) if matrix.keys() - {name} else "none"
            raise TypeError(f"{declared.name}.gradient() must be given {name}, got {got}")
        return self._run(
            policy,
            observations,
            matrix[name],
            weights,
            where,
            valid,
            offsets,
            reference,
            per_sample,
            statistics,
        )

    gradient.__qualname__ = f"{declared.name}.gradient"
    gradient.__module__ = "scorefn.objectives"
    signature = inspect.signature(gradient)
    of = signature.parameters
    given = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation="ArrayLike")
    parameters = [of["self"], of["policy"], of["observations"], given]
    parameters += [of[argument] for argument in arguments_of(declared)]
    gradient.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    gradient.__doc__ = _gradient_doc(declared)
    return gradient


def _class_doc(declared: AllActionDeclaration) -> str:
    option = declared.option
    options = []
    if option is not None:
        kind = f"{option.kind}, default {default_text(option.default)}"
        options.append(entry(option.name, kind, option_doc(option)))
    names = ["entropy_coef"] if declared.is_penalty else list(COMMON_OPTIONS)
    options += [entry(name, *COMMON_OPTIONS[name]) for name in names]
    parameters = "\n".join(options)
    return (
        f"{declared.summary}.\n\n"
        f"{textwrap.fill(declared.details, 96)}\n\n"
        f"Parameters\n----------\n{parameters}\n"
    )


MATRIX_KINDS = {
    "action_values": "array",
    "targets": "array",
    "reference": "policy or array",
}


def _gradient_doc(declared: AllActionDeclaration) -> str:
    name, doc = declared.matrix
    shapes = (
        "Shaped like the logits, for a TabularPolicy like its table, for a LogitsPolicy (..., "
        "num_actions). They are rounded to the dtype of the logits."
    )
    doc = COMMON_ARGUMENTS["reference"][1] if declared.is_penalty else f"{doc} {shapes}"
    arguments = "\n".join(entry(n, *text) for n, text in arguments_of(declared).items())
    return f"""The objective's value and its gradient with respect to the policy's parameters.

Parameters
----------
policy : policy, or (..., num_actions) array of logits
observations : what the policy takes; None for logits
{entry(name, MATRIX_KINDS[name], doc)}
{arguments}

Returns
-------
AllActionStep

Raises
------
TypeError, ValueError, IndexError
    An array of the wrong kind; a wrong shape or value; a state out of range.
"""


ALL_ACTION_CLASSES = {d.name: all_action_class(d) for d in ALL_ACTION_DECLARATIONS}
