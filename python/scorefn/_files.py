"""Files of arrays: .npz archives, as NumPy's ``savez`` writes them, and the format of policies.

No pickle in either direction, so that reading a file never runs anything that it holds. And it
takes no more memory than twice the size of the file, whatever the file says of itself.
"""

from __future__ import annotations

import errno
import fcntl
import io
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of policy files. Version 2 has an entry `where`; a reader of version 1 would ignore that mask.
FORMAT_VERSION, FORMAT_VERSION_WITH_MASK = 1, 2


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a file, which anyone may have edited.

    OSError if it cannot be opened; any damage is a ValueError.
    """
    mode = os.stat(os.fspath(path)).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe or a device may have no end
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:
        try:
            size = os.fstat(file.fileno()).st_size
            with zipfile.ZipFile(file) as archive:
                return _members(archive, size)
        except Exception as error:  # damage shows in many ways: zip, header, checksum, syntax, ...
            raise ValueError(str(error) or type(error).__name__) from error


def _members(archive: zipfile.ZipFile, file_size: int) -> dict[str, NDArray[Any]]:
    members = archive.infolist()
    if sum(member.file_size for member in members) > file_size:
        raise ValueError("its entries are larger than the file")
    arrays: dict[str, NDArray[Any]] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in arrays:
            raise ValueError(f"unexpected entry {member.filename!r}")
        if member.compress_type != zipfile.ZIP_STORED:  # as none is that scorefn writes
            raise ValueError(f"{name} is compressed")
        arrays[name] = _array(name, archive.read(member))  # checks the checksum
    return arrays


def _array(name: str, content: bytes) -> NDArray[Any]:
    """As `np.load` reads it, but the header has to fit what is there before anything is made."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        read_header = np.lib.format.read_array_header_1_0
    elif version == (2, 0):
        read_header = np.lib.format.read_array_header_2_0
    else:
        raise ValueError(f"{name} has version {version} of the .npy format")
    try:
        shape, is_fortran, dtype = read_header(stream)
    except Exception as error:  # NumPy's advice is to trust the file
        raise ValueError(f"{name} has no header that can be read") from error
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never read")
    if dtype.itemsize == 0:  # any number of them would fit
        raise ValueError(f"{name} holds items of no size, {dtype}")
    start = stream.tell()
    size, expected = len(content) - start, math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(f"{name} has {size} bytes, expected {expected} for {dtype} {shape}")
    array: NDArray[Any] = np.ndarray(shape, dtype, content, start, order="F" if is_fortran else "C")
    return array.copy(order="K")  # may be written to


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write to, which takes the place of `path` at the end if all went well.

    Whatever ends the process, `path` is then the old file or the new one, even after a power loss.
    The new file gets the owner and the mode of the old one. A symbolic link stays a link: its
    target is replaced. What killed saves of the same file left behind is removed.
    """
    target, old = _resolved(path)
    _clear_leftovers(target)
    part, descriptor = _new_part(target, 0o666 if old is None else 0o600)
    try:
        yield part
        if old is not None:
            _take_over(old, descriptor)
        os.fsync(descriptor)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)


def _resolved(path: Path) -> tuple[Path, os.stat_result | None]:
    """The file that `path` leads to, and its status if it exists."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):  # a device is not to be replaced
        if stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return (Path(os.path.realpath(path)) if path.is_symlink() else path), old


def _new_part(target: Path, mode: int) -> tuple[Path, int]:
    """A new file beside `target`, locked as long as its descriptor is open.

    Its name is random, because others may write `target`, too. O_EXCL follows no link.
    """
    while True:
        part = target.with_name(f".{target.name[:50]}.{os.urandom(4).hex()}.part")
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            error.filename = str(target)  # the user knows no other
            raise
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink > 0:
            return part, descriptor
        os.close(descriptor)  # before it was locked, another save took it for a leftover


def _clear_leftovers(target: Path) -> None:
    """Remove the parts of saves that were killed: nobody holds their locks."""
    is_part = re.compile(rf"\.{re.escape(target.name[:50])}\.[0-9a-f]{{8}}\.part").fullmatch
    with suppress(OSError):
        for name in filter(is_part, os.listdir(target.parent)):
            with suppress(OSError):  # it is locked, or another save was faster
                _clear(target.with_name(name))


def _clear(part: Path) -> None:
    descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            part.unlink()
    finally:
        os.close(descriptor)


def _take_over(old: os.stat_result, descriptor: int) -> None:
    """Give the file the owner and the mode of the old one, as far as that is allowed."""
    with suppress(OSError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def save_parameters(
    path: str | os.PathLike[str],
    kind: str,
    parameters: NDArray[Any],
    where: NDArray[np.bool_] | None = None,
) -> None:
    mask: dict[str, Any] = {} if where is None else {"where": where}
    version = FORMAT_VERSION_WITH_MASK if mask else FORMAT_VERSION
    with replacing(Path(path)) as part, part.open("wb") as file:
        np.savez(
            file,
            format_version=np.int64(version),
            kind=np.str_(kind),
            parameters=parameters,
            **mask,
        )


def load_parameters(
    path: str | os.PathLike[str],
) -> tuple[str, NDArray[Any], NDArray[Any] | None]:
    """The kind of a policy, its parameters and, if it has one, its mask."""
    try:
        arrays = read_arrays(path)
        for name in ("format_version", "kind", "parameters"):
            if name not in arrays:
                raise ValueError(f"it has no entry '{name}'")
        version, kind = arrays["format_version"], arrays["kind"]
        if version.shape or kind.shape or version.dtype.kind not in "iu" or kind.dtype.kind != "U":
            raise ValueError("format_version must be an integer and kind a text")
        text = str(kind)  # may not decode
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a policy file, or is damaged: {error}") from error
    if version not in (FORMAT_VERSION, FORMAT_VERSION_WITH_MASK):
        raise ValueError(
            f"{path} has format version {version}, this scorefn reads up to "
            f"{FORMAT_VERSION_WITH_MASK}"
        )
    return text, arrays["parameters"], arrays.get("where")
