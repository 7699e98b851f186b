"""Whether the tests notice faults: a mutant is one fault, and each must fail some test.

    python tests/mutants/run.py                # all of them; exit status 1 if one survives
    python tests/mutants/run.py --only 7 31

A mutant is a text beside this file (see mutant.py), headed by what the fault is and whom it would
hurt. It is applied to a copy of the working tree, which is built and tested until the first test
fails. What failed is printed: it should be what the head says. A time limit kills no mutant, as a
busy machine may be the reason. Two lines of the head are for this program: `Try first:` names
tests, of pytest or of ctest, that are run before the others (which follow if these pass),
`ISAs: all` asks for kernels of every instruction set; else they are compiled for the best of this
CPU alone.

The copies stay in build/mutants, so that the next run compiles only what has changed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from mutant import FOLDER, Mutant, read_mutants

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
# Those of pytest that are quick and find the most; the others follow by name.
PYTEST_ORDER = ["functions", "wrong_calls", "gradients", "objectives", "arrays", "sampling", "half"]
# About this folder; and a build of its own for every instruction set.
NOT_RUN = ["tests/test_mutants.py", "tests/test_cpp_package.py"]
NOT_WITH_ONE_ISA = ["tests/test_reproducibility.py::test_the_isa_in_use_is_one_of_the_available"]
MOST_SECONDS = 1800  # for all tests of a file: a mutant may hang


@dataclass(frozen=True)
class Failure:
    test: str
    reason: str  # the assertion
    is_time_limit: bool

    def __str__(self) -> str:
        return f"{self.test}: {self.reason}"


@dataclass(frozen=True)
class Outcome:
    kind: str  # killed, SURVIVED or what is wrong with the mutant or the test
    detail: str = ""


def run(*command: str | Path, cwd: Path, timeout: float = MOST_SECONDS) -> tuple[int | None, str]:
    """The exit status, None after a time-out, and the output."""
    # Beyond the ceiling git looks for no repository: the copy is none.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(cwd.parent), "CI": "1"}
    environment.pop("PYTHONPATH", None)
    environment.pop("SCOREFN_ISA", None)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout


class Tree:
    """A copy of the working tree that is built and tested."""

    def __init__(self, name: str, isas: list[str]) -> None:
        self.path = WORK / name
        self.isas = isas
        self.python = self.path / "venv" / "bin" / "python"

    def must(self, what: str, *command: str | Path) -> None:
        status, output = run(*command, cwd=self.path)
        if status != 0:
            raise SystemExit(f"{what} failed in {self.path}:\n{output}")

    def update(self) -> None:
        """Files that did not change keep their time, so that they are not compiled again."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        names = {n for n in listed.stdout.split("\0") if n and (ROOT / n).is_file()}
        ours = self.path / "files"
        for name in set(ours.read_text().splitlines()) - names if ours.exists() else ():
            (self.path / name).unlink(missing_ok=True)
        for name in names:
            source, target = ROOT / name, self.path / name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        ours.write_text("\n".join(sorted(names)))

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.update()
        if not self.python.exists():
            # Not the caller's environment itself: an editable installation there would come first.
            self.must("venv", sys.executable, "-m", "venv", "--without-pip", "venv")
            (site,) = self.path.glob("venv/lib/python*/site-packages")
            packages = [p for p in sys.path if p.endswith("site-packages")]
            (site / "paths.pth").write_text("\n".join([str(self.path / "python"), *packages]))
        self.must(
            "cmake",
            *("cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DSKBUILD=ON"),
            f"-DCMAKE_PROJECT_scorefn_INCLUDE={FOLDER / 'build.cmake'}",
            f"-DSCOREFN_ONLY_ISAS={';'.join(self.isas)}",
            *("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG"),
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11_dir()}",
        )
        self.must("build", "cmake", "--build", "build")

    def build(self) -> tuple[int | None, str]:
        status, output = run("cmake", "--build", "build", cwd=self.path)
        if status == 0:
            status, output = run("cmake", "--install", "build", "--prefix", "python", cwd=self.path)
        return status, output

    def ctest(self, only: str = "") -> Failure | None:
        """The test that fails, if one does."""
        selected = ("-R", f"^{re.escape(only)}") if only else ("--no-tests=error",)
        left_out = ("-E", "^isas$") if len(self.isas) == 1 else ()
        options = ("--stop-on-failure", "--output-on-failure", "--timeout", "300")
        common = ("ctest", "--test-dir", "build", *options)
        status, output = run(*common, *selected, *left_out, cwd=self.path)
        if status == 0:
            return None
        failed = re.search(r"^\s*\d+ - (\S+) \((.*)\)$", output, re.M)
        if not failed:
            return Failure("ctest", output[-300:] or "hangs", status is None)
        printed = re.search(r"^\S+\.[ch]pp:\d+: .*$", output, re.M)
        reason = printed[0] if printed else failed[2]
        return Failure(f"ctest {failed[1]}", reason, failed[2] == "Timeout")

    def pytest(self, *tests: str) -> Failure | None:
        deselected = NOT_WITH_ONE_ISA if len(self.isas) == 1 else []
        status, output = run(
            *(self.python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
            *(option for test in deselected for option in ("--deselect", test)),
            *tests,
            cwd=self.path,
        )
        if status == 0:
            return None
        if status in (4, 5):  # no such file, no such test
            raise RuntimeError(output)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)(.*)$", output, re.M)
        if failed:
            return Failure(failed[1], failed[2].lstrip(" -"), "TimeoutExpired" in failed[2])
        end = "hangs" if status is None else f"ends with status {status}: {output[-300:]}"
        return Failure(" ".join(tests), end, status is None)

    def tests(self, first: list[str]) -> Iterator[Failure | None]:
        """What fails of one group of tests after the other."""
        for test in first:
            yield self.pytest(test) if "/" in test else self.ctest(test)
        yield self.ctest()
        quick = [f"tests/test_{name}.py" for name in PYTEST_ORDER]
        others = sorted(f"tests/{p.name}" for p in (self.path / "tests").glob("test_*.py"))
        for file in dict.fromkeys([*quick, *others]):
            if file not in NOT_RUN:
                yield self.pytest(file)

    def judge(self, mutant: Mutant) -> Outcome:
        try:
            mutant.apply(self.path)
        except (OSError, ValueError) as error:
            return Outcome("DOES NOT APPLY", str(error))
        try:
            status, output = self.build()
            if status != 0:
                errors = re.findall(r"error: .*", output)
                return Outcome("DOES NOT BUILD", errors[0] if errors else output[-300:])
            found = next((f for f in self.tests(mutant.hints("Try first")) if f), None)
            if not found:
                return Outcome("SURVIVED")
            return Outcome("TIME LIMIT" if found.is_time_limit else "killed", str(found))
        finally:
            self.update()


def pybind11_dir() -> str:
    command = [sys.executable, "-m", "pybind11", "--cmakedir"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def isas_of_this_cpu() -> list[str]:
    """Of those of the build, by the names of their compiler flags."""
    cpu = set(Path("/proc/cpuinfo").read_text().split())
    text = (ROOT / "cpp" / "cmake" / "isas.cmake").read_text()
    flags = re.findall(r"^ *set\(SCOREFN_FLAGS_(\w+) (.*)\)$", text, re.M)
    return [isa for isa, needed in flags if set(re.findall(r"-m(\w+)", needed)) <= cpu]


def work_through(tree: Tree, waiting: SimpleQueue[Mutant], outcomes: dict[int, Outcome]) -> None:
    if waiting.empty():
        return
    tree.prepare()
    while True:
        try:
            mutant = waiting.get_nowait()
        except Empty:
            return
        start = time.monotonic()
        outcome = outcomes[mutant.number] = tree.judge(mutant)
        seconds = time.monotonic() - start
        name = mutant.name
        print(f"{name:<45} {outcome.kind:<10} {seconds:5.0f} s  {outcome.detail}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="the numbers of mutants")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="copies at work")
    parser.add_argument("--unchanged", action="store_true", help="test no mutant: all must pass")
    arguments = parser.parse_args()

    available = isas_of_this_cpu()
    every = Tree("all-isas", available)
    one = [Tree(f"one-isa{job or ''}", available[-1:]) for job in range(arguments.jobs)]
    if arguments.unchanged:
        one[0].prepare()
        one[0].build()
        failures = [str(failed) for failed in one[0].tests([]) if failed]
        print("\n".join(failures) or "all tests pass")
        return 1 if failures else 0

    chosen = [m for m in read_mutants() if not arguments.only or m.number in arguments.only]
    outcomes: dict[int, Outcome] = {}
    threads = []
    for trees in (one, [every]):
        waiting: SimpleQueue[Mutant] = SimpleQueue()
        for mutant in chosen:
            if mutant.all_isas == (trees == [every]):
                waiting.put(mutant)
        threads += [Thread(target=work_through, args=(t, waiting, outcomes)) for t in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    killed = sum(outcome.kind == "killed" for outcome in outcomes.values())
    print(f"{killed} of {len(chosen)} mutants killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
