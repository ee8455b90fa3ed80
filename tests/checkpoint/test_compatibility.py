"""A checkpoint is refused by the name of what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_a3c import ConfigError
from lit_a3c.checkpoint.compatibility import check_contents
from tests.modules import make_module


def contents(**changes: Any) -> dict[str, Any]:
    """A whole checkpoint with other fields."""
    module = make_module()
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "hyper_parameters": {}}
    module.on_save_checkpoint(checkpoint)
    return {**checkpoint, **changes}


def test_what_a_module_writes_is_accepted() -> None:
    assert check_contents(contents()) == make_module().spaces


@pytest.mark.parametrize("field", ["state_dict", "steps", "discarded", "updates", "seconds", "recent_episodes"])
def test_a_missing_field_is_named(field: str) -> None:
    checkpoint = contents()
    del checkpoint[field]
    with pytest.raises(ConfigError, match=f"has no '{field}'"):
        check_contents(checkpoint)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("steps", value) for value in (-1, 2.0, True, "7", None, 10**30)),
        *(("seconds", value) for value in (float("nan"), -1.0, "1", None)),
        *(("recent_episodes", value) for value in (7, [7], [[1, 2.0]], [["a", 1.0, 2]])),
        *(("state_dict", value) for value in ([], {"a": 1}, {1: torch.zeros(1)})),
        *(("optimizer", value) for value in (7, ["Adam"])),
        *(("spaces", value) for value in (7, [], {}, {"observation_space": 1})),
    ],
)
def test_a_field_of_another_kind_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        check_contents(contents(**{field: value}))


@pytest.mark.parametrize(
    "space",
    [
        {"kind": "Graph"},
        {"kind": "Box", "shape": [10**6, 10**6], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "MultiBinary", "n": 10**12},
        {"kind": "Tuple", "spaces": [{"kind": "MultiBinary", "n": [10**6, 10**6]}]},
        {"kind": "Discrete", "n": -1, "start": 0},
        {"kind": "Box", "shape": [2], "dtype": "no type", "low": 0, "high": 1},
    ],
)
def test_spaces_that_cannot_be_are_refused(space: dict[str, Any]) -> None:
    spaces = make_module().spaces.to_plain() | {"observation_space": space}
    with pytest.raises(ConfigError, match="spaces cannot be read"):
        check_contents(contents(spaces=spaces))


def test_weights_that_are_not_finite_are_named() -> None:
    checkpoint = contents()
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] * float("nan")
    with pytest.raises(ConfigError, match=rf"{name} is not finite"):
        check_contents(checkpoint)


def test_a_tensor_that_holds_less_than_it_claims_is_named() -> None:
    """A stride of 0 makes a number of a terabyte. Looking at all of it would fill the memory."""
    checkpoint = contents()
    checkpoint["state_dict"] = {"w": torch.zeros(1).expand(10**6, 10**6)}
    with pytest.raises(ConfigError, match="w claims more numbers than it holds"):
        check_contents(checkpoint)


@pytest.mark.parametrize("given", [None, 7, [], {}, {"state_dict": {}}])
def test_what_is_no_checkpoint_of_ours_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="not written by lit-a3c"):
        check_contents(given)
