"""Errors that the user can mend: one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

USAGE_ERROR = 2  # exit codes
INTERRUPTED = 130  # what a shell reports of a command that SIGINT ended

# If this environment variable is set, an error in somebody else's code shows its traceback, too.
TRACEBACK = "SCOREFN_TRACEBACK"

EXTRAS = {
    "cli": ("gymnasium", "matplotlib", "rich"),
    "bench": ("matplotlib", "rich", "threadpoolctl"),
}


class CommandError(Exception):
    """What is wrong and what to do about it, in one line."""


class ForeignError(CommandError):
    """An exception in code that is not scorefn's: an imported module or an environment."""

    def __init__(self, what: str, error: BaseException) -> None:
        place = _place(error)
        hint = f" ({place}; {TRACEBACK}=1 shows the traceback)" if place else ""
        super().__init__(f"{what} {_with_type(error)}{hint}")


def describe_exception(error: BaseException) -> str:
    """The first line of what an exception says; its type if the message needs it."""
    if isinstance(error, KeyError):  # whose message is the key alone
        return _with_type(error)
    return _first_line(error) or type(error).__name__


def show_traceback(error: CommandError) -> None:
    """Print the traceback of a `ForeignError` if the user asks for tracebacks."""
    if isinstance(error, ForeignError) and os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error.__cause__)


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


def _first_line(error: BaseException) -> str:
    # The text of a SyntaxError repeats file and line.
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = text.strip().splitlines()
    return lines[0] if lines else ""


def _with_type(error: BaseException) -> str:
    message = _first_line(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _place(error: BaseException) -> str:
    """File and line of the syntax error, or of the innermost frame outside scorefn's libraries."""
    if isinstance(error, SyntaxError) and error.filename:
        return _file_and_line(error.filename, error.lineno)
    modules = [sys.modules.get(name) for name in ("scorefn", "gymnasium", "numpy", "importlib")]
    libraries = [Path(m.__file__).parent for m in modules if m is not None and m.__file__]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        is_library = any(Path(frame.filename).is_relative_to(folder) for folder in libraries)
        if not (is_library or frame.filename.startswith("<")):
            return _file_and_line(frame.filename, frame.lineno)
    return ""


def _file_and_line(filename: str, line: int | None) -> str:
    path = Path(filename)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}, line {line}"
