"""What the actions of an environment are called, for people who look at it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.spaces import Discrete
from gymnasium.vector import VectorEnv

GYMNASIUM = {
    "CartPole": ("left", "right"),
    "MountainCar": ("left", "nothing", "right"),
    "Acrobot": ("torque -1", "nothing", "torque +1"),
    "LunarLander": ("nothing", "left engine", "main engine", "right engine"),
    "FrozenLake": ("left", "down", "right", "up"),
    "FrozenLake8x8": ("left", "down", "right", "up"),
    "CliffWalking": ("up", "right", "down", "left"),
    "Taxi": ("south", "north", "east", "west", "pick up", "drop off"),
    "Blackjack": ("stick", "hit"),
}
"""By the name in the id. Gymnasium's own environments have these names in their documentation only."""


def action_names(env: VectorEnv) -> tuple[str, ...] | None:
    """One name for each action of a ``Discrete`` space, or None where the environment has none.

    They come from ``get_action_meanings()`` of the environment, as Atari's, or from an enumeration ``actions``, as
    MiniGrid's.
    """
    base: Any = env.unwrapped
    emulator = getattr(base, "ale", None)
    if emulator is not None:
        return tuple(action.name.lower() for action in emulator.get_action_set())
    copies: Sequence[gymnasium.Env] = getattr(base, "envs", ())
    if not copies or not isinstance(copies[0].action_space, Discrete):
        return None
    single: Any = copies[0].unwrapped
    names: Sequence[Any] = GYMNASIUM.get(single.spec.name, ()) if single.spec else ()
    if callable(getattr(single, "get_action_meanings", None)):
        names = single.get_action_meanings()
    elif isinstance(kind := getattr(single, "actions", None), type) and issubclass(kind, enum.Enum):
        names = [member.name for member in kind]
    return tuple(str(name).lower() for name in names) if len(names) == copies[0].action_space.n else None
