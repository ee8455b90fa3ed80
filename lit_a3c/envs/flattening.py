"""Composite spaces as flat vectors: the network, TorchRL and the rollouts see one tensor per observation and action.

An action of a ``Tuple``, ``Dict``, ``MultiDiscrete`` or ``MultiBinary`` space travels as a ``float32`` vector, its
components side by side in the order of :func:`components`; whole numbers stand for themselves, counted from 0. An
observation that is no ``Box`` travels as Gymnasium's own flattening of it: the parts side by side in the order of
:func:`leaves`, whole numbers as one-hot vectors.
"""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatdim, flatten, flatten_space

MAX_ONE_HOT = 1_000_000
"""The longest one-hot vector. A longer one would cost more memory than any network learns from."""

SIZED = Box | Discrete | MultiDiscrete | MultiBinary
"""The observations without parts that have a fixed number of values."""


def components(space: Space[Any]) -> list[Space[Any]]:
    """The ``Discrete``, ``MultiBinary`` and ``Box`` parts of an action space, in the order of the flat vector."""
    match space:
        case Tuple() | Dict():
            return list(itertools.chain.from_iterable(map(components, _parts(space))))
        case MultiDiscrete():
            sizes = zip(space.nvec.flatten().tolist(), space.start.flatten().tolist(), strict=True)
            return [Discrete(n, start=start) for n, start in sizes]
    return [space]


def leaves(space: Space[Any]) -> list[Space[Any]]:
    """The parts of an observation space that have no parts themselves, in the order of the flat vector."""
    if isinstance(space, Tuple | Dict):
        return list(itertools.chain.from_iterable(map(leaves, _parts(space))))
    return [space]


def flat_space(space: Space[Any]) -> Box:
    """The space of an observation's tensor: a ``Box`` stays as it is, everything else becomes a vector.

    Bytes stay bytes. All other vectors have single precision.
    """
    if isinstance(space, Box):
        return space
    vector = flatten_space(space)
    assert isinstance(vector, Box)
    dtype: Any = np.uint8 if vector.dtype == np.uint8 else np.float32
    return Box(vector.low.astype(dtype), vector.high.astype(dtype), dtype=dtype)


def flat_size(space: Space[Any]) -> int:
    """Length of an action's flat vector."""
    return sum(int(np.prod(part.shape)) if part.shape else 1 for part in components(space))


def unflatten(space: Space[Any], flat: np.ndarray) -> Any:
    """The action that a flat vector ``[D]`` stands for; ``Box`` parts are clipped to their bounds."""
    match space:
        case Discrete():
            return int(flat[0]) + int(space.start)
        case MultiDiscrete():
            return flat.astype(space.dtype).reshape(space.shape) + space.start
        case Box():
            return np.asarray(np.clip(flat.reshape(space.shape), space.low, space.high), dtype=space.dtype)
        case Tuple() | Dict():
            parts = _parts(space)
            pieces = np.split(flat, np.cumsum([flat_size(part) for part in parts])[:-1])
            values = [unflatten(part, piece) for part, piece in zip(parts, pieces, strict=True)]
            return dict(zip(space.keys(), values, strict=True)) if isinstance(space, Dict) else tuple(values)
    return flat.astype(space.dtype).reshape(space.shape)  # MultiBinary


def unsupported(observation: Space[Any], action: Space[Any]) -> str | None:
    """Which of an environment's spaces no network here fits, in words; None if all of them are supported."""
    seen = leaves(observation)
    for leaf in seen:
        if not isinstance(leaf, SIZED):
            return _without_size(observation, leaf)
        if not isinstance(leaf, Box) and flatdim(leaf) > MAX_ONE_HOT:
            return f"observations {observation}; a one-hot vector of {flatdim(leaf):,} values is too long"
    if not seen or any(flatdim(leaf) == 0 for leaf in seen):
        return f"observations {observation}, which are empty"
    parts = components(action)
    if not parts or any(0 in (part.shape or ()) for part in parts):
        return f"actions {action}, which are empty"
    for part in parts:
        if not isinstance(part, Discrete | MultiBinary | Box):
            kinds = "Discrete, MultiDiscrete, MultiBinary, Box, and Tuple or Dict of them"
            return f"actions {action}; only {kinds}, are supported"
        if isinstance(part, Box) and not np.issubdtype(part.dtype, np.floating):
            return f"actions {action}; only floating Box actions are supported"
    return None


def _without_size(observation: Space[Any], leaf: Space[Any]) -> str:
    """The words for observations with a part that has no fixed number of values, and what to do."""
    what = f"{type(leaf).__name__} has no fixed number of values"
    if isinstance(observation, Dict):
        good = [key for key, part in observation.items() if all(isinstance(each, SIZED) for each in leaves(part))]
        bad = ", ".join(repr(key) for key in observation if key not in good)
        if good:
            kept = f"{{class_path: FilterObservation, init_args: {{filter_keys: [{', '.join(good)}]}}}}"
            return f"observations with {bad}; {what}. Leave it out: --data.wrappers+ '{kept}'"
    return (
        f"observations {observation}; {what}. Wrap the environment so that it gives Box, Discrete, MultiDiscrete or "
        "MultiBinary, or a Tuple or Dict of them"
    )


class FlatObservation(gymnasium.ObservationWrapper):
    """Gives an observation that is no ``Box`` as a flat vector."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = flat_space(env.observation_space)

    def observation(self, observation: Any) -> np.ndarray:
        return np.asarray(flatten(self.env.observation_space, observation), self.observation_space.dtype)


class FlatAction(gymnasium.ActionWrapper):
    """Takes the flat vectors of a composite action space."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.action_space = Box(-np.inf, np.inf, (flat_size(env.action_space),))

    def action(self, action: np.ndarray) -> Any:
        return unflatten(self.env.action_space, action)


def _parts(space: Any) -> list[Space[Any]]:
    return list(space.values() if isinstance(space, Dict) else space.spaces)
