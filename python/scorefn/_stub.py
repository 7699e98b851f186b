"""Prints objectives.pyi, the declared objectives for type checkers: ``python -m scorefn._stub``."""

from __future__ import annotations

from ._objective import DECLARATIONS, Declaration, results_of

_HEAD = """\
# Printed by `python -m scorefn._stub` from what the core declares.

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

from ._custom_objective import CustomObjective as CustomObjective
from ._custom_objective import CustomStep as CustomStep

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

    def gradient(
        self,
        policy: Any,
        observations: Any,
        actions: ArrayLike,
        *,
{numbers}
        where: ArrayLike | None = None,
    ) -> {name}Step: ...
"""


def stub() -> str:
    """The text of objectives.pyi."""
    names = ["CustomObjective", "CustomStep"]
    for declared in DECLARATIONS:
        names += [declared.name, f"{declared.name}Step"]
    head = _HEAD.format(names="\n".join(f'    "{name}",' for name in sorted(names)))
    return head + "".join(_classes(declared) for declared in DECLARATIONS)


def _classes(declared: Declaration) -> str:
    results = [
        f"    {name}: {'NDArray[Any]' if kind == 'array' else kind}"
        for name, kind, _ in results_of(declared)
    ]
    fields = [f"    {o.name}: float = {o.default!r}" for o in declared.options]
    fields.append("    entropy_coef: float = 0.0")
    return _CLASSES.format(
        name=declared.name,
        results="\n".join(results),
        fields="\n".join(fields),
        numbers="\n".join(f"        {n.name}: ArrayLike," for n in declared.reads),
    )


if __name__ == "__main__":
    print(stub(), end="")
