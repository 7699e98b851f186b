"""scorefn train"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from contextlib import closing
from dataclasses import fields, replace
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from scorefn import TabularPolicy, threads
from scorefn.cli.display import make_display
from scorefn.cli.environments import (
    Environments,
    episode_limit,
    find_spec,
    import_modules,
    make_environments,
    parse_env_args,
)
from scorefn.cli.errors import INTERRUPTED, CommandError
from scorefn.cli.interrupt import deferred_interrupt
from scorefn.cli.models import PlayablePolicy
from scorefn.cli.play import Episodes, play
from scorefn.cli.run_folder import RunFolder
from scorefn.cli.session import Session
from scorefn.cli.settings import DEFAULTS, NEVER, TrainSettings
from scorefn.cli.trainer import Outcome, Trainer, recent_return

EVALUATION_EPISODES = 100

# What --resume may change: only how long the training goes on.
CHANGED_BY_RESUME = ("steps", "stop_at_return")


def train(args: Namespace) -> int:
    import_modules(args.imports)
    folder = None if args.resume is None else RunFolder.open(args.resume)
    settings = _new_settings(args) if folder is None else _resumed_settings(args, folder)
    with closing(_make(settings, settings.num_envs)) as envs:
        trainer = Trainer(settings, envs, lambda policy, rng: _evaluate(settings, policy, rng))
        if folder is None:
            name = f"{settings.environment.replace('/', '-')}-seed{settings.seed}"
            folder = RunFolder.create(args.output, name)
        else:
            _resume(trainer, folder, settings)
        with (
            deferred_interrupt() as interrupt,
            threads(args.num_threads),
            make_display(settings.environment, quiet=args.quiet) as display,
        ):
            session = Session(
                trainer,
                settings,
                folder,
                time_limit=args.time_limit,
                interrupted=lambda: interrupt.requested,
            )
            outcome = session.run(display)
    interrupted = outcome == "stopped" and interrupt.requested
    if args.quiet:
        print(folder.path)
    else:
        print(_headline(trainer, outcome, interrupted), _report(folder, trainer, outcome), sep="\n")
    return INTERRUPTED if interrupted else 0


def _new_settings(args: Namespace) -> TrainSettings:
    if args.environment is None:
        raise CommandError("which environment? For example: scorefn train CartPole-v1")
    spec = _announced_spec(args.environment)
    env_args = parse_env_args(args.env_arg or ())
    limit = args.max_episode_steps or episode_limit(spec)
    with closing(make_environments(spec, env_args, 1, limit)) as probe:
        kind = probe.policy_kind
    values: dict[str, Any] = {
        **DEFAULTS[kind],
        "environment": spec.id,
        "env_args": env_args,
        "seed": 0,
        "max_episode_steps": limit,
        "stop_at_return": spec.reward_threshold,
    }
    for field in fields(TrainSettings):
        given = getattr(args, field.name, None)
        if given is not None and field.name != "environment":
            values[field.name] = None if given == NEVER else given
    return TrainSettings(**values)


def _announced_spec(env_id: str) -> EnvSpec:
    spec = find_spec(env_id)
    if spec.id != env_id:
        print(
            f"scorefn: note: this Gymnasium has retired {env_id}; training its successor {spec.id}",
            file=sys.stderr,
        )
    return spec


def _resumed_settings(args: Namespace, folder: RunFolder) -> TrainSettings:
    fixed = {field.name for field in fields(TrainSettings)} - set(CHANGED_BY_RESUME)
    for name in sorted(fixed | {"output", "env_arg"}):
        if getattr(args, name, None) is not None:
            option = "ENV" if name == "environment" else f"--{name.replace('_', '-')}"
            raise CommandError(f"--resume goes on with the settings of the run; leave out {option}")
    settings = folder.read_settings()
    if args.steps is not None:
        settings = replace(settings, steps=args.steps)
    if args.stop_at_return is not None:
        target = None if args.stop_at_return == NEVER else args.stop_at_return
        settings = replace(settings, stop_at_return=target)
    return settings


def _resume(trainer: Trainer, folder: RunFolder, settings: TrainSettings) -> None:
    checkpoint, metrics = folder.read_checkpoint(), folder.read_metrics()
    try:
        trainer.resume(checkpoint, metrics)
    except CommandError as error:
        raise CommandError(f"{folder.checkpoint} is damaged: {error}") from error
    if trainer.steps >= settings.steps:
        raise CommandError(
            f"{folder.path} has taken all of its {settings.steps:,} steps; --steps N for more"
        )


def _make(settings: TrainSettings, num_envs: int) -> Environments:
    spec = find_spec(settings.environment)
    return make_environments(spec, settings.env_args, num_envs, settings.max_episode_steps)


def _evaluate(
    settings: TrainSettings, policy: PlayablePolicy, rng: np.random.Generator
) -> Episodes:
    with closing(_make(settings, EVALUATION_EPISODES)) as envs:
        return play(envs, policy, num_episodes=EVALUATION_EPISODES, greedy=True, rng=rng)


def _headline(trainer: Trainer, outcome: Outcome, interrupted: bool) -> str:
    steps = f"{trainer.steps:,} steps in {trainer.seconds:.1f} s"
    if outcome == "solved" and trainer.evaluation is not None:
        episodes = trainer.evaluation
        return (
            f"Solved after {steps}: mean return {episodes.returns.mean():.2f} "
            f"over {len(episodes.returns)} evaluation episodes."
        )
    ended = "Finished" if outcome == "finished" else "Interrupted" if interrupted else "Time is up"
    recent = recent_return(trainer.metrics)
    return f"{ended} after {steps}: mean return {recent:.2f} over the last training episodes."


def _report(folder: RunFolder, trainer: Trainer, outcome: Outcome) -> str:
    """Where everything is and how to go on."""
    run = shlex.quote(str(folder.path))
    if isinstance(trainer.policy(), TabularPolicy):
        use = "action, log_prob = policy.sample(state)"
    else:
        use = "action, log_prob = policy.sample(np.append(observation, 1.0))"
    go_on = f"\n  go on       scorefn train --resume {run}" if outcome == "stopped" else ""
    return f"""
  policy      {folder.policy}
  metrics     {folder.metrics}
  picture     {folder.picture}
{go_on}
  play it     scorefn evaluate {run}
  in Python   import numpy as np, scorefn
              policy = scorefn.load_policy({str(folder.policy)!r})
              {use}"""
