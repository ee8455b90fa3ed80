"""Fully connected layers on vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.utils.errors import check_choice, check_number

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU}


class MLPBody(Body):
    """Fully connected layers on the flattened observation.

    Args:
        space: Observation space, any shape.
        hidden: Units of each layer.
        activation: One of ``tanh``, ``relu``, ``elu``, ``silu``.
        normalize: Whether a :class:`RunningNorm` comes first.
        gain: Of the orthogonal initial weights: at 1 small signals keep their size from layer to layer, at more they
            begin to saturate.
    """

    def __init__(
        self,
        space: Box,
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
        size = int(torch.Size(space.shape).numel())
        self.norm = RunningNorm([size]) if normalize else None
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [orthogonal(nn.Linear(size, units), gain), ACTIVATIONS[activation]()]
            size = units
        self.layers = nn.Sequential(*layers)
        self.num_features = size

    def forward(self, observation: Tensor) -> Tensor:
        x = self._flat(observation)
        return self.layers(x.float() if self.norm is None else self.norm(x))

    def observe(self, observation: Tensor) -> None:
        if self.norm is not None:
            self.norm.update(self._flat(observation))

    @staticmethod
    def _flat(observation: Tensor) -> Tensor:
        return observation.reshape(observation.shape[0], math.prod(observation.shape[1:]))
