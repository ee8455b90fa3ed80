"""The interface of a body, and the initial weights of its layers."""

from __future__ import annotations

from typing import TypeVar

from gymnasium.spaces import Space
from torch import Tensor, nn

M = TypeVar("M", nn.Linear, nn.Conv2d)


class Body(nn.Module):
    """Interface of a body.

    Attributes:
        num_features: Size ``F`` of the output.
    """

    num_features: int

    @classmethod
    def fits(cls, space: Space) -> bool:
        """Whether the body can be made for an observation space. The constructor of one that cannot says why."""
        return True

    def forward(self, observation: Tensor) -> Tensor:
        """``[N, ...]`` observations to ``[N, F]`` features."""
        raise NotImplementedError

    def observe(self, observation: Tensor) -> None:
        """Take ``[N, ...]`` training observations into running statistics, once, before they are learned from."""


def orthogonal(layer: M, gain: float = 1.0) -> M:
    """The layer with orthogonal weights (Saxe et al. 2014) and zero bias."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
