"""Masks of allowed actions, which an environment gives in ``info["action_mask"]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefn._command.errors import CommandError

KEY = "action_mask"


class ActionMasks:
    """The masks of parallel environments: `now` is that of the next action, None without masks.

    An environment gives a mask with every observation or with none; its first `reset` decides.
    """

    def __init__(self, name: str, num_envs: int, num_actions: int) -> None:
        self._name = name
        self._shape = (num_envs, num_actions)
        self.now: NDArray[np.bool_] | None = None

    def reset(self, info: Mapping[str, Any]) -> None:
        self.now = None
        if KEY in info:
            self.now = self._read("reset()", info, np.zeros(self._shape[0], dtype=np.bool_))

    def step(self, info: Mapping[str, Any], ignored: NDArray[np.bool_]) -> None:
        """`ignored`: the next action of these environments is ignored, so any mask will do."""
        if self.now is None and KEY in info:
            raise CommandError(f"{self._name}: step() returned info['{KEY}'], but reset() did not")
        if self.now is not None:
            self.now = self._read("step()", info, ignored)

    def _read(
        self, call: str, info: Mapping[str, Any], ignored: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        masks = np.asarray(info.get(KEY, np.zeros(self._shape, dtype=np.bool_)))
        what = f"{self._name}: {call} returned info['{KEY}']"
        if masks.shape != self._shape:
            shape = f"of shape {masks.shape[1:]}, expected {self._shape[1:]}"
            raise CommandError(f"{what} {shape}")
        if masks.dtype.kind not in "biu":
            raise CommandError(f"{what} of dtype {masks.dtype}, expected int8 or bool")
        if not np.isin(masks, (0, 1)).all():
            raise CommandError(
                f"{what} with {masks[(masks != 0) & (masks != 1)][0]}, expected 0 and 1"
            )
        is_given = info.get(f"_{KEY}", np.full(self._shape[0], KEY in info))
        if not (is_given | ignored).all():
            raise CommandError(f"{self._name}: {call} returned no info['{KEY}'], but reset() did")
        masks = masks.astype(np.bool_)
        masks[ignored] = True
        if not masks.any(axis=1).all():
            raise CommandError(f"{what} without an allowed action")
        return masks
