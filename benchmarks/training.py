"""What `scorefn train` reaches with its defaults, seed by seed, as a Markdown table.

    python benchmarks/training.py                      all three environments
    python benchmarks/training.py CartPole-v1 --seeds 3

Each policy is trained and then evaluated by the commands that a user types, in processes of their
own. The seconds are those of the whole training command, by the clock and of processor time: on a
shared machine the clock also counts the work of others.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Environment, its arguments, and how many seeds are enough to see that it works.
TASKS = {
    "CartPole-v1": ([], 10),
    "FrozenLake-v1": (["--env-arg", "is_slippery=false"], 10),
    "Taxi-v3": ([], 3),
}


def scorefn(*args: str) -> str:
    command = [sys.executable, "-m", "scorefn", *args]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def evaluate(run: str) -> tuple[str, list[float]]:
    """The environment; mean, standard deviation, minimum and maximum of the returns."""
    lines = scorefn("evaluate", run, "--episodes", "100").splitlines()
    [line] = [line for line in lines if line.startswith("return")]
    return lines[0].partition(",")[0], [float(number) for number in line.split()[1:]]


def processor_seconds() -> float:
    """Of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", nargs="*", default=list(TASKS), metavar="ENV")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N - 1")
    args = parser.parse_args()
    print("| environment | seed | mean return | std | min | max | seconds | processor |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for environment in args.environment:
        env_args, num_seeds = TASKS.get(environment, ([], 3))
        for seed in range(args.seeds or num_seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = str(Path(folder, "run"))
                started, used = time.perf_counter(), processor_seconds()
                options = ["--seed", str(seed), "--output", run, "--quiet"]
                scorefn("train", environment, *env_args, *options)
                seconds = (time.perf_counter() - started, processor_seconds() - used)
                played, numbers = evaluate(run)
            cells = [played, str(seed), *(f"{x:.2f}" for x in numbers)]
            cells += [f"{x:.1f}" for x in seconds]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
