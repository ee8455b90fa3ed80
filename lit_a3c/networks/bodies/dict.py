"""A body for each part of an observation, and the body that a space gets if none is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from gymnasium.spaces import Box, Dict, Space, Tuple
from gymnasium.spaces.utils import flatdim
from torch import Tensor, nn

from lit_a3c.envs import leaves
from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.bodies.conv import A3CBody, SmallImageBody, is_image, is_small
from lit_a3c.networks.bodies.mlp import MLPBody
from lit_a3c.utils.errors import ConfigError, check_number


class DictBody(Body):
    """A body for each part of a ``Dict`` or ``Tuple`` observation, and a layer that joins their features.

    The parts of nested spaces are taken together, in the order of :func:`lit_a3c.envs.leaves`. Heads are linear:
    without that layer the effect of one part on an action could not depend on another part.

    Args:
        space: A ``Dict`` or ``Tuple``; its observations come flat, as Gymnasium flattens them.
        image: Makes the bodies of images from a ``Box``. Default: the one that suits the size of each.
        vector: Makes the bodies of everything else: a ``Box``, or a ``Discrete``, ``MultiDiscrete`` or ``MultiBinary``
            space, whose observations come as one-hot vectors.
        join: Units of the layer that joins them; 0 for none.

    Raises:
        ConfigError: The space is of another kind, or a part does not fit its body.
    """

    def __init__(
        self,
        space: Space,
        image: Callable[[Box], Body] | None = None,
        vector: Callable[[Space], Body] = MLPBody,
        join: int = 256,
    ) -> None:
        super().__init__()
        if not self.fits(space):
            raise ConfigError(f"DictBody needs Dict or Tuple observations, and the environment has {space}.")
        parts = leaves(space)
        self.shapes = [torch.Size(part.shape if isinstance(part, Box) else [flatdim(part)]) for part in parts]
        self.bodies = nn.ModuleList((image or default_body)(part) if is_image(part) else vector(part) for part in parts)
        check_number("model.body.join", join, low=0, whole=True)
        size = sum(body.num_features for body in self._bodies)
        self.join = nn.Sequential(orthogonal(nn.Linear(size, join), gain=2**0.5), nn.ReLU()) if join else None
        self.num_features = join or size

    @classmethod
    def fits(cls, space: Space) -> bool:
        return isinstance(space, Tuple | Dict)

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


def fitting_body(space: Space) -> type[DictBody | A3CBody | SmallImageBody | MLPBody]:
    """The class of body that a space gets if none is asked for.

    The paper's network for images, a smaller one for images of a few cells, one body each for the parts of a ``Dict``
    or ``Tuple``, else two fully connected layers.
    """
    if DictBody.fits(space):
        return DictBody
    if is_image(space) and not is_small(space):
        return A3CBody
    return SmallImageBody if SmallImageBody.fits(space) else MLPBody


def default_body(space: Space) -> Body:
    """A body for a kind of space, of the class that :func:`fitting_body` names."""
    cls: Callable[[Space], Body] = fitting_body(space)
    return cls(space)
