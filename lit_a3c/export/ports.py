"""The named inputs and outputs of an exported policy: one for each part of the environment's own spaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space, Tuple
from torch import Tensor

from lit_a3c.envs import EnvSpaces
from lit_a3c.envs.masks import KEY
from lit_a3c.utils.errors import ConfigError

OBSERVATION, ACTION, VALUE = "observation", "action", "value"
MASK, STATE, START, NEXT_STATE = KEY, "recurrent_state", "episode_start", "next_recurrent_state"
SEPARATOR = "."
"""Between the names of a part inside a part: ``observation.more.pair``."""


class Port(NamedTuple):
    """An input or an output, ``[batch, *shape]``."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> Port:
        """That of a tensor ``[batch, *shape]``."""
        return cls(name, tensor.dtype, tuple(tensor.shape[1:]))

    def zeros(self, batch: int) -> Tensor:
        """A tensor for it, ``[batch, *shape]``."""
        return torch.zeros(batch, *self.shape, dtype=self.dtype)

    @property
    def type(self) -> str:
        """The name of its type: ``float32``."""
        return str(self.dtype).removeprefix("torch.")

    def plain(self) -> dict[str, Any]:
        """In plain types."""
        return {"name": self.name, "type": self.type, "shape": ["batch", *self.shape]}

    def __str__(self) -> str:
        return f"{self.name:<28} {self.type:<8} [{', '.join(('batch', *map(str, self.shape)))}]"


def named_leaves(name: str, space: Space[Any]) -> Iterator[tuple[str, Space[Any]]]:
    """The parts of a space that have no parts themselves, in the order of the flat vector, each with its name."""
    if isinstance(space, Dict | Tuple):
        parts = space.items() if isinstance(space, Dict) else enumerate(space.spaces)
        for key, part in parts:
            yield from named_leaves(f"{name}{SEPARATOR}{key}", part)
    else:
        yield name, space


def named_components(name: str, space: Space[Any]) -> Iterator[str]:
    """The names of an action's components, in the order of :func:`lit_a3c.envs.components`."""
    for leaf_name, leaf in named_leaves(name, space):
        if isinstance(leaf, MultiDiscrete):
            yield from (f"{leaf_name}{SEPARATOR}{i}" for i in range(leaf.nvec.size))
        else:
            yield leaf_name


def observation_leaves(spaces: EnvSpaces) -> list[tuple[str, Space[Any]]]:
    """The parts of what the network sees, each with its name in the environment's own observation."""
    named = named_leaves(OBSERVATION, spaces.observation_space)
    mask = f"{OBSERVATION}{SEPARATOR}{MASK}"
    if spaces.mask_source != "observation":
        return list(named)
    return [(name, leaf) for name, leaf in named if name != mask and not name.startswith(f"{mask}{SEPARATOR}")]


def input_ports(spaces: EnvSpaces, state_size: int) -> list[Port]:
    """The inputs of a policy.

    Args:
        spaces: Of its environment.
        state_size: Size of one environment's recurrent state; 0 for a policy without one.

    Raises:
        ConfigError: Two of them have the same name.
    """
    ports = [Port(name, dtype_of(leaf), tuple(leaf.shape or ())) for name, leaf in observation_leaves(spaces)]
    if spaces.mask_size:
        ports.append(Port(MASK, torch.bool, (spaces.mask_size,)))
    if state_size:
        ports += [Port(STATE, torch.float32, (state_size,)), Port(START, torch.bool, ())]
    check_names([port.name for port in ports])
    check_names([name for name, _ in named_leaves(ACTION, spaces.action_space)])
    return ports


def check_names(names: list[str]) -> None:
    """Refuse a name that stands twice: a key ``a.b`` beside a key ``a`` with a ``b`` in it.

    Raises:
        ConfigError: One does.
    """
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the policy cannot be exported: two parts of its spaces have the name {twice[0]!r}.")


def dtype_of(space: Space[Any]) -> torch.dtype:
    """The type of a part's tensor: the environment's own."""
    if isinstance(space, Discrete):
        return torch.int64
    return torch.from_numpy(np.empty(0, space.dtype)).dtype


def bounds(space: Box) -> tuple[Tensor, Tensor]:
    """The bounds of a ``Box``, in its own type."""
    return torch.from_numpy(space.low.copy()), torch.from_numpy(space.high.copy())
