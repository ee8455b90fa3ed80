"""The interface of a head, and the refusal of a space that it is not for."""

from __future__ import annotations

from gymnasium.spaces import Box, Discrete, MultiBinary, Space
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.errors import ConfigError

DEFAULTS = {Discrete: "CategoricalHead", MultiBinary: "BernoulliHead", Box: "GaussianHead"}
"""The head that a space gets if none is asked for; any other is for :class:`JointHead`."""


class ActionHead(nn.Module):
    """Interface of a head."""

    def forward(self, features: Tensor) -> Distribution:
        """``[..., F]`` features to a distribution of batch shape ``[...]``."""
        raise NotImplementedError


def check_space(head: ActionHead, space: Space, *kinds: type[Space]) -> None:
    """Refuse a space.

    Raises:
        ConfigError: It is none of these kinds; with the head that fits.
    """
    if not isinstance(space, kinds):
        fitting = next((name for kind, name in DEFAULTS.items() if isinstance(space, kind)), "JointHead")
        raise ConfigError(
            f"{type(head).__name__} needs {' or '.join(kind.__name__ for kind in kinds)} actions, and the environment "
            f"has {space}. Use --model.head lit_a3c.{fitting}."
        )
