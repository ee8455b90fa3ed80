"""Convolutions on images: the networks of the two Atari papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.utils.errors import ConfigError

PIXEL_STRIDE = 37
"""The statistics of pixels are taken from one pixel in so many, and the mean image from one image in so many. The
number is prime, so that every place of an image is taken in turn."""


class ConvBody(Body):
    """Convolutions and one fully connected layer on images with values in [0, 255].

    Args:
        space: Observation space ``[C, H, W]``, or ``[H, W, C]`` with at most four channels.
        layers: ``(channels, kernel, stride)`` of each convolution.
        num_features: Units of the fully connected layer.
        normalize: Shift and scale pixels by the mean and deviation of all pixels seen so far. Off, they are divided by
            255. Then a dark game with a small ball looks nearly the same to the network all the time.
        center: Subtract from each image the mean of those seen so far, pixel by pixel, so that only what changes is
            left. Where most of an image never changes, as in Breakout, all features share that part. In the first
            updates most of them then fall to zero, where ReLUs stay.

    Raises:
        ConfigError: The observations are no images, or too small for the kernels.
    """

    def __init__(
        self,
        space: Box,
        layers: Sequence[tuple[int, int, int]],
        num_features: int,
        normalize: bool = False,
        center: bool = False,
    ) -> None:
        super().__init__()
        if len(space.shape) != 3:
            raise ConfigError(
                f"{type(self).__name__} needs images of three dimensions, and the observations have shape "
                f"{space.shape}. Use --model.body lit_a3c.MLPBody."
            )
        self.channels_last = space.shape[2] <= 4 < space.shape[0]
        image = [space.shape[i] for i in ((2, 0, 1) if self.channels_last else (0, 1, 2))]
        channels, height, width = image
        convs: list[nn.Module] = []
        for out, kernel, stride in layers:
            if min(height, width) < kernel:
                raise ConfigError(f"{type(self).__name__} needs larger images than {space.shape}.")
            convs += [orthogonal(nn.Conv2d(channels, out, kernel, stride), gain=2**0.5), nn.ReLU()]
            channels, height, width = out, (height - kernel) // stride + 1, (width - kernel) // stride + 1
        self.norm = RunningNorm([]) if normalize else None
        self.center = RunningNorm(image) if center else None
        self.convs = nn.Sequential(*convs)
        self.linear = orthogonal(nn.Linear(channels * height * width, num_features), gain=2**0.5)
        self.num_features = num_features

    def forward(self, observation: Tensor) -> Tensor:
        x = self.convs[1:](self._scaled_convolution(self._channels_first(observation)))
        return torch.relu(self.linear(x.flatten(1)))

    def _channels_first(self, observation: Tensor) -> Tensor:
        return observation.movedim(-1, 1) if self.channels_last else observation

    def _scaled_convolution(self, pixels: Tensor) -> Tensor:
        """The first convolution of scaled pixels. Scaling its weights gives the same, and there are fewer of them."""
        conv = cast(nn.Conv2d, self.convs[0])
        weight = conv.weight * (1 / 255 if self.norm is None else torch.rsqrt(self.norm.var + self.norm.eps))
        bias = cast(Tensor, conv.bias)
        if self.center is not None:  # conv(x - mean) = conv(x) - conv(mean), and conv(mean) is one image
            mean = nn.functional.conv2d(self.center.mean.unsqueeze(0), weight, None, conv.stride)
            return self._convolution(pixels, weight, None) + (bias.view(-1, 1, 1) - mean)
        if self.norm is not None:
            bias = bias - self.norm.mean * weight.sum((1, 2, 3))
        return self._convolution(pixels, weight, bias)

    def _convolution(self, pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The first convolution with these weights, in the fastest way."""
        stride = cast(nn.Conv2d, self.convs[0]).stride
        # With channels last a backward pass is cheaper on a CPU, and a forward pass alone is dearer. Rearranging bytes
        # costs a quarter of rearranging floats.
        if torch.is_grad_enabled():
            if stride == (4, 4) and can_fold(pixels) and can_fold(weight):
                return nn.functional.conv2d(fold(pixels).float(), fold(weight), bias)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return nn.functional.conv2d(pixels.float(), weight, bias, stride)

    def observe(self, observation: Tensor) -> None:
        if self.norm is not None:
            self.norm.update(observation.flatten()[::PIXEL_STRIDE])
        if self.center is not None:
            self.center.update(self._channels_first(observation[::PIXEL_STRIDE]))


class A3CBody(ConvBody):
    """The network of Mnih et al. (2016), section S8: 16 and 32 filters, 256 units."""

    def __init__(self, space: Box, normalize: bool = False, center: bool = False) -> None:
        super().__init__(space, ((16, 8, 4), (32, 4, 2)), 256, normalize, center)


class NatureBody(ConvBody):
    """The network of Mnih et al. (2015): 32, 64 and 64 filters, 512 units."""

    def __init__(self, space: Box, normalize: bool = False, center: bool = False) -> None:
        super().__init__(space, ((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512, normalize, center)


def can_fold(x: Tensor) -> bool:
    """Whether :func:`fold` takes a tensor."""
    return x.is_contiguous() and not any(size % 4 for size in (*x.shape[2:], x.storage_offset()))


def fold(x: Tensor) -> Tensor:
    """Each 4 x 4 block of ``[N, C, H, W]`` becomes the channels of one place: ``[N, 16 * C, H / 4, W / 4]``.

    A convolution of stride 4 is one of stride 1 on images and weights so folded, with a kernel a quarter as wide:
    the same sums, but over 64 channels instead of 4, which suits the vector units of a CPU.
    """
    n, c, h, w = x.shape
    if x.dtype == torch.uint8:  # four pixels of a row are moved as one number
        blocks = x.view(torch.int32).view(n, c, h // 4, 4, w // 4).permute(0, 2, 4, 1, 3).contiguous().view(x.dtype)
    else:
        blocks = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, h // 4, w // 4, 16 * c).permute(0, 3, 1, 2)
