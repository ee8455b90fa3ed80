"""The parts of an agent as plain data."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, GRU, Body, DictBody, EnvSpaces, GaussianHead, JointHead, MLPBody, RMSprop
from lit_a3c.checkpoint.factories import NOT_SAVED, part_from_plain, to_plain
from lit_a3c.networks.bodies import default_body
from lit_a3c.networks.heads import default_head
from lit_a3c.utils.errors import ConfigError


class OwnBody(Body):
    """A body of a user. It has no option, because tests of messages list the classes that have one."""


@pytest.mark.parametrize(
    ("option", "factory"),
    [
        ("body", MLPBody),
        ("body", default_body),
        ("head", default_head),
        ("recurrent", None),
        ("recurrent", functools.partial(GRU, hidden_size=7)),
        ("body", functools.partial(MLPBody, hidden=[8, 4], activation="relu")),
        ("body", functools.partial(DictBody, image=functools.partial(MLPBody, gain=0.5), join=3)),
        ("head", functools.partial(JointHead, box=functools.partial(GaussianHead, scale_to_bounds=True))),
        ("optimizer", functools.partial(RMSprop, lr=0.1)),
    ],
)
def test_what_is_written_is_read_again(option: str, factory: Any) -> None:
    again = part_from_plain(option, to_plain(factory))
    assert to_plain(again) == to_plain(factory)
    given, expected = (getattr(f, "func", f) for f in (again, factory))
    assert given is expected


def test_every_option_arrives() -> None:
    """Also those that change no shape of a tensor."""
    factory = part_from_plain("body", to_plain(functools.partial(MLPBody, hidden=(8,), activation="relu", gain=0.5)))
    assert factory.keywords == {"hidden": (8,), "activation": "relu", "gain": 0.5}


@pytest.mark.parametrize(
    "factory", [lambda space: MLPBody(space), functools.partial(MLPBody, Box(0, 1)), MLPBody(Box(0, 1, (2,)))]
)
def test_what_has_no_plain_form_is_refused_when_it_is_read(factory: Any) -> None:
    plain = to_plain(factory)
    assert list(plain) == [NOT_SAVED]
    with pytest.raises(ConfigError, match=r"which a checkpoint cannot hold.*body=\.\.\."):
        part_from_plain("body", plain)


def test_a_class_of_the_user_needs_the_users_word() -> None:
    plain = to_plain(OwnBody)
    with pytest.raises(ConfigError, match="OwnBody' is none of the classes"):
        part_from_plain("body", plain)
    assert part_from_plain("body", plain, trusted=True).func is OwnBody


@pytest.mark.parametrize(
    "plain", [{"class_path": "lit_a3c.GRU"}, {"class_path": "torch.optim.Adam"}, "os.system", 7, {}, [1]]
)
def test_a_part_is_what_it_should_be(plain: Any) -> None:
    with pytest.raises(ConfigError):
        part_from_plain("body", plain)


def test_an_option_that_the_class_does_not_know_is_refused() -> None:
    module = A3C(EnvSpaces("Dummy-v0", Box(-1, 1, (3,)), Discrete(2)))
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    module.on_save_checkpoint(checkpoint)
    checkpoint["hyper_parameters"]["body"] = {"class_path": "lit_a3c.MLPBody", "init_args": {"hiden": [3]}}
    from lit_a3c.checkpoint.factories import build

    with pytest.raises(ConfigError, match="hiden"):
        build(A3C, checkpoint, {}, trusted=False)
