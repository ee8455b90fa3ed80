"""The score of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lit_a3c.envs import EnvSpaces
from lit_a3c.envs.atari import reference_scores
from lit_a3c.metrics.statistics import mean_interval
from lit_a3c.rollout import Episode

RESAMPLES = 2000
"""Bootstrap draws of the interval."""


def summarize(episodes: Sequence[Episode], spaces: EnvSpaces) -> dict[str, Any]:
    """The score of a policy over whole episodes.

    Args:
        episodes: At least one.
        spaces: Of their environment.

    Returns:
        ``episodes``; ``mean``, ``sd`` (of the sample), ``ci95`` (bootstrap interval of the mean, two numbers) and
        ``median`` of the raw returns; ``length`` (mean, in steps); ``steps`` and ``frames`` in all; for the 57
        Atari games ``human_normalized``, ``(mean - random) / (human - random)``.
    """
    returns = np.array([episode.episode_return for episode in episodes])
    steps = sum(episode.length for episode in episodes)
    mean = float(returns.mean())
    summary: dict[str, Any] = {
        "env_id": spaces.env_id,
        "episodes": len(returns),
        "mean": mean,
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        "ci95": list(mean_interval(returns, RESAMPLES)) if len(returns) > 1 else [mean, mean],
        "median": float(np.median(returns)),
        "length": steps / len(returns),
        "steps": steps,
        "frames": steps * spaces.frame_skip,
    }
    if spaces.env_id in reference_scores():
        random, human = reference_scores()[spaces.env_id]
        summary["human_normalized"] = (summary["mean"] - random) / (human - random)
    return summary
