from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Space, Tuple
from gymnasium.spaces.utils import flatten
from torch import Tensor, nn

from lit_a3c.bodies import A3CBody, Body, ConvBody, DictBody, MLPBody, NatureBody, default_body, orthogonal
from lit_a3c.bodies.conv import fold
from lit_a3c.errors import ConfigError

ATARI = Box(0, 255, (4, 84, 84), np.uint8)


def box(*shape: int) -> Box:
    return Box(-1, 1, shape, np.float32)


EYE = Box(0, 255, (1, 20, 20), np.uint8)
SENSES = Dict(OrderedDict(touch=box(2, 3), eye=EYE, heat=box(1)))
"""A table, a picture and a vector: 407 numbers in all."""


def sensed(count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Observations of the senses, flat as Gymnasium makes them and by their parts."""
    SENSES.seed(0)
    samples = [SENSES.sample() for _ in range(count)]
    parts = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in SENSES}
    return torch.from_numpy(np.stack([np.asarray(flatten(SENSES, sample)) for sample in samples])), parts


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


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("shape", [(4, 84, 84), (84, 84, 3), (2, 50, 44)])
def test_centred_pictures_are_what_differs_from_the_mean_picture(shape: tuple[int, ...], normalize: bool) -> None:
    """Each pixel from its own mean, divided by the deviation of all pixels or by 255; gradients too."""
    torch.manual_seed(0)
    body = A3CBody(Box(0, 255, shape, np.uint8), normalize=normalize, center=True)
    wall = torch.randint(0, 200, (1, *shape))
    pictures = (wall + torch.randint(0, 55, (38, *shape))).to(torch.uint8)
    body.observe(pictures)
    assert body.center is not None
    channels_first = body._channels_first(pictures).double()
    mean = channels_first[[0, 37]].mean(0)
    torch.testing.assert_close(body.center.mean, mean.float())
    deviation = 255.0 if body.norm is None else float((body.norm.var + body.norm.eps).sqrt())
    first = body.convs[0]
    assert isinstance(first, nn.Conv2d)
    scaled = ((channels_first - mean) / deviation).float()
    plain = nn.functional.conv2d(scaled, first.weight, first.bias, first.stride)
    learned = body._scaled_convolution(body._channels_first(pictures))
    torch.testing.assert_close(learned, plain, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(y.square().mean(), list(first.parameters())) for y in (learned, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_features_share_nothing_of_a_wall() -> None:
    """A picture that never changes leaves the first convolution its bias alone."""
    body = A3CBody(ATARI, normalize=True, center=True)
    wall = torch.randint(0, 256, (1, 4, 84, 84), dtype=torch.uint8)
    body.observe(wall)
    assert body._scaled_convolution(wall).abs().max() < 1e-4
    assert body._scaled_convolution(255 - wall).abs().max() > 0.1


def test_gradients_do_not_change_the_features() -> None:
    """The memory layout chosen for backward passes is no other function."""
    body, picture = A3CBody(ATARI), torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        without = body(picture)
    torch.testing.assert_close(body(picture), without)
    body(picture).sum().backward()
    assert all(p.grad is not None for p in body.parameters())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_folded_convolution_is_the_convolution(dtype: torch.dtype) -> None:
    """Where each 4 x 4 block is one place, stride 4 is stride 1: outputs and gradients."""
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (3, 2, 12, 16), dtype=torch.uint8).to(dtype)
    weight, bias = torch.randn(5, 2, 8, 8, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64)
    expected = nn.functional.conv2d(pictures.double(), weight, bias, stride=4)
    folded = nn.functional.conv2d(fold(pictures).double(), fold(weight), bias)
    torch.testing.assert_close(folded, expected)
    gradients = [torch.autograd.grad(y.square().sum(), weight)[0] for y in (folded, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("size", [(84, 84), (84, 83), (82, 84)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_gradients_are_those_of_the_plain_convolution(size: tuple[int, int], dtype: torch.dtype) -> None:
    """Whether or not pictures of that size and type are folded."""
    torch.manual_seed(0)
    body = A3CBody(Box(0, 255, (4, *size), np.uint8), normalize=True)
    pictures = torch.randint(0, 256, (3, 4, *size), dtype=torch.uint8)
    body.observe(pictures)
    assert body.norm is not None
    first = body.convs[0]
    assert isinstance(first, nn.Conv2d)
    plain = nn.functional.conv2d(body.norm(pictures), first.weight, first.bias, first.stride)
    learned = body._scaled_convolution(pictures.to(dtype))
    torch.testing.assert_close(learned, plain, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(y.square().mean(), first.weight)[0] for y in (learned, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_a_picture_may_lie_at_any_byte() -> None:
    """Four pixels are read as one number only where they begin at a multiple of four."""
    body, picture = A3CBody(ATARI), torch.randint(0, 256, (1, 4, 84, 84), dtype=torch.uint8)
    shifted = torch.cat([picture.new_zeros(1), picture.flatten()])[1:].view_as(picture)
    torch.testing.assert_close(body(shifted), body(picture))


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


def test_each_part_of_a_dict_has_its_body() -> None:
    """In its own shape, the picture's bytes as floats; features are side by side in the order of the space."""
    body = DictBody(SENSES, join=0)
    flat, parts = sensed(5)
    assert flat.shape == (5, 407)
    touch, eye, heat = body.bodies
    assert (type(touch), type(eye), type(heat)) == (MLPBody, A3CBody, MLPBody)
    assert body.num_features == 64 + 256 + 64
    expected = torch.cat([touch(parts["touch"]), eye(parts["eye"]), heat(parts["heat"])], dim=1)
    torch.testing.assert_close(body(flat), expected)


def test_a_rectified_layer_joins_the_parts() -> None:
    """On their features side by side; 256 units unless asked for others."""
    body, flat = DictBody(SENSES, join=9), sensed(5)[0]
    without = DictBody(SENSES, join=0)
    without.bodies.load_state_dict(body.bodies.state_dict())
    weight, bias = body.state_dict()["join.0.weight"], body.state_dict()["join.0.bias"]
    torch.testing.assert_close(body(flat), (without(flat) @ weight.T + bias).relu())
    assert body.num_features == 9
    assert DictBody(SENSES).num_features == DictBody(SENSES)(flat).shape[1] == 256


class Channel(Body):
    """The first channel of a picture whose channels are last."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.num_features = space.shape[0] * space.shape[1]

    def forward(self, observation: Tensor) -> Tensor:
        return observation[..., 0].flatten(1)


def test_parts_of_a_dict_keep_their_shapes() -> None:
    """By hand: a picture of two rows, two columns and two channels, then a vector."""
    space = Dict({"a": Box(0, 255, (2, 2, 2), np.uint8), "b": box(2)})
    body = DictBody(space, image=Channel, vector=functools.partial(MLPBody, hidden=[], normalize=False), join=0)
    observation = torch.tensor([[10.0, 11, 20, 21, 30, 31, 40, 41, -0.5, 0.5]])
    assert body(observation).tolist() == [[10, 20, 30, 40, -0.5, 0.5]]
    assert body.num_features == 6


def test_a_dict_of_pictures_takes_bytes() -> None:
    """Where no part has other numbers, nothing is made a float before the convolution."""
    body = DictBody(Dict({"left": EYE, "right": EYE}), join=0)
    pictures = torch.randint(0, 256, (3, 800), dtype=torch.uint8)
    assert body(pictures).shape == (3, 512)
    torch.testing.assert_close(body(pictures), body(pictures.float()))


def test_factories_make_the_bodies_of_pictures_and_of_all_else() -> None:
    """Each from its own part of the space."""
    image = functools.partial(ConvBody, layers=((2, 3, 1),), num_features=7)
    body = DictBody(SENSES, image=image, vector=functools.partial(MLPBody, hidden=[5]), join=0)
    touch, eye, heat = body.bodies
    assert (num_parameters(touch), num_parameters(heat)) == ((6 + 1) * 5, (1 + 1) * 5)
    assert num_parameters(eye) == (1 * 9 + 1) * 2 + (2 * 18 * 18 + 1) * 7
    assert body.num_features == 5 + 7 + 5


def test_a_part_of_three_dimensions_is_a_picture() -> None:
    """Whatever the type of its numbers, and bytes alone are none."""
    body = DictBody(Dict({"depth": box(1, 20, 20), "keys": Box(0, 255, (3,), np.uint8)}))
    assert [type(part) for part in body.bodies] == [A3CBody, MLPBody]


def test_each_part_of_a_dict_is_normalised_by_itself() -> None:
    """observe() shows every body its part, and forward() none."""
    body = DictBody(SENSES, image=functools.partial(A3CBody, normalize=True))
    flat, parts = sensed(50)
    counts = [body.state_dict()[f"bodies.{i}.norm.count"] for i in range(3)]
    touch, eye, heat = (body.state_dict()[f"bodies.{i}.norm.mean"] for i in range(3))
    body(flat)
    assert not any(counts)
    body.observe(flat)
    assert all(counts)
    torch.testing.assert_close(touch, parts["touch"].flatten(1).mean(0))
    torch.testing.assert_close(heat, parts["heat"].mean(0))
    assert eye.item() == pytest.approx(parts["eye"].float().mean().item(), abs=10)


def test_gradients_reach_the_bodies_of_all_parts() -> None:
    """From their features."""
    body = DictBody(SENSES)
    body(sensed(5)[0]).square().sum().backward()
    assert [name for name, p in body.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("space", [box(3), EYE, Tuple([box(3)]), Discrete(2)], ids=str)
def test_dict_body_refuses_other_spaces(space: Space[Any]) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match=r"DictBody needs Dict observations, and the environment has \w+\("):
        DictBody(space)


def test_dict_body_refuses_bad_numbers() -> None:
    """By the name of the flag."""
    with pytest.raises(ConfigError, match=r"model\.body\.join -1 must be a whole number"):
        DictBody(SENSES, join=-1)


@pytest.mark.parametrize("body", [MLPBody(box()), DictBody(Dict({"heat": box()}))])
def test_observations_of_one_number_without_dimensions(body: Body) -> None:
    """Are vectors of one number to the network."""
    observation = torch.zeros(3) if isinstance(body, MLPBody) else torch.zeros(3, 1)
    assert body(observation).shape == (3, body.num_features)


def test_default_body_follows_the_shape() -> None:
    """Three dimensions are a picture, and a Dict has a body for each part."""
    assert isinstance(default_body(ATARI), A3CBody)
    assert isinstance(default_body(box(17)), MLPBody)
    assert isinstance(default_body(box(5, 5)), MLPBody)
    assert isinstance(default_body(SENSES), DictBody)


def test_orthogonal_weights_and_zero_bias() -> None:
    """``W W^T = gain^2 I`` for a wide layer."""
    layer = orthogonal(nn.Linear(9, 4), gain=3.0)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 9 * torch.eye(4))
    assert not layer.bias.any()


@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_hidden_layers_begin_with_the_gain_asked_for(gain: float) -> None:
    """``W^T W = gain^2 I`` for a tall layer, then for a square one."""
    body = MLPBody(box(3), hidden=(8, 8), gain=gain)
    first, second = (layer for layer in body.layers if isinstance(layer, nn.Linear))
    torch.testing.assert_close(first.weight.T @ first.weight, gain**2 * torch.eye(3))
    torch.testing.assert_close(second.weight @ second.weight.T, gain**2 * torch.eye(8))


def test_a_gain_of_zero_is_refused() -> None:
    """Nothing would ever be learned."""
    with pytest.raises(ConfigError, match=r"model\.body\.gain"):
        MLPBody(box(3), gain=0)
