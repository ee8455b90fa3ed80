"""A body for each part of an observation, and the body that a space gets if none is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from gymnasium.spaces import Box, Dict, Space
from torch import Tensor, nn

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.bodies.conv import A3CBody
from lit_a3c.networks.bodies.mlp import MLPBody
from lit_a3c.utils.errors import ConfigError, check_number


class DictBody(Body):
    """A body for each part of a ``Dict`` observation, their features side by side, and a layer that joins them.

    Heads are linear: without that layer the effect of one part on an action could not depend on another part.

    Args:
        space: A ``Dict`` of ``Box`` spaces; its observations come flat, as Gymnasium flattens them.
        image: Makes the bodies of images.
        vector: Makes the bodies of everything else.
        join: Units of the layer that joins them; 0 for none.
    """

    def __init__(
        self,
        space: Space,
        image: Callable[[Box], Body] = A3CBody,
        vector: Callable[[Box], Body] = MLPBody,
        join: int = 256,
    ) -> None:
        super().__init__()
        if not isinstance(space, Dict):
            raise ConfigError(f"DictBody needs Dict observations, and the environment has {space}.")
        parts = [cast(Box, part) for part in space.values()]
        self.shapes = [torch.Size(part.shape) for part in parts]
        self.bodies = nn.ModuleList((image if len(part.shape) == 3 else vector)(part) for part in parts)
        check_number("model.body.join", join, low=0, whole=True)
        size = sum(body.num_features for body in self._bodies)
        self.join = nn.Sequential(orthogonal(nn.Linear(size, join), gain=2**0.5), nn.ReLU()) if join else None
        self.num_features = join or size

    def forward(self, observation: Tensor) -> Tensor:
        parts = zip(self._bodies, self._parts(observation), strict=True)
        features = torch.cat([body(part) for body, part in parts], dim=1)
        return features if self.join is None else self.join(features)

    def observe(self, observation: Tensor) -> None:
        for body, part in zip(self._bodies, self._parts(observation), strict=True):
            body.observe(part)

    @property
    def _bodies(self) -> list[Body]:
        return [cast(Body, body) for body in self.bodies]

    def _parts(self, observation: Tensor) -> list[Tensor]:
        """``[N, D]`` to one ``[N, *shape]`` each."""
        pieces = observation.split([shape.numel() for shape in self.shapes], dim=1)
        return [piece.reshape(-1, *shape) for piece, shape in zip(pieces, self.shapes, strict=True)]


def default_body(space: Space) -> Body:
    """The paper's network for images, one body each for the parts of a ``Dict``, else two fully connected layers."""
    if isinstance(space, Dict):
        return DictBody(space)
    assert isinstance(space, Box)
    return A3CBody(space) if len(space.shape) == 3 else MLPBody(space)
