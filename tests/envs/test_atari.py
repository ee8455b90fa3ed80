from __future__ import annotations

from typing import Any

import ale_py
import gymnasium
import numpy as np
import pytest
import torch
from tensordict import TensorDictBase

from lit_a3c.envs import AtariOptions, EnvConfig, VectorEnv
from lit_a3c.envs.atari import games, is_atari, reference_scores, rom
from lit_a3c.errors import ConfigError

NOOP, FIRE = 0, 1


def make(
    game: str, num_envs: int = 1, seed: int = 3, training: bool = True, render: bool = False, **options: Any
) -> Any:
    return EnvConfig(f"ALE/{game}-v5", AtariOptions(**options)).make(
        num_envs, seed=seed, training=training, render=render
    )


def walk(env: VectorEnv, actions: Any) -> list[TensorDictBase]:
    """The step at every action, as a collector sees it: with ``next`` from before and the return value from after."""
    state, steps = env.torchrl.reset(), []
    for action in actions:
        state["action"] = torch.as_tensor(action).expand(env.gym.num_envs).clone()
        step, state = env.torchrl.step_and_maybe_reset(state)
        step = step.clone()
        step["after"] = state["observation"].clone()
        steps.append(step)
    return steps


def column(steps: list[TensorDictBase], *key: str) -> np.ndarray:
    """``[T, E, ...]`` of one entry."""
    values = torch.stack([step[key] for step in steps])
    return (values.squeeze(-1) if values.shape[-1] == 1 else values).numpy()


def trajectory(actions: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Observations and rewards of one Breakout game."""
    env = make("Breakout", **options)
    steps = walk(env, actions)
    env.close()
    return column(steps, "next", "observation"), column(steps, "next", "reward")


def test_observations_are_stacked_grey_pictures() -> None:
    """``[stack, 84, 84]`` uint8 whose newest frame is the last: after one more step it is the last but one."""
    env = make("Breakout", num_envs=2, frame_stack=3)
    steps = walk(env, [FIRE, NOOP, NOOP])
    seen = column(steps, "next", "observation")
    assert seen.shape == (3, 2, 3, 84, 84)
    assert seen.dtype == np.uint8
    assert np.array_equal(seen[1][:, 2], seen[2][:, 1])
    assert not np.array_equal(seen[1][:, 1], seen[1][:, 2])
    env.close()


def test_rewards_are_clipped_in_training_and_returns_are_raw() -> None:
    """Ms. Pac-Man's dots pay 10: the learner sees 1, the recorder 10."""
    actions = torch.randint(0, 9, (100,), generator=torch.Generator().manual_seed(1))
    returns, sums = {}, {}
    for clipped in (True, False):
        env = make("MsPacman", clip_rewards=clipped, max_frames=400)
        steps = walk(env, actions)
        [episode] = env.drain()
        rewards = column(steps, "next", "reward")[: episode.length]
        returns[clipped], sums[clipped] = episode.ret, rewards.sum()
        if clipped:
            assert set(np.unique(rewards)) == {0.0, 1.0}
        env.close()
    assert returns[True] == returns[False] == sums[False]
    assert sums[True] < returns[True]
    assert returns[True] >= 10 * sums[True] > 0


def test_clipping_can_be_switched_off() -> None:
    """``clip_rewards`` false: the learner sees tens."""
    env = make("MsPacman", clip_rewards=False, max_frames=400)
    actions = torch.randint(0, 9, (100,), generator=torch.Generator().manual_seed(1))
    assert column(walk(env, actions), "next", "reward").max() >= 10
    env.close()


@pytest.fixture(scope="module")
def breakout_game() -> tuple[list[TensorDictBase], list[Any], int]:
    """A whole training game of Breakout whose paddle never moves, its recorded episodes, and its over step."""
    env = make("Breakout", noop_max=0)
    state, steps, lives_lost = env.torchrl.reset(), [], 0
    episodes: list[Any] = []
    while not episodes:
        state["action"] = torch.tensor([FIRE])
        step, state = env.torchrl.step_and_maybe_reset(state)
        step = step.clone()
        step["after"] = state["observation"].clone()
        steps.append(step)
        lives_lost += int(step["next", "terminated"])
        episodes = env.drain()
        assert len(steps) < 3000, "the game does not end"
    env.close()
    return steps, episodes, lives_lost


def test_a_lost_life_terminates_and_does_not_restart_the_game(breakout_game: Any) -> None:
    """Five terminations in a game of five lives, one recorded episode, and play that goes on in between."""
    steps, episodes, lives_lost = breakout_game
    assert lives_lost == 5
    [episode] = episodes
    assert episode.length == len(steps)
    ends = [step for step in steps if step["next", "terminated"].any()]
    for end in ends[:-1]:
        assert torch.equal(end["after"], end["next", "observation"]), "the next step starts from where the life ended"
        assert not end["next", "truncated"].any()


def test_the_final_observation_is_not_that_of_the_new_game(breakout_game: Any) -> None:
    """TorchRL's ``("next", "observation")`` holds the true end; what follows is a freshly reset game."""
    steps, _, _ = breakout_game
    end = steps[-1]
    assert end["next", "done"].all()
    assert not torch.equal(end["after"], end["next", "observation"])
    # the true end continues the stack of the step before it, the new game does not
    assert torch.equal(end["next", "observation"][:, :-1], steps[-2]["next", "observation"][:, 1:])
    assert not torch.equal(end["after"][:, :-1], steps[-2]["next", "observation"][:, 1:])


def test_lives_do_not_end_episodes_outside_training() -> None:
    """For a score a game is one episode with one termination."""
    env = make("Breakout", training=False)
    steps = walk(env, [FIRE] * 60)
    terminated = column(steps, "next", "terminated")
    assert not terminated.any()
    env.close()
    env = make("Breakout", training=True)
    assert column(walk(env, [FIRE] * 60), "next", "terminated").any(), "a life was lost meanwhile"
    env.close()


def test_the_frame_limit_truncates() -> None:
    """``max_frames`` ends by truncation, not termination, and the recorder counts steps."""
    env = make("Pong", max_frames=80, noop_max=0, fire_reset=False)
    steps = walk(env, [NOOP] * 30)
    first = column(steps, "next", "truncated").argmax()
    assert not column(steps, "next", "terminated").any()
    assert env.drain()[0].length == first + 1 == 20
    end = steps[first]
    assert torch.equal(end["next", "observation"][:, :-1], steps[first - 1]["next", "observation"][:, 1:])
    assert not torch.equal(end["after"], end["next", "observation"])
    env.close()


def test_sticky_actions_are_off_by_default() -> None:
    """Same seed and actions, same trajectory; a probability changes it."""
    actions = torch.randint(0, 4, (120,), generator=torch.Generator().manual_seed(2))
    plain, rewards = trajectory(actions)
    again, rewards_again = trajectory(actions)
    assert np.array_equal(plain, again)
    assert np.array_equal(rewards, rewards_again)
    assert np.array_equal(plain, trajectory(actions, sticky=0.0)[0])
    sticky, _ = trajectory(actions, sticky=0.25)
    assert not np.array_equal(plain, sticky)


def test_without_stickiness_the_actions_alone_decide() -> None:
    """With no no-ops the seed changes nothing; with a sticky probability it does."""
    actions = torch.randint(0, 4, (120,), generator=torch.Generator().manual_seed(2))
    one, other = (trajectory(actions, seed=seed, noop_max=0)[0] for seed in (1, 2))
    assert np.array_equal(one, other)
    one, other = (trajectory(actions, seed=seed, noop_max=0, sticky=0.25)[0] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_copies_start_differently_and_seeds_decide() -> None:
    """No-op starts differ between the copies of one environment, and by seed."""
    env = make("SpaceInvaders", num_envs=4)
    first = walk(env, [NOOP] * 3)[-1]["next", "observation"]
    env.close()
    assert len({picture.numpy().tobytes() for picture in first}) > 1
    same, other = make("SpaceInvaders", num_envs=4), make("SpaceInvaders", num_envs=4, seed=77)
    assert torch.equal(first, walk(same, [NOOP] * 3)[-1]["next", "observation"])
    assert not torch.equal(first, walk(other, [NOOP] * 3)[-1]["next", "observation"])
    same.close()
    other.close()


@pytest.mark.parametrize(
    ("game", "actions"), [("MsPacman", 9), ("UpNDown", 6), ("Qbert", 6), ("VideoPinball", 9), ("Pong", 6)]
)
def test_games_play_with_their_own_actions(game: str, actions: int) -> None:
    """Names of several words too; the last action of the minimal set is accepted."""
    config = EnvConfig(f"ALE/{game}-v5")
    spec = config.spec()
    assert spec.action_space == gymnasium.spaces.Discrete(actions)
    assert spec.observation_space.shape == (4, 84, 84)
    assert spec.frame_skip == 4
    env = config.make(2, seed=0, training=True)
    assert column(walk(env, [actions - 1] * 4), "next", "reward").shape == (4, 2)
    env.close()


def test_options_reach_the_spaces() -> None:
    """All 18 actions, the stack, and the frames of a step."""
    spec = EnvConfig("ALE/Pong-v5", AtariOptions(full_action_space=True, frame_stack=2, frame_skip=5)).spec()
    assert spec.action_space == gymnasium.spaces.Discrete(18)
    assert spec.observation_space.shape == (2, 84, 84)
    assert spec.frame_skip == 5


def test_reference_scores_are_of_57_known_games() -> None:
    """Every id is a game of ale-py that Gymnasium registers, and a human beats chance."""
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
    """Games of several players pass no check here, because the emulator would end the process over them."""
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
    """What was given, what it is not, and what was probably meant."""
    assert is_atari(given)
    with pytest.raises(ConfigError, match=f"data.env_id '{given}' is not an Atari game. Did you mean '{near}'"):
        EnvConfig(given)


# does not follow from its seed.
def test_pictures_change_nothing() -> None:
    """With pictures the same seed and actions give the same observations, rewards and ends."""
    actions = torch.randint(0, 4, (40,), generator=torch.Generator().manual_seed(4))
    plain, pictured = (make("Breakout", training=False, render=render, sticky=0.25) for render in (False, True))
    for one, other in zip(walk(plain, actions), walk(pictured, actions), strict=True):
        assert torch.equal(one["next", "observation"], other["next", "observation"])
        assert torch.equal(one["next", "reward"], other["next", "reward"])
    plain.close()
    pictured.close()


def test_the_twins_agree_with_each_other() -> None:
    """The twin's rewards and ends are those of the game it pictures, through new games."""
    env = make("MsPacman", num_envs=2, training=False, render=True, sticky=0.25, max_frames=300)
    twin = env.gym
    while not hasattr(twin, "_twin"):
        twin = twin.env
    results, play = [], twin._twin.step

    def spy(actions: Any) -> Any:
        results.append(play(actions))
        return results[-1]

    twin._twin.step = spy
    actions = torch.randint(0, 9, (150,), generator=torch.Generator().manual_seed(4))
    steps = walk(env, actions)
    assert column(steps, "next", "truncated").sum() >= 2
    assert column(steps, "next", "reward").any()
    for step, (_, reward, terminated, truncated, _) in zip(steps, results, strict=True):
        assert np.array_equal(step["next", "reward"].squeeze(-1).numpy(), reward)
        assert np.array_equal(step["next", "terminated"].squeeze(-1).numpy(), terminated)
        assert np.array_equal(step["next", "truncated"].squeeze(-1).numpy(), truncated)
    env.close()


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
    """Before the emulator hangs on them."""
    with pytest.raises(ConfigError, match=rf"data\.atari\.{name} {value}"):
        EnvConfig("ALE/Pong-v5", AtariOptions(**{name: value}))
