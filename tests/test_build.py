"""Fast-math flags from outside change no bit, and a project that embeds scorefn keeps its settings.

The compiler commands are those of CMake, with a flag of no effect in each place for a user's flags.
The compiler itself then says which options it ends up with if fast-math flags are in that place.
tests/test_cpp_package.py builds the library with such flags and compares bits.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EMBEDDER = ROOT / "tests" / "cpp" / "embedder"
FLAGS = [
    "-ffast-math",
    "-Ofast",
    "-funsafe-math-optimizations",
    "-ffinite-math-only -fassociative-math",
    "-fassociative-math -freciprocal-math -fno-signed-zeros -fno-trapping-math",
    "-ffp-contract=fast",
    "-Ofast -ffast-math -funsafe-math-optimizations -ffp-contract=fast -flto",
]
if platform.machine() == "x86_64":
    FLAGS.append("-mfpmath=387")
OF_CLANG = ["-ffp-model=fast", "-fapprox-func", "-fno-honor-nans -fno-honor-infinities"]
# Where a user's flags are: the environment or the command line, a build type's, an embedder's.
PLACES = {"-DFROM_USER", "-DFROM_BUILD_TYPE", "-DFROM_LINKER", "-DFROM_EMBEDDER"}


def run(*command: str | Path) -> str:
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    result = subprocess.run(
        command,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}"
    return result.stdout


def with_flags(command: str, flags: str) -> list[str]:
    """The words of a command, with flags in every place for them."""
    given = [shlex.split(flags) if word in PLACES else [word] for word in shlex.split(command)]
    return [word for words in given for word in words]


def options(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith(("-f", "-m", "-O", "--param"))]


def state(command: list[str]) -> str:
    """All options that decide about code, as a compiler ends up with them."""
    compiler = command[0]
    if "clang" in compiler:
        jobs = run(compiler, *options(command), "-###", "-x", "c++", "-c", os.devnull)
        (job,) = [line for line in jobs.splitlines() if '"-cc1"' in line]
        return job
    kinds = ["optimizers", "common", "target", "params"]
    listed = run(compiler, *options(command), "-Q", *(f"--help={kind}" for kind in kinds))
    return "\n".join(line for line in listed.splitlines() if "-o <file>" not in line)


@pytest.fixture(scope="module", params=["g++", "clang++"])
def compiler(request: pytest.FixtureRequest) -> str:
    path = shutil.which(request.param)
    if not path:
        pytest.skip(f"no {request.param}")
    return path


def configured(source: Path, folder: Path, compiler: str) -> Path:
    run(
        *("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={compiler}"),
        *("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_COMPILER_LAUNCHER="),
        *("-DCMAKE_CXX_FLAGS=-DFROM_USER", "-DCMAKE_CXX_FLAGS_RELEASE=-DFROM_BUILD_TYPE"),
        *("-DCMAKE_EXE_LINKER_FLAGS=-DFROM_LINKER", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"),
    )
    return folder


@pytest.fixture(scope="module")
def own_build(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return configured(ROOT, tmp_path_factory.mktemp("own"), compiler)


@pytest.fixture(scope="module", params=["own", "embedded"])
def build(request: pytest.FixtureRequest, compiler: str, own_build: Path) -> Path:
    if request.param == "own":
        return own_build
    return configured(EMBEDDER, own_build / "embedded", compiler)


def test_flags_change_no_option_of_a_compiler(build: Path, compiler: str) -> None:
    entries = json.loads((build / "compile_commands.json").read_text())
    ours = [e["command"] for e in entries if Path(e["file"]).is_relative_to(ROOT / "cpp")]
    assert len(ours) >= 14
    assert all("-DFROM_USER" in command for command in ours)
    # Many commands have the same options.
    for command in {tuple(options(shlex.split(c))): c for c in ours}.values():
        command += " -fno-trapping-math"  # which no value depends on, and Clang does not take back
        expected = state(with_flags(command, ""))
        assert state(with_flags(f"{command} -ffast-math", "")) != expected, "the last one counts"
        for flags in [*FLAGS, *(OF_CLANG if "clang" in compiler else [])]:
            assert state(with_flags(command, flags)) == expected, (command, flags)


@pytest.mark.parametrize("flags", ["-ffast-math", "-Ofast", "-funsafe-math-optimizations"])
def test_flags_let_no_program_flush_subnormals(own_build: Path, compiler: str, flags: str) -> None:
    """What a linker adds for them is crtfastmath.o, which runs before the program."""
    commands = run("ninja", "-C", own_build, "-t", "commands", "test_views").splitlines()
    (link,) = [part for part in commands[-1].split("&&") if " -o " in part]
    assert "-DFROM_LINKER" in link
    assert "crtfastmath" not in run(*with_flags(link, flags), "-###")
    assert "crtfastmath" in run(compiler, flags, "-###", os.devnull, "-o", "x")


def test_an_embedding_project_keeps_its_settings(tmp_path: Path) -> None:
    """Its build type, warnings, tests and wheel are its own."""
    run(
        *("cmake", "-S", EMBEDDER, "-B", tmp_path, "-G", "Ninja"),
        *("-DSKBUILD=ON", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"),
    )
    cache = (tmp_path / "CMakeCache.txt").read_text()
    assert re.search(r"^CMAKE_BUILD_TYPE:STRING=$", cache, re.M)
    assert "BUILD_TESTING" not in cache
    assert "-Wall" not in (tmp_path / "compile_commands.json").read_text()
    targets = run("ninja", "-C", tmp_path, "-t", "targets", "all")
    assert "consumer" in targets
    assert not re.search("Nightly|test_views|bindings", targets)
