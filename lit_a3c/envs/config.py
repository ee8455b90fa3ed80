"""The description of an environment that travels to workers, and the one place that makes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from gymnasium.vector import VectorEnv as GymVectorEnv
from gymnasium.vector import VectorWrapper
from torch import Tensor

from lit_a3c.envs.atari import is_atari, make_atari, rom
from lit_a3c.envs.episodes import Episode, EpisodeRecorder
from lit_a3c.envs.gym import check_registered, gym_spaces, make_gym
from lit_a3c.envs.options import AtariOptions
from lit_a3c.envs.spaces import unsupported
from lit_a3c.envs.spec import EnvSpec
from lit_a3c.envs.tape import Tape
from lit_a3c.errors import ConfigError

Wrapper = TypeVar("Wrapper", bound=VectorWrapper)


class VectorEnv(NamedTuple):
    """A batch of environments as TorchRL steps them, and what TorchRL has no place for."""

    torchrl: Any
    """The ``torchrl.envs.EnvBase`` of batch size ``[E]``."""
    gym: GymVectorEnv
    """The same environments as Gymnasium's vector; ``render()`` gives their pictures."""
    recorder: EpisodeRecorder
    """Where finished episodes are counted."""
    tape: Tape | None
    """What leads to the present state; in training only."""

    @property
    def begun(self) -> Tensor:
        """Which environments are at the first observation of an episode, ``[E]`` bool."""
        begun: Tensor = self.torchrl.begun
        return begun

    def drain(self) -> list[Episode]:
        """The episodes finished since the last call."""
        return self.recorder.drain()

    def state(self) -> dict[str, Any]:
        """The exact state, as tensors and plain types. Only where it is recorded."""
        assert self.tape is not None
        return {**self.tape.state(), **self.recorder.state(), "begun": self.begun}

    def resume(self, state: dict[str, Any], reset: Callable[[], Any]) -> None:
        """Go on from a state.

        Args:
            state: From :meth:`state`.
            reset: Resets all environments, by whoever keeps the observations that come of it.
        """
        assert self.tape is not None
        self.tape.rewind(state)
        reset()
        self.recorder.resume(state)
        self.torchrl.begun = state["begun"]

    def close(self) -> None:
        self.torchrl.close()


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
            if self.atari is not None:
                raise ConfigError(
                    f"data.atari is for Atari games (ALE/...), and data.env_id is {self.env_id!r}. "
                    "Start from another recipe, or pass --data.atari null."
                )

    def spec(self) -> EnvSpec:
        """Spaces and units, read off one copy of the environment.

        Raises:
            ConfigError: It cannot be made, or has a space that no network here fits.
        """
        if is_atari(self.env_id):
            env = self._gym(1, training=False, render=False, record=False)
            observation, action = env.single_observation_space, env.single_action_space
            env.close()
        else:
            observation, action = gym_spaces(self.env_id, self.kwargs)
        if problem := unsupported(observation, action):
            raise ConfigError(f"{self.env_id!r} has {problem}.")
        frame_skip = self._atari.frame_skip if is_atari(self.env_id) else 1
        return EnvSpec(self.env_id, observation, action, frame_skip)

    def make(
        self, num_envs: int, *, seed: int, training: bool, render: bool = False, record: bool = False
    ) -> VectorEnv:
        """``num_envs`` copies as one batched TorchRL environment, seeded.

        Args:
            num_envs: Number of copies ``E``.
            seed: Seed of the first; the others count on from it.
            training: Apply what is for training only (clipped rewards, lives as episodes).
            render: Whether pictures will be asked for.
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
        return VectorEnv(wrapped, env, recorder, _find(env, Tape))

    @property
    def _atari(self) -> AtariOptions:
        return self.atari or AtariOptions()

    def _gym(self, num_envs: int, *, training: bool, render: bool, record: bool) -> GymVectorEnv:
        if is_atari(self.env_id):
            return make_atari(self.env_id, num_envs, self._atari, training=training, render=render, record=record)
        return make_gym(self.env_id, num_envs, self.kwargs, training=training, render=render, record=record)


def _find(env: GymVectorEnv, kind: type[Wrapper]) -> Wrapper | None:
    """The wrapper of this kind, if there is one."""
    while isinstance(env, VectorWrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None
