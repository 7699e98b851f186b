"""The file format of policies: an .npz archive with the kind of policy and its parameters.

No pickle in either direction, so that reading a file never runs anything that it holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1


def save_parameters(path: str | os.PathLike[str], kind: str, parameters: NDArray[Any]) -> None:
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            format_version=np.int64(FORMAT_VERSION),
            kind=np.str_(kind),
            parameters=parameters,
        )
    temporary.replace(target)


def load_parameters(path: str | os.PathLike[str]) -> tuple[str, NDArray[Any]]:
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                version, kind = int(archive["format_version"]), str(archive["kind"])
                parameters = archive["parameters"]
        except Exception as error:  # damage shows in many ways: zip, zlib, header, memory, ...
            raise ValueError(f"{path} is not a policy file, or is damaged: {error}") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this scorefn reads {FORMAT_VERSION}"
        )
    return kind, parameters
