"""Bodies: observations to features.

A body is made from the observation space alone, so a class path in a recipe is all it takes to plug in another::

    model:
      body:
        class_path: lit_a3c.MLPBody
        init_args: {hidden: [256, 256]}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import torch
from gymnasium.spaces import Box, Dict, Space
from torch import Tensor, nn

from lit_a3c.errors import ConfigError, check_choice, check_number
from lit_a3c.running import RunningNorm

M = TypeVar("M", nn.Linear, nn.Conv2d)

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU}


PIXEL_STRIDE = 37
"""Statistics of pixels are of one in so many: prime, so that all places of a picture have their turn. The mean picture
is of one picture in so many."""


class Body(nn.Module):
    """Interface of a body.

    Attributes:
        num_features: Size ``F`` of the output.
    """

    num_features: int

    def forward(self, observation: Tensor) -> Tensor:
        """``[N, ...]`` observations to ``[N, F]`` features."""
        raise NotImplementedError

    def observe(self, observation: Tensor) -> None:
        """See ``[N, ...]`` training observations once, before they are learned from. Statistics go here."""


class MLPBody(Body):
    """Fully connected layers on the flattened observation.

    Args:
        space: Observation space, any shape.
        hidden: Units of each layer.
        activation: One of ``tanh``, ``relu``, ``elu``, ``silu``.
        normalize: Whether a :class:`RunningNorm` comes first.
        gain: Of the orthogonal initial weights: at 1 small signals keep their size from layer to layer, at more they
            begin to saturate.
    """

    def __init__(
        self,
        space: Box,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        normalize: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice("model.body.activation", activation, ACTIVATIONS)
        for units in hidden:
            check_number("model.body.hidden", units, low=1, whole=True)
        check_number("model.body.gain", gain, above=0)
        size = int(torch.Size(space.shape).numel())
        self.norm = RunningNorm([size]) if normalize else None
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [orthogonal(nn.Linear(size, units), gain), ACTIVATIONS[activation]()]
            size = units
        self.layers = nn.Sequential(*layers)
        self.num_features = size

    def forward(self, observation: Tensor) -> Tensor:
        x = self._flat(observation)
        return self.layers(x.float() if self.norm is None else self.norm(x))

    def observe(self, observation: Tensor) -> None:
        if self.norm is not None:
            self.norm.update(self._flat(observation))

    @staticmethod
    def _flat(observation: Tensor) -> Tensor:
        return observation.reshape(observation.shape[0], math.prod(observation.shape[1:]))


class ConvBody(Body):
    """Convolutions and one fully connected layer on images with values in [0, 255].

    Args:
        space: Observation space ``[C, H, W]``, or ``[H, W, C]`` with at most four channels.
        layers: ``(channels, kernel, stride)`` of each convolution.
        num_features: Units of the fully connected layer.
        normalize: Shift and scale pixels by the mean and deviation of all pixels seen so far. Off, they are divided by
            255; then a dark game with a small ball is nearly the same picture to the network all the time.
        center: Subtract from each picture the mean of those seen so far, pixel by pixel, so that only what changes is
            left. Where most of a picture never does, as in Breakout, all features share it, and in the first updates
            most of them fall to zero, where ReLUs stay.

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
        picture = [space.shape[i] for i in ((2, 0, 1) if self.channels_last else (0, 1, 2))]
        channels, height, width = picture
        convs: list[nn.Module] = []
        for out, kernel, stride in layers:
            if min(height, width) < kernel:
                raise ConfigError(f"{type(self).__name__} needs larger images than {space.shape}.")
            convs += [orthogonal(nn.Conv2d(channels, out, kernel, stride), gain=2**0.5), nn.ReLU()]
            channels, height, width = out, (height - kernel) // stride + 1, (width - kernel) // stride + 1
        self.norm = RunningNorm([]) if normalize else None
        self.center = RunningNorm(picture) if center else None
        self.convs = nn.Sequential(*convs)
        self.linear = orthogonal(nn.Linear(channels * height * width, num_features), gain=2**0.5)
        self.num_features = num_features

    def forward(self, observation: Tensor) -> Tensor:
        x = self.convs[1:](self._scaled_convolution(self._channels_first(observation)))
        return torch.relu(self.linear(x.flatten(1)))

    def _channels_first(self, observation: Tensor) -> Tensor:
        return observation.movedim(-1, 1) if self.channels_last else observation

    def _scaled_convolution(self, pixels: Tensor) -> Tensor:
        """The first convolution of scaled pixels. Scaling its weights instead is the same, and they are fewer."""
        conv = cast(nn.Conv2d, self.convs[0])
        weight = conv.weight * (1 / 255 if self.norm is None else torch.rsqrt(self.norm.var + self.norm.eps))
        bias = cast(Tensor, conv.bias)
        if self.center is not None:  # that of a difference is the difference of both, and one of them is one picture
            mean = nn.functional.conv2d(self.center.mean.unsqueeze(0), weight, None, conv.stride)
            return self._convolution(pixels, weight, None) + (bias.view(-1, 1, 1) - mean)
        if self.norm is not None:
            bias = bias - self.norm.mean * weight.sum((1, 2, 3))
        return self._convolution(pixels, weight, bias)

    def _convolution(self, pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The first convolution with these weights, by the fastest way."""
        stride = cast(nn.Conv2d, self.convs[0]).stride
        # Backward passes are cheaper with channels last on a CPU, and forward alone is dearer. Bytes are rearranged at
        # a quarter of the cost of floats.
        if torch.is_grad_enabled():
            if stride == (4, 4) and _can_fold(pixels) and _can_fold(weight):
                return nn.functional.conv2d(_fold(pixels).float(), _fold(weight), bias)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return nn.functional.conv2d(pixels.float(), weight, bias, stride)

    def observe(self, observation: Tensor) -> None:
        if self.norm is not None:
            self.norm.update(observation.flatten()[::PIXEL_STRIDE])
        if self.center is not None:
            self.center.update(self._channels_first(observation[::PIXEL_STRIDE]))


def _can_fold(x: Tensor) -> bool:
    """Whether :func:`_fold` takes a tensor."""
    return x.is_contiguous() and not any(size % 4 for size in (*x.shape[2:], x.storage_offset()))


def _fold(x: Tensor) -> Tensor:
    """Each 4 x 4 block of ``[N, C, H, W]`` becomes the channels of one place: ``[N, 16 * C, H / 4, W / 4]``.

    A convolution of stride 4 is one of stride 1 on pictures and weights so folded, with a kernel a quarter as wide:
    the same sums, but of 64 channels instead of 4, which a CPU's vector units are made for.
    """
    n, c, h, w = x.shape
    if x.dtype == torch.uint8:  # four pixels of a row are moved as one number
        blocks = x.view(torch.int32).view(n, c, h // 4, 4, w // 4).permute(0, 2, 4, 1, 3).contiguous().view(x.dtype)
    else:
        blocks = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, h // 4, w // 4, 16 * c).permute(0, 3, 1, 2)


class A3CBody(ConvBody):
    """The network of Mnih et al. (2016), section S8: 16 and 32 filters, 256 units."""

    def __init__(self, space: Box, normalize: bool = False, center: bool = False) -> None:
        super().__init__(space, ((16, 8, 4), (32, 4, 2)), 256, normalize, center)


class NatureBody(ConvBody):
    """The network of Mnih et al. (2015): 32, 64 and 64 filters, 512 units."""

    def __init__(self, space: Box, normalize: bool = False, center: bool = False) -> None:
        super().__init__(space, ((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512, normalize, center)


class DictBody(Body):
    """A body for each part of a ``Dict`` observation, their features side by side, and a layer that joins them.

    Heads are linear: without that layer no action could depend on one part in the light of another.

    Args:
        space: A ``Dict`` of ``Box`` spaces; its observations come flat, as Gymnasium flattens them.
        image: Makes the bodies of images.
        vector: Makes the bodies of everything else.
        join: Units of the layer that joins them; 0 for none.
    """

    def __init__(
        self,
        space: Space,
        image: Callable[[Box], Body] = A3CBody,
        vector: Callable[[Box], Body] = MLPBody,
        join: int = 256,
    ) -> None:
        super().__init__()
        if not isinstance(space, Dict):
            raise ConfigError(f"DictBody needs Dict observations, and the environment has {space}.")
        parts = [cast(Box, part) for part in space.values()]
        self.shapes = [torch.Size(part.shape) for part in parts]
        self.bodies = nn.ModuleList((image if len(part.shape) == 3 else vector)(part) for part in parts)
        check_number("model.body.join", join, low=0, whole=True)
        size = sum(body.num_features for body in self._bodies)
        self.join = nn.Sequential(orthogonal(nn.Linear(size, join), gain=2**0.5), nn.ReLU()) if join else None
        self.num_features = join or size

    def forward(self, observation: Tensor) -> Tensor:
        parts = zip(self._bodies, self._parts(observation), strict=True)
        features = torch.cat([body(part) for body, part in parts], dim=1)
        return features if self.join is None else self.join(features)

    def observe(self, observation: Tensor) -> None:
        for body, part in zip(self._bodies, self._parts(observation), strict=True):
            body.observe(part)

    @property
    def _bodies(self) -> list[Body]:
        return [cast(Body, body) for body in self.bodies]

    def _parts(self, observation: Tensor) -> list[Tensor]:
        """``[N, D]`` to one ``[N, *shape]`` each."""
        pieces = observation.split([shape.numel() for shape in self.shapes], dim=1)
        return [piece.reshape(-1, *shape) for piece, shape in zip(pieces, self.shapes, strict=True)]


def default_body(space: Space) -> Body:
    """The paper's network for images, one body each for the parts of a ``Dict``, else two fully connected layers."""
    if isinstance(space, Dict):
        return DictBody(space)
    assert isinstance(space, Box)
    return A3CBody(space) if len(space.shape) == 3 else MLPBody(space)


def orthogonal(layer: M, gain: float = 1.0) -> M:
    """The layer with orthogonal weights (Saxe et al. 2014) and zero bias."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
