"""scorefn evaluate"""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing

import numpy as np

from scorefn._command.errors import CommandError
from scorefn.train.display import number
from scorefn.train.environments import find_spec, import_modules, make_environments
from scorefn.train.models import fits
from scorefn.train.play import MAX_PARALLEL_EPISODES, Episodes, deviation, play
from scorefn.train.run_folder import RunFolder


def evaluate(args: Namespace) -> int:
    folder = RunFolder.open(args.run)
    settings, policy = folder.read_settings(), folder.read_policy()
    import_modules(settings.imports, f"{folder.config} imports")
    import_modules(args.imports)
    spec = find_spec(settings.environment)
    num_envs = min(args.episodes, MAX_PARALLEL_EPISODES)
    made = make_environments(spec, settings.env_args, num_envs, settings.max_episode_steps)
    with closing(made) as envs:
        if not fits(policy, envs):
            raise CommandError(f"{folder.policy} is no policy for {spec.id}")
        episodes = play(
            envs,
            policy,
            num_episodes=args.episodes,
            greedy=not args.stochastic,
            rng=np.random.default_rng(args.seed),
        )
    if args.stochastic:
        actions = "sampled actions, as in training"
    else:
        actions = "greedy policy; --stochastic samples actions, as training does"
    print(f"{spec.id}, {args.episodes} episodes ({actions})")
    print(_table(episodes))
    return 0


def _table(episodes: Episodes) -> str:
    lines = [f"{'':8}{'mean':>10}{'std':>10}{'min':>10}{'max':>10}"]
    for name, values in (("return", episodes.returns), ("length", episodes.lengths)):
        numbers = (values.mean(), deviation(values), values.min(), values.max())
        lines.append(f"{name:8}" + "".join(f"{number(value):>10}" for value in numbers))
    lines.append(f"standard error of the mean return: {number(episodes.standard_error)}")
    return "\n".join(lines)
