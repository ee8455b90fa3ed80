"""What the network must know of an environment, in memory and in a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space


class EnvSpec:
    """Spaces and units of one environment.

    A plain class, not a dataclass: jsonargparse would take a dataclass apart into options.

    Args:
        env_id: The environment's id.
        observation_space: Space of one observation.
        action_space: Space of one action.
        frame_skip: Emulator frames per step, 1 outside Atari.
    """

    def __init__(
        self, env_id: str, observation_space: Space[Any], action_space: Space[Any], frame_skip: int = 1
    ) -> None:
        self.env_id = env_id
        self.observation_space = observation_space
        self.action_space = action_space
        self.frame_skip = frame_skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def to_plain(self) -> dict[str, Any]:
        """The spec in plain types, which ``torch.load(weights_only=True)`` accepts."""
        return {
            "env_id": self.env_id,
            "observation_space": _space_to_plain(self.observation_space),
            "action_space": _space_to_plain(self.action_space),
            "frame_skip": self.frame_skip,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> EnvSpec:
        """The inverse of :meth:`to_plain`."""
        spaces = {key: _space_from_plain(plain[key]) for key in ("observation_space", "action_space")}
        return cls(env_id=plain["env_id"], frame_skip=plain["frame_skip"], **spaces)


def _space_to_plain(space: Space[Any]) -> dict[str, Any]:
    match space:
        case Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
        case Box():
            bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
            if len(np.unique(space.low)) == len(np.unique(space.high)) == 1:  # an image's need not be spelt out
                bounds = {"low": space.low.flat[0].item(), "high": space.high.flat[0].item()}
            return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    raise TypeError(f"no plain form for {space}")


def _space_from_plain(plain: dict[str, Any]) -> Space[Any]:
    if plain["kind"] == "Discrete":
        return Discrete(plain["n"], start=plain["start"])
    dtype: Any = np.dtype(plain["dtype"])
    low, high = (np.broadcast_to(np.asarray(plain[key], dtype=dtype), plain["shape"]) for key in ("low", "high"))
    return Box(low, high, dtype=dtype)
