"""Atari games through ale-py's native vector environment, which steps, resizes, stacks and greys in C++."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Any

import gymnasium
import numpy as np
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from lit_a3c.envs.action_log import ActionLog
from lit_a3c.envs.episodes import EpisodeRecorder
from lit_a3c.envs.options import AtariOptions
from lit_a3c.utils.errors import ConfigError, did_you_mean

PREFIX, SUFFIX = "ALE/", "-v5"
TWO_PLAYERS = {"combat", "joust", "maze_craze", "warlords"}
"""Games that need two players. ale-py ends the process when it is asked for one of them."""


@cache
def games() -> dict[str, str]:
    """Every game of ale-py by its environment id: ``{"ALE/MsPacman-v5": "ms_pacman", ...}``."""
    single = [game for game in roms.get_all_rom_ids() if game not in TWO_PLAYERS]
    return {f"{PREFIX}{game.title().replace('_', '')}{SUFFIX}": game for game in single}


@cache
def reference_scores() -> dict[str, tuple[float, float]]:
    """``(random, human)`` score of each of the 57 games by environment id (Wang et al. 2016, no-op starts)."""
    ids = {game: env_id for env_id, game in games().items()}
    with (resources.files("lit_a3c.envs") / "atari57.csv").open() as file:
        return {ids[row["game"]]: (float(row["random"]), float(row["human"])) for row in csv.DictReader(file)}


def is_atari(env_id: str) -> bool:
    """Whether the id belongs to ALE's namespace, existing game or not."""
    return env_id.startswith(PREFIX)


def rom(env_id: str) -> str:
    """ALE's name of the game behind an id.

    Raises:
        ConfigError: No such game.
    """
    if env_id not in games():
        near = did_you_mean(env_id, games())
        raise ConfigError(f"data.env_id {env_id!r} is not an Atari game.{near} (the form is ALE/<Game>-v5)")
    return games()[env_id]


def check_protocol(env_id: str, kwargs: dict[str, Any]) -> None:
    """Refuse a game under one of its older ids, ``PongNoFrameskip-v4``: it would be played without the protocol.

    Args:
        env_id: A registered id, or ``module:Id``.
        kwargs: Keyword arguments of the constructor. With those of the emulator's memory it is another task.

    Raises:
        ConfigError: With the id that has the protocol.
    """
    spec = gymnasium.spec(env_id.rpartition(":")[2])
    if str(spec.entry_point).startswith("ale_py") and kwargs.get("obs_type") != "ram":
        ids = [name for name, game in games().items() if game == spec.kwargs.get("game")]
        raise ConfigError(
            f"data.env_id {env_id!r} would be played without the protocol of Atari games: with whole frames in colour, "
            f"one at a time. Use {ids[0]!r}, and data.atari for its options."
            if ids
            else f"data.env_id {env_id!r} is not a game for one player."
        )


def make_atari(
    env_id: str, num_envs: int, options: AtariOptions, *, training: bool, render: bool, record: bool = False
) -> VectorWrapper:
    """``num_envs`` copies of a game whose observations are ``[stack, 84, 84]`` uint8.

    Args:
        env_id: ``ALE/<Game>-v5``.
        num_envs: Number of copies, all stepped by the calling thread.
        options: The protocol.
        training: Apply the options that are for training only.
        render: Whether ``render()`` will be called.
        record: Whether the exact state will be asked for.
    """
    env: VectorEnv = _ale(rom(env_id), num_envs, options)
    if render:
        env = _ColourCopy(env, _ale(rom(env_id), num_envs, options, img_height=210, img_width=160, grayscale=False))
    env = EpisodeRecorder(ActionLog(env, record=record) if training else env)
    life, clip = training and options.episodic_life, training and options.clip_rewards
    return _AtariConventions(env, episodic_life=life, clip_rewards=clip, fps=60 // options.frame_skip)


def _ale(game: str, num_envs: int, options: AtariOptions, **image: Any) -> AtariVectorEnv:
    return AtariVectorEnv(
        game,
        num_envs,
        # The workers are the parallelism. A second thread in each would only compete with them.
        num_threads=1,
        autoreset_mode=AutoresetMode.SAME_STEP,
        frameskip=options.frame_skip,
        stack_num=options.frame_stack,
        noop_max=options.noop_max,
        repeat_action_probability=options.sticky,
        use_fire_reset=options.fire_reset,
        full_action_space=options.full_action_space,
        max_num_frames_per_episode=options.max_frames,
        # Both would hide the raw score: _AtariConventions applies them above the recorder instead.
        reward_clipping=False,
        episodic_life=False,
        **image,
    )


class _AtariConventions(VectorWrapper):
    """Terminations by life, clipped rewards, and resets as TorchRL asks for them.

    ALE restarts a finished game within the step and hands out the final observation beside the new one. Seen
    through this wrapper the step returns the final observation, and the masked ``reset`` that follows the new
    one: Gymnasium's ``AutoresetMode.DISABLED``, which TorchRL steps without further copies. A lost life that
    terminates needs no reset at all, so there ``reset`` returns the observation that the game goes on from.
    """

    def __init__(self, env: VectorEnv, *, episodic_life: bool, clip_rewards: bool, fps: int) -> None:
        super().__init__(env)
        self.autoreset_mode = AutoresetMode.DISABLED
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.DISABLED, "render_fps": fps}
        self._episodic_life = episodic_life
        self._clip_rewards = clip_rewards
        self._lives = np.zeros(env.num_envs, dtype=np.int32)
        self._current: np.ndarray = np.empty(0)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        if options and "reset_mask" in options:
            return self._current, {}
        self._current, info = self.env.reset(seed=seed)
        self._lives = info["lives"]
        return self._current, {}

    def step(self, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        self._current = observation
        done = terminated | truncated
        if self._episodic_life:
            terminated = terminated | (~done & (info["lives"] < self._lives))
        self._lives = info["lives"]
        if done.any():
            observation = observation.copy()
            observation[done] = info["final_obs"][done]
        if self._clip_rewards:
            reward = np.clip(reward, -1, 1)
        return observation, reward, terminated, truncated, {}


class _ColourCopy(VectorWrapper):
    """Images of a vector environment that cannot render: the same games in colour, played in step with it.

    Emulator, no-ops and sticky actions are determined by the first seed and the actions, so both play the same.
    """

    def __init__(self, env: VectorEnv, copy: AtariVectorEnv) -> None:
        super().__init__(env)
        self._copy = copy
        self._image: np.ndarray = np.empty(0)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        self._image, _ = self._copy.reset(seed=seed)
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        self._image, _, terminated, truncated, info = self._copy.step(actions)
        done = terminated | truncated
        if done.any():
            self._image = self._image.copy()
            self._image[done] = info["final_obs"][done]
        return self.env.step(actions)

    def render(self) -> tuple[np.ndarray, ...]:
        """The newest frame of each game, ``[210, 160, 3]`` uint8."""
        return tuple(self._image[:, -1])

    def close(self, **kwargs: Any) -> None:
        self._copy.close()
        super().close(**kwargs)
