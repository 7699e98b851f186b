"""Builds scorefn by pip with fast-math flags and compares with the scorefn that is installed.

    python tests/fast_math.py                      # with GCC and Clang: some minutes for each
    python tests/fast_math.py --compilers clang++

Every build must give the same hashes as the installed one, and a process that imports it must keep
its subnormal numbers. test_build.py checks more flags, without a build.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FLAGS = [
    "-Ofast -ffast-math -funsafe-math-optimizations -ffp-contract=fast -march=native",
    "-ffinite-math-only -fassociative-math -freciprocal-math -fno-signed-zeros -fno-trapping-math "
    "-flto",
]
IMPORT = """
import sys
import numpy
import scorefn
assert scorefn.__file__.startswith(sys.argv[1]), scorefn.__file__
assert numpy.ldexp(numpy.ones(99), -1074).all() and sys.float_info.min / 2, "subnormals are flushed"
"""


def run(*command: str | Path, **environment: str) -> str:
    words = [str(word) for word in command]
    child = subprocess.run(
        words, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return child.stdout


def hashes(**environment: str) -> Any:
    return json.loads(run(sys.executable, "tests/test_reproducibility.py", **environment))["hashes"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--compilers", nargs="+", default=["g++", "clang++"])
    arguments = parser.parse_args()

    expected = hashes()
    status = 0
    for compiler in arguments.compilers:
        for flags in FLAGS:
            with tempfile.TemporaryDirectory() as folder:
                install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
                one_isa = "-Ccmake.define.SCOREFN_ONLY_ISAS=baseline"
                run(*install, folder, one_isa, ".", CXX=compiler, CXXFLAGS=flags, LDFLAGS=flags)
                run(sys.executable, "-c", IMPORT, folder, PYTHONPATH=folder)
                got = hashes(PYTHONPATH=folder)
            unlike = [case for case in expected if got[case] != expected[case]]
            print(f"{compiler} {flags}: {len(unlike)} of {len(expected)} hashes differ", flush=True)
            status |= bool(unlike)
    return status


if __name__ == "__main__":
    sys.exit(main())
