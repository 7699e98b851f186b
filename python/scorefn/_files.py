"""Files of arrays: .npz archives, as NumPy's ``savez`` writes them, and the format of policies.

No pickle in either direction, so that reading a file never runs anything that it holds. And it
takes no more memory than twice the size of the file, whatever the file says of itself.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a file, which anyone may have edited.

    OSError if it cannot be opened; any damage is a ValueError.
    """
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
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"{name} has version {version} of the .npy format")
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never read")
    start = stream.tell()
    size, expected = len(content) - start, math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(f"{name} has {size} bytes, expected {expected} for {dtype} {shape}")
    array: NDArray[Any] = np.ndarray(shape, dtype, content, start, order="F" if is_fortran else "C")
    return array.copy(order="K")  # may be written to


def save_parameters(path: str | os.PathLike[str], kind: str, parameters: NDArray[Any]) -> None:
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    temporary.unlink(missing_ok=True)  # if it is a link, what it leads to is not ours to write
    with temporary.open("xb") as file:
        np.savez(
            file,
            format_version=np.int64(FORMAT_VERSION),
            kind=np.str_(kind),
            parameters=parameters,
        )
    temporary.replace(target)


def load_parameters(path: str | os.PathLike[str]) -> tuple[str, NDArray[Any]]:
    try:
        arrays = read_arrays(path)
        for name in ("format_version", "kind", "parameters"):
            if name not in arrays:
                raise ValueError(f"it has no entry '{name}'")
        version, kind = arrays["format_version"], arrays["kind"]
        if version.shape or kind.shape or version.dtype.kind not in "iu" or kind.dtype.kind != "U":
            raise ValueError("format_version must be an integer and kind a text")
    except ValueError as error:
        raise ValueError(f"{path} is not a policy file, or is damaged: {error}") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this scorefn reads {FORMAT_VERSION}"
        )
    return str(kind), arrays["parameters"]
