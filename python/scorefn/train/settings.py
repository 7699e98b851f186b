"""The settings of a training run, and their defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from scorefn._command.errors import CommandError

PolicyKind = Literal["linear", "tabular"]
Number = int | float

# --stop-at-return never
NEVER = "never"

# Of 2 steps one may be a reset; the advantages of fewer than 2 samples cannot be normalised.
MIN_ROLLOUT_STEPS = 4

# For an environment without a time limit of its own: its episodes may never end.
DEFAULT_MAX_EPISODE_STEPS = 1000

# One column a kind of policy, found by experiment (benchmarks/training.py).
DEFAULTS: Mapping[PolicyKind, Mapping[str, Number]] = {
    "linear": {
        "steps": 1_000_000,
        "num_envs": 64,
        "rollout_steps": 128,
        "learning_rate": 5.0,
        "discount": 0.995,
        "gae_lambda": 0.98,
        "entropy_coef": 0.0,
    },
    "tabular": {
        "steps": 400_000,
        "num_envs": 16,
        "rollout_steps": 64,
        "learning_rate": 100.0,
        "discount": 0.99,
        "gae_lambda": 0.95,
        "entropy_coef": 0.1,
    },
}


@dataclass(frozen=True)
class TrainSettings:
    """All that decides the result of a run. A thread count or a path does not."""

    imports: list[str]  # modules that register the environment
    environment: str
    env_args: dict[str, Any]
    seed: int
    steps: int
    num_envs: int
    rollout_steps: int
    learning_rate: float
    discount: float
    gae_lambda: float
    entropy_coef: float
    max_episode_steps: int
    stop_at_return: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: object) -> TrainSettings:
        """The settings of a config file, which anyone may have edited."""
        if not isinstance(values, dict):
            raise CommandError("settings is not an object")
        values = {"imports": [], **values}  # not in the files of scorefn 0.1
        expected = {field.name for field in fields(TrainSettings)}
        if set(values) != expected:
            odd = ", ".join(sorted(expected ^ set(values)))
            raise CommandError(f"settings has missing or unknown entries: {odd}")
        for name, valid in _VALID.items():
            if not valid(values[name]):
                raise CommandError(f"settings: {name} = {values[name]!r} is not valid")
        return TrainSettings(**values)


def is_module_name(text: object) -> bool:
    return isinstance(text, str) and all(part.isidentifier() for part in text.split("."))


def _is_int(value: object, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value < 2**63


def _is_number(value: object, minimum: float, maximum: float) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and minimum <= value <= maximum  # type: ignore[operator]


_LARGEST = 1e9
_VALID: Mapping[str, Callable[[Any], bool]] = {
    "imports": lambda v: isinstance(v, list) and all(map(is_module_name, v)),
    "environment": lambda v: isinstance(v, str),
    "env_args": lambda v: isinstance(v, dict),
    "seed": lambda v: _is_int(v, 0),
    "steps": lambda v: _is_int(v, 1),
    "num_envs": lambda v: _is_int(v, 1),
    "rollout_steps": lambda v: _is_int(v, MIN_ROLLOUT_STEPS),
    "learning_rate": lambda v: _is_number(v, 0.0, _LARGEST),
    "discount": lambda v: _is_number(v, 0.0, 1.0),
    "gae_lambda": lambda v: _is_number(v, 0.0, 1.0),
    "entropy_coef": lambda v: _is_number(v, 0.0, _LARGEST),
    "max_episode_steps": lambda v: _is_int(v, 1),
    "stop_at_return": lambda v: v is None or _is_number(v, -_LARGEST, _LARGEST),
}
