"""Heads for composite actions, and the head that fits a space."""

from __future__ import annotations

from collections.abc import Callable

from gymnasium.spaces import Box, Dict, MultiDiscrete, Space, Tuple
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.distributions import Joint
from lit_a3c.envs import components
from lit_a3c.heads.base import ActionHead, check_space, fitting
from lit_a3c.heads.box import GaussianHead
from lit_a3c.heads.discrete import BernoulliHead, CategoricalHead


class JointHead(ActionHead):
    """A head for every component of a ``Tuple``, ``Dict`` or ``MultiDiscrete`` space, on the same features.

    Their log-probabilities and entropies are summed, so one gradient of all flows through the body.

    Args:
        num_features: Size ``F`` of the body's output.
        space: The space; its components are those of :func:`lit_a3c.envs.components`.
        box: Makes the heads of ``Box`` components.
    """

    def __init__(self, num_features: int, space: Space, box: Callable[[int, Space], ActionHead] = GaussianHead) -> None:
        super().__init__()
        check_space(self, space, Tuple, Dict, MultiDiscrete)
        self.heads = nn.ModuleList(
            (box if isinstance(part, Box) else default_head)(num_features, part) for part in components(space)
        )

    def forward(self, features: Tensor) -> Distribution:
        return Joint([head(features) for head in self.heads])


def default_head(num_features: int, space: Space) -> ActionHead:
    """By the kind of space: categorical, Bernoulli, Gaussian with a sigma for all states, or one head each."""
    heads = {head.__name__: head for head in (CategoricalHead, BernoulliHead, GaussianHead, JointHead)}
    return heads[fitting(space)](num_features, space)
