"""The interface of a head, and the refusal of a space that it is not for."""

from __future__ import annotations

from typing import ClassVar

from gymnasium.spaces import Box, Discrete, MultiBinary, Space
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.utils.errors import ConfigError


class ActionHead(nn.Module):
    """Interface of a head.

    Attributes:
        kinds: The kinds of action spaces that it is for.
    """

    kinds: ClassVar[tuple[type[Space], ...]] = (Space,)

    @classmethod
    def fits(cls, space: Space) -> bool:
        """Whether the head can be made for an action space. The constructor of one that cannot says why."""
        return isinstance(space, cls.kinds)

    def forward(self, features: Tensor) -> Distribution:
        """``[..., F]`` features to a distribution of batch shape ``[...]``."""
        raise NotImplementedError


def fitting(space: Space) -> str:
    """Name of the head that a space gets if none is asked for."""
    match space:
        case Discrete():
            return "CategoricalHead"
        case MultiBinary():
            return "BernoulliHead"
        case Box():
            return "GaussianHead"
    return "JointHead"


def check_space(head: ActionHead, space: Space) -> None:
    """Refuse a space.

    Raises:
        ConfigError: It is none of the head's kinds; with the head that fits.
    """
    if not isinstance(space, head.kinds):
        kinds = " or ".join(kind.__name__ for kind in head.kinds)
        raise ConfigError(
            f"{type(head).__name__} needs {kinds} actions, and the environment has {space}. "
            f"Use --model.head lit_a3c.{fitting(space)}."
        )
