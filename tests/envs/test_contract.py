"""What is wrong with an environment is said in words, for every way in which it can be wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box

from lit_a3c.envs import EnvConfig
from lit_a3c.envs.contract import problem_of_observation, problem_of_step
from lit_a3c.envs.gym import GymConfig, gym_spaces
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy
from tests.dummy_envs.base import DummyEnv

BOX = "its space is a Box of shape (1,) and dtype float64"
FIVE = "step() must return (observation, reward, terminated, truncated, info), and returned"
WRONG = {
    "observation of another shape": f"reset() returned as observation an array of shape (3,) and dtype float32; {BOX}",
    "observation without a shape": f"reset() returned as observation an array of shape () and dtype float64; {BOX}",
    "observation of text": f"reset() returned as observation an array of shape (1,) and dtype <U1; {BOX}",
    "no observation": f"reset() returned as observation None; {BOX}",
    "ragged observation": f"reset() returned as observation [[1.0], [1.0, 2.0]]; {BOX}",
    "NaN observed": "reset() returned as observation an array with nan in it, which single precision cannot hold",
    "huge observation": "an array with 1e+300 in it, which single precision cannot hold",
    "numbers for bytes": "shape (1,) and dtype float32; its space is a Box of shape (1,) and dtype uint8",
    "key missing": "reset() returned as observation a dict with a; its space is a Dict with a, b",
    "no pair": "reset() must return the pair (observation, info), and returned an array of shape (1,)",
    "three of reset": "reset() must return the pair (observation, info), and returned a tuple of 3 values",
    "no info": "reset() must return a dict as info, and returned None",
    "reward of text": "step() must return a number as reward, and returned '1.5'",
    "no reward": "step() must return a number as reward, and returned None",
    "two rewards": "step() must return a number as reward, and returned [1.0, 2.0]",
    "huge reward": "step() must return a reward that single precision can hold, and returned 1e+300",
    "reward of 400 digits": "step() must return a reward that single precision can hold",
    "terminated 1": "step() must return True or False as terminated, and returned 1",
    "terminated by text": "step() must return True or False as terminated, and returned 'no'",
    "two ends": "step() must return True or False as terminated, and returned an array of shape (2,)",
    "truncated None": "step() must return True or False as truncated, and returned None",
    "four values": f"{FIVE} 4 values, as environments of the old gym did",
    "no values": f"{FIVE} None",
    "sys.exit": "step() failed: sys.exit(0) was called (",
}


@pytest.mark.parametrize("how", WRONG)
def test_the_first_reset_and_step_are_checked(how: str) -> None:
    """One copy shows it, before any worker starts. The message has the id, the method, what came and what was due."""
    with pytest.raises(ConfigError) as refusal:
        EnvConfig(dummy("Misbehaving"), kwargs={"how": how, "at": 0}).spaces()
    assert f"data.env_id '{dummy('Misbehaving')}': " in str(refusal.value)
    assert WRONG[how] in str(refusal.value)


@pytest.mark.parametrize("how", ["four values", "no pair"])
def test_what_gymnasiums_own_wrappers_trip_over_is_named_as_well(how: str) -> None:
    """A time limit takes the values apart before anyone can look at them."""
    with pytest.raises(ConfigError, match=r"must return .*(5, got 4|the pair)"):
        EnvConfig(dummy("MisbehavingInTime"), kwargs={"how": how}).spaces()


def test_an_end_of_the_process_in_the_constructor_or_in_close_is_a_refusal() -> None:
    """``sys.exit(0)`` would end the command as a success."""
    for how, what in (("exit in the constructor", "cannot be made"), ("exit in close", r": close\(\) failed")):
        with pytest.raises(ConfigError, match=rf"{what}: sys.exit\(0\) was called \(.*misbehaving.py, line \d+"):
            EnvConfig(dummy("Misbehaving"), kwargs={"how": how}).spaces()


GOOD: list[tuple[Any, Any, Any]] = [
    # observation, reward, terminated
    (np.zeros(1), 1, True),
    (np.zeros(1, np.float32), np.float32(1), np.bool_(True)),
    ([0.0], True, np.array(False)),
    ([0], np.array(1.0), torch.tensor(True)),
    (torch.zeros(1), torch.tensor(1.0), False),
    (np.array([5.0]), np.int16(3), False),  # out of bounds, which nothing here scales by
]


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_what_means_the_same_passes(number: int) -> None:
    """Other number types, arrays without a shape, tensors of other libraries, and lists."""
    observation, reward, terminated = GOOD[number]
    assert problem_of_step((observation, reward, terminated, False, {}), Box(-1, 1, (1,), np.float64)) is None


def test_whole_numbers_fit_into_a_space_of_floats_and_not_the_other_way() -> None:
    space = Box(0, 255, (2,), np.uint8)
    assert problem_of_observation(np.zeros(2, np.int64), Box(-1, 1, (2,))) is None
    assert problem_of_observation(np.zeros(2, np.uint8), space) is None
    for kind in (np.float32, np.int64, np.int8):
        problem = problem_of_observation(np.zeros(2, kind), space)
        assert problem == f"the observation is an array of shape (2,) and dtype {np.dtype(kind)}; its space is " + (
            "a Box of shape (2,) and dtype uint8"
        )


class Recorded(DummyEnv):
    """Keeps the seeds of its resets and its actions."""

    seen: ClassVar[list[Any]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.seen.append(seed)
        return super().reset(seed=seed)

    def judge(self, action: Any) -> tuple[float, bool]:
        self.seen.append(action)
        return 1.0, True


def test_the_check_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has one seed and one action, and draws none of the random numbers of others."""
    monkeypatch.setitem(gymnasium.registry, "Recorded-v0", EnvSpec("Recorded-v0", Recorded))
    random = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
    for _ in range(5):
        gym_spaces(GymConfig("Recorded-v0"))
    assert Recorded.seen == 5 * Recorded.seen[:2]
    assert Recorded.seen[0] is not None
    assert np.random.get_state()[1].tolist() == random  # type: ignore[index,union-attr]
