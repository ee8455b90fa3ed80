"""What the network must know of an environment, in memory and in a checkpoint."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple

from lit_a3c.envs.flattening import flat_size, flat_space
from lit_a3c.envs.masks import MaskSource, mask_size, masked_space, possible_sources, seen_space


class EnvSpaces:
    """Spaces and units of one environment.

    A plain class, not a dataclass: jsonargparse would take a dataclass apart into options.

    Args:
        env_id: The environment's id.
        observation_space: Space of one observation.
        action_space: Space of one action.
        frame_skip: Emulator frames per step, 1 outside Atari.
        mask_source: Where it gives the masks of its actions; None where it has none, or where they do not count.
    """

    def __init__(
        self,
        env_id: str,
        observation_space: Space[Any],
        action_space: Space[Any],
        frame_skip: int = 1,
        mask_source: MaskSource | None = None,
    ) -> None:
        self.env_id = env_id
        self.observation_space = observation_space
        self.action_space = action_space
        self.frame_skip = frame_skip
        self.mask_source = mask_source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpaces) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def seen_space(self) -> Space[Any]:
        """The space of what the network's body sees: the observation without an action mask in it."""
        return seen_space(self.observation_space, self.mask_source)

    @property
    def seen_shape(self) -> tuple[int, ...]:
        """Shape of the tensor that the network's body gets."""
        return flat_space(self.seen_space).shape

    @property
    def mask_size(self) -> int:
        """Length ``M`` of the action mask at the end of an observation's tensor; 0 where there is none."""
        return mask_size(self.action_space) if self.mask_source else 0

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of the tensor of one observation. That of an observation that is no ``Box``, or masked, is flat."""
        return self.tensor_space.shape

    @property
    def observation_dtype(self) -> torch.dtype:
        """Bytes stay bytes. Everything else is kept in single precision."""
        return torch.uint8 if self.tensor_space.dtype == np.uint8 else torch.float32

    @property
    def tensor_space(self) -> Box:
        """The space of the tensor of one observation."""
        if self.mask_source:
            return masked_space(self.seen_space, self.action_space)
        return flat_space(self.observation_space)

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of the tensor of one action. That of a composite action is flat."""
        space = self.action_space
        return (space.shape or ()) if isinstance(space, Box | Discrete) else (flat_size(space),)

    @property
    def action_dtype(self) -> torch.dtype:
        return torch.int64 if isinstance(self.action_space, Discrete) else torch.float32

    def to_plain(self) -> dict[str, Any]:
        """The spaces in plain types, which ``torch.load(weights_only=True)`` accepts."""
        return {
            "env_id": self.env_id,
            "observation_space": _space_to_plain(self.observation_space),
            "action_space": _space_to_plain(self.action_space),
            "frame_skip": self.frame_skip,
            "mask_source": self.mask_source,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> EnvSpaces:
        """The inverse of :meth:`to_plain`."""
        spaces = {key: _space_from_plain(plain[key]) for key in ("observation_space", "action_space")}
        source = plain.get("mask_source")  # version 0.1.0 did not write it
        if source not in (None, *possible_sources(spaces["observation_space"], spaces["action_space"])):
            raise ValueError(f"{str(source)[:40]!r} is no source of action masks")
        return cls(env_id=plain["env_id"], frame_skip=plain["frame_skip"], mask_source=source, **spaces)


def _space_to_plain(space: Space[Any]) -> dict[str, Any]:
    match space:
        case Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": str(space.dtype)}
        case MultiDiscrete():
            sizes = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
            return {"kind": "MultiDiscrete", **sizes, "dtype": str(space.dtype)}
        case MultiBinary():
            return {"kind": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
        case Box():
            bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
            if len(np.unique(space.low)) == len(np.unique(space.high)) == 1:  # those of an image
                bounds = {"low": space.low.flat[0].item(), "high": space.high.flat[0].item()}
            return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
        case Tuple():
            return {"kind": "Tuple", "spaces": [_space_to_plain(part) for part in space.spaces]}
        case Dict():
            return {"kind": "Dict", "spaces": {key: _space_to_plain(part) for key, part in space.items()}}
    raise TypeError(f"no plain form for {space}")


def _space_from_plain(plain: dict[str, Any]) -> Space[Any]:
    dtype: Any = np.dtype(plain.get("dtype", np.int64))
    match plain["kind"]:
        case "Discrete":
            return Discrete(plain["n"], start=plain["start"], dtype=dtype)
        case "MultiDiscrete":
            return MultiDiscrete(np.array(plain["nvec"]), start=np.array(plain["start"]), dtype=dtype)
        case "MultiBinary":
            return MultiBinary(plain["n"])
        case "Tuple":
            return Tuple([_space_from_plain(part) for part in plain["spaces"]])
        case "Dict":
            # Gymnasium would sort a plain dict, and the order is that of the flat vector.
            return Dict(OrderedDict((key, _space_from_plain(part)) for key, part in plain["spaces"].items()))
        case "Box":
            bounds = (np.asarray(plain[key], dtype=dtype) for key in ("low", "high"))
            low, high = (np.broadcast_to(bound, plain["shape"]) for bound in bounds)
            return Box(low, high, dtype=dtype)
    raise ValueError(f"{plain['kind']!r} is no kind of space")
