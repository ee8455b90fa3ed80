"""Conventions of Atari games: lives, clipped rewards, limits, no-ops, sticky actions, images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tensordict import TensorDictBase

from lit_a3c.envs import AtariOptions, BatchedEnv, EnvConfig
from lit_a3c.envs.atari import _ColourCopy

NOOP, FIRE = 0, 1


def make(
    game: str, num_envs: int = 1, seed: int = 3, training: bool = True, render: bool = False, **options: Any
) -> Any:
    return EnvConfig(f"ALE/{game}-v5", AtariOptions(**options)).make(
        num_envs, seed=seed, training=training, render=render
    )


def walk(env: BatchedEnv, actions: Any) -> list[TensorDictBase]:
    """Every step as a collector gets it: ``next`` is from before any reset, ``after`` from after it."""
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


def test_observations_are_stacked_grey_images() -> None:
    """They are ``[stack, 84, 84]`` uint8. The newest frame is the last, and after one more step the last but one."""
    env = make("Breakout", num_envs=2, frame_stack=3)
    steps = walk(env, [FIRE, NOOP, NOOP])
    seen = column(steps, "next", "observation")
    assert seen.shape == (3, 2, 3, 84, 84)
    assert seen.dtype == np.uint8
    assert np.array_equal(seen[1][:, 2], seen[2][:, 1])
    assert not np.array_equal(seen[1][:, 1], seen[1][:, 2])
    env.close()


def test_rewards_are_clipped_in_training_and_returns_are_raw() -> None:
    """Ms. Pac-Man's dots give 10: the learner gets 1, the recorder 10."""
    actions = torch.randint(0, 9, (100,), generator=torch.Generator().manual_seed(1))
    returns, sums = {}, {}
    for clipped in (True, False):
        env = make("MsPacman", clip_rewards=clipped, max_frames=400)
        steps = walk(env, actions)
        [episode] = env.pop_finished()
        rewards = column(steps, "next", "reward")[: episode.length]
        returns[clipped], sums[clipped] = episode.episode_return, rewards.sum()
        if clipped:
            assert set(np.unique(rewards)) == {0.0, 1.0}
        env.close()
    assert returns[True] == returns[False] == sums[False]
    assert sums[True] < returns[True]
    assert returns[True] >= 10 * sums[True] > 0


def test_clipping_can_be_switched_off() -> None:
    """Without ``clip_rewards`` the learner gets tens."""
    env = make("MsPacman", clip_rewards=False, max_frames=400)
    actions = torch.randint(0, 9, (100,), generator=torch.Generator().manual_seed(1))
    assert column(walk(env, actions), "next", "reward").max() >= 10
    env.close()


@pytest.fixture(scope="module")
def breakout_game() -> tuple[list[TensorDictBase], list[Any], int]:
    """A whole training game of Breakout whose paddle never moves, its recorded episodes, and the lives that it lost."""
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
        episodes = env.pop_finished()
        assert len(steps) < 3000, "the game does not end"
    env.close()
    return steps, episodes, lives_lost


def test_a_lost_life_terminates_and_does_not_restart_the_game(breakout_game: Any) -> None:
    """A game of five lives has five terminations, one recorded episode, and goes on in between."""
    steps, episodes, lives_lost = breakout_game
    assert lives_lost == 5
    [episode] = episodes
    assert episode.length == len(steps)
    last_steps = [step for step in steps if step["next", "terminated"].any()]
    for last in last_steps[:-1]:
        assert torch.equal(last["after"], last["next", "observation"]), "the next step starts where the life ended"
        assert not last["next", "truncated"].any()


def test_the_final_observation_is_not_that_of_the_new_game(breakout_game: Any) -> None:
    """TorchRL's ``("next", "observation")`` is the true last one. The first one of a new game follows."""
    steps, _, _ = breakout_game
    last = steps[-1]
    assert last["next", "done"].all()
    assert not torch.equal(last["after"], last["next", "observation"])
    # The true last observation continues the stack of the step before it. The new game's does not.
    assert torch.equal(last["next", "observation"][:, :-1], steps[-2]["next", "observation"][:, 1:])
    assert not torch.equal(last["after"][:, :-1], steps[-2]["next", "observation"][:, 1:])


def test_lives_do_not_end_episodes_outside_training() -> None:
    """Where a score is counted, a game is one episode with one termination."""
    env = make("Breakout", training=False)
    steps = walk(env, [FIRE] * 60)
    terminated = column(steps, "next", "terminated")
    assert not terminated.any()
    env.close()
    env = make("Breakout", training=True)
    assert column(walk(env, [FIRE] * 60), "next", "terminated").any(), "a life was lost meanwhile"
    env.close()


def test_the_frame_limit_truncates() -> None:
    """After ``max_frames`` an episode is truncated and not terminated. The recorder counts steps."""
    env = make("Pong", max_frames=80, noop_max=0, fire_reset=False)
    steps = walk(env, [NOOP] * 30)
    first = column(steps, "next", "truncated").argmax()
    assert not column(steps, "next", "terminated").any()
    assert env.pop_finished()[0].length == first + 1 == 20
    last = steps[first]
    assert torch.equal(last["next", "observation"][:, :-1], steps[first - 1]["next", "observation"][:, 1:])
    assert not torch.equal(last["after"], last["next", "observation"])
    env.close()


def test_sticky_actions_are_off_by_default() -> None:
    """The same seed and actions give the same trajectory. A sticky probability changes it."""
    actions = torch.randint(0, 4, (120,), generator=torch.Generator().manual_seed(2))
    plain, rewards = trajectory(actions)
    again, rewards_again = trajectory(actions)
    assert np.array_equal(plain, again)
    assert np.array_equal(rewards, rewards_again)
    assert np.array_equal(plain, trajectory(actions, sticky=0.0)[0])
    sticky, _ = trajectory(actions, sticky=0.25)
    assert not np.array_equal(plain, sticky)


def test_without_stickiness_the_actions_alone_decide() -> None:
    """With no no-ops the seed changes nothing. With a sticky probability it does."""
    actions = torch.randint(0, 4, (120,), generator=torch.Generator().manual_seed(2))
    one, other = (trajectory(actions, seed=seed, noop_max=0)[0] for seed in (1, 2))
    assert np.array_equal(one, other)
    one, other = (trajectory(actions, seed=seed, noop_max=0, sticky=0.25)[0] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_copies_start_differently_and_seeds_decide() -> None:
    """No-op starts differ between the copies of one environment, and from seed to seed."""
    env = make("SpaceInvaders", num_envs=4)
    first = walk(env, [NOOP] * 3)[-1]["next", "observation"]
    env.close()
    assert len({image.numpy().tobytes() for image in first}) > 1
    same, other = make("SpaceInvaders", num_envs=4), make("SpaceInvaders", num_envs=4, seed=77)
    assert torch.equal(first, walk(same, [NOOP] * 3)[-1]["next", "observation"])
    assert not torch.equal(first, walk(other, [NOOP] * 3)[-1]["next", "observation"])
    same.close()
    other.close()


def test_images_change_nothing() -> None:
    """With images the same seed and actions give the same observations, rewards and ends of episodes."""
    actions = torch.randint(0, 4, (40,), generator=torch.Generator().manual_seed(4))
    plain, drawn = (make("Breakout", training=False, render=render, sticky=0.25) for render in (False, True))
    for one, other in zip(walk(plain, actions), walk(drawn, actions), strict=True):
        assert torch.equal(one["next", "observation"], other["next", "observation"])
        assert torch.equal(one["next", "reward"], other["next", "reward"])
        assert torch.equal(one["next", "done"], other["next", "done"])
    plain.close()
    drawn.close()


def test_the_copy_in_colour_plays_the_same_game() -> None:
    """Its rewards, terminations and truncations are those of the game whose images it gives, through new games."""
    env = make("MsPacman", num_envs=2, training=False, render=True, sticky=0.25, max_frames=300)
    wrapper = env.gym
    while not isinstance(wrapper, _ColourCopy):
        wrapper = wrapper.env
    results, step_copy = [], wrapper._copy.step

    def recorded(actions: Any) -> Any:
        results.append(step_copy(actions))
        return results[-1]

    wrapper._copy.step = recorded
    actions = torch.randint(0, 9, (150,), generator=torch.Generator().manual_seed(4))
    steps = walk(env, actions)
    assert column(steps, "next", "truncated").sum() >= 2
    assert column(steps, "next", "reward").any()
    for step, (_, reward, terminated, truncated, _) in zip(steps, results, strict=True):
        assert np.array_equal(step["next", "reward"].squeeze(-1).numpy(), reward)
        assert np.array_equal(step["next", "terminated"].squeeze(-1).numpy(), terminated)
        assert np.array_equal(step["next", "truncated"].squeeze(-1).numpy(), truncated)
    env.close()
