"""Processes that `multiprocessing` starts share the machine: each uses one thread by default."""

from __future__ import annotations

import os
import sys

from ._core import set_worker_process


def watch() -> None:
    """Call once, on import. Looks at `multiprocessing` where it is imported, never imports it."""
    process = sys.modules.get("multiprocessing.process")
    # Of spawn and forkserver. A process that is being set up has no parent_process() yet.
    if process is not None and (
        process.parent_process() is not None
        or getattr(process.current_process(), "_inheriting", False)
    ):
        set_worker_process(True)
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    # Whether multiprocessing forked is known once it runs what is registered there, which it does
    # before anything else runs in its child. A child of os.fork() passes this on to its children.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(sys.modules[__name__], lambda _: set_worker_process(True))
