"""The solutions: scorefn, and each peer as its best users would write it.

A solution is a module with functions named like those of scorefn, and `declared_objective` for any
objective that has no function; what it lacks, it cannot do. Each takes a `Problem`, does everything
that is done once (compiling, allocating, converting arrays), and returns the call that is timed.
The modules import what they need at their top: `load` imports them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from scorefn.bench.problem import Problem, Solve
from scorefn.bench.workload import DECLARED

OURS = "scorefn"
PEERS = {  # as they are called on the command line
    "numpy": ("NumPy", "numpy_by_hand"),
    "scipy": ("SciPy", "scipy_special"),
    "numba": ("Numba", "numba_loops"),
    "torch": ("PyTorch", "torch_eager"),
    "torch.compile": ("torch.compile", "torch_compiled"),
    "jax": ("JAX", "jax_jit"),
}
PEER_NAMES = tuple(name for name, _ in PEERS.values())  # as they are shown
# Left out of a quick run unless asked for: they compile for longer than all the rest takes.
SLOW_TO_START = ("numba", "torch.compile")


@dataclass(frozen=True)
class Solution:
    name: str  # as it is shown
    version: str
    module: ModuleType

    def prepare(self, problem: Problem) -> Solve | None:
        """The call to be timed; None if the library has nothing of the kind."""
        make: Callable[[Problem], Solve | None] | None
        name = "declared_objective" if problem.work.function in DECLARED else problem.work.function
        make = getattr(self.module, name, None)
        return None if make is None else make(problem)


def load(peers: Sequence[str], threads: int, dtype: str) -> tuple[list[Solution], list[str]]:
    """scorefn first, then the peers that are installed; and the names of those that are not."""
    found, missing = [_load(OURS, "ours", threads, dtype)], []
    for peer in peers:
        name, module = PEERS[peer]
        try:
            found.append(_load(name, module, threads, dtype))
        except ImportError:
            missing.append(peer)
    return found, missing


def _load(name: str, module_name: str, threads: int, dtype: str) -> Solution:
    module = importlib.import_module(f"{__name__}.{module_name}")
    module.configure(threads, dtype)
    return Solution(name, module.VERSION, module)
