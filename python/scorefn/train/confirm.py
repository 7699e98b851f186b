"""Whether a policy reaches a return: evaluation episodes until their mean decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorefn.train.play import Episodes

EVALUATION_EPISODES = 100  # the first ones, always


def confirm(play: Callable[[int], Episodes], wanted: float, most_steps: int) -> Episodes | None:
    """Episodes whose mean return is at least `wanted` by three standard errors, or None.

    While the mean is within three standard errors of `wanted`, as many episodes again are played,
    up to about `most_steps` steps in all.
    """
    episodes = play(EVALUATION_EPISODES)
    while True:
        distance = episodes.returns.mean() - wanted
        if distance >= 3 * episodes.standard_error:
            return episodes
        if distance < -3 * episodes.standard_error or 2 * episodes.lengths.sum() > most_steps:
            return None
        more = play(len(episodes.returns))
        episodes = Episodes(
            np.concatenate([episodes.returns, more.returns]),
            np.concatenate([episodes.lengths, more.lengths]),
        )


def steps_to_spend(steps: int, segment_steps: int, total_steps: int) -> int:
    """What the evaluation after `steps` steps of training may take: a quarter of a part of them.

    The part is the last 2^z segments, where 2^z is the largest power of two that divides the number
    of segments so far. So every second evaluation may be twice as long and every fourth four times,
    and together they take no longer than the training. At the end of the training it is all of it.
    """
    segments = max(1, round(steps / segment_steps))
    part = steps if steps >= total_steps else (segments & -segments) * segment_steps
    return part // 4
