from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.bodies import MLPBody
from lit_a3c.networks.encoder import Encoder
from lit_a3c.networks.recurrent import GRU, LSTM
from tests.rnn_reference import Kind


def test_a_collectors_buffer_is_read_in_place(discrete_spaces: EnvSpaces) -> None:
    """A ``[T, B]`` view of ``[B, T]`` memory, or of some of its environments, gives the same numbers without a copy."""

    class AddressBody(MLPBody):
        """Notes where in memory its observations are."""

        def forward(self, observation: Tensor) -> Tensor:
            self.read = observation.data_ptr()
            return super().forward(observation)

        def observe(self, observation: Tensor) -> None:
            self.observed = observation.data_ptr()
            super().observe(observation)

    policy = ActorCritic(discrete_spaces, body=AddressBody)
    policy.value.weight.data.fill_(1)
    buffer = torch.rand(6, 3, *discrete_spaces.observation_shape)
    policy.observe(buffer)
    view = buffer[2:].transpose(0, 1)
    expected = policy(view.contiguous()).value
    torch.testing.assert_close(policy(view).value, expected)
    body = policy.encoder.body
    assert isinstance(body, AddressBody)
    assert body.read != view.data_ptr(), "without being told it cannot know"
    torch.testing.assert_close(policy(view, batch_first=True).value, expected)
    policy.observe(view, batch_first=True)
    assert body.read == body.observed == view.data_ptr()


@pytest.mark.parametrize("batch_first", [False, True])
def test_observations_count_once_in_either_order(discrete_spaces: EnvSpaces, batch_first: bool) -> None:
    """The statistics are those of all observations, whichever axis comes first in memory."""
    encoder = Encoder(discrete_spaces, MLPBody, None)
    observation = torch.randn(6, 4, 3) * 3 + 1
    encoder.observe(observation, batch_first)
    assert isinstance(encoder.body, MLPBody)
    assert encoder.body.norm is not None
    assert encoder.body.norm.count == 24
    torch.testing.assert_close(encoder.body.norm.mean, observation.flatten(0, 1).mean(0))


def test_without_a_recurrent_core_features_are_the_bodys(discrete_spaces: EnvSpaces) -> None:
    """States have size 0, and the end of an episode changes nothing."""
    encoder = Encoder(discrete_spaces, functools.partial(MLPBody, hidden=[9]), None)
    observation = torch.randn(6, 4, 3)
    features, state = encoder(observation, None, torch.ones(6, 4, dtype=torch.bool))
    assert (encoder.num_features, encoder.state_size, state.shape) == (9, 0, (6, 4, 0))
    torch.testing.assert_close(features.flatten(0, 1), encoder.body(observation.flatten(0, 1)))


@pytest.mark.parametrize(("kind", "size"), [(LSTM, 8), (GRU, 4)])
def test_a_recurrent_core_follows_the_body(discrete_spaces: EnvSpaces, kind: Kind, size: int) -> None:
    """It is made from the number of the body's features, takes them, and gives those that the heads see."""
    body = functools.partial(MLPBody, hidden=[9])
    encoder = Encoder(discrete_spaces, body, functools.partial(kind, hidden_size=4))
    assert (encoder.num_features, encoder.state_size) == (4, size)
    observation, state, done = torch.randn(6, 2, 3), torch.randn(2, size), torch.rand(6, 2) < 0.3
    assert encoder.recurrent is not None
    expected = encoder.recurrent(encoder.features(observation), state, done)
    found = encoder(observation, state, done)
    torch.testing.assert_close(found.features, expected.features)
    torch.testing.assert_close(found.recurrent_state, expected.recurrent_state)


def test_no_observations_give_no_features(discrete_spaces: EnvSpaces) -> None:
    """A batch may be empty, where no episode was cut short."""
    encoder = Encoder(discrete_spaces, MLPBody, None)
    assert encoder.features(torch.zeros(0, 3)).shape == (0, encoder.num_features)
