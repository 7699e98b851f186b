"""Prints objectives.pyi, the declared objectives for type checkers: ``python -m scorefn._stub``."""

from __future__ import annotations

from ._all_actions import ALL_ACTION_DECLARATIONS, AllActionDeclaration
from ._declarations import DECLARATIONS, Declaration, Option
from ._objective import results_of

_HEAD = """\
# Printed by `python -m scorefn._stub` from what the core declares.

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from numpy.typing import ArrayLike, NDArray

from ._all_actions import AllActionStep as AllActionStep
from ._custom_objective import CustomObjective as CustomObjective
from ._custom_objective import CustomStep as CustomStep
from ._segments import Segments as Segments

__all__ = [
{names}
]
"""

_CLASSES = """
class {name}Step(NamedTuple):
{results}

@dataclass(frozen=True)
class {name}:
{fields}
    declaration: ClassVar[Any]
    step: ClassVar[type[{name}Step]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
{numbers}
        where: ArrayLike | None = None,
        valid: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        segments: Segments | ArrayLike | None = None,
        reference: Any = None,
        action_values: ArrayLike | None = None,
        statistics: bool = True,
    ) -> {name}Step: ...
"""

_ALL_ACTION_CLASS = """
@dataclass(frozen=True)
class {name}:
{fields}
    declaration: ClassVar[Any]
    step: ClassVar[type[AllActionStep]]

    def gradient(
        self,
        policy: Any,
        observations: Any,
        *,
{arguments}
    ) -> AllActionStep: ...
"""

_ENTROPY_FIELD = "    entropy_coef: float | NDArray[Any] = 0.0"
_KL_FIELDS = [
    "    kl_coef: float | NDArray[Any] = 0.0",
    '    kl_direction: Literal["reverse", "forward"] = "reverse"',
]

_TYPES = {
    "float": "float",
    "array": "NDArray[Any]",
    "array or None": "NDArray[Any] | None = None",
}


def stub() -> str:
    """The text of objectives.pyi."""
    names = ["AllActionStep", "CustomObjective", "CustomStep", "Segments"]
    names += [declared.name for declared in ALL_ACTION_DECLARATIONS]
    for declared in DECLARATIONS:
        names += [declared.name, f"{declared.name}Step"]
    head = _HEAD.format(names="\n".join(f'    "{name}",' for name in sorted(names, key=_place)))
    classes = [_classes(declared) for declared in DECLARATIONS]
    classes += [_all_action_class(declared) for declared in ALL_ACTION_DECLARATIONS]
    return head + "".join(classes)


def _place(name: str) -> tuple[bool, str]:
    """Names of capitals alone come first, as ruff sorts them."""
    return not name.isupper(), name


def _field(option: Option) -> str:
    field = f"    {option.name}: {option.annotation} = "
    default = f'"{option.default}"' if option.choices else repr(option.default)
    # A stub has no name for inf.
    return field + ("..." if "inf" in default or len(field + default) > 100 else default)


def _classes(declared: Declaration) -> str:
    results = [f"    {name}: {_TYPES[kind]}" for name, kind, _ in results_of(declared)]
    fields = [_field(o) for o in declared.options]
    fields += [_ENTROPY_FIELD, *_KL_FIELDS]
    return _CLASSES.format(
        name=declared.name,
        results="\n".join(results),
        fields="\n".join(fields),
        numbers="\n".join(f"        {n.name}: ArrayLike," for n in declared.reads),
    )


def _all_action_class(declared: AllActionDeclaration) -> str:
    option, name = declared.option, declared.matrix.name
    fields = [] if option is None else [_field(option)]
    fields.append(_ENTROPY_FIELD)
    arguments = [f"{name}: {'Any' if declared.is_penalty else 'ArrayLike'}"]
    arguments += ["weights: ArrayLike | None = None", "where: ArrayLike | None = None"]
    arguments.append("valid: ArrayLike | None = None")
    arguments.append("offsets: ArrayLike | None = None")
    if not declared.is_penalty:
        fields += _KL_FIELDS
        arguments.append("reference: Any = None")
    arguments += ["per_sample: bool = False", "statistics: bool = True"]
    return _ALL_ACTION_CLASS.format(
        name=declared.name,
        fields="\n".join(fields),
        arguments="\n".join(f"        {argument}," for argument in arguments),
    )


if __name__ == "__main__":
    print(stub(), end="")
