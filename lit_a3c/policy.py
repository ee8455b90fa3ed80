"""The shared-body, two-headed network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Box, Space
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.bodies import Body, default_body, orthogonal
from lit_a3c.envs import EnvSpec
from lit_a3c.heads import ActionHead, default_head

BodyFactory = Callable[[Box], Body]
HeadFactory = Callable[[int, Space[Any]], ActionHead]


class PolicyOutput(NamedTuple):
    """What the network says of ``[...]`` observations."""

    distribution: Distribution
    """Over actions, of batch shape ``[...]``."""
    value: Tensor
    """``v(s)``, ``[...]``."""


class ActorCritic(nn.Module):
    """``pi(a|s)`` and ``v(s)`` on one body, as in section 4 of Mnih et al. (2016).

    Args:
        spec: The environment's spaces.
        body: Makes the body from the observation space.
        head: Makes the action head from the number of features and the action space.
    """

    def __init__(self, spec: EnvSpec, body: BodyFactory = default_body, head: HeadFactory = default_head) -> None:
        super().__init__()
        assert isinstance(spec.observation_space, Box)
        self.body = body(spec.observation_space)
        self.head = head(self.body.num_features, spec.action_space)
        self.value = orthogonal(nn.Linear(self.body.num_features, 1))
        self._observation_dims = len(spec.observation_space.shape)

    def forward(self, observation: Tensor) -> PolicyOutput:
        """``[..., *observation]`` to a distribution and a value of shape ``[...]``."""
        features = self._features(observation)
        return PolicyOutput(self.head(features), self.value(features).squeeze(-1).float())

    def values(self, observation: Tensor) -> Tensor:
        """``[..., *observation]`` to ``v(s)``, ``[...]``."""
        return self.value(self._features(observation)).squeeze(-1).float()

    @torch.no_grad()
    def act(self, observation: Tensor, deterministic: bool = False) -> Tensor:
        """``[..., *observation]`` to actions ``[..., *action]``: drawn, or the most likely ones."""
        distribution = self.head(self._features(observation))
        return distribution.mode if deterministic else distribution.sample()

    @torch.no_grad()
    def draw(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """``[..., *observation]`` to drawn actions and their log-probabilities, ``[..., *action]`` and ``[...]``."""
        distribution = self.head(self._features(observation))
        action = distribution.sample()
        return action, distribution.log_prob(action)

    def observe(self, observation: Tensor) -> None:
        """Let the body's running statistics see ``[..., *observation]`` training observations."""
        self.body.observe(observation.flatten(0, observation.ndim - self._observation_dims - 1))

    def _features(self, observation: Tensor) -> Tensor:
        lead = observation.shape[: observation.ndim - self._observation_dims]
        features: Tensor = self.body(observation.reshape(-1, *observation.shape[len(lead) :]))
        return features.view(*lead, self.body.num_features)  # -1 would not do for no observations at all
