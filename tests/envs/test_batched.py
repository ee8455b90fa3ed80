"""Images of a batch of environments, and how fast they follow one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.utils.errors import EnvError
from tests.dummy_envs import dummy


def test_the_image_is_the_present_one_of_the_first_environment() -> None:
    """The dummy environment becomes brighter from step to step, by 20 each."""
    env = EnvConfig(dummy("Counter")).make(2, seed=0, training=False, render=True)
    state = env.torchrl.reset()
    for step in range(3):
        assert (env.image() == np.full((32, 32, 3), 20 * step, np.uint8)).all()
        _, state = env.torchrl.step_and_maybe_reset(state.set("action", torch.zeros(2, dtype=torch.int64)))
    env.close()


@pytest.mark.filterwarnings("ignore:.*render")
def test_an_environment_that_draws_nothing_says_so() -> None:
    """It was made without images, so asking for one is an error."""
    env = EnvConfig("CartPole-v1").make(1, seed=0, training=False)
    env.torchrl.reset()
    with pytest.raises(EnvError, match=r"environment 0 of 'CartPole-v1': render\(\) must return an image.*None"):
        env.image()
    env.close()


def test_images_follow_at_the_environments_own_rate() -> None:
    """A step of an Atari game is so many of 60 frames a second."""
    for config, fps in (
        (EnvConfig(dummy("Counter")), 10),
        (EnvConfig("CartPole-v1"), 50),
        (EnvConfig("ALE/Pong-v5"), 15),
        (EnvConfig("ALE/Pong-v5", AtariOptions(frame_skip=5)), 12),
    ):
        env = config.make(1, seed=0, training=False)
        assert env.fps == fps
        env.close()
