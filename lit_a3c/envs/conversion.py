"""An environment's own observations and actions, one or a batch, as the tensors that a policy takes and gives.

A batch has the form of Gymnasium's vector environments: arrays with one more dimension in front, in a dict or tuple of
them where the space is a ``Dict`` or ``Tuple``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Space, Tuple
from gymnasium.spaces.utils import flatten
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from torch import Tensor

from lit_a3c.envs.contract import problem_of_observation
from lit_a3c.envs.flattening import unflatten
from lit_a3c.envs.masks import KEY, flatten_mask, join_mask, seen_part
from lit_a3c.envs.spaces import EnvSpaces
from lit_a3c.utils.errors import ConfigError


def to_tensor(
    spaces: EnvSpaces, observation: Any, action_mask: Any = None, *, masked: bool = True
) -> tuple[Tensor, bool]:
    """Observations as a policy takes them.

    Args:
        spaces: Of the environment.
        observation: One observation, or a batch of ``E``.
        action_mask: ``info["action_mask"]`` of each, where the environment gives its masks there.
        masked: Whether masks are needed. If not, all actions count as allowed.

    Returns:
        ``[E, *observation]``, and whether a batch was given. If not, ``E`` is 1.

    Raises:
        ConfigError: They are not of the space, or the mask is missing or cannot be used.
    """
    space = spaces.observation_space
    size = _batch_size(space, observation)
    observations = [observation] if size is None else list(iterate(batch_space(space, size), observation))
    masks = [action_mask] if size is None else [None] * size if action_mask is None else list(action_mask)
    if len(masks) != len(observations):
        raise ConfigError(f"there are {len(observations)} observations and {len(masks)} action masks.")
    pairs = zip(observations, masks, strict=True)
    return torch.from_numpy(np.stack([_vector(spaces, one, mask, masked) for one, mask in pairs])), size is not None


def from_tensor(spaces: EnvSpaces, action: Tensor, *, batched: bool) -> Any:
    """A policy's actions as the environment takes them. Those of a ``Box`` are clipped to its bounds.

    Args:
        spaces: Of the environment.
        action: ``[E, *action]``.
        batched: Whether a batch is wanted. If not, ``E`` is 1.
    """
    space = spaces.action_space
    rows = action.cpu().numpy()
    actions = [unflatten(space, np.atleast_1d(row)) for row in rows]
    if not batched:
        return actions[0]
    empty: Any = create_empty_array(space, len(actions))
    return concatenate(space, actions, empty)


def _vector(spaces: EnvSpaces, observation: Any, mask: Any, masked: bool) -> np.ndarray:
    """One observation as the array that the environment's wrappers make of it."""
    space = spaces.observation_space
    if problem := problem_of_observation(observation, space):
        raise ConfigError(f"{problem}.")
    if spaces.mask_source is None:
        dtype = np.uint8 if spaces.observation_dtype == torch.uint8 else np.float32
        return np.asarray(observation if isinstance(space, Box) else flatten(space, observation), dtype)
    if spaces.mask_source == "observation":
        mask = observation[KEY]
    try:
        flat_mask = flatten_mask(spaces.action_space, mask) if masked else None
    except ConfigError as error:
        raise ConfigError(f"the argument {KEY} cannot be used: {error}.") from error
    seen = flatten(spaces.seen_space, seen_part(spaces.seen_space, observation, spaces.mask_source))
    return join_mask(seen, flat_mask, spaces.tensor_space)


def _batch_size(space: Space[Any], observation: Any) -> int | None:
    """``E`` of a batch; None for one observation, and for what is neither."""
    while isinstance(space, Dict | Tuple):  # the first part tells
        try:
            if isinstance(space, Dict):
                key = next(iter(space))
                space, observation = space[key], observation[key]
            else:
                space, observation = space[0], observation[0]
        except (KeyError, IndexError, TypeError):
            return None
    if isinstance(observation, Mapping):
        return None
    shape, own = np.shape(observation), space.shape or ()
    return shape[0] if len(shape) == len(own) + 1 and shape[1:] == own else None
