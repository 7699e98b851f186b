"""scorefn train"""

from __future__ import annotations

import math
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from signal import SIGINT, Signals
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from scorefn import TabularPolicy, threads
from scorefn._command.errors import CommandError
from scorefn._command.interrupt import deferred_interrupt
from scorefn.train.confirm import EVALUATION_EPISODES
from scorefn.train.display import make_display, number
from scorefn.train.environments import (
    Environments,
    episode_limit,
    find_spec,
    import_modules,
    make_environments,
    parse_env_args,
)
from scorefn.train.models import PlayablePolicy
from scorefn.train.play import Episodes, play
from scorefn.train.plot import draw_picture
from scorefn.train.run_folder import RunFolder
from scorefn.train.session import Session
from scorefn.train.settings import DEFAULTS, NEVER, TrainSettings
from scorefn.train.trainer import Outcome, Trainer, recent_return

# What --resume may change: only how long the training goes on.
CHANGED_BY_RESUME = ("steps", "stop_at_return")


def train(args: Namespace) -> int:
    import_modules(args.imports)
    folder = None if args.resume is None else RunFolder.open(args.resume)
    with ExitStack() as stack:
        if folder is not None:  # before anything is read that another training may replace
            stack.enter_context(folder.locked())
        settings = _new_settings(args) if folder is None else _resumed_settings(args, folder)
        envs = stack.enter_context(closing(_make(settings, settings.num_envs)))
        trainer = Trainer(
            settings,
            envs,
            lambda policy, rng, num_episodes: _evaluate(
                settings, policy, rng, num_episodes, envs.between_steps
            ),
        )
        if folder is None:
            name = f"{settings.environment.replace('/', '-')}-seed{settings.seed}"
            folder = RunFolder.create(args.output, name)
            stack.enter_context(folder.locked())
        else:
            _resume(trainer, folder, settings)
        interrupt = stack.enter_context(deferred_interrupt())
        session = Session(
            trainer,
            settings,
            folder,
            time_limit=args.time_limit,
            interrupted=lambda: interrupt.requested,
        )
        with (
            threads(args.num_threads),
            make_display(settings.environment, quiet=args.quiet) as display,
        ):
            outcome = session.run(display)
        stopped_by = interrupt.signal if outcome == "stopped" else None
        try:
            if args.quiet:
                print(folder.path, flush=True)
            else:
                print(_headline(trainer, outcome, stopped_by))
                report = _report(
                    folder, trainer, session, outcome, has_masks=envs.masks is not None
                )
                print(report, flush=True)
        finally:  # also if nobody reads what is printed
            if session.failure is not None:
                raise session.failure
            _draw(folder, settings, trainer)
    return 0 if stopped_by is None else interrupt.exit_code


def _draw(folder: RunFolder, settings: TrainSettings, trainer: Trainer) -> None:
    """Last, so that a picture that cannot be drawn takes nothing away."""
    try:
        draw_picture(folder, settings, trainer.metrics)
    except CommandError as error:
        again = f"scorefn plot {shlex.quote(str(folder.path))}"
        raise CommandError(f"{error} (everything else is saved; try {again})") from error


def _new_settings(args: Namespace) -> TrainSettings:
    if args.environment is None:
        raise CommandError("ENV is missing, for example: scorefn train CartPole-v1")
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
        _note(f"Gymnasium has retired {env_id}; training its successor {spec.id}")
    return spec


def _resumed_settings(args: Namespace, folder: RunFolder) -> TrainSettings:
    fixed = {field.name for field in fields(TrainSettings)} - {*CHANGED_BY_RESUME, "imports"}
    for name in sorted(fixed | {"output", "env_arg"}):
        if getattr(args, name, None) is not None:
            option = "ENV" if name == "environment" else f"--{name.replace('_', '-')}"
            raise CommandError(f"--resume keeps the settings of the run; omit {option}")
    settings = folder.read_settings()
    import_modules(settings.imports, f"{folder.config} imports")
    imports = list(dict.fromkeys([*settings.imports, *args.imports]))
    settings = replace(settings, imports=imports)
    if args.steps is not None:
        settings = replace(settings, steps=args.steps)
    if args.stop_at_return is not None:
        target = None if args.stop_at_return == NEVER else args.stop_at_return
        settings = replace(settings, stop_at_return=target)
    return settings


def _resume(trainer: Trainer, folder: RunFolder, settings: TrainSettings) -> None:
    progress = folder.read_progress()
    if progress.steps == 0 and not os.path.lexists(folder.checkpoint):
        return  # it was killed before it began
    checkpoint = folder.read_checkpoint()
    has_metrics = progress.steps > 0 or os.path.lexists(folder.metrics)
    metrics = folder.read_metrics() if has_metrics else []  # killed in its first save
    try:
        trainer.resume(checkpoint, metrics)
    except CommandError as error:
        raise CommandError(f"{folder.checkpoint} is damaged: {error}") from error
    old = folder.read_settings()
    # A run that was killed at its end, after its last update, is finished off.
    if trainer.steps >= settings.steps and (progress.is_complete or settings.steps != old.steps):
        raise CommandError(
            f"{folder.path} has already finished its {settings.steps:,} steps; "
            "--steps N sets a larger total"
        )
    _tell_what_changes(trainer, old, settings)


def _tell_what_changes(trainer: Trainer, old: TrainSettings, new: TrainSettings) -> None:
    if trainer.is_within_segment:
        _note(
            "the run continues with new episodes: every update is kept, but the result is no "
            "longer bitwise the same as that of an uninterrupted run"
        )
    if new.steps != old.steps and trainer.metrics:
        before, now = f"{trainer.metrics[-1].learning_rate:.3g}", f"{trainer.learning_rate:.3g}"
        if before != now:
            _note(
                f"the learning rate changes from {before} to {now}, because it decays linearly "
                f"to 0 over all steps, which are now {new.steps:,} instead of {old.steps:,}"
            )


def _note(text: str) -> None:
    print(f"scorefn: note: {text}", file=sys.stderr)


def _make(settings: TrainSettings, num_envs: int) -> Environments:
    spec = find_spec(settings.environment)
    return make_environments(spec, settings.env_args, num_envs, settings.max_episode_steps)


def _evaluate(
    settings: TrainSettings,
    policy: PlayablePolicy,
    rng: np.random.Generator,
    num_episodes: int,
    between_steps: Callable[[], None],
) -> Episodes:
    with closing(_make(settings, EVALUATION_EPISODES)) as envs:
        envs.between_steps = between_steps
        return play(envs, policy, num_episodes=num_episodes, greedy=True, rng=rng)


def _headline(trainer: Trainer, outcome: Outcome, stopped_by: Signals | None) -> str:
    steps = f"{trainer.steps:,} steps in {trainer.seconds:.1f} s"
    if outcome == "solved" and trainer.evaluation is not None:
        returns = trainer.evaluation.returns
        return (
            f"Solved after {steps}: mean return {number(returns.mean())} "
            f"in {len(returns)} evaluation episodes (greedy policy)."
        )
    if outcome == "finished":
        ended = "Finished"
    elif outcome == "failed":
        ended = "Stopped by an error"
    elif stopped_by is None:
        ended = "Time is up"
    else:
        ended = "Interrupted" if stopped_by == SIGINT else f"Stopped by {stopped_by.name}"
    recent = recent_return(trainer.metrics)
    if math.isnan(recent):
        return f"{ended} after {steps}: no episode has ended yet."
    return (
        f"{ended} after {steps}: mean return {number(recent)} in about the last 100 training "
        "episodes (sampled actions)."
    )


def _report(
    folder: RunFolder, trainer: Trainer, session: Session, outcome: Outcome, *, has_masks: bool
) -> str:
    """Where everything is and how to continue."""
    run = shlex.quote(str(folder.path))
    resume = f"\n  resume      scorefn train --resume {run}"
    if session.failure is not None:
        saved = f"{session.saved_steps:,} of {trainer.steps:,} steps are saved in {folder.path}"
        return f"\n  saved       {saved}{resume}"
    if isinstance(trainer.policy(), TabularPolicy):
        use = "action, log_prob = policy.sample(state)"
    else:
        where = ', where=info["action_mask"] == 1' if has_masks else ""
        use = f"action, log_prob = policy.sample(np.append(observation, 1.0){where})"
    again = resume if outcome == "stopped" else ""
    return f"""
  policy      {folder.policy}
  metrics     {folder.metrics}
  picture     {folder.picture}
{again}
  evaluate    scorefn evaluate {run}
  in Python   import numpy as np, scorefn
              policy = scorefn.load_policy({str(folder.policy)!r})
              {use}"""
