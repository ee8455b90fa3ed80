"""Observations to features: a body and, where asked for, a recurrent core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gymnasium.spaces import Space
from torch import Tensor, nn

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.bodies import Body
from lit_a3c.networks.recurrent import RecurrentCore, RecurrentOutput

BodyFactory = Callable[[Space[Any]], Body]
RecurrentFactory = Callable[[int], RecurrentCore]


class Encoder(nn.Module):
    """A body and, if asked for, a recurrent core.

    Args:
        spaces: The environment's spaces.
        body: Makes the body from the observation space.
        recurrent: Makes the recurrent core from the number of features.
    """

    def __init__(self, spaces: EnvSpaces, body: BodyFactory, recurrent: RecurrentFactory | None) -> None:
        super().__init__()
        self.body = body(spaces.seen_space)
        self.recurrent = recurrent(self.body.num_features) if recurrent else None
        self.num_features = self.body.num_features if self.recurrent is None else self.recurrent.num_features
        self.state_size = 0 if self.recurrent is None else self.recurrent.state_size
        self._observation_dims = len(spaces.seen_shape)

    def forward(
        self, observation: Tensor, recurrent_state: Tensor | None, done: Tensor | None, batch_first: bool = False
    ) -> RecurrentOutput:
        """``T`` consecutive steps of ``B`` environments.

        Args:
            observation: ``[T, B, *observation]``.
            recurrent_state: Before the first step, ``[B, state_size]``; None for zeros.
            done: Where an episode ended with the step, ``[T, B]`` bool; None for nowhere.
            batch_first: Whether ``observation`` is a view of ``[B, T, ...]`` memory.
        """
        features = self.features(observation, batch_first)
        if self.recurrent is None:
            return RecurrentOutput(features, features.new_empty(*features.shape[:-1], 0))
        if recurrent_state is None:
            recurrent_state = features.new_zeros(features.shape[1], self.state_size)
        output: RecurrentOutput = self.recurrent(features, recurrent_state, done)
        return output

    def features(self, observation: Tensor, batch_first: bool = False) -> Tensor:
        """The body's features of ``[..., *observation]``, before any recurrent core."""
        if batch_first:  # images that are read in the order in which they lie need no copy
            return self.features(observation.transpose(0, 1)).transpose(0, 1)
        lead = observation.shape[: observation.ndim - self._observation_dims]
        features: Tensor = self.body(observation.reshape(-1, *observation.shape[len(lead) :]))
        return features.view(*lead, self.body.num_features)  # -1 would not do for no observations at all

    def observe(self, observation: Tensor, batch_first: bool = False) -> None:
        """Let the body's running statistics see ``[..., *observation]`` training observations."""
        if batch_first:
            observation = observation.transpose(0, 1)
        self.body.observe(observation.flatten(0, observation.ndim - self._observation_dims - 1))
