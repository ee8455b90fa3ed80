"""The score of an agent, from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch

from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpaces
from lit_a3c.evaluation.play import MAX_STEPS, EpisodeLoader, play
from lit_a3c.evaluation.scores import summarize
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent
from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError, check_number


class ScoredAgent(Protocol):
    """What is needed of an agent: that of ``lit_a3c.A3C``."""

    policy: ActorCritic
    spaces: EnvSpaces

    @property
    def hparams(self) -> Any:
        """The agent's options."""


@dataclass(frozen=True)
class Evaluation:
    """The returns of whole episodes, and what they say of the policy.

    Attributes:
        mean: Of the raw returns.
        sd: Their standard deviation, that of a sample.
        interval: Bootstrap interval of the mean, of 95%: its lower and its upper bound.
        returns: Of each episode, ``[episodes]``.
        lengths: Steps of each episode, ``[episodes]``.
    """

    mean: float
    sd: float
    interval: tuple[float, float]
    returns: np.ndarray
    lengths: np.ndarray


def evaluate(
    agent: ScoredAgent,
    env: str | Callable[..., gymnasium.Env] | EnvConfig,
    episodes: int = 100,
    *,
    deterministic: bool | None = None,
    seed: int = 0,
    atari: AtariOptions | None = None,
    env_kwargs: dict[str, Any] | None = None,
    wrappers: Iterable[Callable[[gymnasium.Env], gymnasium.Env]] = (),
    max_steps: int = MAX_STEPS,
) -> Evaluation:
    """Play whole episodes, several at once, and sum their raw rewards.

    Args:
        agent: The agent. Nothing of it is changed.
        env: An id, or a class or function that makes an environment. An environment itself cannot be given: copies of
            it are needed. ``data.env`` of a data module has all options in it; then give none of those below.
        episodes: Their number.
        deterministic: Take the most likely actions. Default: the agent's own ``deterministic_eval``.
        seed: Of environments and draws. The same seed gives the same episodes.
        atari: As ``RolloutDataModule`` takes it.
        env_kwargs: As ``RolloutDataModule`` takes it.
        wrappers: As ``RolloutDataModule`` takes it.
        max_steps: Steps after which an episode is cut that does not end by itself.

    Raises:
        ConfigError: The environment cannot be made, or has other spaces than the agent's.
    """
    check_number("episodes", episodes, low=1, whole=True)
    check_number("max_steps", max_steps, low=1, whole=True)
    check_number("seed", seed, low=0, high=2**31 - 1, whole=True)
    config = env if isinstance(env, EnvConfig) else _config(env, atari, env_kwargs, wrappers, agent)
    spaces = config.spaces()
    _check_spaces(agent.spaces, spaces)
    greedy = bool(agent.hparams["deterministic_eval"]) if deterministic is None else deterministic
    generator, played = torch.Generator().manual_seed(seed), []
    loader = EpisodeLoader(config, episodes, seed, max_steps=max_steps)
    try:
        for batch in loader:
            played += play(Agent(agent.policy, batch.num_envs, greedy, generator), batch)
    finally:
        loader.close()
    score = summarize(played, spaces)
    returns = np.array([episode.episode_return for episode in played])
    lengths = np.array([episode.length for episode in played])
    return Evaluation(score["mean"], score["sd"], tuple(score["ci95"]), returns, lengths)


def _check_spaces(own: EnvSpaces, spaces: EnvSpaces) -> None:
    if (spaces.observation_space, spaces.action_space) != (own.observation_space, own.action_space):
        raise ConfigError(
            f"the agent is of {own.env_id!r} (observations {own.observation_space}, actions {own.action_space}), and "
            f"{spaces.env_id!r} has observations {spaces.observation_space} and actions {spaces.action_space}."
        )


def _config(env: Any, atari: Any, env_kwargs: Any, wrappers: Any, agent: ScoredAgent) -> EnvConfig:
    if isinstance(env, gymnasium.Env):
        raise ConfigError("evaluate() makes copies of the environment: give its id, its class or a function.")
    around = map(compat_parser.plain_factory, wrappers)
    return EnvConfig.of(env, atari, env_kwargs, around, agent.spaces.mask_source is not None)
