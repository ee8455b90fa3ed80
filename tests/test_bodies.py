from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import nn

from lit_a3c.bodies import A3CBody, ConvBody, MLPBody, NatureBody, default_body, orthogonal
from lit_a3c.errors import ConfigError

ATARI = Box(0, 255, (4, 84, 84), np.uint8)


def box(*shape: int) -> Box:
    return Box(-1, 1, shape, np.float32)


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_a3c_network_has_the_papers_size() -> None:
    """84 -8/4-> 20 -4/2-> 9: (4*64+1)*16 + (16*16+1)*32 + (32*81+1)*256."""
    body = A3CBody(ATARI)
    assert num_parameters(body) == 4_112 + 8_224 + 663_808
    assert body(torch.zeros(2, 4, 84, 84, dtype=torch.uint8)).shape == (2, 256)
    assert body.num_features == 256


def test_nature_network_has_the_papers_size() -> None:
    """84 -8/4-> 20 -4/2-> 9 -3/1-> 7: (4*64+1)*32 + (32*16+1)*64 + (64*9+1)*64 + (64*49+1)*512."""
    body = NatureBody(ATARI)
    assert num_parameters(body) == 8_224 + 32_832 + 36_928 + 1_606_144
    assert body(torch.zeros(2, 4, 84, 84, dtype=torch.uint8)).shape == (2, 512)
    assert body.num_features == 512


def test_convolution_is_that_of_the_scaled_picture() -> None:
    """Pixels in [0, 255] are divided by 255, then convolved and rectified in order."""
    body = ConvBody(Box(0, 255, (2, 6, 5), np.uint8), layers=((3, 3, 2), (4, 2, 1)), num_features=7)
    picture = torch.randint(0, 256, (3, 2, 6, 5), dtype=torch.uint8)
    x = picture.double() / 255
    first, second = body.convs[0], body.convs[2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    with torch.no_grad():
        for conv in (first, second):
            x = nn.functional.conv2d(x, conv.weight.double(), conv.bias.double(), conv.stride).relu()
        expected = (x.flatten(1) @ body.linear.weight.double().T + body.linear.bias.double()).relu()
    assert x.shape == (3, 4, 1, 1)
    torch.testing.assert_close(body(picture), expected.float())


def test_normalised_pictures_have_mean_zero_and_deviation_one() -> None:
    """As the first convolution sees them, whatever the contrast; statistics come from training pictures alone."""
    torch.manual_seed(0)
    body = NatureBody(ATARI, normalize=True)
    pictures = torch.randint(80, 91, (32, 4, 84, 84), dtype=torch.uint8)
    assert body.norm is not None
    body(pictures)
    assert body.norm.count == 0
    body.observe(pictures)
    pixels = pictures.double()
    assert body.norm.mean.item() == pytest.approx(pixels.mean().item(), abs=0.05)
    assert body.norm.var.item() == pytest.approx(pixels.var().item(), rel=0.01)
    scaled = ((pixels - body.norm.mean) / body.norm.var.sqrt()).float()
    conv = body.convs[0]
    expected = nn.functional.conv2d(scaled, conv.weight, conv.bias, conv.stride)
    torch.testing.assert_close(body._scaled_convolution(pictures.float()), expected, rtol=1e-4, atol=1e-4)
    assert "norm.mean" in body.state_dict()
    assert A3CBody(ATARI).norm is None


def test_gradients_do_not_change_the_features() -> None:
    """The memory layout chosen for backward passes is no other function."""
    body, picture = A3CBody(ATARI), torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        without = body(picture)
    torch.testing.assert_close(body(picture), without)
    body(picture).sum().backward()
    assert all(p.grad is not None for p in body.parameters())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_last_equals_channels_first(channels: int) -> None:
    """``[H, W, C]`` pictures, even with H != W, give the features of their ``[C, H, W]`` twins."""
    first = A3CBody(Box(0, 255, (channels, 84, 60), np.uint8))
    last = A3CBody(Box(0, 255, (84, 60, channels), np.uint8))
    last.load_state_dict(first.state_dict())
    picture = torch.randint(0, 256, (2, channels, 84, 60), dtype=torch.uint8)
    torch.testing.assert_close(last(picture.permute(0, 2, 3, 1)), first(picture))


@pytest.mark.parametrize("shape", [(3,), (84, 84), (2, 3, 4, 5)])
def test_convolutions_refuse_what_is_no_picture(shape: tuple[int, ...]) -> None:
    """The message names the body and the way out."""
    with pytest.raises(ConfigError, match=r"A3CBody needs images.*lit_a3c\.MLPBody"):
        A3CBody(box(*shape))


@pytest.mark.parametrize("shape", [(4, 7, 84), (4, 16, 16), (19, 84, 3)])
def test_convolutions_refuse_small_pictures(shape: tuple[int, ...]) -> None:
    """Too small for the first kernel or for a later one."""
    with pytest.raises(ConfigError, match="NatureBody needs larger images"):
        NatureBody(Box(0, 255, shape, np.uint8))


def test_mlp_shapes_and_size() -> None:
    """Any observation is flattened; without layers the features are the observation."""
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
def test_mlp_computes_its_definition(name: str, function: nn.Module) -> None:
    """Affine, activation, per layer; without the normaliser on the raw numbers, whole ones too."""
    body = MLPBody(box(3), hidden=[5], activation=name, normalize=False)
    layer = body.layers[0]
    assert isinstance(layer, nn.Linear)
    x = torch.tensor([[1, 20, -3]])
    torch.testing.assert_close(body(x), function(x.float() @ layer.weight.T + layer.bias))


def test_mlp_normalises_by_what_it_observed() -> None:
    """observe() moves the statistics, forward() does not, and normalize=False has none."""
    body = MLPBody(box(2), hidden=[])
    x = torch.tensor([[10.0, -4.0], [14.0, 0.0]])
    assert torch.equal(body(x), x.clamp(-10, 10))
    body.observe(x)
    torch.testing.assert_close(body(x), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    plain = MLPBody(box(2), normalize=False)
    plain.observe(x)
    assert list(plain.buffers()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "tahn"}, "model.body.activation 'tahn' must be one of.*Did you mean 'tanh'"),
        ({"hidden": [64, 0]}, "model.body.hidden 0 must be a whole number at least 1"),
        ({"hidden": [64.0]}, "model.body.hidden 64.0"),
    ],
)
def test_mlp_refuses_bad_options(arguments: dict, message: str) -> None:
    """By the name of the flag."""
    with pytest.raises(ConfigError, match=message):
        MLPBody(box(3), **arguments)


def test_default_body_follows_the_shape() -> None:
    """Three dimensions are a picture."""
    assert isinstance(default_body(ATARI), A3CBody)
    assert isinstance(default_body(box(17)), MLPBody)
    assert isinstance(default_body(box(5, 5)), MLPBody)


def test_orthogonal_weights_and_zero_bias() -> None:
    """``W W^T = gain^2 I`` for a wide layer."""
    layer = orthogonal(nn.Linear(9, 4), gain=3.0)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 9 * torch.eye(4))
    assert not layer.bias.any()
