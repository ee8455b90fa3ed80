"""The options of the Atari protocol."""

from __future__ import annotations

import pytest
from gymnasium.spaces import Discrete

from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.utils.errors import ConfigError


def test_options_reach_the_spaces() -> None:
    """All 18 actions, the stack, and the frames of a step are as asked for."""
    spaces = EnvConfig("ALE/Pong-v5", AtariOptions(full_action_space=True, frame_stack=2, frame_skip=5)).spaces()
    assert spaces.action_space == Discrete(18)
    assert spaces.observation_space.shape == (2, 84, 84)
    assert spaces.frame_skip == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_skip", 0),
        ("frame_skip", 4.0),
        ("frame_stack", 0),
        ("noop_max", -1),
        ("sticky", 1.5),
        ("sticky", float("nan")),
        ("max_frames", 0),
    ],
)
def test_options_out_of_range_are_refused(name: str, value: float) -> None:
    """The emulator would hang or crash on them."""
    with pytest.raises(ConfigError, match=rf"data\.atari\.{name} {value}"):
        EnvConfig("ALE/Pong-v5", AtariOptions(**{name: value}))


def test_a_protocol_in_words() -> None:
    """What scores depend on. Only Atari games have one."""
    words = "no sticky actions, the game's own actions, up to 30 no-ops at the start, trained with lives as episodes"
    assert EnvConfig("ALE/Pong-v5").protocol == AtariOptions().protocol == words
    machado = AtariOptions(sticky=0.25, full_action_space=True, episodic_life=False, noop_max=0)
    words = "sticky actions (0.25), all 18 actions, no no-ops at the start, trained without information on lives"
    assert EnvConfig("ALE/Pong-v5", machado).protocol == words
    assert EnvConfig("CartPole-v1").protocol is None
