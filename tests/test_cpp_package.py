"""The C++ package: a program that finds it by CMake gets Python's numbers, bit for bit."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import scorefn

ROOT = Path(__file__).parents[1]
CONSUMER = ROOT / "tests" / "cpp" / "consumer"

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
