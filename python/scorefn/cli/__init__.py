"""The command line: ``scorefn train``, ``evaluate``, ``plot``, ``bench`` and ``info``.

What is not NumPy is an extra, ``cli`` or ``bench``, imported by the commands that need it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import scorefn
from scorefn._command.errors import (
    INTERRUPTED,
    USAGE_ERROR,
    CommandError,
    require_extra,
    show_traceback,
)
from scorefn._command.streams import guarded_stderr, guarded_stdout
from scorefn.cli.parser import make_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the result is its exit code."""
    with guarded_stderr():
        try:
            with guarded_stdout():
                return _run(argv)
        except CommandError as error:
            show_traceback(error)
            one_line = " ".join(str(error).split())
            print(f"scorefn: error: {one_line}", file=sys.stderr)
            return USAGE_ERROR
        except KeyboardInterrupt:
            print("scorefn: interrupted", file=sys.stderr)
            return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # --help and --version have printed what they have to say
        return int(end.code or 0)
    if args.cmakedir:
        print(_cmake_dir())
    elif args.command == "info":
        from scorefn.cli.info import info

        print(info())
    elif args.command == "train":
        require_extra("cli")
        from scorefn.train.train import train

        return train(args)
    elif args.command == "evaluate":
        require_extra("cli")
        from scorefn.train.evaluate import evaluate

        return evaluate(args)
    elif args.command == "plot":
        require_extra("cli")
        from scorefn.train.plot import plot

        return plot(args)
    elif args.command == "bench":
        require_extra("bench")
        from scorefn.bench.command import bench

        return bench(args)
    else:
        parser.print_help()
    return 0


def _cmake_dir() -> Path:
    """Where ``find_package(scorefn)`` looks: the C++ package lies inside the Python one."""
    for folder in scorefn.__path__:  # an editable install has two: the sources and what was built
        path = Path(folder, "lib", "cmake", "scorefn")
        if path.is_dir():
            return path
    raise CommandError(f"there is no CMake package in {scorefn.__path__[0]}")
