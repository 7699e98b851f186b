"""The declared objectives as classes: each is made from what the core declares."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections import namedtuple
from typing import Any, ClassVar, NamedTuple

from numpy.typing import ArrayLike

from . import _core
from ._check import check_number
from ._objective_pass import Pass, Terms, objective_pass


class Number(NamedTuple):
    """One number per sample that an objective reads or writes, or a mean over the samples."""

    name: str
    doc: str


class Option(NamedTuple):
    """One number per call, at least `least` or, if the domain is open, greater."""

    name: str
    doc: str
    default: float
    least: float
    is_open: bool

    @property
    def domain(self) -> str:
        return f"{'Greater than' if self.is_open else 'At least'} {self.least:g}."


class Declaration(NamedTuple):
    """What cpp/include/scorefn/objective_list.hpp says of an objective."""

    name: str
    summary: str
    details: str
    reads: tuple[Number, ...]
    options: tuple[Option, ...]
    writes: tuple[Number, ...]
    means: tuple[Number, ...]


def _declarations() -> list[Declaration]:
    return [
        Declaration(
            name,
            summary,
            details,
            tuple(Number(*n) for n in reads),
            tuple(Option(*o) for o in options),
            tuple(Number(*n) for n in writes),
            tuple(Number(*n) for n in means),
        )
        for name, summary, details, reads, options, writes, means in _core.objective_declarations()
    ]


DECLARATIONS = _declarations()

ENTROPY_COEF = Number("entropy_coef", "Weight of the policy's entropy in the objective.")


class Result(NamedTuple):
    """A field of a step."""

    name: str
    kind: str
    doc: str


def results_of(declared: Declaration) -> list[Result]:
    """The fields of the objective's step."""
    return [
        Result("objective", "float", "A sum over the samples, with the entropy bonus."),
        Result(
            "gradient",
            "array",
            "Of the objective: the ascent direction. It has the shape and dtype of the policy's "
            "parameters, or of the logits.",
        ),
        Result("log_prob", "array", "log pi(a_i | x_i), of the shape of the actions."),
        Result("entropy", "array", "H(pi(. | x_i)), one number per observation."),
        *(Result(n.name, "array", f"{n.doc}") for n in declared.writes),
        *(Result(n.name, "float", f"{n.doc} NaN if there are no samples.") for n in declared.means),
    ]


class DeclaredObjective:
    """What the declared objectives share. Their options are the fields of a frozen dataclass."""

    declaration: ClassVar[Declaration]
    step: ClassVar[type]
    entropy_coef: float

    def __post_init__(self) -> None:
        check_number("entropy_coef", self.entropy_coef)
        for option in self.declaration.options:
            value = getattr(self, option.name)
            check_number(option.name, value)
            if not (value > option.least if option.is_open else value >= option.least):
                domain = option.domain.rstrip(".").lower()
                raise ValueError(f"{option.name} must be {domain}, got {value!r}")

    def _run(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        numbers: dict[str, ArrayLike],
        where: ArrayLike | None,
    ) -> Any:
        declared = self.declaration
        terms = Terms(
            declared.name,
            tuple(numbers[n.name] for n in declared.reads),
            tuple(getattr(self, o.name) for o in declared.options),
            self.entropy_coef,
        )
        done: Pass = objective_pass(policy, terms, observations, actions, where)
        objective, *sums = done.sums
        n = done.log_prob.size
        means = (s / n if n else float("nan") for s in sums)
        return self.step(
            objective, done.gradient, done.log_prob, done.entropy, *done.writes, *means
        )


def objective_class(declared: Declaration) -> type[DeclaredObjective]:
    """The class of an objective, whose method `gradient` takes the numbers by their names."""
    fields = [
        *((o.name, float, dataclasses.field(default=o.default)) for o in declared.options),
        (ENTROPY_COEF.name, float, dataclasses.field(default=0.0)),
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
    step = namedtuple(f"{declared.name}Step", [r.name for r in results])  # type: ignore[misc]
    step.__module__ = "scorefn.objectives"
    step.__doc__ = (
        f"What `{declared.name}.gradient` returns.\n\nAttributes\n----------\n"
        + "\n".join(_entry(*result) for result in results)
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
        **numbers: ArrayLike,
    ) -> Any:
        if numbers.keys() != set(names):
            expected, got = ", ".join(names), ", ".join(numbers) or "none"
            raise TypeError(f"{declared.name}.gradient() takes the numbers {expected}, got {got}")
        return self._run(policy, observations, actions, numbers, where)

    gradient.__qualname__ = f"{declared.name}.gradient"
    gradient.__module__ = "scorefn.objectives"
    gradient.__signature__ = _signature(gradient, names)  # type: ignore[attr-defined]
    gradient.__doc__ = _gradient_doc(declared)
    return gradient


def _signature(gradient: Any, names: list[str]) -> inspect.Signature:
    """That of `gradient` with the numbers by their names."""
    signature = inspect.signature(gradient)
    *first, where, _ = signature.parameters.values()
    numbers = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation="ArrayLike")
        for name in names
    ]
    return signature.replace(
        parameters=[*first, *numbers, where], return_annotation=signature.empty
    )


def _entry(name: str, kind: str, doc: str) -> str:
    text = textwrap.fill(doc, 96, initial_indent="    ", subsequent_indent="    ")
    return f"{name} : {kind}\n{text}"


def _class_doc(declared: Declaration) -> str:
    options = [
        _entry(o.name, f"float, default {o.default:g}", f"{o.doc} {o.domain}")
        for o in declared.options
    ]
    options.append(_entry(ENTROPY_COEF.name, "float, default 0", ENTROPY_COEF.doc))
    parameters = "\n".join(options)
    return (
        f"{declared.summary} + entropy_coef sum_i H(pi(. | x_i)).\n\n"
        f"{textwrap.fill(declared.details, 96)}\n\n"
        f"Parameters\n----------\n{parameters}\n"
    )


def _gradient_doc(declared: Declaration) -> str:
    numbers = "\n".join(
        _entry(n.name, "real array of the shape of the actions", n.doc) for n in declared.reads
    )
    return f"""The objective's value and its gradient with respect to the policy's parameters.

Parameters
----------
policy : policy, or (..., num_actions) array of logits
observations : what the policy takes; None for logits
actions : (...) integer array
{numbers}
where : bool array, optional
    Allowed actions (True), as the policy takes it.

Returns
-------
{declared.name}Step

Raises
------
TypeError, ValueError, IndexError
    An array of the wrong kind; a wrong shape or value; an action or state out of range.
"""
