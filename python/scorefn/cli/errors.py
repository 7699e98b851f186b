"""Errors that the user can mend: one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import importlib

USAGE_ERROR = 2  # exit codes
INTERRUPTED = 130  # what a shell reports of a command that SIGINT ended

EXTRAS = {
    "cli": ("gymnasium", "matplotlib", "rich"),
    "bench": ("matplotlib", "rich", "threadpoolctl"),
}


class CommandError(Exception):
    """What is wrong and what to do about it, in one line."""


def describe_exception(error: BaseException) -> str:
    """The first line of what an exception of somebody else's code says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def require_extra(extra: str) -> None:
    """Check that the packages of an extra are there, before anything is started."""
    for name in EXTRAS[extra]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            reason = describe_exception(error)
            raise CommandError(
                f"cannot import {name} ({reason}): pip install 'scorefn[{extra}]'"
            ) from error
