"""The plain form of spaces in a checkpoint, and the tensors of observations and actions."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Text, Tuple

from lit_a3c.envs import EnvConfig, EnvSpaces
from tests.dummy_envs import dummy

PIXELS = Box(0, 255, (1, 20, 20), np.uint8)
HINT = Box(np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32))


SPACES = [
    Discrete(5),
    Discrete(3, start=1),
    Discrete(3, start=-1),
    Discrete(3, dtype=np.int32),
    Box(0, 255, (4, 84, 84), np.uint8),
    Box(-np.inf, np.inf, (17,), np.float64),
    HINT,
    Box(np.array([-np.inf, 0.1, -3], np.float32), np.array([np.inf, 0.7, 1e30], np.float32)),
    Box(-1, 1, (), np.float32),
    Box(-1, np.array([[1, 2], [3, 4]], np.float64), (2, 2), np.float64),
    Box(-1, 1, (2, 3), np.float32),
    MultiDiscrete([3, 4]),
    MultiDiscrete([3, 4], start=[1, -5]),
    MultiDiscrete(np.array([[2, 3], [4, 5]]), start=np.array([[0, 1], [-2, 3]])),
    MultiDiscrete([3, 4], dtype=np.int32),
    MultiBinary(3),
    MultiBinary([3]),
    MultiBinary([2, 3]),
    Tuple([Discrete(2), HINT]),
    Tuple([]),
    Dict({"steer": Box(-1, 1, (1,), np.float32), "gear": Discrete(3, start=1)}),
    Dict({"eye": PIXELS, "hint": HINT}),
    Dict({"a": Tuple([MultiBinary([2]), Dict({"c": Discrete(2)})]), "b": Tuple([Tuple([HINT])])}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_plain_form_round_trip(space: Space, tmp_path: Path) -> None:
    """Equal spaces come back, also through a file that ``weights_only=True`` reads."""
    spaces = EnvSpaces("X-v0", space, space, frame_skip=3)
    assert EnvSpaces.from_plain(spaces.to_plain()) == spaces
    torch.save({"spaces": spaces.to_plain()}, tmp_path / "a.ckpt")
    back = EnvSpaces.from_plain(torch.load(tmp_path / "a.ckpt", weights_only=True)["spaces"])
    assert back == spaces
    assert back.observation_space.dtype == space.dtype


def test_plain_form_of_an_image_is_short() -> None:
    """Its 28,224 equal bounds are stored once."""
    plain = EnvConfig("ALE/Pong-v5").spaces().to_plain()
    assert plain["observation_space"] == {
        "kind": "Box",
        "shape": [4, 84, 84],
        "dtype": "uint8",
        "low": 0,
        "high": 255,
    }
    assert plain["frame_skip"] == 4


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Pendulum-v1", "CartPole-v1", "ALE/Pong-v5"])
def test_real_environments_round_trip(env_id: str) -> None:
    """Their bounds come back, whatever they are."""
    spaces = EnvConfig(env_id).spaces()
    assert EnvSpaces.from_plain(spaces.to_plain()) == spaces


@pytest.mark.parametrize("name", ["Grid", "Buttons", "Car", "Robot", "Senses"])
def test_real_composite_environments_round_trip(name: str) -> None:
    """Their actions and observations have several parts."""
    spaces = EnvConfig(dummy(name)).spaces()
    assert EnvSpaces.from_plain(spaces.to_plain()) == spaces


@pytest.mark.parametrize(
    "space",
    [
        Dict({"b": HINT, "a": PIXELS}),
        Dict(OrderedDict(b=HINT, a=PIXELS)),
        Dict(b=HINT, a=PIXELS),
    ],
)
def test_plain_form_keeps_the_order_of_a_dict(space: Dict) -> None:
    """It is that of the flat vector. Gymnasium's own equality does not compare it."""
    spaces = EnvSpaces("X-v0", space, space)
    back = EnvSpaces.from_plain(spaces.to_plain())
    for one in (back.observation_space, back.action_space):
        assert isinstance(one, Dict)
        assert list(one) == list(space)


def test_other_spaces_have_no_plain_form() -> None:
    """An error is better than half a checkpoint."""
    with pytest.raises(TypeError, match="no plain form for Text"):
        EnvSpaces("X-v0", Discrete(2), Tuple([Discrete(2), Text(5)])).to_plain()


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (Box(-1, 1, (17,), np.float64), (17,), torch.float32),
        (Box(-1, 1, (), np.float32), (), torch.float32),
        (PIXELS, (1, 20, 20), torch.uint8),
        (Box(0, 9, (3,), np.int64), (3,), torch.float32),
        (Dict({"eye": PIXELS, "hint": HINT}), (402,), torch.float32),
        (Dict({"left": PIXELS, "right": PIXELS}), (800,), torch.uint8),
        (Dict({"a": Box(-1, 1, (2, 3), np.float64), "b": Box(-1, 1, (), np.float32)}), (7,), torch.float32),
    ],
    ids=str,
)
def test_the_tensor_of_an_observation(space: Space[Any], shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """That of a Dict is flat. Bytes stay bytes where there is nothing else."""
    spaces = EnvSpaces("X-v0", space, Discrete(2))
    assert (spaces.observation_shape, spaces.observation_dtype) == (shape, dtype)


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (Discrete(5, start=2), (), torch.int64),
        (Box(-1, 1, (2, 3), np.float64), (2, 3), torch.float32),
        (Box(-1, 1, (), np.float32), (), torch.float32),
        (MultiBinary(3), (3,), torch.float32),
        (MultiBinary([2, 3]), (6,), torch.float32),
        (MultiDiscrete([3, 4]), (2,), torch.float32),
        (MultiDiscrete(np.array([[2, 3], [4, 5]])), (4,), torch.float32),
        (Tuple([Discrete(2), HINT, MultiBinary([2, 3])]), (9,), torch.float32),
        (Dict({"a": Discrete(2)}), (1,), torch.float32),
    ],
    ids=str,
)
def test_the_tensor_of_an_action(space: Space[Any], shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """It is flat and of floats where the action has several parts."""
    spaces = EnvSpaces("X-v0", HINT, space)
    assert (spaces.action_shape, spaces.action_dtype) == (shape, dtype)
