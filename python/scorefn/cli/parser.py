"""The options. Imports nothing of the extra, so that --help works without it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

import scorefn
from scorefn._command.errors import TRACEBACK, CommandError
from scorefn.bench.solutions import PEERS
from scorefn.train.settings import (
    DEFAULT_MAX_EPISODE_STEPS,
    DEFAULTS,
    MIN_ROLLOUT_STEPS,
    NEVER,
    is_module_name,
)

DESCRIPTION = "Train and evaluate softmax policies with score-function (REINFORCE) gradients."

EXAMPLES = """\
examples:
  scorefn train CartPole-v1
  scorefn train FrozenLake-v1 --env-arg is_slippery=false --seed 1
  scorefn train --resume runs/CartPole-v1-seed0-1
  scorefn evaluate runs/CartPole-v1-seed0-1
  scorefn bench --quick
"""

TRAIN_DESCRIPTION = """\
Train a policy on a Gymnasium environment with a Discrete action space. The policy is linear
softmax for Box observations and a table of logits for Discrete observations.

The algorithm is actor-critic: REINFORCE with normalized GAE advantages. The learning rate and the
entropy coefficient decay linearly to 0. The same settings and seed give the same policy. Training
stops early once the greedy policy is shown to reach the return to stop at: the mean return of
evaluation episodes exceeds it by three standard errors. Ctrl-C and SIGTERM also stop the training.
Every update is on disk at most 5 seconds after it was made. --resume continues from the last
update, with new episodes.
"""

TRAIN_NOTES = f"""\
Modules named with --import are looked up in the current folder first. A run remembers them:
evaluate and --resume import them again. So use only runs of people whom you trust.
{TRACEBACK}=1 shows the traceback of an error in a module or an environment.
"""

BENCH_DESCRIPTION = """\
Benchmark every function of scorefn over a range of sizes, against a memory copy of the same bytes
and against NumPy, SciPy, Numba, PyTorch (eager and compiled) and JAX, as far as they are installed.
Every result is checked first, and its largest error in ULP is reported beside its time. The output
is tables, figures and a JSON file for --compare. Run it on an idle machine: a warning says if other
processes used the CPUs. The full benchmark takes about half an hour; Ctrl-C keeps what has been
measured.
"""

BENCH_EXAMPLES = """\
examples:
  scorefn bench --quick                       less than a minute
  scorefn bench --filter 'score_gradient K=18' --peers numpy,torch
  scorefn bench --filter 'log_prob *' --filter 'sample *' --compare runs/bench-1
  scorefn bench --resume runs/bench-1         continue after Ctrl-C, or redraw the figures
"""


class Paragraphs(argparse.HelpFormatter):
    """Fills each paragraph of a text to the width of the terminal, but leaves examples alone."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip("\n").split("\n\n")
        fill = super()._fill_text
        return "\n\n".join(p if "\n  " in p else fill(p, width, indent) for p in paragraphs)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def make_parser() -> Parser:
    parser = Parser(
        prog="scorefn",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument("--version", action="version", version=f"scorefn {scorefn.__version__}")
    parser.add_argument(
        "--cmakedir", action="store_true", help="print the folder of the CMake package and exit"
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_plot(commands)
    _add_bench(commands)
    commands.add_parser(
        "info",
        help="show version and hardware information for bug reports",
        description="Print version, compiler, instruction set, OpenMP version and threads. A trial "
        "of a quarter of a second shows whether threads pay at the moment: how many parallel "
        "regions were shared, and how many ran on one thread because the machine is busy.",
    )
    return parser


def _add_train(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train a policy on a Gymnasium environment",
        usage="scorefn train ENV [options]\n       scorefn train --resume RUN [options]",
        description=TRAIN_DESCRIPTION,
        epilog=TRAIN_NOTES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "environment",
        metavar="ENV",
        nargs="?",
        help="environment id, for example CartPole-v1",
    )

    add = parser.add_argument_group("run").add_argument
    add("--seed", type=_natural, metavar="N", help="random seed (default: 0)")
    add(
        "--output",
        type=_path,
        metavar="DIR",
        help="run folder (default: runs/ENV-seedN-1, -2, ...)",
    )
    add("--resume", type=_path, metavar="RUN", help="continue the run in this folder")
    add("--quiet", action="store_true", help="no progress; print only the run folder")
    add(
        "--num-threads",
        type=_positive,
        default=1,
        metavar="N",
        help="number of threads (default: 1, as batches are small); results do not depend on it",
    )

    add = parser.add_argument_group("length").add_argument
    add(
        "--steps",
        type=_positive,
        metavar="N",
        help="total environment steps, rounded up to a multiple of --num-envs, with a last rollout "
        f"of {MIN_ROLLOUT_STEPS} or more {_default('steps')}",
    )
    add(
        "--time-limit",
        type=_positive_float,
        metavar="SECONDS",
        help="stop after this long, like Ctrl-C",
    )
    add(
        "--stop-at-return",
        type=_return_or_never,
        metavar="X",
        help=f"mean return to stop at, or '{NEVER}' (default: the environment's reward threshold)",
    )

    add = parser.add_argument_group("environment").add_argument
    _add_imports(add)
    add(
        "--env-arg",
        action="append",
        metavar="KEY=VALUE",
        help="keyword argument of the environment, for example is_slippery=false; may be repeated",
    )
    add(
        "--num-envs",
        type=_positive,
        metavar="N",
        help=f"number of parallel environments {_default('num_envs')}",
    )
    add(
        "--max-episode-steps",
        type=_positive,
        metavar="N",
        help="maximum steps per episode "
        f"(default: the environment's own, or {DEFAULT_MAX_EPISODE_STEPS})",
    )

    add = parser.add_argument_group("learning").add_argument
    for name, kind, text in (
        ("rollout_steps", _rollout_steps, "steps per environment between updates"),
        ("learning_rate", _positive_float, "initial learning rate"),
        ("discount", _fraction, "discount factor (gamma)"),
        ("gae_lambda", _fraction, "GAE lambda; 1 means Monte Carlo returns minus values"),
        ("entropy_coef", _natural_float, "initial entropy coefficient"),
    ):
        add(
            f"--{name.replace('_', '-')}",
            type=kind,
            metavar="N" if kind is _rollout_steps else "X",
            help=f"{text} {_default(name)}",
        )


def _add_evaluate(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="run episodes with a trained policy",
        description="Run episodes with a trained policy and print statistics of their returns and "
        "lengths. The policy is greedy (the most probable action) unless --stochastic is given; "
        "training samples its actions.",
    )
    parser.add_argument("run", type=_path, metavar="RUN", help="run folder")
    add = parser.add_argument
    add(
        "--episodes",
        type=_positive,
        default=100,
        metavar="N",
        help="number of episodes (default: 100)",
    )
    add("--seed", type=_natural, default=0, metavar="N", help="random seed (default: 0)")
    add(
        "--stochastic",
        action="store_true",
        help="sample the actions, as training does",
    )
    _add_imports(add)


def _add_plot(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "plot",
        help="redraw the learning curve of a run",
        description="Redraw the learning curve of a run from metrics.csv, even during training.",
    )
    parser.add_argument("run", type=_path, metavar="RUN", help="run folder")


def _add_bench(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "bench",
        help="benchmark speed and accuracy against other libraries",
        description=BENCH_DESCRIPTION,
        epilog=BENCH_EXAMPLES,
        formatter_class=Paragraphs,
    )
    add = parser.add_argument_group("workloads").add_argument
    add("--quick", action="store_true", help="few sizes and few repetitions, for a first look")
    add(
        "--filter",
        action="append",
        metavar="PATTERN",
        help="only workloads whose name contains this, for example 'score_gradient K=18'; with a "
        "wildcard (* ?) the whole name has to match; may be repeated",
    )
    add(
        "--peers",
        type=_peers,
        metavar="NAMES",
        help=f"other libraries to compare with, out of {','.join(PEERS)} (default: all; with "
        "--quick those without a long compilation)",
    )
    add("--no-peers", action="store_true", help="measure only scorefn")
    add(
        "--num-threads",
        "--threads",
        type=_positive,
        metavar="N",
        help="number of threads, for all libraries (default: scorefn's default)",
    )
    add("--dtype", choices=("float32", "float64"), help="dtype of the logits (default: float32)")

    add = parser.add_argument_group("results").add_argument
    add(
        "--output",
        type=_path,
        metavar="DIR",
        help="folder for the results (default: runs/bench-1, -2, ...)",
    )
    add("--resume", type=_path, metavar="RUN", help="continue the benchmark in this folder")
    add(
        "--compare",
        type=_path,
        metavar="RUN",
        help="show differences to the results in this folder or file",
    )
    add(
        "--markdown",
        type=_path,
        metavar="FILE",
        help="write the tables to this file; a file with marked tables keeps its other text",
    )
    add("--quiet", action="store_true", help="no progress; print only the folder of the results")


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def _module(text: str) -> str:
    if not is_module_name(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not the name of a Python module")
    return text


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"'{name}' is not one of {','.join(PEERS)}")
    return names


def _add_imports(add: Callable[..., argparse.Action]) -> None:
    add(
        "--import",
        dest="imports",
        action="append",
        type=_module,
        default=[],
        metavar="MODULE",
        help="module that registers environments; may be repeated",
    )


def _default(name: str) -> str:
    linear, tabular = DEFAULTS["linear"][name], DEFAULTS["tabular"][name]
    return f"(default: {linear})" if linear == tabular else f"(default: {linear}; table {tabular})"


def _number(
    convert: type[int] | type[float], minimum: float, maximum: float, wanted: str
) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            value = convert(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"'{text}' is not {wanted}")
        return value

    return parse


_TINY, _LARGE = 1e-300, 1e9
_positive = _number(int, 1, 1e15, "a positive whole number")
_rollout_steps = _number(
    int, MIN_ROLLOUT_STEPS, 1e6, f"a whole number of at least {MIN_ROLLOUT_STEPS}"
)
_natural = _number(int, 0, 2**63 - 1, "a whole number that is not negative")
_positive_float = _number(float, _TINY, _LARGE, "a positive number")
_natural_float = _number(float, 0.0, _LARGE, "a number that is not negative")
_fraction = _number(float, 0.0, 1.0, "a number from 0 to 1")
_any_float = _number(float, -_LARGE, _LARGE, f"a number or '{NEVER}'")


def _return_or_never(text: str) -> float | str:
    return text if text == NEVER else _any_float(text)
