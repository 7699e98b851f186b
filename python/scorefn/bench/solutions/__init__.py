"""The solutions: scorefn, and each peer as its best users would write it.

A solution is a few modules with functions named like those of scorefn, and `declared_objective` or
`all_action_objective` for any objective that has no function; what it lacks, it cannot do. A
library without ragged rows (`ragged_log_softmax`, ...) is given rows padded to the longest.

Each function takes a `Problem`, does everything that is done once (compiling, allocating, making
tensors), and returns the call that is timed. The modules import what they need at their top: `load`
imports them. The first module of a solution has `VERSION` and `configure`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from scorefn.bench.problem import Problem, Solve

OURS = "scorefn"
PEERS = {  # as they are called on the command line
    "numpy": ("NumPy", "numpy_by_hand", "numpy_all_actions", "numpy_ragged", "numpy_scans"),
    "scipy": ("SciPy", "scipy_special"),
    "numba": ("Numba", "numba_loops", "numba_scans"),
    "torch": ("PyTorch", "torch_eager"),
    "torch.compile": ("torch.compile", "torch_compiled"),
    "jax": ("JAX", "jax_jit"),
}
PEER_NAMES = tuple(name for name, *_ in PEERS.values())  # as they are shown
# Left out of a quick run unless asked for: they compile for longer than all the rest takes.
SLOW_TO_START = ("numba", "torch.compile")


@dataclass(frozen=True)
class Solution:
    name: str  # as it is shown
    version: str
    modules: tuple[ModuleType, ...]

    def prepare(self, problem: Problem) -> Solve | None:
        """The call to be timed; None if the library has nothing of the kind."""
        work = problem.work
        make = self._function(work.solution)
        if make is None and work.shortest:
            make, problem = self._function(work.function), problem.padded
        return None if make is None else make(problem)

    def _function(self, name: str) -> Callable[[Problem], Solve | None] | None:
        found = (getattr(module, name, None) for module in self.modules)
        return next((function for function in found if function is not None), None)


def load(peers: Sequence[str], threads: int, dtype: str) -> tuple[list[Solution], list[str]]:
    """scorefn first, then the peers that are installed; and the names of those that are not."""
    found, missing = [_load((OURS, "ours"), threads, dtype)], []
    for peer in peers:
        try:
            found.append(_load(PEERS[peer], threads, dtype))
        except ImportError:
            missing.append(peer)
    return found, missing


def _load(peer: tuple[str, ...], threads: int, dtype: str) -> Solution:
    name, *module_names = peer
    modules = tuple(importlib.import_module(f"{__name__}.{module}") for module in module_names)
    modules[0].configure(threads, dtype)
    return Solution(name, modules[0].VERSION, modules)
