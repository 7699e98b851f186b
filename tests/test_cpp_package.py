"""The C++ package: a program that finds it by CMake gets Python's numbers, bit for bit.

The programs that the documents show compile as printed, with GCC and Clang, and run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import scorefn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CONSUMER = ROOT / "tests" / "cpp" / "consumer"
INCLUDE = ROOT / "cpp" / "include"
COMPILERS = [compiler for compiler in ("g++", "clang++") if shutil.which(compiler)]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]

# cmake and ninja of this Python environment, also when it is not activated.
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
}


def run(*command: str | Path) -> str:
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="session")
def moved_install(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the CMake package after ``cmake --install``, moved after the fact.

    It is built with the worst flags for arithmetic that a user may have. The build is kept in
    pytest's cache, as the kernels take a minute to compile.
    """
    build = pytestconfig.cache.mkdir("cpp")
    folder = tmp_path_factory.mktemp("install")
    flags = "-DCMAKE_CXX_FLAGS=-Ofast -ffast-math -funsafe-math-optimizations -ffp-contract=fast"
    run("cmake", "--fresh", "-S", ROOT, "-B", build, "-G", "Ninja", "-DBUILD_TESTING=OFF", flags)
    run("cmake", "--build", build)
    run("cmake", "--install", build, "--prefix", folder / "before")
    shutil.move(folder / "before", folder / "after")
    (config,) = (folder / "after").rglob("scorefn-config.cmake")
    return config.parent


def snippets(language: str) -> list[str]:
    """The programs of the documents."""
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.M | re.S)
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [program for path in documents for program in block.findall(path.read_text("utf-8"))]


@pytest.fixture(scope="session")
def wheel_install() -> Path:
    return Path(run(sys.executable, "-m", "scorefn", "--cmakedir").strip())


def output_of_python(rng: int) -> list[str]:
    """What the consumer prints, computed by the Python package."""
    i = np.arange(35)
    logits = (0.5 * (i * i % 13)).astype(np.float32).reshape(5, 7)
    logits[0, 6] = -90  # a subnormal probability
    actions, log_probs = scorefn.sample(logits, rng=rng)
    gradient = scorefn.score_gradient(logits, actions, np.array([1.0, -2.0, 0.5, 0.0, 3.0]))
    out_of_range = np.where(i[:5] == 3, 7, actions)
    with pytest.raises(IndexError) as error:
        scorefn.score_gradient(logits, out_of_range, np.ones(5))
    numbers = [float(x).hex() for x in (*actions, *log_probs, *gradient.flat)]
    return [scorefn.__version__, *numbers, str(error.value)]


@pytest.mark.parametrize("install", ["moved_install", "wheel_install"])
def test_consumer(install: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    package: Path = request.getfixturevalue(install)
    assert (package / "scorefn-config.cmake").is_file()
    run(
        *("cmake", "-S", CONSUMER, "-B", tmp_path, "-G", "Ninja"),
        *(f"-Dscorefn_DIR={package}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"),
    )
    run("cmake", "--build", tmp_path)

    key = np.random.default_rng(0).integers(2**64, dtype=np.uint64, size=2)
    lines = run(tmp_path / "consumer", *map(str, key)).splitlines()
    expected = output_of_python(rng=0)
    assert (lines[0], lines[-1]) == (expected[0], expected[-1])
    # C's %a and Python's hex() may write the same number with other digits.
    assert list(map(float.fromhex, lines[1:-1])) == list(map(float.fromhex, expected[1:-1]))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_snippets(compiler: str, moved_install: Path, tmp_path: Path) -> None:
    use_of_package = snippets("cmake")[0]
    programs = snippets("cpp")
    assert len(programs) >= 2
    for number, program in enumerate(programs):
        source = tmp_path / str(number)
        source.mkdir()
        (source / "main.cpp").write_text(program)
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\n"
            "project(snippet LANGUAGES CXX)\n"
            "add_executable(simulator main.cpp)\n"
            f"target_compile_options(simulator PRIVATE {' '.join(WARNINGS)})\n{use_of_package}"
        )
        build = source / "build"
        run(
            *("cmake", "-S", source, "-B", build, "-G", "Ninja"),
            *(f"-DCMAKE_CXX_COMPILER={compiler}", f"-Dscorefn_DIR={moved_install}"),
        )
        run("cmake", "--build", build)
        printed = run(build / "simulator").split()
        assert printed
        if number == 0:
            logits = np.array([[2.0, 1.0, 0.0], [0.5, 0.5, 0.5]], np.float32)
            expected = scorefn.score_gradient(logits, [0, 2], [1.0, -2.0])
            assert printed == [f"{x:g}" for x in expected.flat]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_each_header_stands_alone_without_a_warning(compiler: str, tmp_path: Path) -> None:
    for header in sorted(INCLUDE.rglob("*.hpp")):
        program = tmp_path / "main.cpp"
        program.write_text(f"#include <{header.relative_to(INCLUDE)}>\n")
        flags = [*WARNINGS, "-Wsign-conversion", "-std=c++17", f"-I{INCLUDE}"]
        run(compiler, *flags, "-fsyntax-only", program)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_way_to_make_a_view_compiles_without_a_warning(compiler: str) -> None:
    """tests/cpp/test_views.cpp calls every function with views of each kind."""
    flags = [*WARNINGS, "-Wsign-conversion", "-std=c++17", f"-I{INCLUDE}"]
    run(compiler, *flags, "-fsyntax-only", ROOT / "tests" / "cpp" / "test_views.cpp")


def test_without_openmp_the_package_says_what_to_install(
    moved_install: Path, tmp_path: Path
) -> None:
    for source, options in ((CONSUMER, [f"-Dscorefn_DIR={moved_install}"]), (ROOT, [])):
        result = subprocess.run(
            [
                *("cmake", "-S", source, "-B", tmp_path / source.name, "-G", "Ninja"),
                *("-DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON", *options),
            ],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        message = " ".join(result.stderr.split())
        assert result.returncode != 0
        assert "libomp-dev on Debian and Ubuntu" in message
        assert "-DCMAKE_CXX_COMPILER=g++" in message


@pytest.mark.parametrize("compiler", COMPILERS)
def test_commands_without_cmake(compiler: str, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"^    DIR=.*\n    g\+\+ .*$", readme, re.M)
    (tmp_path / "simulator.cpp").write_text(snippets("cpp")[1])
    commands = commands.replace("g++", compiler).replace("python", shlex.quote(sys.executable), 1)
    run("bash", "-c", f"set -e; cd {shlex.quote(str(tmp_path))}\n{commands}")
    actions = list(map(int, run(tmp_path / "simulator").split()))
    assert len(set(actions)) > 1  # a simulator that always does the same looks broken
