"""Convolutions on images: the networks of the two Atari papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeGuard, cast

import torch
from gymnasium.spaces import Box, Space
from torch import Tensor, nn

from lit_a3c.networks.bodies.base import Body, orthogonal
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.utils.errors import ConfigError

PIXEL_STRIDE = 37
"""The statistics of pixels are taken from one pixel in so many, and the mean image from one image in so many. The
number is prime, so that every place of an image is taken in turn."""


Layers = Sequence[tuple[int, int, int]]
"""``(channels, kernel, stride)`` of each convolution."""


class ConvBody(Body):
    """Convolutions and one fully connected layer on images with values in [0, 255].

    Args:
        space: Observation space, ``[C, H, W]`` or ``[H, W, C]``, see :func:`image_shape`.
        layers: The convolutions.
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
        layers: Layers,
        num_features: int,
        normalize: bool = False,
        center: bool = False,
    ) -> None:
        super().__init__()
        if not is_image(space):
            raise ConfigError(
                f"{type(self).__name__} needs images of three dimensions, and the environment has observations "
                f"{space}. Use --model.body lit_a3c.MLPBody."
            )
        channels, height, width = image = image_shape(space)
        self.channels_last = image != space.shape
        if not large_enough(space, layers):
            raise ConfigError(f"{type(self).__name__} needs larger images than {space.shape}.")
        convs: list[nn.Module] = []
        for out, kernel, stride in layers:
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


class _FixedBody(ConvBody):
    """A body whose layers do not depend on the space."""

    layers: ClassVar[Layers]
    units: ClassVar[int]

    def __init__(self, space: Box, normalize: bool = False, center: bool = False) -> None:
        super().__init__(space, self.layers, self.units, normalize, center)

    @classmethod
    def fits(cls, space: Space) -> bool:
        return is_image(space) and large_enough(space, cls.layers)


class A3CBody(_FixedBody):
    """The network of Mnih et al. (2016), section S8: 16 and 32 filters, 256 units."""

    layers = ((16, 8, 4), (32, 4, 2))
    units = 256


class NatureBody(_FixedBody):
    """The network of Mnih et al. (2015): 32, 64 and 64 filters, 512 units."""

    layers = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
    units = 512


class SmallImageBody(_FixedBody):
    """For images of a few cells, such as those of MiniGrid and MinAtar: 16 and 32 filters, 128 units.

    A side has at least 5 pixels. Values are seldom up to 255 there, so by default they are shifted and scaled by the
    mean and deviation of what was seen so far.
    """

    layers = ((16, 3, 1), (32, 3, 2))
    units = 128

    def __init__(self, space: Box, normalize: bool = True, center: bool = False) -> None:
        super().__init__(space, normalize, center)


SMALL = 36
"""Images with a side of fewer pixels are small. The convolutions of the Atari papers would leave next to nothing."""


def is_image(space: Space) -> TypeGuard[Box]:
    """Whether observations are images: a ``Box`` of three dimensions."""
    return isinstance(space, Box) and len(space.shape) == 3


def is_small(space: Box) -> bool:
    """Whether images have a side of fewer than 36 pixels."""
    return min(image_shape(space)[1:]) < SMALL


def image_shape(space: Box) -> tuple[int, int, int]:
    """Channels, height and width of images that have their channels first or last.

    The two dimensions that are equal are height and width. If no two are, or all, then the channels are first unless
    there are fewer of them in the last place.
    """
    first, second, third = space.shape
    last = first == second if (first == second) != (second == third) else third < first
    return (third, first, second) if last else (first, second, third)


def large_enough(space: Box, layers: Layers) -> bool:
    """Whether each kernel fits into what the layers before it leave of an image."""
    size = min(image_shape(space)[1:])
    for _, kernel, stride in layers:
        if size < kernel:
            return False
        size = (size - kernel) // stride + 1
    return True


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
