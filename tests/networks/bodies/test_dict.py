from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatten
from torch import Tensor

from lit_a3c.networks.bodies import A3CBody, Body, ConvBody, DictBody, MLPBody, SmallImageBody, default_body
from lit_a3c.utils.errors import ConfigError
from tests.networks.bodies.spaces import ATARI, box, num_parameters

EYE = Box(0, 255, (1, 20, 20), np.uint8)
SENSES = Dict(OrderedDict(touch=box(2, 3), eye=EYE, heat=box(1)))
"""A table, an image and a vector: 407 numbers in all."""


def observations(count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Observations of ``SENSES``, flat as Gymnasium makes them and by their parts."""
    SENSES.seed(0)
    samples = [SENSES.sample() for _ in range(count)]
    parts = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in SENSES}
    return torch.from_numpy(np.stack([np.asarray(flatten(SENSES, sample)) for sample in samples])), parts


def test_each_part_has_its_body() -> None:
    """The body gets its part in its own shape. The features are side by side in the order of the space."""
    body = DictBody(SENSES, join=0)
    flat, parts = observations(5)
    assert flat.shape == (5, 407)
    touch, eye, heat = body.bodies
    assert (type(touch), type(eye), type(heat)) == (MLPBody, SmallImageBody, MLPBody)
    assert body.num_features == 64 + 128 + 64
    expected = torch.cat([touch(parts["touch"]), eye(parts["eye"]), heat(parts["heat"])], dim=1)
    torch.testing.assert_close(body(flat), expected, rtol=1e-4, atol=1e-3)


def test_a_rectified_layer_joins_the_parts() -> None:
    """It takes their features side by side, and has 256 units unless another number is asked for."""
    body, flat = DictBody(SENSES, join=9), observations(5)[0]
    without = DictBody(SENSES, join=0)
    without.bodies.load_state_dict(body.bodies.state_dict())
    weight, bias = body.state_dict()["join.0.weight"], body.state_dict()["join.0.bias"]
    torch.testing.assert_close(body(flat), (without(flat) @ weight.T + bias).relu())
    assert body.num_features == 9
    assert DictBody(SENSES).num_features == DictBody(SENSES)(flat).shape[1] == 256


class Channel(Body):
    """The first channel of an image whose channels are last."""

    def __init__(self, space: Box) -> None:
        super().__init__()
        self.num_features = space.shape[0] * space.shape[1]

    def forward(self, observation: Tensor) -> Tensor:
        return observation[..., 0].flatten(1)


def test_parts_keep_their_shapes() -> None:
    """An image of two rows, two columns and two channels, then a vector, written out by hand."""
    space = Dict({"a": Box(0, 255, (2, 2, 2), np.uint8), "b": box(2)})
    body = DictBody(space, image=Channel, vector=functools.partial(MLPBody, hidden=[], normalize=False), join=0)
    observation = torch.tensor([[10.0, 11, 20, 21, 30, 31, 40, 41, -0.5, 0.5]])
    assert body(observation).tolist() == [[10, 20, 30, 40, -0.5, 0.5]]
    assert body.num_features == 6


def test_a_dict_of_images_takes_bytes() -> None:
    """Where all parts are bytes, nothing becomes a float before the convolution."""
    body = DictBody(Dict({"left": EYE, "right": EYE}), join=0)
    images = torch.randint(0, 256, (3, 800), dtype=torch.uint8)
    assert body(images).shape == (3, 256)
    torch.testing.assert_close(body(images), body(images.float()))


def test_factories_make_the_bodies_of_images_and_of_all_else() -> None:
    """Each body is made from its own part of the space."""
    image = functools.partial(ConvBody, layers=((2, 3, 1),), num_features=7)
    body = DictBody(SENSES, image=image, vector=functools.partial(MLPBody, hidden=[5]), join=0)
    touch, eye, heat = body.bodies
    assert (num_parameters(touch), num_parameters(heat)) == ((6 + 1) * 5, (1 + 1) * 5)
    assert num_parameters(eye) == (1 * 9 + 1) * 2 + (2 * 18 * 18 + 1) * 7
    assert body.num_features == 5 + 7 + 5


def test_a_part_of_three_dimensions_is_an_image() -> None:
    """The type of its numbers does not matter, and bytes alone are no image."""
    body = DictBody(Dict({"depth": box(1, 20, 20), "keys": Box(0, 255, (3,), np.uint8)}))
    assert [type(part) for part in body.bodies] == [SmallImageBody, MLPBody]


def test_parts_of_nested_spaces_are_taken_one_by_one() -> None:
    """One-hot vectors are not normalised: their bodies have no statistics."""
    inner = Tuple([Discrete(3, start=2), MultiBinary(2), MultiDiscrete([2, 4])])
    space = Dict(OrderedDict(inner=inner, eye=EYE, heat=box()))
    body = DictBody(space, vector=functools.partial(MLPBody, hidden=[]), join=0)
    assert [type(part).__name__ for part in body.bodies] == ["MLPBody"] * 3 + ["SmallImageBody", "MLPBody"]
    assert [hasattr(part, "norm") and part.norm is not None for part in body.bodies] == [False] * 3 + [True] * 2
    space.seed(0)
    sample = space.sample()
    flat = torch.from_numpy(np.asarray(flatten(space, sample), np.float32))[None]
    assert flat.shape == (1, 3 + 2 + 6 + 400 + 1)
    features = body(flat)[0]
    assert features[:3].tolist() == [float(sample["inner"][0] == value) for value in (2, 3, 4)]
    assert features[3:5].tolist() == sample["inner"][1].tolist()
    first, second = sample["inner"][2]
    assert features[5:11].tolist() == [float(first == 0), float(first == 1), *(float(second == v) for v in range(4))]


def test_each_part_is_normalised_by_itself() -> None:
    """observe() shows every body its part, and forward() shows it to none."""
    body = DictBody(SENSES, image=functools.partial(A3CBody, normalize=True))
    flat, parts = observations(50)
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
    """Every parameter has a gradient that is not zero."""
    body = DictBody(SENSES)
    body(observations(5)[0]).square().sum().backward()
    assert [name for name, p in body.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_part_without_dimensions_is_a_vector_of_one_number() -> None:
    """Flat, it is one number."""
    body = DictBody(Dict({"heat": box()}))
    assert body(torch.zeros(3, 1)).shape == (3, body.num_features)


@pytest.mark.parametrize("space", [box(3), EYE, Discrete(2)], ids=str)
def test_other_spaces_are_refused(space: Space[Any]) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match=r"DictBody needs Dict or Tuple observations, and the environment has \w+\("):
        DictBody(space)


def test_bad_numbers_are_refused() -> None:
    """The message has the name of the option."""
    with pytest.raises(ConfigError, match=r"model\.body\.join -1 must be a whole number"):
        DictBody(SENSES, join=-1)


def test_default_body_follows_the_shape() -> None:
    """Three dimensions are an image, small ones have a body of their own, and a Dict has a body for each part."""
    assert isinstance(default_body(ATARI), A3CBody)
    assert isinstance(default_body(box(17)), MLPBody)
    assert isinstance(default_body(box(5, 5)), MLPBody)
    assert isinstance(default_body(SENSES), DictBody)
    assert isinstance(default_body(Tuple([box(3), Discrete(2)])), DictBody)
    for small in (EYE, box(7, 7, 3), box(36, 35, 3), box(5, 5, 20)):
        assert isinstance(default_body(small), SmallImageBody)
    assert isinstance(default_body(box(36, 36, 3)), A3CBody)
    for other in (box(4, 4, 3), box(), box(2, 3, 4, 5), Discrete(5), MultiBinary([2, 2]), MultiDiscrete([2, 3])):
        assert isinstance(default_body(other), MLPBody)
