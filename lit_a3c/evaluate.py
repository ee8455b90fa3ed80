"""Playing whole episodes with a policy: for a score, or for a film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from lit_a3c.envs import EnvConfig, EnvSpec, Episode, VectorEnv
from lit_a3c.envs.atari import reference_scores

Act = Callable[[Tensor, Tensor], Tensor]
"""``[E, *observation]`` observations, and where an episode begins (``[E]`` bool), to ``[E, *action]`` actions."""
MakeAct = Callable[[int], Act]
"""For so many environments."""


def play(act: Act, env: VectorEnv, episodes_per_env: int) -> Iterator[Episode]:
    """Play the same number of episodes in every environment, and yield each as it ends.

    Taking the first N episodes of several environments instead would favour the short ones.

    Args:
        act: The policy.
        env: Environments, freshly seeded.
        episodes_per_env: Episodes of each that count; what others play meanwhile does not.
    """
    state = env.torchrl.reset()
    env.drain()
    missing = np.full(env.gym.num_envs, episodes_per_env)
    while missing.any():
        state["action"] = act(state["observation"], env.begun)
        _, state = env.torchrl.step_and_maybe_reset(state)
        for episode in env.drain():
            if missing[episode.env]:
                missing[episode.env] -= 1
                yield episode


def summarize(episodes: Sequence[Episode], spec: EnvSpec) -> dict[str, Any]:
    """The score of a policy over whole episodes.

    Args:
        episodes: At least one.
        spec: Of their environment.

    Returns:
        ``episodes``; ``mean``, ``sd`` (of the sample), ``ci95`` (bootstrap interval of the mean, two numbers) and
        ``median`` of the raw returns; ``length`` (mean, in steps); ``steps`` and ``frames`` in all; for the 57
        Atari games ``human_normalized``, ``(mean - random) / (human - random)``.
    """
    returns = np.array([episode.ret for episode in episodes])
    steps = sum(episode.length for episode in episodes)
    draws = np.random.default_rng(0).choice(returns, (2000, len(returns))).mean(axis=1)
    summary: dict[str, Any] = {
        "env_id": spec.env_id,
        "episodes": len(returns),
        "mean": float(returns.mean()),
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        "ci95": [float(bound) for bound in np.quantile(draws, [0.025, 0.975])],
        "median": float(np.median(returns)),
        "length": steps / len(returns),
        "steps": steps,
        "frames": steps * spec.frame_skip,
    }
    if spec.env_id in reference_scores():
        random, human = reference_scores()[spec.env_id]
        summary["human_normalized"] = (summary["mean"] - random) / (human - random)
    return summary


class EpisodeLoader:
    """A data loader whose items are finished episodes.

    Args:
        env: The environment.
        make_act: The policy.
        num_episodes: Episodes to play.
        seed: Every pass over the loader starts from it, so that policies are compared on the same starts.
        max_envs: Most environments to play in at once.
    """

    def __init__(self, env: EnvConfig, make_act: MakeAct, num_episodes: int, seed: int, max_envs: int = 20) -> None:
        self._config, self._make_act, self._num_episodes, self._seed = env, make_act, num_episodes, seed
        # Every environment must play the same number, so their count divides the number of episodes.
        self._num_envs = max(n for n in range(1, max_envs + 1) if num_episodes % n == 0)
        self._env: VectorEnv | None = None

    def __len__(self) -> int:
        return self._num_episodes

    def __iter__(self) -> Iterator[Episode]:
        if self._env is None:
            self._env = self._config.make(self._num_envs, seed=self._seed, training=False)
        self._env.torchrl.set_seed(self._seed)
        return play(self._make_act(self._num_envs), self._env, self._num_episodes // self._num_envs)

    def close(self) -> None:
        """Close the environments, if any were made."""
        if self._env is not None:
            self._env.close()
            self._env = None


class Film:
    """One episode whose pictures come while it is played.

    Args:
        env: The environment.
        make_act: The policy.
        seed: Seed of the episode.

    Attributes:
        fps: Pictures per second of the environment; known once the first picture is read.
        episode: The episode so far; whole once the last picture is read.
    """

    def __init__(self, env: EnvConfig, make_act: MakeAct, seed: int) -> None:
        self._config, self._make_act, self._seed = env, make_act, seed
        self.fps = 30
        self.episode = Episode(0, 0.0, 0)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Pictures ``[H, W, 3]`` uint8, one a step.

        Raises:
            Exception: Whatever the environment's renderer raises where it cannot draw.
        """
        env = self._config.make(1, seed=self._seed, training=False, render=True)
        try:
            self.fps = _frames_per_second(env)
            act = self._make_act(1)
            state = env.torchrl.reset()
            env.drain()
            finished: list[Episode] = []
            while not finished:
                yield _picture(env)
                state["action"] = act(state["observation"], env.begun)
                _, state = env.torchrl.step_and_maybe_reset(state)
                finished = env.drain()
                self.episode = finished[0] if finished else env.recorder.unfinished(0)
        finally:
            env.close()


def _picture(env: VectorEnv) -> np.ndarray:
    pictures: Any = env.gym.render()
    if pictures is None or pictures[0] is None:
        raise RuntimeError("the environment does not render to rgb_array")
    return np.asarray(pictures[0])


def _frames_per_second(env: VectorEnv) -> int:
    return int(env.gym.metadata.get("render_fps") or 30)
