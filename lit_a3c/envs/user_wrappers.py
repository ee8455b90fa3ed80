"""Wrappers of the user's own around every copy of an environment, and the rewards below them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium

from lit_a3c.utils.errors import ConfigError

EnvWrapper = Callable[[gymnasium.Env], gymnasium.Env]
"""Makes an environment of another one: a subclass of ``gymnasium.Wrapper``, or a function."""
OWN_REWARD = "own_reward"
"""Key of a vector environment's infos: the rewards of the environments themselves, ``[E]``, where they are wrapped."""


class OwnRewards(gymnasium.Wrapper):
    """Adds up what the environment itself pays. The wrappers above it may change rewards, or take several steps."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._sum = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._sum = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        result = self.env.step(action)
        with contextlib.suppress(TypeError, ValueError, IndexError):  # what is wrong is said by those who check it
            self._sum += float(result[1])
        return result

    def pop(self) -> float:
        """What was paid since the last call."""
        paid, self._sum = self._sum, 0.0
        return paid


def wrap(env: gymnasium.Env, wrappers: Sequence[EnvWrapper]) -> gymnasium.Env:
    """An environment in its wrappers, the first of them innermost.

    Raises:
        ConfigError: One of them makes something else than an environment.
    """
    if wrappers:
        env = OwnRewards(env)
    for wrapper in wrappers:
        env = wrapper(env)
        if not isinstance(env, gymnasium.Env):
            raise ConfigError(
                f"data.wrappers: {name_of(wrapper)} makes an object of type {type(env).__name__}, which is no "
                "environment of Gymnasium."
            )
    return env


def own_rewards(env: gymnasium.Env) -> OwnRewards | None:
    """The wrapper below those of the user, if there are any."""
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, OwnRewards):
            return env
        env = env.env
    return None


def name_of(wrapper: EnvWrapper) -> str:
    """What a wrapper is called in messages."""
    made = call_of(wrapper)[0]
    return str(getattr(made, "__name__", type(made).__name__))


def call_of(wrapper: EnvWrapper) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The class or function that wraps, and its further arguments."""
    if isinstance(wrapper, functools.partial):
        return wrapper.func, wrapper.args, wrapper.keywords
    return wrapper, (), {}
