"""Version and hardware information."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields

import numpy as np

from . import _core

__all__ = ["Config", "show_config"]


@dataclass(frozen=True)
class Config:
    """The result of `show_config`; ``print`` shows one entry per line."""

    version: str
    compiler: str
    isa: str
    available_isas: tuple[str, ...]
    openmp: int
    num_threads: int
    num_threads_reason: str
    regions_shared: int
    regions_alone: int
    numpy: str
    python: str

    def __str__(self) -> str:
        def text(value: object) -> str:
            return ", ".join(value) if isinstance(value, tuple) else str(value)

        width = max(len(field.name) for field in fields(self))
        return "\n".join(
            f"{field.name:{width}}  {text(getattr(self, field.name))}" for field in fields(self)
        )


def show_config() -> Config:
    """Version, compiler, instruction set, OpenMP and threads, for bug reports.

    Returns
    -------
    Config
        ``isa`` is the instruction set in use, ``available_isas`` are those that this CPU supports,
        in increasing order; ``openmp`` is the version of the OpenMP standard as its date (yyyymm);
        ``num_threads_reason`` says where ``num_threads`` comes from. ``regions_shared`` is the
        number of parallel regions that several threads of this process have worked on so far.
        ``regions_alone`` counts those that a calling thread worked on alone because the machine was
        busy. A large call has one or more regions.

    Examples
    --------
    >>> import scorefn
    >>> print(scorefn.show_config())  # doctest: +SKIP
    """
    regions_shared, regions_alone = _core.region_counts()
    return Config(
        version=_core.version(),
        compiler=_core.compiler(),
        isa=_core.current_isa(),
        available_isas=tuple(_core.available_isas()),
        openmp=_core.openmp(),
        num_threads=_core.get_num_threads(),
        num_threads_reason=_core.num_threads_reason(),
        regions_shared=regions_shared,
        regions_alone=regions_alone,
        numpy=np.__version__,
        python=platform.python_version(),
    )
