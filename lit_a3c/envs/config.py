"""The description of an environment that travels to workers, and the one place that makes it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cloudpickle
import gymnasium
from gymnasium.vector import VectorEnv, VectorWrapper

from lit_a3c.envs.action_log import ActionLog
from lit_a3c.envs.atari import check_protocol, is_atari, make_atari, rom
from lit_a3c.envs.batched import BatchedEnv
from lit_a3c.envs.episodes import EpisodeRecorder
from lit_a3c.envs.flattening import unsupported
from lit_a3c.envs.gym import EntryPoint, GymConfig, Spaces, find_entry_point, gym_spaces, make_gym
from lit_a3c.envs.options import AtariOptions
from lit_a3c.envs.spaces import EnvSpaces
from lit_a3c.envs.user_wrappers import EnvWrapper, call_of, name_of
from lit_a3c.utils.errors import ConfigError

Wrapper = TypeVar("Wrapper", bound=VectorWrapper)

_read: list[tuple[tuple[Any, ...], Spaces]] = []
"""The spaces that were read last, after all that they depend on. The command line and the data module both ask."""


@dataclass(frozen=True)
class EnvConfig:
    """Everything that determines an environment, so that a worker can make its own.

    Args:
        env_id: ``ALE/<Game>-v5``, any id of Gymnasium's registry, ``module:Id``, or the path of a class or function.
        atari: The Atari protocol; for Atari games only.
        kwargs: Keyword arguments of the environment's constructor; not for Atari games.
        wrappers: What is put around every copy, the innermost first; not for Atari games.
        entry_point: The class or function that makes the environment, of which ``env_id`` is then the name.
        action_mask: Whether the environment's action masks count.

    Raises:
        ConfigError: Unknown id, or options that do not belong to it.
    """

    env_id: str
    atari: AtariOptions | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    wrappers: tuple[EnvWrapper, ...] = ()
    entry_point: EntryPoint | None = None
    action_mask: bool = True
    _declared: Spaces | None = field(default=None, init=False, repr=False, compare=False)  # what spaces() has read

    def __post_init__(self) -> None:
        if not isinstance(self.env_id, str) or not self.env_id:
            raise ConfigError(f"data.env_id {self.env_id!r} must name an environment, for example ALE/Pong-v5.")
        if self.is_atari:
            rom(self.env_id)
            self._atari.check()
            if self.kwargs:
                raise ConfigError(f"data.env_kwargs is not for Atari games ({self.env_id!r}); use data.atari.")
            if self.wrappers:
                raise ConfigError(
                    f"data.wrappers is not for Atari games ({self.env_id!r}): the emulator steps all copies at "
                    "once. Use data.atari."
                )
        else:
            if self.entry_point is None:
                object.__setattr__(self, "entry_point", find_entry_point(self.env_id))
            if self.entry_point is None:
                check_protocol(self.env_id, self.kwargs)
            if self.atari is not None:
                raise ConfigError(
                    f"data.atari is for Atari games (ALE/...), and data.env_id is {self.env_id!r}. "
                    "Start from another config, or pass --data.atari null."
                )

    @classmethod
    def of(
        cls,
        env: str | EntryPoint,
        atari: AtariOptions | None = None,
        kwargs: dict[str, Any] | None = None,
        wrappers: Iterable[EnvWrapper] = (),
        action_mask: bool = True,
    ) -> EnvConfig:
        """The description of an environment that is given by its id, or by what makes it."""
        made = None if isinstance(env, str) or not callable(env) else env
        name: Any = env if made is None else getattr(made, "__name__", type(made).__name__)
        return cls(name, atari, kwargs or {}, tuple(wrappers), made, action_mask)

    @property
    def is_atari(self) -> bool:
        """Whether ALE's own vector of environments plays it, by the protocol of ``atari``."""
        return self.entry_point is None and is_atari(self.env_id)

    def spaces(self) -> EnvSpaces:
        """Spaces and units, read off one copy of the environment. Later copies must have the same spaces.

        Raises:
            ConfigError: It cannot be made, has a space that no network here fits, or does something in its first reset
                or step that Gymnasium does not allow.
        """
        declared = self._known_spaces()
        observation, action, mask_source = declared
        if problem := unsupported(observation, action):
            around = f" in {', '.join(map(name_of, self.wrappers))}" if self.wrappers else ""
            raise ConfigError(f"{self.env_id!r}{around} has {problem}.")
        object.__setattr__(self, "_declared", declared)
        frame_skip = self._atari.frame_skip if self.is_atari else 1
        return EnvSpaces(self.env_id, observation, action, frame_skip, mask_source)

    def _known_spaces(self) -> Spaces:
        """The spaces that were read last, if they were of this very environment."""
        wrappers = [call_of(wrapper) for wrapper in self.wrappers]
        try:
            plain = json.dumps([self.env_id, self.kwargs, [arguments for _, *arguments in wrappers]])
        except TypeError:  # arrays, say, of which one cannot ask whether they are equal
            return self._read_spaces()
        spec = gymnasium.registry.get(self.env_id.rpartition(":")[2])
        makers = [self.entry_point, getattr(spec, "entry_point", None), *(made for made, *_ in wrappers)]
        key = (plain, self.atari, self.action_mask, repr(spec), makers)
        if not _read or _read[0][0] != key:
            spaces = self._read_spaces()
            _read[:] = [(key, spaces)]
        return _read[0][1]

    def _read_spaces(self) -> Spaces:
        if not self.is_atari:
            return gym_spaces(self._gym_config)
        env = self._gym(1, training=False, render=False, record=False)
        spaces = Spaces(env.single_observation_space, env.single_action_space)
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
        return self._atari.protocol if self.is_atari else None

    @property
    def _atari(self) -> AtariOptions:
        return self.atari or AtariOptions()

    def _gym(self, num_envs: int, *, training: bool, render: bool, record: bool) -> VectorEnv:
        if self.is_atari:
            return make_atari(self.env_id, num_envs, self._atari, training=training, render=render, record=record)
        how: dict[str, Any] = {"training": training, "render": render, "record": record}
        return make_gym(self._gym_config, num_envs, **how, declared=self._declared)

    @property
    def _gym_config(self) -> GymConfig:
        return GymConfig(self.env_id, self.kwargs, self.wrappers, self.entry_point, self.action_mask)

    def __reduce__(self) -> tuple[Any, ...]:
        """For a worker. Classes of a script or a notebook travel by value, which pickle alone cannot do."""
        return _restore, (cloudpickle.dumps(vars(self)),)


def _restore(state: bytes) -> EnvConfig:
    """The description that another process has checked."""
    config = object.__new__(EnvConfig)
    vars(config).update(cloudpickle.loads(state))
    return config


def _find(env: VectorEnv, kind: type[Wrapper]) -> Wrapper | None:
    """The wrapper of this kind, if there is one."""
    while isinstance(env, VectorWrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None
