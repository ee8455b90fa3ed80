from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import nn

from lit_a3c.networks.bodies import A3CBody, ConvBody, NatureBody
from lit_a3c.networks.bodies.conv import fold
from lit_a3c.utils.errors import ConfigError
from tests.networks.bodies.spaces import ATARI, box, num_parameters


def first_convolution(body: ConvBody) -> nn.Conv2d:
    conv = body.convs[0]
    assert isinstance(conv, nn.Conv2d)
    return conv


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


def test_convolution_is_that_of_the_scaled_image() -> None:
    """Pixels in [0, 255] are divided by 255, then convolved and rectified in order."""
    body = ConvBody(Box(0, 255, (2, 6, 5), np.uint8), layers=((3, 3, 2), (4, 2, 1)), num_features=7)
    image = torch.randint(0, 256, (3, 2, 6, 5), dtype=torch.uint8)
    x = image.double() / 255
    first, second = body.convs[0], body.convs[2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    with torch.no_grad():
        for conv in (first, second):
            assert conv.bias is not None
            x = nn.functional.conv2d(x, conv.weight.double(), conv.bias.double(), conv.stride).relu()
        expected = (x.flatten(1) @ body.linear.weight.double().T + body.linear.bias.double()).relu()
    assert x.shape == (3, 4, 1, 1)
    torch.testing.assert_close(body(image), expected.float())


def test_normalised_images_have_mean_zero_and_deviation_one() -> None:
    """The first convolution gets them so, whatever the contrast is. Statistics come from training images alone."""
    torch.manual_seed(0)
    body = NatureBody(ATARI, normalize=True)
    images = torch.randint(80, 91, (32, 4, 84, 84), dtype=torch.uint8)
    assert body.norm is not None
    body(images)
    assert body.norm.count == 0
    body.observe(images)
    pixels = images.double()
    assert body.norm.mean.item() == pytest.approx(pixels.mean().item(), abs=0.05)
    assert body.norm.var.item() == pytest.approx(pixels.var().item(), rel=0.01)
    scaled = ((pixels - body.norm.mean) / body.norm.var.sqrt()).float()
    conv = first_convolution(body)
    expected = nn.functional.conv2d(scaled, conv.weight, conv.bias, conv.stride)
    torch.testing.assert_close(body._scaled_convolution(images.float()), expected, rtol=1e-4, atol=1e-4)
    assert "norm.mean" in body.state_dict()
    assert A3CBody(ATARI).norm is None


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("shape", [(4, 84, 84), (84, 84, 3), (2, 50, 44)])
def test_centred_images_are_what_differs_from_the_mean_image(shape: tuple[int, ...], normalize: bool) -> None:
    """Each pixel loses its own mean and is divided by the deviation of all pixels or by 255; gradients agree too."""
    torch.manual_seed(0)
    body = A3CBody(Box(0, 255, shape, np.uint8), normalize=normalize, center=True)
    background = torch.randint(0, 200, (1, *shape))
    images = (background + torch.randint(0, 55, (38, *shape))).to(torch.uint8)
    body.observe(images)
    assert body.center is not None
    channels_first = body._channels_first(images).double()
    mean = channels_first[[0, 37]].mean(0)
    torch.testing.assert_close(body.center.mean, mean.float())
    deviation = 255.0 if body.norm is None else float((body.norm.var + body.norm.eps).sqrt())
    first = first_convolution(body)
    scaled = ((channels_first - mean) / deviation).float()
    plain = nn.functional.conv2d(scaled, first.weight, first.bias, first.stride)
    learned = body._scaled_convolution(body._channels_first(images))
    torch.testing.assert_close(learned, plain, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(y.square().mean(), list(first.parameters())) for y in (learned, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_an_image_that_never_changes_leaves_no_features() -> None:
    """The first convolution gives its bias alone, which is zero at the start."""
    body = A3CBody(ATARI, normalize=True, center=True)
    background = torch.randint(0, 256, (1, 4, 84, 84), dtype=torch.uint8)
    body.observe(background)
    assert body._scaled_convolution(background).abs().max() < 1e-4
    assert body._scaled_convolution(255 - background).abs().max() > 0.1


def test_gradients_do_not_change_the_features() -> None:
    """The memory layout that is chosen for backward passes changes nothing but the speed."""
    body, image = A3CBody(ATARI), torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        without = body(image)
    torch.testing.assert_close(body(image), without)
    body(image).sum().backward()
    assert all(p.grad is not None for p in body.parameters())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_folded_convolution_is_the_convolution(dtype: torch.dtype) -> None:
    """Where each 4 x 4 block is one place, stride 4 is stride 1: outputs and gradients are the same."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 2, 12, 16), dtype=torch.uint8).to(dtype)
    weight, bias = torch.randn(5, 2, 8, 8, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64)
    expected = nn.functional.conv2d(images.double(), weight, bias, stride=4)
    folded = nn.functional.conv2d(fold(images).double(), fold(weight), bias)
    torch.testing.assert_close(folded, expected)
    gradients = [torch.autograd.grad(y.square().sum(), weight)[0] for y in (folded, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("size", [(84, 84), (84, 83), (82, 84)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_gradients_are_those_of_the_plain_convolution(size: tuple[int, int], dtype: torch.dtype) -> None:
    """They are, whether or not images of that size and type are folded."""
    torch.manual_seed(0)
    body = A3CBody(Box(0, 255, (4, *size), np.uint8), normalize=True)
    images = torch.randint(0, 256, (3, 4, *size), dtype=torch.uint8)
    body.observe(images)
    assert body.norm is not None
    first = first_convolution(body)
    plain = nn.functional.conv2d(body.norm(images), first.weight, first.bias, first.stride)
    learned = body._scaled_convolution(images.to(dtype))
    torch.testing.assert_close(learned, plain, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(y.square().mean(), first.weight)[0] for y in (learned, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_an_image_may_lie_at_any_byte() -> None:
    """Four pixels are read as one number only where they begin at a multiple of four."""
    body, image = A3CBody(ATARI), torch.randint(0, 256, (1, 4, 84, 84), dtype=torch.uint8)
    shifted = torch.cat([image.new_zeros(1), image.flatten()])[1:].view_as(image)
    torch.testing.assert_close(body(shifted), body(image))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_last_equals_channels_first(channels: int) -> None:
    """``[H, W, C]`` images, even with H != W, give the features of the same ``[C, H, W]`` images."""
    first = A3CBody(Box(0, 255, (channels, 84, 60), np.uint8))
    last = A3CBody(Box(0, 255, (84, 60, channels), np.uint8))
    last.load_state_dict(first.state_dict())
    image = torch.randint(0, 256, (2, channels, 84, 60), dtype=torch.uint8)
    torch.testing.assert_close(last(image.permute(0, 2, 3, 1)), first(image))


@pytest.mark.parametrize("shape", [(3,), (84, 84), (2, 3, 4, 5)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    """The message names the body and the remedy."""
    with pytest.raises(ConfigError, match=r"A3CBody needs images.*lit_a3c\.MLPBody"):
        A3CBody(box(*shape))


@pytest.mark.parametrize("shape", [(4, 7, 84), (4, 16, 16), (19, 84, 3)])
def test_small_images_are_refused(shape: tuple[int, ...]) -> None:
    """They are too small for the first kernel or for a later one."""
    with pytest.raises(ConfigError, match="NatureBody needs larger images"):
        NatureBody(Box(0, 255, shape, np.uint8))
