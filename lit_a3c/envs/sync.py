"""Environments that are stepped one after the other; a failure names the environment and what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from lit_a3c.envs.contract import (
    FLAGS,
    NUMBERS,
    problem_of_image,
    problem_of_modes,
    problem_of_observation,
    problem_of_reset,
    problem_of_step,
)
from lit_a3c.envs.user_wrappers import OWN_REWARD, own_rewards
from lit_a3c.utils.errors import ConfigError, EnvError
from lit_a3c.utils.one_line import one_line


class CheckedVectorEnv(SyncVectorEnv):
    """Gymnasium's vector of environments with a step of its own, which gives the same.

    Gymnasium's step takes text for a reward and anything for a flag, and does not say which environment has failed. It
    also copies infos, which nothing here reads and which cost a twentieth of a MuJoCo step.

    Args:
        env_id: Names the environments in messages.
        make: Makes a copy.
        num_envs: Number of copies, which their caller resets.
    """

    def __init__(self, env_id: str, make: Callable[[], gymnasium.Env], num_envs: int) -> None:
        super().__init__([make] * num_envs, autoreset_mode=AutoresetMode.DISABLED)
        self._env_id = env_id
        self._current: list[Any] = [None] * num_envs  # the newest observation of each
        self._own_rewards = [own for env in self.envs if (own := own_rewards(env)) is not None]

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """All environments, or those of ``options["reset_mask"]``.

        Raises:
            EnvError: One has failed.
        """
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        for i in range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist():
            try:
                result = self.envs[i].reset(seed=None if seeds is None else seeds[i], options=options or None)
            except (Exception, SystemExit) as error:
                self._failed(i, "reset", error)
            if not (isinstance(result, tuple) and len(result) == 2):
                self._refuse(i, problem_of_reset(result, self.single_observation_space))
            self._current[i] = result[0]
        return self._observation(), {}

    def step(self, actions: Any) -> Any:
        """One step of each.

        Raises:
            EnvError: One has failed.
        """
        reward = np.empty(self.num_envs)
        terminated, truncated = np.empty((2, self.num_envs), dtype=np.bool_)
        for i, action in enumerate(iterate(self.action_space, actions)):
            try:
                result = self.envs[i].step(action)
            except (Exception, SystemExit) as error:
                self._failed(i, "step", error)
            try:
                self._current[i], gain, end, cut, _ = result
                if not (type(end) in FLAGS and type(cut) in FLAGS and type(gain) in NUMBERS):
                    self._refuse(i, problem_of_step(result, self.single_observation_space))
                reward[i], terminated[i], truncated[i] = gain, end, cut
            except (TypeError, ValueError, OverflowError):
                self._refuse(i, problem_of_step(result, self.single_observation_space))
                raise
        infos: dict[str, Any] = {}
        if self._own_rewards:
            infos[OWN_REWARD] = np.array([own.pop() for own in self._own_rewards])
        return self._observation(), reward, terminated, truncated, infos

    def render(self) -> Any:
        """The image of each, ``[H, W, 3]`` uint8.

        Raises:
            ConfigError: They have no render mode that gives images.
            EnvError: One has failed.
        """
        images = []
        for i, env in enumerate(self.envs):
            try:
                images.append(env.render())
            except (Exception, SystemExit) as error:
                self._check_drawable(error)
                self._failed(i, "render", error)
            if problem := problem_of_image(images[-1]):
                self._check_drawable()
                self._refuse(i, problem)
        return tuple(images)

    def close_extras(self, **kwargs: Any) -> None:
        """Close each.

        Raises:
            EnvError: One has failed.
        """
        try:
            super().close_extras(**kwargs)
        except (Exception, SystemExit) as error:
            raise EnvError(f"{self._env_id!r}: close() failed: {one_line(error)}") from error

    def _observation(self) -> Any:
        """The newest observations as one array that nobody else holds."""
        space = self.single_observation_space
        empty: Any = create_empty_array(space, self.num_envs, fn=np.empty)
        try:
            with np.errstate(over="ignore"):  # what becomes infinite is refused a moment later
                return concatenate(space, self._current, empty)
        except Exception:
            for i, observation in enumerate(self._current):
                self._refuse(i, problem_of_observation(observation, space))
            raise

    def _check_drawable(self, error: BaseException | None = None) -> None:
        """After an image that failed, ask whether the environment promises any."""
        if problem := problem_of_modes(self.envs[0].metadata):
            raise ConfigError(f"data.env_id {self._env_id!r} cannot be recorded: {problem}.") from error

    def _failed(self, i: int, method: str, error: BaseException) -> NoReturn:
        if isinstance(error, EnvError):  # a wrapper of this library has refused what the environment returned
            self._refuse(i, str(error))
        raise EnvError(f"environment {i} of {self._env_id!r}: {method}() failed: {one_line(error)}.") from error

    def _refuse(self, i: int, problem: str | None) -> None:
        if problem is not None:
            raise EnvError(f"environment {i} of {self._env_id!r}: {problem}.")
