"""Writing what a command leaves behind: its folder, and files that are never half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorefn import _files
from scorefn._command.errors import CommandError


def create_folder(output: str | None, name: str) -> Path:
    """The folder `output`, new or empty; without it the first free runs/NAME-1, -2, ..."""
    try:
        if output is None:
            return _next_free(Path("runs"), name)
        path = Path(output)
        path.mkdir(parents=True, exist_ok=True)
        # A save that was killed at once may have left a part.
        if any(not name.match(".*.part") for name in path.iterdir()):
            raise CommandError(f"{path} is not empty; use --resume to continue a run")
        return path
    except OSError as error:
        where = output or "runs"
        raise CommandError(f"cannot create {where}: {error.strerror or error}") from error


def _next_free(parent: Path, name: str) -> Path:
    parent.mkdir(exist_ok=True)
    number = 1
    while True:
        path = parent / f"{name}-{number}"
        try:
            path.mkdir()  # fails if it exists, also if another process was a moment faster
        except FileExistsError:
            number += 1
        else:
            return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` at the end if all went well."""
    with writing(path), _files.replacing(path) as part:
        yield part


@contextmanager
def writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
