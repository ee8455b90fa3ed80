"""Playing whole episodes with a policy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor

from lit_a3c.envs import BatchedEnv, EnvConfig
from lit_a3c.evaluation.frames import ExplainedAgent, Frame, FrameSource
from lit_a3c.networks.agent import Agent
from lit_a3c.rollout import Episode

log = logging.getLogger(__name__)

Act = Callable[[Tensor, Tensor], Tensor]
"""``[E, *observation]`` observations, and which are the first of an episode (``[E]`` bool), to ``[E, *action]``."""

MAX_ENVS = 20
"""Most environments to play in at once."""
MAX_STEPS = 108_000
"""Steps after which an episode is cut that does not end by itself. It is four times the limit of an Atari game."""

TEST_SEED = 20_000_000
"""What lies between the seed of a run and that of the first episode of ``lit-a3c test``. The others count on."""


class EvaluationEnvs:
    """Environments for playing, made when they are first needed.

    Args:
        config: The environment.
        num_envs: Number of copies.
        max_steps: Steps after which an episode is cut.
        render: Whether images will be asked for.
    """

    def __init__(self, config: EnvConfig, num_envs: int, max_steps: int = MAX_STEPS, *, render: bool = False) -> None:
        self._config, self.num_envs, self.max_steps, self._render = config, num_envs, max_steps, render
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
        player: Plays the episodes in another process. None: they are played in this one.

    Attributes:
        on_frame: Called after every step of the first environment with the image from before it, as
            :class:`~lit_a3c.evaluation.frames.FrameSource` says. None, the default: nothing is drawn.
        explain: Whether frames tell what the policy decided.
    """

    def __init__(
        self,
        envs: EvaluationEnvs,
        seed: int,
        num_episodes: int,
        check: Callable[[], None] = lambda: None,
        player: EpisodePlayer | None = None,
    ) -> None:
        self.envs, self.seed, self.num_episodes, self.check, self.player = envs, seed, num_episodes, check, player
        self.on_frame: Callable[[Frame], None] | None = None
        self.explain = False

    @property
    def num_envs(self) -> int:
        """Environments ``E`` that the policy acts in."""
        return self.envs.num_envs


class EpisodePlayer(Protocol):
    """Plays episodes in another process."""

    def play(self, agent: Agent, batch: EpisodeBatch) -> list[Episode]:
        """As :func:`play`, with the same result."""


def play(act: Act, batch: EpisodeBatch) -> list[Episode]:
    """Play one whole episode in each of the batch's first environments.

    Which episodes count does not depend on their lengths. The first ones that end, out of several environments, would
    favour the short ones. An episode that does not end is cut, and counts with its return so far; a warning says so.

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
    frames = FrameSource(env, batch.on_frame, batch.explain) if batch.on_frame is not None else None
    for _ in range(batch.envs.max_steps):
        if len(episodes) == batch.num_episodes:
            break
        batch.check()
        if frames is not None:
            frames.before_step()
        state["action"] = act(state["observation"], env.is_init)
        state = env.torchrl.step_and_maybe_reset(state)[1] if frames is None else frames.step(state)
        finished = env.pop_finished()
        if frames is not None:
            frames.after_step(finished, act.decision if isinstance(act, ExplainedAgent) else None)
        for episode in finished:
            if episode.env < batch.num_episodes:
                episodes.setdefault(episode.env, episode)
    if cut := [env.unfinished(i) for i in range(batch.num_episodes) if i not in episodes]:
        returns = ", ".join(f"{episode.episode_return:g}" for episode in cut)
        log.warning(
            "lit-a3c: %d of %d evaluation episodes did not end in %d steps (data.max_eval_steps). They are cut, and "
            "count with their returns so far: %s",
            *(len(cut), batch.num_episodes, batch.envs.max_steps, returns),
        )
    episodes |= {episode.env: episode for episode in cut}
    return [episodes[i] for i in range(batch.num_episodes)]


class EpisodeLoader:
    """A data loader whose items are batches of episodes to play.

    Args:
        config: The environment.
        num_episodes: Episodes in all.
        seed: Every pass over the loader starts from it, so that policies are compared on the same starts.
        check: As of :class:`EpisodeBatch`.
        max_envs: Most environments to play in at once.
        max_steps: Steps after which an episode is cut.
        player: As of :class:`EpisodeBatch`.
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
        max_steps: int = MAX_STEPS,
        player: EpisodePlayer | None = None,
        render: bool = False,
    ) -> None:
        self._envs = EvaluationEnvs(config, min(num_episodes, max_envs), max_steps, render=render)
        self._num_episodes, self._seed, self._check, self._player = num_episodes, seed, check, player

    def __len__(self) -> int:
        return -(-self._num_episodes // self._envs.num_envs)

    def __iter__(self) -> Iterator[EpisodeBatch]:
        size = self._envs.num_envs
        for start in range(0, self._num_episodes, size):
            left = min(size, self._num_episodes - start)
            yield EpisodeBatch(self._envs, self._seed + start, left, self._check, self._player)

    def close(self) -> None:
        """Close the environments."""
        self._envs.close()
