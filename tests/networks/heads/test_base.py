"""What holds for every head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete, MultiBinary, MultiDiscrete, Space

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.heads import ActionHead, default_head
from tests.networks.heads.cases import NUMBER, PAIR, ROBOT, TABLE, every_head, randomized


@every_head
@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_batch_shapes_and_leading_dimensions(
    kind: Any, space: Space[Any], shape: tuple[int, ...], lead: tuple[int, ...]
) -> None:
    """``[T, B, F]`` features give ``[T, B]`` densities, entropies, and actions of the space's shape."""
    distribution = randomized(kind(5, space))(torch.randn(*lead, 5))
    action = distribution.sample()
    assert action.shape == distribution.mode.shape == (*lead, *shape)
    assert distribution.log_prob(action).shape == distribution.entropy().shape == lead


@every_head
def test_each_state_has_a_distribution_of_its_own(kind: Any, space: Space[Any], shape: tuple[int, ...]) -> None:
    """It depends on the features of the state alone, whatever the other states in the batch are."""
    head, features = randomized(kind(5, space)), torch.randn(3, 4, 5)
    action = head(features).sample()
    together = head(features).log_prob(action)
    apart = torch.stack([head(features[:, i]).log_prob(action[:, i]) for i in range(4)], dim=1)
    torch.testing.assert_close(together, apart)
    assert together.unique().numel() > 1


@every_head
def test_gradients_reach_every_parameter(kind: Any, space: Space[Any], shape: tuple[int, ...]) -> None:
    """The density of the actions depends on all of them."""
    head = randomized(kind(5, space))
    distribution = head(torch.randn(7, 5))
    distribution.log_prob(distribution.sample()).sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.all()] == []


@every_head
def test_weights_are_all_that_a_head_saves(kind: Any, space: Space[Any], shape: tuple[int, ...]) -> None:
    """Loaded into another head, they give the same density. Bounds are those of the space."""
    head, other, features = randomized(kind(5, space)), randomized(kind(5, space)), torch.randn(7, 5)
    action = head(features).sample()
    assert not torch.allclose(other(features).log_prob(action), head(features).log_prob(action))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(features).log_prob(action), head(features).log_prob(action))
    assert list(head.state_dict()) == [name for name, _ in head.named_parameters()]


@pytest.mark.parametrize(
    "space",
    [
        Discrete(3, start=1),
        PAIR,
        TABLE,
        NUMBER,
        MultiBinary(3),
        MultiBinary([2, 3]),
        MultiDiscrete([2, 3]),
        MultiDiscrete(np.array([[2, 3], [4, 5]])),
        ROBOT,
    ],
    ids=str,
)
def test_actions_are_the_tensors_that_the_environment_takes(space: Space[Any]) -> None:
    """They have the shape and the type that the spaces say."""
    spaces = EnvSpaces("X-v0", PAIR, space)
    head: ActionHead = default_head(5, space)
    action = head(torch.randn(4, 5)).sample()
    assert (action.shape, action.dtype) == ((4, *spaces.action_shape), spaces.action_dtype)
