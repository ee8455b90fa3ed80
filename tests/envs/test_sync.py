"""A failure of one of several environments names it, in whichever step it fails."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lit_a3c.envs import BatchedEnv, EnvConfig
from lit_a3c.envs.masks import flat
from lit_a3c.envs.sync import CheckedVectorEnv
from lit_a3c.utils.errors import ConfigError, EnvError
from lit_a3c.utils.finite import NotFiniteError
from tests.dummy_envs import dummy
from tests.dummy_envs.misbehaving import FIELDS, OBSERVATIONS, Misbehaving
from tests.envs.test_contract import WRONG

NOT_FINITE = ("NaN observed", "huge observation", "huge reward")
OTHER_SPACE = ("numbers for bytes", "key missing")
LATER = [how for how in (*OBSERVATIONS, *FIELDS, "four values", "no values", "sys.exit") if how not in NOT_FINITE]


def taken(env: BatchedEnv, steps: int) -> int:
    """Takes steps; how many there were."""
    state = env.torchrl.reset()
    for _ in range(steps):
        _, state = env.torchrl.step_and_maybe_reset(
            state.set("action", torch.zeros(env.gym.num_envs, dtype=torch.int64))
        )
    return steps


def misbehaving(how: str, at: int, **kwargs: Any) -> BatchedEnv:
    return EnvConfig(dummy("Misbehaving"), kwargs={"how": how, "at": at}).make(2, seed=0, training=True, **kwargs)


def one_of_three(how: str, at: int) -> CheckedVectorEnv:
    """Of three environments the second misbehaves, in its step ``at``."""
    hows = iter(("nothing", how, "nothing"))
    return CheckedVectorEnv("Three-v0", lambda: Misbehaving(next(hows), at=at), 3)


@pytest.mark.parametrize("how", LATER)
def test_a_later_step_names_the_environment(how: str) -> None:
    """The message has what the check of the first step would say."""
    env = one_of_three(how, at=4)
    env.reset(seed=1)
    for _ in range(3):
        _, reward, *_ = env.step(np.zeros(3, np.int64))
        assert (reward == 1).all()
    with pytest.raises(EnvError) as failure:
        env.step(np.zeros(3, np.int64))
    message = str(failure.value)
    assert message.startswith("environment 1 of 'Three-v0': ")
    assert WRONG[how].removeprefix("reset() returned as observation ") in message


def test_a_later_reset_names_the_environment() -> None:
    env = one_of_three("no pair", at=4)
    env.reset(seed=1)
    for _ in range(5):
        _, _, terminated, *_ = env.step(np.zeros(3, np.int64))
    with pytest.raises(EnvError, match=r"environment 1 of 'Three-v0': reset\(\) must return the pair"):
        env.reset(options={"reset_mask": terminated})


@pytest.mark.parametrize("how", OTHER_SPACE)
def test_a_later_step_outside_the_space(how: str) -> None:
    """Of a Dict, Gymnasium's own flattening fails first. Of bytes, the joining of observations does."""
    message = {"key missing": r"step\(\) failed: KeyError", "numbers for bytes": "float32; its space is a Box"}[how]
    env = misbehaving(how, at=3)
    assert taken(env, 2)
    with pytest.raises(EnvError, match=rf"environment 0 of .*{message}"):
        taken(env, 3)


@pytest.mark.parametrize("how", NOT_FINITE)
def test_what_single_precision_cannot_hold_is_named_in_its_step(how: str) -> None:
    """In double precision 1e300 is a number like any other."""
    assert taken(misbehaving(how, at=4), 3)
    what = "nan" if how == "NaN observed" else r"1e\+300 \(single precision ends at 3.4e\+38\)"
    with pytest.raises(NotFiniteError, match=rf"is {what} in environment 0"):
        taken(misbehaving(how, at=4), 4)


def test_a_return_that_single_precision_cannot_hold_is_named() -> None:
    """Each of its three rewards is fine. As a score it would be infinite in every log."""
    env = EnvConfig(dummy("Rich")).make(2, seed=0, training=True)
    assert taken(env, 2)
    with pytest.raises(NotFiniteError, match=r"the return of an episode is 9e\+38 in environment 0"):
        taken(env, 3)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "HalfCheetah-v5", dummy("Senses"), dummy("TimeLimit")])
def test_a_step_is_gymnasiums_own(env_id: str) -> None:
    """Observations, rewards and flags are the same, over resets of some and of all."""

    def make() -> gymnasium.Env:
        return flat(gymnasium.make(env_id, disable_env_checker=True))

    ours = CheckedVectorEnv(env_id, make, 3)
    theirs: Any = SyncVectorEnv([make] * 3, autoreset_mode=AutoresetMode.DISABLED)
    theirs.action_space.seed(1)
    resets = 0
    for seed in (1, [5, None, 7]):
        one, other = ours.reset(seed=[5, 6, 7] if seed != 1 else 1), theirs.reset(seed=[5, 6, 7] if seed != 1 else 1)
        np.testing.assert_array_equal(one[0], other[0])
        for _ in range(60):
            action = theirs.action_space.sample()
            one, other = ours.step(action), theirs.step(action)
            for value, expected in zip(one[:4], other[:4], strict=True):
                np.testing.assert_array_equal(value, expected)
                assert value.dtype == expected.dtype
            if (done := one[2] | one[3]).any():
                resets += 1
                one, other = (env.reset(options={"reset_mask": done}) for env in (ours, theirs))
                np.testing.assert_array_equal(one[0], other[0])
    assert bool(resets) == (env_id != "HalfCheetah-v5")
    ours.close()
    theirs.close()


def test_a_step_leaves_earlier_observations_alone() -> None:
    env: Any = CheckedVectorEnv("CartPole-v1", lambda: gymnasium.make("CartPole-v1"), 2)
    first, _ = env.reset(seed=1)
    kept = first.copy()
    env.step(np.zeros(2, np.int64))
    assert (first == kept).all()


def test_copies_with_different_spaces_are_refused() -> None:
    """Among themselves, and from the one whose spaces the network has."""
    message = r"DummyGrowing-v0': its copies have different observation spaces, Box\(.*\) and Box\("
    with pytest.raises(ConfigError, match=message):
        EnvConfig(dummy("Growing")).make(2, seed=0, training=True)
    config = EnvConfig(dummy("Growing"))
    config.spaces()
    with pytest.raises(ConfigError, match=message):
        config.make(1, seed=0, training=False)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no image", "returned None"),
        ("grey image", r"returned an array of shape \(8, 8\)"),
        ("exit in render", r"render\(\) failed: sys.exit\(0\) was called"),
    ],
)
def test_an_image_that_is_none_is_named(how: str, message: str) -> None:
    env = misbehaving(how, at=0, render=True)
    env.torchrl.reset()
    with pytest.raises(EnvError, match=rf"environment 0 of .*{message}"):
        env.image()


def test_a_constructor_without_render_mode_cannot_be_drawn() -> None:
    """Otherwise it can be used."""
    EnvConfig(dummy("Undrawable")).make(1, seed=0, training=False).close()
    with pytest.raises(ConfigError, match=r"DummyUndrawable-v0' cannot be made: .*'render_mode'.*it cannot be drawn"):
        EnvConfig(dummy("Undrawable")).make(1, seed=0, training=False, render=True)


def test_an_end_of_the_process_in_close_is_a_failure() -> None:
    env = one_of_three("exit in close", at=0)
    with pytest.raises(EnvError, match=r"close\(\) failed: sys.exit\(0\) was called"):
        env.close()
