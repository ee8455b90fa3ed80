"""Fully connected layers on vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from gymnasium.spaces import Box, Dict, Space, Tuple
from gymnasium.spaces.utils import flatdim
from torch import Tensor, nn

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.bodies.conv import SmallImageBody, is_image, is_small
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.utils.errors import ConfigError, check_choice, check_number

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU}


class MLPBody(Body):
    """Fully connected layers on the flattened observation.

    Args:
        space: A ``Box`` of any shape, or a ``Discrete``, ``MultiDiscrete`` or ``MultiBinary`` space, whose observations
            come as one-hot vectors.
        hidden: Units of each layer.
        activation: One of ``tanh``, ``relu``, ``elu``, ``silu``.
        normalize: Whether a :class:`RunningNorm` comes first. One-hot vectors are taken as they are: it would make
            large numbers of rare ones.
        gain: Of the orthogonal initial weights: at 1 small signals keep their size from layer to layer, at more they
            begin to saturate.

    Raises:
        ConfigError: A number is out of its range, or the space is a ``Tuple`` or ``Dict``.
    """

    def __init__(
        self,
        space: Space,
        hidden: Sequence[int] = (64, 64),
        activation: Literal["tanh", "relu", "elu", "silu"] = "tanh",
        normalize: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice("model.body.activation", activation, ACTIVATIONS)
        for units in hidden:
            check_number("model.body.hidden", units, low=1, whole=True)
        check_number("model.body.gain", gain, above=0)
        if isinstance(space, Tuple | Dict):
            raise ConfigError(
                f"MLPBody needs observations of one part, and the environment has {space}. Use --model.body "
                "lit_a3c.DictBody."
            )
        size = flatdim(space)
        self.norm = RunningNorm([size]) if normalize and isinstance(space, Box) else None
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [orthogonal(nn.Linear(size, units), gain), ACTIVATIONS[activation]()]
            size = units
        self.layers = nn.Sequential(*layers)
        self.num_features = size

    @classmethod
    def fits(cls, space: Space) -> bool:
        """Whether it suits the space. It can be made for images, too, and hardly learns from large ones."""
        convolved = is_image(space) and (not is_small(space) or SmallImageBody.fits(space))
        return not isinstance(space, Tuple | Dict) and not convolved

    def forward(self, observation: Tensor) -> Tensor:
        x = self._flat(observation)
        return self.layers(x.float() if self.norm is None else self.norm(x))

    def observe(self, observation: Tensor) -> None:
        if self.norm is not None:
            self.norm.update(self._flat(observation))

    @staticmethod
    def _flat(observation: Tensor) -> Tensor:
        return observation.reshape(observation.shape[0], math.prod(observation.shape[1:]))
