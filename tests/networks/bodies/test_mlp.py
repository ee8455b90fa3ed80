from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lit_a3c.networks.bodies import MLPBody
from lit_a3c.utils.errors import ConfigError
from tests.networks.bodies.spaces import box, num_parameters


def test_shapes_and_size() -> None:
    """Any observation is flattened. Without layers the features are the observation."""
    body = MLPBody(box(2, 3), hidden=[5, 4])
    assert num_parameters(body) == (6 + 1) * 5 + (5 + 1) * 4
    assert body(torch.zeros(7, 2, 3)).shape == (7, 4)
    assert body.num_features == 4
    assert MLPBody(box(2, 3), hidden=[]).num_features == 6
    assert MLPBody(box(), hidden=[]).num_features == 1
    assert num_parameters(MLPBody(box(17))) == 18 * 64 + 65 * 64


@pytest.mark.parametrize(
    ("name", "function"),
    [("tanh", torch.tanh), ("relu", torch.relu), ("elu", nn.functional.elu), ("silu", nn.functional.silu)],
)
def test_it_computes_its_definition(name: str, function: Any) -> None:
    """Each layer is affine, with an activation. Without the normaliser it takes raw numbers, whole ones too."""
    body = MLPBody(box(3), hidden=[5], activation=name, normalize=False)
    layer = body.layers[0]
    assert isinstance(layer, nn.Linear)
    x = torch.tensor([[1, 20, -3]])
    torch.testing.assert_close(body(x), function(x.float() @ layer.weight.T + layer.bias))


def test_it_normalises_by_what_it_observed() -> None:
    """observe() changes the statistics, forward() does not, and normalize=False has none."""
    body = MLPBody(box(2), hidden=[])
    x = torch.tensor([[10.0, -4.0], [14.0, 0.0]])
    assert torch.equal(body(x), x.clamp(-10, 10))
    body.observe(x)
    torch.testing.assert_close(body(x), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    plain = MLPBody(box(2), normalize=False)
    plain.observe(x)
    assert list(plain.buffers()) == []


def test_an_observation_without_dimensions_is_a_vector_of_one_number() -> None:
    """A batch of them has one dimension."""
    body = MLPBody(box())
    assert body(torch.zeros(3)).shape == (3, body.num_features)


@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_layers_begin_with_the_gain_asked_for(gain: float) -> None:
    """``W^T W = gain^2 I`` for a tall layer, then for a square one."""
    body = MLPBody(box(3), hidden=(8, 8), gain=gain)
    first, second = (layer for layer in body.layers if isinstance(layer, nn.Linear))
    torch.testing.assert_close(first.weight.T @ first.weight, gain**2 * torch.eye(3))
    torch.testing.assert_close(second.weight @ second.weight.T, gain**2 * torch.eye(8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "tahn"}, "model.body.activation 'tahn' must be one of.*Did you mean 'tanh'"),
        ({"hidden": [64, 0]}, "model.body.hidden 0 must be a whole number at least 1"),
        ({"hidden": [64.0]}, "model.body.hidden 64.0"),
        ({"gain": 0}, "model.body.gain 0 must be a number above 0"),  # nothing would ever be learned
    ],
)
def test_bad_options_are_refused(arguments: dict[str, Any], message: str) -> None:
    """The message has the name of the option."""
    with pytest.raises(ConfigError, match=message):
        MLPBody(box(3), **arguments)
