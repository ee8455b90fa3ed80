"""Action masks: where they come from, their flat form, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from lit_a3c.envs import EnvConfig, EnvSpaces
from lit_a3c.envs.masks import allowed_action, flatten_mask, mask_size, mask_source, seen_space
from lit_a3c.utils.errors import ConfigError, EnvError
from tests.dummy_envs import dummy

NESTED = Tuple([Discrete(2), Dict({"a": MultiDiscrete([2, 3]), "b": Box(-1, 1, (2,)), "c": MultiBinary(2)})])
ON, OFF = np.array([1, 1], np.int8), np.array([0, 1], np.int8)
THREE = np.array([1, 0, 1], np.int8)

FLAT: list[tuple[Any, Any, list[int]]] = [
    (Discrete(2, start=4), OFF, [0, 1]),
    (Discrete(2), [False, True], [0, 1]),
    (MultiDiscrete([2, 3]), (OFF, THREE), [0, 1, 1, 0, 1]),
    (MultiDiscrete([2, 3]), np.array([0, 1, 1, 0, 1]), [0, 1, 1, 0, 1]),
    (MultiDiscrete([[2, 2], [2, 3]]), ((ON, OFF), (ON, THREE)), [1, 1, 0, 1, 1, 1, 1, 0, 1]),
    (NESTED, (OFF, {"a": (ON, THREE), "b": None, "c": None}), [0, 1, 1, 1, 1, 0, 1]),
    (NESTED, (OFF, None), [0, 1, 1, 1, 1, 1, 1]),
    (NESTED, np.array([0, 1, 1, 1, 1, 0, 1]), [0, 1, 1, 1, 1, 0, 1]),
]


@pytest.mark.parametrize(("space", "mask", "flat"), FLAT)
def test_a_mask_becomes_flat(space: Any, mask: Any, flat: list[int]) -> None:
    result = flatten_mask(space, mask)
    assert result.dtype == bool
    assert result.tolist() == [bool(bit) for bit in flat]
    assert len(flat) == mask_size(space)


@pytest.mark.parametrize(
    ("space", "mask", "said"),
    [
        (Discrete(2), [0, 0], "it allows no action"),
        (Discrete(2), THREE, r"must have the shape \(2,\), and has \(3,\)"),
        (Discrete(2), None, "there is none"),
        (Discrete(2), np.array([np.nan, 1]), "zeros and ones alone"),
        (MultiDiscrete([2, 3]), np.array([1, 1, 0, 2, 0]), "zeros and ones alone"),
        (Discrete(2), ["yes", "no"], "zeros and ones alone"),
        (MultiDiscrete([2, 3]), (ON, [0, 0, 0]), "it allows no action"),
        (MultiDiscrete([2, 3]), (ON,), "a tuple of 2 masks"),
        (NESTED, (ON,), "a tuple of 2 masks"),
        (NESTED, (ON, {"a": (ON, THREE)}), "a dict with a, b, c"),
        (NESTED, {"a": ON}, "a tuple of 2 masks"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused(space: Any, mask: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        flatten_mask(space, mask)


def test_an_allowed_action_is_one_of_the_space() -> None:
    for space, mask, flat in FLAT:
        space.seed(0)
        action = allowed_action(space, mask)
        assert space.contains(action)
        if isinstance(space, Discrete):
            assert action == space.start + flat.index(1)


def test_the_source_of_masks() -> None:
    """The observation comes first. Without anything to choose from nothing is masked."""
    seen = Dict({"action_mask": MultiBinary(2), "x": Box(0, 1, (3,))})
    assert mask_source(seen, Discrete(2), {}) == "observation"
    assert mask_source(seen["x"], Discrete(2), {"action_mask": ON}) == "info"
    assert mask_source(seen["x"], Discrete(2), {}) is None
    assert mask_source(seen, Box(0, 1, (1,)), {"action_mask": ON}) is None
    assert mask_source(Dict({"action_mask": MultiBinary(2)}), Discrete(2), {}) is None  # nothing else is observed


def test_the_body_does_not_see_the_mask() -> None:
    """A part that is left alone stands for itself. Others keep their order."""
    box = Box(0, 1, (3,))
    assert seen_space(Dict({"action_mask": MultiBinary(2), "x": box}), "observation") == box
    three = Dict({"action_mask": MultiBinary(2), "b": box, "a": Discrete(3)})
    rest = seen_space(three, "observation")
    assert isinstance(rest, Dict)
    assert list(rest) == [key for key in three if key != "action_mask"]
    assert seen_space(box, "info") == box


def test_taxi_is_masked_unless_told_otherwise() -> None:
    """Gymnasium's own environment with masks."""
    assert EnvConfig("Taxi-v4").spaces().mask_source == "info"
    assert EnvConfig("Taxi-v4").spaces().observation_shape == (506,)
    plain = EnvConfig("Taxi-v4", action_mask=False).spaces()
    assert (plain.mask_source, plain.observation_shape) == (None, (500,))
    assert EnvConfig("FrozenLake-v1").spaces().mask_source is None


@pytest.mark.parametrize(("name", "shape"), [("Doors", (33,)), ("DoorsSeen", (33,)), ("Dials", (6 * 6 * 3 + 2 + 10,))])
def test_the_mask_is_the_tail_of_the_observation(name: str, shape: tuple[int]) -> None:
    """Of the state in which the action is chosen. The environment asserts that each action is allowed."""
    config = EnvConfig(dummy(name))
    spaces = config.spaces()
    assert spaces.observation_shape == shape
    assert EnvSpaces.from_plain(spaces.to_plain()) == spaces
    env = config.make(2, seed=0, training=True)
    state = env.torchrl.reset()
    for _ in range(25):
        mask = state["observation"][:, -spaces.mask_size :]
        first = torch.stack([piece.argmax(-1) for piece in mask.split(_sizes(spaces), dim=-1)], -1)
        if name == "Dials":
            state["action"] = torch.cat([first.float(), torch.zeros(2, 1)], -1)
        else:
            state["action"] = first.squeeze(-1)
            assert (mask.sum(-1) == 3).all()
        _, state = env.torchrl.step_and_maybe_reset(state)
    lengths = [episode.length for episode in env.pop_finished()]
    assert lengths == [10] * 4  # no episode was ended by a closed door
    env.close()


def _sizes(spaces: EnvSpaces) -> list[int]:
    return [3, 4, 3] if spaces.mask_size == 10 else [30]


def test_a_source_that_the_spaces_cannot_have_is_refused() -> None:
    """In a stranger's checkpoint."""
    plain = EnvConfig("Taxi-v4").spaces().to_plain()
    for source in ("observation", "file", 3):
        with pytest.raises(ValueError, match="no source of action masks"):
            EnvSpaces.from_plain({**plain, "mask_source": source})


@pytest.mark.parametrize(
    ("kwargs", "said"), [({"after": 0}, "allows no action of Discrete"), ({"after": 9, "shape": 4}, "shape")]
)
def test_a_first_mask_that_cannot_be_used_ends_the_start(kwargs: dict[str, Any], said: str) -> None:
    config = EnvConfig(dummy("Stuck"), kwargs=kwargs)
    with pytest.raises(
        ConfigError, match=rf"reset\(\) returned an action_mask that cannot be used: .*{said}.*action_mask fal"
    ):
        config.spaces()
    assert EnvConfig(dummy("Stuck"), kwargs=kwargs, action_mask=False).spaces().mask_source is None


def test_a_later_mask_that_allows_nothing_names_the_environment() -> None:
    config = EnvConfig(dummy("Stuck"), kwargs={"after": 1})
    config.spaces()
    env = config.make(2, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = state["observation"][:, 3:].argmax(-1)
    with pytest.raises(
        EnvError, match=r"environment 0 of '.*Stuck-v0': step\(\) returned an action_mask that .*allows no"
    ):
        env.torchrl.step_and_maybe_reset(state)
    env.close()
