"""The description of an environment that travels to workers, and the one place that makes it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gymnasium
from gymnasium.vector import VectorEnv, VectorWrapper

from lit_a3c.envs.action_log import ActionLog
from lit_a3c.envs.atari import check_protocol, is_atari, make_atari, rom
from lit_a3c.envs.batched import BatchedEnv
from lit_a3c.envs.episodes import EpisodeRecorder
from lit_a3c.envs.flattening import unsupported
from lit_a3c.envs.gym import Spaces, check_registered, gym_spaces, make_gym
from lit_a3c.envs.options import AtariOptions
from lit_a3c.envs.spaces import EnvSpaces
from lit_a3c.utils.errors import ConfigError

Wrapper = TypeVar("Wrapper", bound=VectorWrapper)

_read: dict[tuple[Any, ...], Spaces] = {}
"""The spaces that were read last, by all that they depend on. The command line and the data module both ask."""


@dataclass(frozen=True)
class EnvConfig:
    """Everything that determines an environment; plain data, so that a worker can make its own.

    Args:
        env_id: ``ALE/<Game>-v5``, any id of Gymnasium's registry, or ``module:Id``.
        atari: The Atari protocol; for Atari games only.
        kwargs: Keyword arguments of the environment's constructor; not for Atari games.

    Raises:
        ConfigError: Unknown id, or options that do not belong to it.
    """

    env_id: str
    atari: AtariOptions | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    _declared: Spaces | None = field(default=None, init=False, repr=False, compare=False)  # what spaces() has read

    def __post_init__(self) -> None:
        if not isinstance(self.env_id, str) or not self.env_id:
            raise ConfigError(f"data.env_id {self.env_id!r} must name an environment, for example ALE/Pong-v5.")
        if is_atari(self.env_id):
            rom(self.env_id)
            self._atari.check()
            if self.kwargs:
                raise ConfigError(f"data.env_kwargs is not for Atari games ({self.env_id!r}); use data.atari.")
        else:
            check_registered(self.env_id)
            check_protocol(self.env_id, self.kwargs)
            if self.atari is not None:
                raise ConfigError(
                    f"data.atari is for Atari games (ALE/...), and data.env_id is {self.env_id!r}. "
                    "Start from another config, or pass --data.atari null."
                )

    def spaces(self) -> EnvSpaces:
        """Spaces and units, read off one copy of the environment. Later copies must have the same spaces.

        Raises:
            ConfigError: It cannot be made, has a space that no network here fits, or does something in its first reset
                or step that Gymnasium does not allow.
        """
        spec = gymnasium.registry.get(self.env_id.rpartition(":")[2])
        key = (self.env_id, repr(self.atari), repr(self.kwargs), repr(spec))
        if key not in _read:
            spaces = self._read_spaces()
            _read.clear()
            _read[key] = spaces
        observation, action = _read[key]
        if problem := unsupported(observation, action):
            raise ConfigError(f"{self.env_id!r} has {problem}.")
        object.__setattr__(self, "_declared", (observation, action))
        frame_skip = self._atari.frame_skip if is_atari(self.env_id) else 1
        return EnvSpaces(self.env_id, observation, action, frame_skip)

    def _read_spaces(self) -> Spaces:
        if not is_atari(self.env_id):
            return gym_spaces(self.env_id, self.kwargs)
        env = self._gym(1, training=False, render=False, record=False)
        spaces = (env.single_observation_space, env.single_action_space)
        env.close()
        return spaces

    def make(
        self, num_envs: int, *, seed: int, training: bool, render: bool = False, record: bool = False
    ) -> BatchedEnv:
        """``num_envs`` copies as one batched TorchRL environment, seeded.

        Args:
            num_envs: Number of copies ``E``.
            seed: Seed of the first; the others count on from it.
            training: Apply what is for training only (clipped rewards, lives as episodes).
            render: Whether images will be asked for.
            record: Whether the exact state will be asked for; for training only.
        """
        from lit_a3c.envs.wrapper import VectorEnvWrapper  # 1.5 s: only a process that steps environments pays

        env = self._gym(num_envs, training=training, render=render, record=record)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchRL on its own wrapper's arguments
            wrapped = VectorEnvWrapper(env)
        wrapped.set_seed(seed)
        recorder = _find(env, EpisodeRecorder)
        assert recorder is not None, "every environment made here has one"
        return BatchedEnv(wrapped, env, recorder, _find(env, ActionLog))

    @property
    def protocol(self) -> str | None:
        """What a score of an Atari game depends on, in words; None for other environments."""
        return self._atari.protocol if is_atari(self.env_id) else None

    @property
    def _atari(self) -> AtariOptions:
        return self.atari or AtariOptions()

    def _gym(self, num_envs: int, *, training: bool, render: bool, record: bool) -> VectorEnv:
        if is_atari(self.env_id):
            return make_atari(self.env_id, num_envs, self._atari, training=training, render=render, record=record)
        how: dict[str, Any] = {"training": training, "render": render, "record": record}
        return make_gym(self.env_id, num_envs, self.kwargs, **how, declared=self._declared)


def _find(env: VectorEnv, kind: type[Wrapper]) -> Wrapper | None:
    """The wrapper of this kind, if there is one."""
    while isinstance(env, VectorWrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None
