"""Playing whole episodes with a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

from lit_a3c.envs import BatchedEnv, EnvConfig
from lit_a3c.rollout import Episode

Act = Callable[[Tensor, Tensor], Tensor]
"""``[E, *observation]`` observations, and which are the first of an episode (``[E]`` bool), to ``[E, *action]``."""

MAX_ENVS = 20
"""Most environments to play in at once."""


class EvaluationEnvs:
    """Environments for playing, made when they are first needed.

    Args:
        config: The environment.
        num_envs: Number of copies.
        render: Whether images will be asked for.
    """

    def __init__(self, config: EnvConfig, num_envs: int, *, render: bool = False) -> None:
        self._config, self.num_envs, self._render = config, num_envs, render
        self._env: BatchedEnv | None = None

    def seeded(self, seed: int) -> BatchedEnv:
        """The environments, seeded and not yet reset."""
        if self._env is None:
            self._env = self._config.make(self.num_envs, seed=seed, training=False, render=self._render)
        self._env.torchrl.set_seed(seed)
        return self._env

    def close(self) -> None:
        """Close the environments, if any were made. They can be made again."""
        if self._env is not None:
            self._env.close()
            self._env = None


class EpisodeBatch:
    """Whole episodes to play: one in each of the first environments.

    A plain class: Lightning takes dataclasses and tuples apart when it moves a batch to the learner's device.

    Args:
        envs: The environments.
        seed: Seed of the first environment; the others count on from it.
        num_episodes: Episodes to play, at most one for each environment.
        check: Called at every step, because an evaluation may take long.

    Attributes:
        on_frame: Called with the image of the first environment (``[H, W, 3]`` uint8) and with the images per second,
            before every step. None, the default: nothing is drawn.
    """

    def __init__(
        self, envs: EvaluationEnvs, seed: int, num_episodes: int, check: Callable[[], None] = lambda: None
    ) -> None:
        self.envs, self.seed, self.num_episodes, self.check = envs, seed, num_episodes, check
        self.on_frame: Callable[[np.ndarray, int], None] | None = None

    @property
    def num_envs(self) -> int:
        """Environments ``E`` that the policy acts in."""
        return self.envs.num_envs


def play(act: Act, batch: EpisodeBatch) -> list[Episode]:
    """Play one whole episode in each of the batch's first environments.

    Which episodes count does not depend on their lengths. The first ones that end, out of several environments, would
    favour the short ones.

    Args:
        act: The policy.
        batch: What to play.

    Returns:
        The episodes, in the order of the environments.
    """
    env = batch.envs.seeded(batch.seed)
    state = env.torchrl.reset()
    env.pop_finished()
    episodes: dict[int, Episode] = {}
    while len(episodes) < batch.num_episodes:
        batch.check()
        if batch.on_frame is not None:
            batch.on_frame(env.image(), env.fps)
        state["action"] = act(state["observation"], env.is_init)
        _, state = env.torchrl.step_and_maybe_reset(state)
        for episode in env.pop_finished():
            if episode.env < batch.num_episodes:
                episodes.setdefault(episode.env, episode)
    return [episodes[i] for i in range(batch.num_episodes)]


class EpisodeLoader:
    """A data loader whose items are batches of episodes to play.

    Args:
        config: The environment.
        num_episodes: Episodes in all.
        seed: Every pass over the loader starts from it, so that policies are compared on the same starts.
        check: As of :class:`EpisodeBatch`.
        max_envs: Most environments to play in at once.
        render: Whether images will be asked for.
    """

    def __init__(
        self,
        config: EnvConfig,
        num_episodes: int,
        seed: int,
        check: Callable[[], None] = lambda: None,
        max_envs: int = MAX_ENVS,
        *,
        render: bool = False,
    ) -> None:
        self._envs = EvaluationEnvs(config, min(num_episodes, max_envs), render=render)
        self._num_episodes, self._seed, self._check = num_episodes, seed, check

    def __len__(self) -> int:
        return -(-self._num_episodes // self._envs.num_envs)

    def __iter__(self) -> Iterator[EpisodeBatch]:
        size = self._envs.num_envs
        for start in range(0, self._num_episodes, size):
            yield EpisodeBatch(self._envs, self._seed + start, min(size, self._num_episodes - start), self._check)

    def close(self) -> None:
        """Close the environments."""
        self._envs.close()
