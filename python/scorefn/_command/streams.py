"""Standard output and standard error, whatever they are connected to.

A write error of standard output (a full disk, a closed pipe) is a `CommandError`. One of standard
error is ignored, because what goes there only accompanies the work: a training outlives its
terminal. Characters that an encoding lacks are written the way file names are.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from scorefn._command.errors import CommandError


@contextmanager
def guarded_stderr() -> Iterator[None]:
    saved = sys.stderr
    # None if the parent process closed it; print(file=None) would then write to standard output.
    stream = open(os.devnull, "w", encoding="utf-8") if saved is None else saved  # noqa: SIM115
    sys.stderr = _Guard(stream, lambda error: None)
    try:
        yield
    finally:
        sys.stderr = saved


@contextmanager
def guarded_stdout() -> Iterator[None]:
    """At the end everything is flushed, so that an error shows here and not when Python exits."""
    if sys.stdout is None:
        raise CommandError("cannot write to standard output: it is closed")
    saved = sys.stdout
    sys.stdout = guard = _Guard(saved, _cannot_write)
    try:
        yield
        guard.flush()
    except BaseException:
        with contextlib.suppress(CommandError):  # the first error is the one to tell
            guard.flush()
        raise
    finally:
        sys.stdout = saved


class _Guard(io.TextIOBase):
    """A stream whose first write error goes to `on_error`; later output is discarded."""

    def __init__(self, stream: TextIO, on_error: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._on_error = on_error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self._discard_the_rest()
            self._on_error(error)

    def _discard_the_rest(self) -> None:
        """Otherwise the interpreter would try again when it exits, and complain."""
        with contextlib.suppress(OSError):  # a stream without a file, as in a test
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def _cannot_write(error: OSError) -> None:
    raise CommandError(f"cannot write to standard output: {error.strerror or error}") from error


def _as_file_names(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a path, so that ``run=$(scorefn train ...)`` works in any locale."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    try:
        return os.fsencode(error.object[error.start : error.end]), error.end
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


_ERRORS = "scorefn.file_names"
codecs.register_error(_ERRORS, _as_file_names)
