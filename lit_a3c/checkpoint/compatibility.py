"""Whether a checkpoint is what it says, and whether it fits an environment and a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lit_a3c.envs import EnvSpaces
from lit_a3c.utils.errors import ConfigError

MAX_ELEMENTS = 10_000_000
"""Numbers in one observation or action. More are not believed: reading the spaces alone would fill the memory."""


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _episodes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(episode, list | tuple)
        and len(episode) == 3
        and _count(episode[0])
        and isinstance(episode[1], int | float)
        and _count(episode[2])
        for episode in value
    )


def _tensors(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(n, str) and isinstance(t, Tensor) for n, t in value.items())


FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "spaces": ("a mapping", lambda value: isinstance(value, dict)),
    "state_dict": ("a mapping of tensors", _tensors),
    "steps": ("a count", _count),
    "discarded": ("a count", _count),
    "updates": ("a count", _count),
    "seconds": ("a number of seconds", _seconds),
    "optimizer": ("the name of a class", lambda value: value is None or isinstance(value, str)),
    "recent_episodes": ("a list of episodes", _episodes),
    "hyper_parameters": ("a mapping", lambda value: isinstance(value, dict)),
}
"""What every checkpoint holds, in words, and how it is told."""


def check_contents(checkpoint: Any) -> EnvSpaces:
    """Refuse a checkpoint that lacks a field, or has one of another kind, or weights that are not finite.

    Args:
        checkpoint: What a file holds: tensors and plain types.

    Returns:
        The spaces of its environment.

    Raises:
        ConfigError: By the name of the field.
    """
    if not isinstance(checkpoint, dict) or "spaces" not in checkpoint:
        raise ConfigError("the checkpoint was not written by lit-a3c.")
    for name, (kind, fits) in FIELDS.items():
        if name not in checkpoint:
            raise ConfigError(f"the checkpoint has no {name!r}: it is damaged, or of another version.")
        if not fits(checkpoint[name]):
            raise ConfigError(f"the checkpoint's {name!r} is not {kind}: {str(checkpoint[name])[:80]!r}.")
    spaces = _spaces_of(checkpoint["spaces"])
    for name, tensor in checkpoint["state_dict"].items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():  # a stride of 0: no real tensor
            raise ConfigError(f"the checkpoint's {name} claims more numbers than it holds.")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ConfigError(f"the checkpoint's {name} is not finite. Take another checkpoint of the run.")
    return spaces


def _spaces_of(plain: dict[str, Any]) -> EnvSpaces:
    """The spaces of a checkpoint.

    Raises:
        ConfigError: They are none.
    """
    try:
        _check_size(plain)
        spaces = EnvSpaces.from_plain(plain)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"the checkpoint's spaces cannot be read: {type(error).__name__} {str(error)[:80]}."
        ) from error
    if not isinstance(spaces.env_id, str) or not _count(spaces.frame_skip) or spaces.frame_skip == 0:
        raise ConfigError("the checkpoint's spaces name no environment.")
    return spaces


def _check_size(plain: Any) -> None:
    """Refuse spaces that would fill the memory.

    Raises:
        ValueError: A part has more than :data:`MAX_ELEMENTS` numbers.
    """
    if not isinstance(plain, dict):
        return
    for name, value in plain.items():
        sizes = value if isinstance(value, list) and name in ("shape", "n") else [value] if name == "n" else []
        if math.prod(size for size in sizes if isinstance(size, int)) > MAX_ELEMENTS:
            raise ValueError(f"{name} {str(value)[:40]} is too large")
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            _check_size(part)
        _check_size(value)


def check_fits(checkpoint: dict[str, Any], spaces: EnvSpaces, weights: dict[str, Tensor]) -> None:
    """Refuse a checkpoint of another environment or of another network, by the difference.

    Args:
        checkpoint: The checkpoint.
        spaces: Of the environment that it is to serve.
        weights: ``state_dict`` of the network that is to take it.

    Raises:
        ConfigError: It does not fit, or is no checkpoint.
    """
    theirs = check_contents(checkpoint)
    if (theirs.observation_space, theirs.action_space) != (spaces.observation_space, spaces.action_space):
        raise ConfigError(
            f"the checkpoint is of {theirs.env_id!r} (observations {theirs.observation_space}, actions "
            f"{theirs.action_space}), and data.env_id is {spaces.env_id!r} "
            f"({spaces.observation_space}, {spaces.action_space})."
        )
    here, there = (
        {name: tuple(tensor.shape) for name, tensor in each.items()} for each in (weights, checkpoint["state_dict"])
    )
    if different := sorted(dict(here.items() ^ there.items())):
        raise ConfigError(
            "the checkpoint is of another network than model.body, model.recurrent, model.head, model.share_body and "
            f"model.normalize_returns make: {different[0]} is {there.get(different[0], 'missing')} in it and "
            f"{here.get(different[0], 'missing')} here."
        )
