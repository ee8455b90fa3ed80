"""Action masks: which actions an environment allows, as one flat vector beside the observation.

Gymnasium has no field for them. By convention an environment gives its mask as ``observation["action_mask"]`` or as
``info["action_mask"]``, in the form that ``action_space.sample(mask=...)`` takes. Here the mask becomes the tail of the
observation's flat vector, from both sources alike, so it is stored, sent and replayed with the observation. The policy
takes it off again (:class:`lit_a3c.networks.actor_critic.ActorCritic`), so the body does not see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatten

from lit_a3c.envs.flattening import FlatAction, FlatObservation, components, flat_space, unflatten
from lit_a3c.utils.errors import ConfigError, EnvError

KEY = "action_mask"
"""The key of a mask in an observation or an info."""
MaskSource = Literal["observation", "info"]
"""Where an environment gives its masks."""


def mask_size(space: Space[Any]) -> int:
    """Length ``M`` of an action space's flat mask: a place for each action of each ``Discrete`` component."""
    return sum(int(part.n) for part in components(space) if isinstance(part, Discrete))


def mask_source(observation: Space[Any], action: Space[Any], info: Mapping[str, Any]) -> MaskSource | None:
    """Where an environment gives the masks of its actions; None where it has none.

    Args:
        observation: Its observation space.
        action: Its action space. If no component of it is ``Discrete``, then nothing can be masked.
        info: Of its first reset.
    """
    sources = possible_sources(observation, action)
    return next((source for source in sources if source == "observation" or KEY in info), None)


def possible_sources(observation: Space[Any], action: Space[Any]) -> tuple[MaskSource, ...]:
    """Where an environment with these spaces may give action masks, the preferred one first."""
    if mask_size(action) == 0:
        return ()
    inside = isinstance(observation, Dict) and KEY in observation.spaces and len(observation.spaces) > 1
    return ("observation", "info") if inside else ("info",)


def seen_space(space: Space[Any], source: MaskSource | None) -> Space[Any]:
    """An observation space without the mask in it. A part that is alone then needs no ``Dict`` around it."""
    if source != "observation":
        return space
    assert isinstance(space, Dict)
    rest = [key for key in space.spaces if key != KEY]
    return space[rest[0]] if len(rest) == 1 else Dict([(key, space[key]) for key in rest])


def flatten_mask(space: Space[Any], mask: Any) -> np.ndarray:
    """The mask of a state in which an action is to be chosen, as a flat vector ``[M]`` bool.

    Args:
        space: The action space. The masks of its components stand side by side.
        mask: In the form of ``space.sample(mask=...)``, where 1 allows an action, or flat already. None inside a
            composite one allows all actions of that component.

    Raises:
        ConfigError: It has another form, or allows no action of a component.
    """
    if mask is None:
        raise ConfigError("there is none")
    sizes = [int(part.n) for part in components(space) if isinstance(part, Discrete)]
    if not isinstance(mask, tuple | list | Mapping) and np.shape(mask) == (sum(sizes),):
        flat = _vector(mask, sum(sizes))
    else:
        flat = np.concatenate(list(_pieces(space, mask)))
    pieces = [flat] if len(sizes) == 1 else np.split(flat, np.cumsum(sizes)[:-1])
    if not all(piece.any() for piece in pieces):
        raise ConfigError(f"it allows no action of {space}")
    return flat


def seen_part(seen: Space[Any], observation: Any, source: MaskSource) -> Any:
    """An observation without the mask in it.

    Args:
        seen: The space of the result, from :func:`seen_space`.
        observation: The environment's own.
        source: Where it gives its masks.
    """
    if source != "observation":
        return observation
    rest = {key: value for key, value in observation.items() if key != KEY}
    return rest if isinstance(seen, Dict) else next(iter(rest.values()))


def join_mask(seen: Any, mask: np.ndarray | None, space: Box) -> np.ndarray:
    """A flat observation ``[D]`` and a flat mask ``[M]`` as one vector of the space, ``[D + M]``; None allows all."""
    joined = np.ones(space.shape, space.dtype)
    joined[: len(seen)] = seen
    if mask is not None:
        joined[len(seen) :] = mask
    return joined


def mask_of(source: MaskSource, observation: Any, info: Mapping[str, Any]) -> Any:
    """The mask that an environment has given, in its own form; None where it has given none."""
    return observation[KEY] if source == "observation" else info.get(KEY)


def allowed_action(space: Space[Any], mask: Any) -> Any:
    """An action that the mask allows: the first one of each ``Discrete`` component, a drawn one of the others.

    Raises:
        ConfigError: As :func:`flatten_mask`.
    """
    left, parts = flatten_mask(space, mask), []
    for part in components(space):
        if isinstance(part, Discrete):
            parts.append(np.array([left[: int(part.n)].argmax()], np.float64))
            left = left[int(part.n) :]
        else:
            parts.append(np.asarray(part.sample(), np.float64).flatten())
    return unflatten(space, np.concatenate(parts))


class MaskedObservation(gymnasium.Wrapper):
    """Gives observation and action mask as one flat vector ``[D + M]``, the mask last.

    Where an episode has ended nothing is chosen, so there the mask may be missing or allow nothing.

    Args:
        env: An environment.
        source: Where it gives its masks.
    """

    def __init__(self, env: gymnasium.Env, source: MaskSource) -> None:
        super().__init__(env)
        self._source: MaskSource = source
        self._seen = seen_space(env.observation_space, source)
        self.observation_space = masked_space(self._seen, env.action_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._joined(observation, info, "reset", needed=True), info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        joined = self._joined(observation, info, "step", needed=not (terminated or truncated))
        return joined, reward, terminated, truncated, info

    def _joined(self, observation: Any, info: Any, method: str, *, needed: bool) -> np.ndarray:
        mask = None
        if needed:
            try:
                mask = flatten_mask(self.env.action_space, mask_of(self._source, observation, info))
            except ConfigError as error:
                raise EnvError(f"{method}() returned an {KEY} that cannot be used: {error}") from error
        seen = flatten(self._seen, seen_part(self._seen, observation, self._source))
        assert isinstance(self.observation_space, Box)
        return join_mask(seen, mask, self.observation_space)


def masked_space(seen: Space[Any], action: Space[Any]) -> Box:
    """The space of an observation and the mask of its actions as one vector ``[D + M]``."""
    vector = flat_space(seen)
    zeros = np.zeros(mask_size(action), vector.dtype)
    low, high = (np.concatenate([bound.flatten(), of]) for bound, of in ((vector.low, zeros), (vector.high, zeros + 1)))
    return Box(low, high, dtype=vector.dtype.type)


def flat(env: gymnasium.Env, mask_source: MaskSource | None = None) -> gymnasium.Env:
    """The environment with flat vectors in place of composite or masked observations, and of composite actions."""
    if mask_source is not None:
        env = MaskedObservation(env, mask_source)
    elif not isinstance(env.observation_space, Box):
        env = FlatObservation(env)
    if not isinstance(env.action_space, Box | Discrete):
        env = FlatAction(env)
    return env


def _pieces(space: Space[Any], mask: Any) -> Iterator[np.ndarray]:
    """The masks of the ``Discrete`` components, in the order of :func:`lit_a3c.envs.components`."""
    if mask is None:
        yield np.ones(mask_size(space), bool)
        return
    match space:
        case Discrete():
            yield _vector(mask, int(space.n))
        case MultiDiscrete() if isinstance(mask, tuple | list):
            yield from _nested(space.nvec, mask)
        case MultiDiscrete():
            yield _vector(mask, int(space.nvec.sum()))
        case Tuple():
            if not isinstance(mask, tuple | list) or len(mask) != len(space.spaces):
                raise ConfigError(f"it must be a tuple of {len(space.spaces)} masks")
            for part, of in zip(space.spaces, mask, strict=True):
                yield from _pieces(part, of)
        case Dict():
            if not isinstance(mask, Mapping) or set(mask) != set(space.spaces):
                raise ConfigError(f"it must be a dict with {', '.join(space.spaces)}")
            for key, part in space.items():
                yield from _pieces(part, mask[key])


def _nested(sizes: np.ndarray, mask: Any) -> Iterator[np.ndarray]:
    """Masks in tuples, as deep as a ``MultiDiscrete`` space has dimensions."""
    if len(mask) != len(sizes):
        raise ConfigError(f"it must be a tuple of {len(sizes)} masks")
    for size, of in zip(sizes, mask, strict=True):
        yield from [_vector(of, int(size))] if np.ndim(size) == 0 else _nested(size, of)


def _vector(mask: Any, size: int) -> np.ndarray:
    if np.shape(mask) != (size,):
        raise ConfigError(f"it must have the shape ({size},), and has {np.shape(mask)}")
    vector = np.asarray(mask)
    flags = vector.astype(bool)
    if vector.dtype != bool and not np.array_equal(vector, flags):
        raise ConfigError("it must have zeros and ones alone")
    return flags
