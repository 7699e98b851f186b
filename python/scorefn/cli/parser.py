"""The options. Imports nothing of the extra, so that --help works without it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

import scorefn
from scorefn.bench.solutions import PEERS
from scorefn.cli.errors import CommandError
from scorefn.cli.settings import DEFAULT_MAX_EPISODE_STEPS, DEFAULTS, MIN_ROLLOUT_STEPS, NEVER

DESCRIPTION = "Train and evaluate categorical policies by the score-function (REINFORCE) gradient."

EXAMPLES = """\
examples:
  scorefn train CartPole-v1
  scorefn train FrozenLake-v1 --env-arg is_slippery=false --seed 1
  scorefn train --resume runs/CartPole-v1-seed0-1
  scorefn evaluate runs/CartPole-v1-seed0-1
  scorefn bench --quick
"""

TRAIN_DESCRIPTION = """\
Train a policy on a Gymnasium environment with Discrete actions: a linear softmax policy where
observations are numbers (Box), a table where they are states (Discrete).

The method is actor-critic: REINFORCE on normalised advantages (GAE), with a learning rate and an
entropy bonus that fall linearly to 0. The same settings and seed give the same policy. Training
stops early once 100 evaluation episodes confirm the return to stop at. Ctrl-C and SIGTERM stop it
too and keep everything. Every update is on disk at most 5 seconds after it was made. --resume goes
on from the last update, with new episodes.
"""

BENCH_DESCRIPTION = """\
Time every function of scorefn over many sizes, beside a copy of the same bytes and beside what one
would use instead, as far as it is installed: NumPy, SciPy, Numba, PyTorch (eager and compiled) and
JAX. Every answer is checked first; its largest error in ULP stands beside the time. The results
are tables, pictures and a JSON file, which a later run compares itself with. Run it on an idle
machine. All of it takes about half an hour; Ctrl-C keeps what has been measured.
"""

BENCH_EXAMPLES = """\
examples:
  scorefn bench --quick                       less than a minute
  scorefn bench --filter 'score_gradient K=18' --peers numpy,torch
  scorefn bench --filter 'log_prob *' --filter 'sample *' --compare runs/bench-1
  scorefn bench --resume runs/bench-1         go on after Ctrl-C, or draw it again
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def make_parser() -> Parser:
    parser = Parser(
        prog="scorefn",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
        help="what this build is and what it runs with: put it into a bug report",
        description="Print the version, compiler, instruction set, OpenMP and threads.",
    )
    return parser


def _add_train(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train a policy on a Gymnasium environment",
        usage="scorefn train ENV [options]\n       scorefn train --resume RUN [options]",
        description=TRAIN_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "environment", metavar="ENV", nargs="?", help="id of the environment, such as CartPole-v1"
    )

    add = parser.add_argument_group("run").add_argument
    add("--seed", type=_natural, metavar="N", help="seed of everything random (default: 0)")
    add("--output", metavar="DIR", help="folder of the run (default: runs/ENV-seedN-1, -2, ...)")
    add("--resume", metavar="RUN", help="go on with the run in this folder")
    add("--quiet", action="store_true", help="no progress; print the folder of the run alone")
    add(
        "--num-threads",
        type=_positive,
        default=1,
        metavar="N",
        help="threads (default: 1, as batches are small); any number gives the same result",
    )

    add = parser.add_argument_group("length").add_argument
    add(
        "--steps",
        type=_positive,
        metavar="N",
        help="environment steps, rounded up to a multiple of --num-envs, "
        f"with a last rollout of {MIN_ROLLOUT_STEPS} or more {_default('steps')}",
    )
    add("--time-limit", type=_positive_float, metavar="SECONDS", help="stop then, as by Ctrl-C")
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
        help="argument of the environment, such as is_slippery=false; may be repeated",
    )
    add(
        "--num-envs",
        type=_positive,
        metavar="N",
        help=f"environments side by side {_default('num_envs')}",
    )
    add(
        "--max-episode-steps",
        type=_positive,
        metavar="N",
        help="time limit of an episode "
        f"(default: the environment's own, or {DEFAULT_MAX_EPISODE_STEPS})",
    )

    add = parser.add_argument_group("learning").add_argument
    for name, kind, text in (
        ("rollout_steps", _rollout_steps, "steps of each environment for one update"),
        ("learning_rate", _positive_float, "factor of the gradient at the start"),
        ("discount", _fraction, "factor by which a reward loses value in a step"),
        ("gae_lambda", _fraction, "lambda of the advantages; 1: returns minus values"),
        ("entropy_coef", _natural_float, "weight of the entropy at the start"),
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
        help="play episodes with a trained policy",
        description="Play episodes with the policy of a run and print their returns and lengths.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    add = parser.add_argument
    add("--episodes", type=_positive, default=100, metavar="N", help="how many")
    add("--seed", type=_natural, default=0, metavar="N", help="seed of everything random")
    add(
        "--stochastic",
        action="store_true",
        help="draw actions from the policy instead of taking the likeliest one",
    )
    _add_imports(add)


def _add_plot(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "plot",
        help="draw the learning curve of a run again",
        description="Draw the learning curve of a run from its metrics.csv, also while it trains.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of the run")


def _add_bench(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure speed and accuracy against the memory's speed and other libraries",
        description=BENCH_DESCRIPTION,
        epilog=BENCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what").add_argument
    add("--quick", action="store_true", help="few sizes, few measurements: a first look")
    add(
        "--filter",
        action="append",
        metavar="PATTERN",
        help="only workloads with this in their name, as in 'score_gradient K=18 N=4096', or that "
        "match it if it has a wildcard (* ?); may be repeated",
    )
    add(
        "--peers",
        type=_peers,
        metavar="NAMES",
        help=f"only these of {','.join(PEERS)} (default: all; with --quick those that need not "
        "compile for long)",
    )
    add("--no-peers", action="store_true", help="scorefn alone")
    add(
        "--num-threads",
        "--threads",
        type=_positive,
        metavar="N",
        help="threads, of the peers too (default: as many as scorefn takes)",
    )
    add("--dtype", choices=("float32", "float64"), help="of the logits (default: float32)")

    add = parser.add_argument_group("results").add_argument
    add("--output", metavar="DIR", help="their folder (default: runs/bench-1, -2, ...)")
    add("--resume", metavar="RUN", help="go on with the run in this folder")
    add("--compare", metavar="RUN", help="show what changed since the run in this folder or file")
    add(
        "--markdown",
        metavar="FILE",
        help="write the tables into this file, or into the part of it that they wrote before",
    )
    add("--quiet", action="store_true", help="no progress; print the folder of the results alone")


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
        default=[],
        metavar="MODULE",
        help="import this module first, which registers environments; may be repeated",
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
