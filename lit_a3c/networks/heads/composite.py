"""Heads for composite actions, and the head that fits a space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from gymnasium.spaces import Box, Dict, MultiDiscrete, Space, Tuple
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.envs import components
from lit_a3c.networks.heads.base import ActionHead, check_space, fitting
from lit_a3c.networks.heads.continuous import GaussianHead
from lit_a3c.networks.heads.discrete import BernoulliHead, CategoricalHead


class JointHead(ActionHead):
    """A head for every component of a ``Tuple``, ``Dict`` or ``MultiDiscrete`` space, on the same features.

    Their log-probabilities and entropies are summed, so one gradient of all flows through the body.

    Args:
        num_features: Size ``F`` of the body's output.
        space: The space; its components are those of :func:`lit_a3c.envs.components`.
        box: Makes the heads of ``Box`` components.
    """

    kinds = (Tuple, Dict, MultiDiscrete)

    def __init__(self, num_features: int, space: Space, box: Callable[[int, Space], ActionHead] = GaussianHead) -> None:
        super().__init__()
        check_space(self, space)
        self.heads = nn.ModuleList(
            (box if isinstance(part, Box) else default_head)(num_features, part) for part in components(space)
        )

    def forward(self, features: Tensor) -> Distribution:
        return Joint([head(features) for head in self.heads])


def fitting_head(space: Space) -> type[CategoricalHead | BernoulliHead | GaussianHead | JointHead]:
    """The class of head that a space gets if none is asked for."""
    heads = {head.__name__: head for head in (CategoricalHead, BernoulliHead, GaussianHead, JointHead)}
    return heads[fitting(space)]


def default_head(num_features: int, space: Space) -> ActionHead:
    """The head for a kind of space: categorical, Bernoulli, Gaussian with a sigma for all states, or one head each."""
    return fitting_head(space)(num_features, space)


class Joint(Distribution):
    """Independent parts of one action, side by side in a flat vector.

    Args:
        parts: Distributions of one batch shape ``[...]``.
    """

    arg_constraints = {}  # nothing to check, and printing asks for it

    def __init__(self, parts: Sequence[Distribution]) -> None:
        self.parts = parts
        self.sizes = [part.event_shape.numel() for part in parts]
        super().__init__(parts[0].batch_shape, torch.Size([sum(self.sizes)]), validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._flat([part.sample(sample_shape) for part in self.parts])

    @property
    def mode(self) -> Tensor:
        """The modes of the parts."""
        return self._flat([part.mode for part in self.parts])

    def log_prob(self, value: Tensor) -> Tensor:
        pieces = value.split(self.sizes, dim=-1)
        return _sum(
            part.log_prob(piece.reshape((*value.shape[:-1], *part.event_shape)))
            for part, piece in zip(self.parts, pieces, strict=True)
        )

    def entropy(self) -> Tensor:
        return _sum(part.entropy() for part in self.parts)

    def _flat(self, actions: list[Tensor]) -> Tensor:
        """Actions of the parts to ``[..., D]`` float, in which whole numbers up to 2^24 are exact."""
        flat = [
            action.reshape((*action.shape[: action.ndim - len(part.event_shape)], size)).float()
            for action, part, size in zip(actions, self.parts, self.sizes, strict=True)
        ]
        return torch.cat(flat, dim=-1)


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum(0)
