from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, Space

from lit_a3c.envs import EnvConfig, EnvSpec

SPACES = [
    Discrete(5),
    Discrete(3, start=1),
    Discrete(3, start=-1),
    Box(0, 255, (4, 84, 84), np.uint8),
    Box(-np.inf, np.inf, (17,), np.float64),
    Box(np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32)),
    Box(np.array([-np.inf, 0.1, -3], np.float32), np.array([np.inf, 0.7, 1e30], np.float32)),
    Box(-1, 1, (), np.float32),
    Box(-1, np.array([[1, 2], [3, 4]], np.float64), (2, 2), np.float64),
    Box(-1, 1, (2, 3), np.float32),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_plain_form_round_trip(space: Space, tmp_path: Path) -> None:
    """Equal spaces come back, through a file that ``weights_only=True`` reads."""
    spec = EnvSpec("X-v0", space, space, frame_skip=3)
    assert EnvSpec.from_plain(spec.to_plain()) == spec
    torch.save({"spec": spec.to_plain()}, tmp_path / "spec.ckpt")
    back = EnvSpec.from_plain(torch.load(tmp_path / "spec.ckpt", weights_only=True)["spec"])
    assert back == spec
    assert back.observation_space.dtype == space.dtype


def test_plain_form_of_a_picture_is_short() -> None:
    """Its 28,224 equal bounds are not spelt out."""
    plain = EnvConfig("ALE/Pong-v5").spec().to_plain()
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
    """Whatever their bounds."""
    spec = EnvConfig(env_id).spec()
    assert EnvSpec.from_plain(spec.to_plain()) == spec


def test_other_spaces_have_no_plain_form() -> None:
    """Rather an error than half a checkpoint."""
    with pytest.raises(TypeError, match="no plain form for MultiBinary"):
        EnvSpec("X-v0", Discrete(2), MultiBinary(2)).to_plain()
