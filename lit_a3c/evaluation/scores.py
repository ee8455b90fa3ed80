"""The score of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lit_a3c.envs import EnvSpaces
from lit_a3c.envs.atari import reference_scores
from lit_a3c.rollout import Episode


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
    draws = np.random.default_rng(0).choice(returns, (2000, len(returns))).mean(axis=1)
    summary: dict[str, Any] = {
        "env_id": spaces.env_id,
        "episodes": len(returns),
        "mean": float(returns.mean()),
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        "ci95": [float(bound) for bound in np.quantile(draws, [0.025, 0.975])],
        "median": float(np.median(returns)),
        "length": steps / len(returns),
        "steps": steps,
        "frames": steps * spaces.frame_skip,
    }
    if spaces.env_id in reference_scores():
        random, human = reference_scores()[spaces.env_id]
        summary["human_normalized"] = (summary["mean"] - random) / (human - random)
    return summary
