"""Writing what a command leaves behind: its folder, and files that are never half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorefn.cli.errors import CommandError


def create_folder(output: str | None, name: str) -> Path:
    """The folder `output`, new or empty; without it the first free runs/NAME-1, -2, ..."""
    try:
        if output is None:
            return _next_free(Path("runs"), name)
        path = Path(output)
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise CommandError(f"{path} is not empty; --resume goes on with a run")
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
    """A file to write to, which takes the place of `path` at the end if all went well.

    An interruption leaves the old one or the new one.
    """
    part = path.with_name(f".{path.name}.part")
    with writing(path):
        part.unlink(missing_ok=True)  # if it is a link, what it leads to is not ours to write
        try:
            yield part
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
