"""Whether a checkpoint fits an environment and a network."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lit_a3c.envs import EnvSpaces
from lit_a3c.utils.errors import ConfigError


def check_fits(checkpoint: dict[str, Any], spaces: EnvSpaces, weights: dict[str, Tensor]) -> None:
    """Refuse a checkpoint of another environment or of another network, by the difference.

    Args:
        checkpoint: The checkpoint.
        spaces: Of the environment that it is to serve.
        weights: ``state_dict`` of the network that is to take it.

    Raises:
        ConfigError: It does not fit.
    """
    if "spaces" not in checkpoint:
        raise ConfigError("the checkpoint was not written by lit-a3c.")
    theirs = EnvSpaces.from_plain(checkpoint["spaces"])
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
