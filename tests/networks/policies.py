"""Recurrent policies, as the tests of the networks use them."""

from __future__ import annotations

import functools

import torch

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.bodies import MLPBody
from lit_a3c.networks.recurrent import LSTM
from tests.rnn_reference import Kind


def recurrent_policy(spaces: EnvSpaces, kind: Kind = LSTM, share_body: bool = True) -> ActorCritic:
    """A recurrent core of four units, and weights with which its state matters."""
    policy = ActorCritic(
        spaces,
        body=functools.partial(MLPBody, hidden=[8], normalize=False),
        recurrent=functools.partial(kind, hidden_size=4),
        share_body=share_body,
    )
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter)
    return policy
