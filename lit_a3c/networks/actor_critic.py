"""The two-headed network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.bodies import default_body, orthogonal
from lit_a3c.networks.encoder import BodyFactory, Encoder, RecurrentFactory
from lit_a3c.networks.heads import ActionHead, default_head
from lit_a3c.networks.masking import masked

HeadFactory = Callable[[int, Space[Any]], ActionHead]


class PolicyOutput(NamedTuple):
    """What the network says of ``[T, B]`` observations."""

    distribution: Distribution
    """Over actions, of batch shape ``[T, B]``."""
    value: Tensor
    """``v(s)``, ``[T, B]``."""
    recurrent_state: Tensor
    """The state of the recurrent cores after each step, ``[T, B, recurrent_state_size]``, valid where
    :class:`~lit_a3c.networks.recurrent.RecurrentOutput` says."""


class ActOutput(NamedTuple):
    """What the network says of ``[E]`` observations that are to be acted on."""

    distribution: Distribution
    """Over actions, of batch shape ``[E]``."""
    recurrent_state: Tensor
    """The state of the recurrent cores after the step, ``[E, recurrent_state_size]``."""
    features: Tensor
    """What the head made the distribution of, ``[E, num_features]``."""


class ActorCritic(nn.Module):
    """``pi(a|s)`` and ``v(s)``, on one encoder as in section 4 of Mnih et al. (2016), or each on its own.

    Args:
        spaces: The environment's spaces.
        body: Makes a body from the observation space.
        head: Makes the action head from the number of features and the action space.
        recurrent: Makes a recurrent core from the number of features; None for a policy of the present observation.
        share_body: Whether both heads stand on one encoder. The paper's MuJoCo networks share nothing (its section 9).
    """

    def __init__(
        self,
        spaces: EnvSpaces,
        body: BodyFactory = default_body,
        head: HeadFactory = default_head,
        recurrent: RecurrentFactory | None = None,
        share_body: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(spaces, body, recurrent)
        self.value_encoder = None if share_body else Encoder(spaces, body, recurrent)
        self.head = head(self.encoder.num_features, spaces.action_space)
        self.value = orthogonal(nn.Linear(self.encoder.num_features, 1))
        self.encoders = [encoder for encoder in (self.encoder, self.value_encoder) if encoder is not None]
        self.recurrent_state_size = sum(encoder.state_size for encoder in self.encoders)
        self._mask_size, self._seen_shape = spaces.mask_size, spaces.seen_shape

    def forward(
        self,
        observation: Tensor,
        recurrent_state: Tensor | None = None,
        done: Tensor | None = None,
        batch_first: bool = False,
    ) -> PolicyOutput:
        """``T`` consecutive steps of ``B`` environments.

        Args:
            observation: ``[T, B, *observation]``.
            recurrent_state: Before the first step, ``[B, recurrent_state_size]``; None for zeros.
            done: Where an episode ended with the step, ``[T, B]`` bool; None for nowhere.
            batch_first: Whether ``observation`` is a view of ``[B, T, ...]`` memory.
        """
        own, other = self._split(recurrent_state)
        seen = self._seen(observation)
        features, state = self.encoder(seen, own, done, batch_first)
        value_features = features
        if self.value_encoder is not None:
            value_features, value_state = self.value_encoder(seen, other, done, batch_first)
            state = torch.cat([state, value_state], dim=-1)
        return PolicyOutput(self.distribution(features, observation), self._value(value_features), state)

    def distribution(self, features: Tensor, observation: Tensor) -> Distribution:
        """The distribution of the actions, of batch shape ``[...]``, without those that a mask forbids.

        Args:
            features: Of the encoder, ``[..., num_features]``.
            observation: What they were made of, ``[..., *observation]``. Its mask is taken, where it has one.
        """
        distribution: Distribution = self.head(features)
        if not self._mask_size:
            return distribution
        return masked(distribution, observation[..., -self._mask_size :] > 0)

    def values(self, observation: Tensor, recurrent_state: Tensor | None = None) -> Tensor:
        """``v(s)`` of ``B`` states that do not follow one another, ``[B]``.

        Args:
            observation: ``[B, *observation]``.
            recurrent_state: Before each of them, ``[B, recurrent_state_size]``; None for zeros.
        """
        own, other = self._split(recurrent_state)
        encoder, state = (self.encoder, own) if self.value_encoder is None else (self.value_encoder, other)
        return self._value(encoder(self._seen(observation).unsqueeze(0), state, None).features).squeeze(0)

    @torch.no_grad()
    def act(self, observation: Tensor, recurrent_state: Tensor | None = None) -> ActOutput:
        """One step of ``E`` environments.

        Args:
            observation: ``[E, *observation]``.
            recurrent_state: Before the step, ``[E, recurrent_state_size]``; None for zeros.
        """
        seen = self._seen(observation)
        if not self.recurrent_state_size:
            features = self.encoder.features(seen)
            state = features.new_empty(*features.shape[:-1], 0)
            return ActOutput(self.distribution(features, observation), state, features)
        own, other = self._split(recurrent_state)
        features, state = self.encoder(seen.unsqueeze(0), own, None)
        if self.value_encoder is not None:
            value_state = self.value_encoder(seen.unsqueeze(0), other, None).recurrent_state
            state = torch.cat([state, value_state], dim=-1)
        features = features.squeeze(0)
        return ActOutput(self.distribution(features, observation), state.squeeze(0), features)

    def observe(self, observation: Tensor, batch_first: bool = False) -> None:
        """Let running statistics see ``[..., *observation]`` training observations."""
        for encoder in self.encoders:
            encoder.observe(self._seen(observation), batch_first)

    def _seen(self, observation: Tensor) -> Tensor:
        """What the bodies see of ``[..., *observation]``: all but the mask."""
        if not self._mask_size:
            return observation
        return observation[..., : -self._mask_size].reshape(*observation.shape[:-1], *self._seen_shape)

    def _split(self, recurrent_state: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The parts of a recurrent state that belong to each of the two encoders."""
        if recurrent_state is None or self.value_encoder is None:
            return recurrent_state, None
        own, other = recurrent_state.split([self.encoder.state_size, self.value_encoder.state_size], dim=-1)
        return own, other

    def _value(self, features: Tensor) -> Tensor:
        value: Tensor = self.value(features)
        return value.squeeze(-1).float()
