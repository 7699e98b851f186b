"""Gymnasium's vector environments behind one narrow door.

What differs from one to the next is made equal here: the autoreset mode, the shape and offset of
observations and actions, ids that Gymnasium has retired. Observations come out as float64 of shape
(num_envs, num_features) or, of a Discrete space, as int64 of shape (num_envs,) counting from 0.
"""

from __future__ import annotations

import difflib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, VectorizeMode
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from scorefn._command.errors import CommandError, ForeignError, describe_exception
from scorefn.train.action_masks import ActionMasks
from scorefn.train.checked import Checked, blaming
from scorefn.train.settings import DEFAULT_MAX_EPISODE_STEPS, PolicyKind
from scorefn.train.watched import Watched

T = TypeVar("T")

# A linear policy on more numbers than this (pixels) learns nothing, and its critic would be slow.
MAX_FEATURES = 512

# The squares of rewards and the fourth powers of observations must not overflow when summed.
LARGEST = 1e60

# Parameters of gymnasium.make_vec itself, which the command line sets in other ways.
RESERVED_ENV_ARGS = ("id", "num_envs", "vectorization_mode", "vector_kwargs", "wrappers")


def import_modules(names: Iterable[str], named_by: str = "--import") -> None:
    """Import modules so that they register their environments.

    Modules in the current folder come first, as with ``python -m``.
    """
    for name in names:
        try:
            here = os.getcwd()
            if here not in sys.path:
                sys.path.insert(0, here)  # stays there for what a module imports later
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and name.endswith(".py"):
                module = name.removesuffix(".py")
                raise CommandError(
                    f"{named_by} {name}: expected the name of the module, {module}, not of its file"
                ) from error
            raise ForeignError(f"{named_by} {name}:", error) from error


def find_spec(env_id: str) -> EnvSpec:
    """The registered environment; of a version that Gymnasium has retired, the current one."""
    if ":" in env_id:
        raise CommandError(f"unknown environment '{env_id}' (to import a module use --import)")
    try:
        return gymnasium.spec(env_id)
    except gymnasium.error.DeprecatedEnv as error:
        wanted = env_id.rpartition("-v")[0]
        versions = [spec for spec in gymnasium.registry.values() if _unversioned(spec) == wanted]
        if not versions:
            raise CommandError(describe_exception(error)) from error
        return max(versions, key=lambda spec: spec.version or 0)
    except gymnasium.error.Error as error:
        raise CommandError(f"unknown environment '{env_id}'{_suggestion(env_id)}") from error


def parse_env_args(pairs: Iterable[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value is JSON, True, False or None, and else a string."""
    env_args: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise CommandError(f"--env-arg '{pair}' is not KEY=VALUE")
        if key == "max_episode_steps":
            raise CommandError("--env-arg max_episode_steps: use --max-episode-steps")
        if key in RESERVED_ENV_ARGS:
            raise CommandError(f"--env-arg {key} is not an argument of an environment")
        if key in env_args:
            raise CommandError(f"--env-arg {key} is given twice")
        python_literals = {"True": "true", "False": "false", "None": "null"}
        try:
            env_args[key] = json.loads(python_literals.get(text, text))
        except ValueError:
            env_args[key] = text
    return env_args


def episode_limit(spec: EnvSpec) -> int:
    return spec.max_episode_steps or DEFAULT_MAX_EPISODE_STEPS


@dataclass(frozen=True)
class Step:
    """What followed one action in each environment.

    False in ``valid``: the environment started a new episode and ignored the action; no sample.
    """

    rewards: NDArray[np.float64]
    next_observations: NDArray[Any]  # what the action led to, also at the end of an episode
    observations: NDArray[Any]  # what to act on now
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    valid: NDArray[np.bool_]


class Environments:
    """Copies of one environment that step together."""

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self._envs = envs
        self._name = envs.spec.id if envs.spec is not None else type(envs).__name__
        self._autoreset = envs.metadata.get("autoreset_mode")
        if self._autoreset not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise CommandError("the vector environment does not start new episodes by itself")
        self._observation_space = envs.single_observation_space
        self._action_space = _supported_actions(envs.single_action_space)
        self.policy_kind: PolicyKind = _policy_kind(self._observation_space)
        self._previous_done = np.zeros(envs.num_envs, dtype=np.bool_)
        self._masks = ActionMasks(self._name, envs.num_envs, self.num_actions)
        # Called by those who play, after each step of all environments, and here after each one's.
        self.between_steps: Callable[[], None] = lambda: None
        if isinstance(envs, SyncVectorEnv):
            envs.envs = [Watched(env, lambda: self.between_steps()) for env in envs.envs]

    @property
    def num_envs(self) -> int:
        return self._envs.num_envs

    @property
    def num_actions(self) -> int:
        return int(self._action_space.n)

    @property
    def num_observations(self) -> int:
        """The number of features or, of a Discrete space, of states."""
        if isinstance(self._observation_space, Discrete):
            return int(self._observation_space.n)
        return int(np.prod(self._observation_space.shape or ()))

    @property
    def masks(self) -> NDArray[np.bool_] | None:
        """The actions that are allowed now, (num_envs, num_actions); None if all always are."""
        return self._masks.now

    def reset(self, seed: int) -> NDArray[Any]:
        """Start new episodes everywhere; the seed decides all that follows."""
        observations, info = self._call("reset()", lambda: self._envs.reset(seed=seed))
        self._previous_done[:] = False
        self._masks.reset(info)
        return self._plain("reset()", observations)

    def step(self, actions: NDArray[np.int64]) -> Step:
        raw, rewards, terminated, truncated, info = self._call(
            "step()", lambda: self._envs.step(actions + self._action_space.start)
        )
        observations = self._plain("step()", raw)
        self._check_size("step()", "reward", rewards)
        done = np.logical_or(terminated, truncated)
        next_observations, valid = observations, np.ones(self.num_envs, dtype=np.bool_)
        if self._autoreset == AutoresetMode.NEXT_STEP:
            valid = ~self._previous_done
            self._previous_done = done
            self._masks.step(info, ignored=done)
        elif done.any():
            next_observations = observations.copy()
            final = [info["final_obs"][i] for i in np.flatnonzero(done)]
            next_observations[done] = self._plain("step()", np.asarray(final))
        if self._autoreset == AutoresetMode.SAME_STEP:
            self._masks.step(info, ignored=np.zeros_like(done))
        return Step(
            np.asarray(rewards, dtype=np.float64),
            next_observations,
            observations,
            np.array(terminated, dtype=np.bool_),
            np.array(truncated, dtype=np.bool_),
            valid,
        )

    def close(self) -> None:
        """An error is only noted: whatever the environments were for has been done by now."""
        try:
            self._call("close()", self._envs.close)
        except CommandError as error:
            print(f"scorefn: note: {error}", file=sys.stderr)

    def _call(self, call: str, function: Callable[[], T]) -> T:
        return blaming(self._name, call, function)

    def _plain(self, call: str, observations: Any) -> NDArray[Any]:
        if isinstance(self._observation_space, Discrete):
            return self._states(call, self._observation_space, observations)
        # A copy: an environment may write its next observation over this one.
        flat = np.array(observations, dtype=np.float64).reshape(len(observations), -1)
        self._check_size(call, "observation", flat)
        return flat

    def _states(self, call: str, space: Discrete, observations: Any) -> NDArray[np.int64]:
        raw: NDArray[np.int64] = np.asarray(observations, dtype=np.int64)
        states = raw - int(space.start)
        outside = (states < 0) | (states >= space.n)
        if outside.any():
            raise CommandError(
                f"{self._name}: {call} returned the observation {raw[outside][0]}, "
                f"which is not in {space}"
            )
        return states

    def _check_size(self, call: str, what: str, values: NDArray[Any]) -> None:
        fine = np.abs(np.asarray(values, dtype=np.float64)) <= LARGEST  # False for NaN
        if not fine.all():
            raise CommandError(
                f"{self._name}: {call} returned the {what} {values[~fine][0]}, "
                f"expected a number of at most {LARGEST:g} in size"
            )


def make_environments(
    spec: EnvSpec, env_args: Mapping[str, Any], num_envs: int, max_episode_steps: int
) -> Environments:
    """The environment's own vector implementation where it has one, else one after the other."""
    options: dict[str, Any] = dict(env_args)
    mode = VectorizeMode.VECTOR_ENTRY_POINT if spec.vector_entry_point else VectorizeMode.SYNC
    wrappers = [lambda env: Checked(env, spec.id)] if mode == VectorizeMode.SYNC else []
    if mode == VectorizeMode.SYNC or max_episode_steps != episode_limit(spec):
        options["max_episode_steps"] = max_episode_steps
    try:
        envs = gymnasium.make_vec(
            spec, num_envs=num_envs, vectorization_mode=mode, wrappers=wrappers, **options
        )
    except (Exception, SystemExit) as error:  # any error of the environment's own code
        given = "".join(f" --env-arg {key}={_typed(value)}" for key, value in env_args.items())
        with_args = f" with{given}" if given else ""
        raise ForeignError(f"cannot make {spec.id}{with_args}:", error) from error
    try:
        return Environments(envs)
    except CommandError as error:
        envs.close()
        raise CommandError(f"{spec.id}: {error}") from error


def _supported_actions(space: gymnasium.Space[Any]) -> Discrete:
    if isinstance(space, Discrete):
        return space
    kind = "continuous" if isinstance(space, Box) else "unsupported"
    raise CommandError(f"{kind} action space {space}, expected Discrete (categorical policies)")


def _policy_kind(space: gymnasium.Space[Any]) -> PolicyKind:
    if isinstance(space, Discrete):
        return "tabular"
    if not isinstance(space, Box):
        raise CommandError(f"unsupported observation space {space}, expected Box or Discrete")
    if np.prod(space.shape) > MAX_FEATURES:
        raise CommandError(
            f"observation space of shape {space.shape} is too large for a linear policy "
            f"(at most {MAX_FEATURES} numbers)"
        )
    return "linear"


def _typed(value: Any) -> str:
    """A value as one types it after ``--env-arg KEY=``."""
    return value if isinstance(value, str) else json.dumps(value)


def _unversioned(spec: EnvSpec) -> str:
    return f"{spec.namespace}/{spec.name}" if spec.namespace else spec.name


def _suggestion(env_id: str) -> str:
    by_lower = {known.lower(): known for known in sorted(gymnasium.registry)}
    close = difflib.get_close_matches(env_id.lower(), by_lower, n=2)
    if not close:
        return " (--import MODULE imports a module that registers it)"
    return f"; did you mean {' or '.join(by_lower[name] for name in close)}?"
