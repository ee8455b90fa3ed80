"""The games of ale-py by their ids, and their reference scores."""

from __future__ import annotations

import ale_py
import gymnasium
import pytest
import torch

from lit_a3c.envs import EnvConfig
from lit_a3c.envs.atari import games, is_atari, reference_scores, rom
from lit_a3c.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("game", "actions"), [("MsPacman", 9), ("UpNDown", 6), ("Qbert", 6), ("VideoPinball", 9), ("Pong", 6)]
)
def test_games_play_with_their_own_actions(game: str, actions: int) -> None:
    """Names may have several words. The last action of the minimal set is accepted."""
    config = EnvConfig(f"ALE/{game}-v5")
    spaces = config.spaces()
    assert spaces.action_space == gymnasium.spaces.Discrete(actions)
    assert spaces.observation_space.shape == (4, 84, 84)
    assert spaces.frame_skip == 4
    env = config.make(2, seed=0, training=True)
    state = env.torchrl.reset()
    for _ in range(4):
        state["action"] = torch.full((2,), actions - 1)
        step, state = env.torchrl.step_and_maybe_reset(state)
        assert step["next", "reward"].shape == (2, 1)
    env.close()


def test_reference_scores_are_of_57_known_games() -> None:
    """Every id is a game of ale-py that Gymnasium registers, and a human scores more than random play."""
    gymnasium.register_envs(ale_py)
    scores = reference_scores()
    assert len(scores) == 57
    assert set(scores) <= set(games())
    assert set(scores) <= set(gymnasium.registry)
    for env_id in scores:
        assert EnvConfig(env_id).env_id == env_id
        assert rom(env_id) == gymnasium.spec(env_id).kwargs["game"]
    assert scores["ALE/Pong-v5"] == (-20.7, 14.6)
    assert scores["ALE/MsPacman-v5"] == (307.3, 6951.6)
    assert all(random < human for random, human in scores.values() if random != human)


def test_every_known_game_is_one_that_ale_plays() -> None:
    """Games that need two players are not known here, because ale-py would end the process over them."""
    gymnasium.register_envs(ale_py)
    registered = {env_id for env_id in gymnasium.registry if is_atari(env_id) and env_id.endswith("-v5")}
    assert set(games()) == registered


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("ALE/Pnog-v5", "ALE/Pong-v5"),
        ("ALE/pong-v5", "ALE/Pong-v5"),
        ("ALE/Ms_Pacman-v5", "ALE/MsPacman-v5"),
        ("ALE/Breakout", "ALE/Breakout-v5"),
    ],
)
def test_unknown_games_name_the_nearest(given: str, near: str) -> None:
    """The message says what was given, what it is not, and what was probably meant."""
    assert is_atari(given)
    with pytest.raises(ConfigError, match=f"data.env_id '{given}' is not an Atari game. Did you mean '{near}'"):
        EnvConfig(given)


@pytest.mark.parametrize(("given", "right"), [("PongNoFrameskip-v4", "Pong"), ("ale_py:MsPacman-v4", "MsPacman")])
def test_an_older_id_of_a_game_is_refused(given: str, right: str) -> None:
    """It would be played without the protocol, whatever the config says."""
    gymnasium.register_envs(ale_py)
    with pytest.raises(ConfigError, match=f"{given!r} would be played without the protocol.* Use 'ALE/{right}-v5'"):
        EnvConfig(given)
    assert EnvConfig("Pong-v4", kwargs={"obs_type": "ram"}).spaces().observation_space.shape == (128,)
