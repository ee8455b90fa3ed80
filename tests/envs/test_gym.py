from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c.envs import EnvConfig
from lit_a3c.errors import ConfigError
from tests.toys import LIMIT, toy

MUJOCO = {
    "Ant": (105, 8),
    "HalfCheetah": (17, 6),
    "Hopper": (11, 3),
    "Humanoid": (348, 17),
    "HumanoidStandup": (348, 17),
    "InvertedDoublePendulum": (9, 1),
    "InvertedPendulum": (4, 1),
    "Pusher": (23, 7),
    "Reacher": (10, 2),
    "Swimmer": (8, 2),
    "Walker2d": (17, 6),
}


@pytest.mark.parametrize("task", MUJOCO)
def test_mujoco_tasks_have_a_spec(task: str) -> None:
    """All eleven, by name."""
    spec = EnvConfig(f"{task}-v5").spec()
    assert isinstance(spec.action_space, Box)
    assert np.isfinite(spec.action_space.high).all()
    assert (spec.observation_space.shape, spec.action_space.shape) == ((MUJOCO[task][0],), (MUJOCO[task][1],))
    assert spec.frame_skip == 1


def test_a_time_limit_truncates_with_the_true_last_observation() -> None:
    """Truncated and not terminated; ``("next", "observation")`` is the last step's, what follows the first's."""
    env = EnvConfig(toy("TimeLimit")).make(2, seed=0, training=True)
    state = env.torchrl.reset()
    for t in range(1, 2 * LIMIT + 1):
        state["action"] = torch.zeros(2, dtype=torch.int64)
        step, state = env.torchrl.step_and_maybe_reset(state)
        over = t % LIMIT == 0
        assert not step["next", "terminated"].any()
        assert (step["next", "truncated"] == over).all()
        assert step["next", "observation"].flatten().tolist() == [(t - 1) % LIMIT + 1] * 2
        assert state["observation"].flatten().tolist() == [0 if over else t % LIMIT] * 2
    assert [(e.env, e.ret, e.length) for e in env.drain()] == [(0, 7, 7), (1, 7, 7)] * 2
    env.close()


def test_the_limit_of_a_real_task_truncates() -> None:
    """Pendulum never terminates; after 200 steps the pendulum hangs where it hung, and a new one starts elsewhere."""
    env = EnvConfig("Pendulum-v1").make(1, seed=0, training=True)
    states = env.torchrl.rollout(199, break_when_any_done=False, callback=None)
    assert not states["next", "done"].any()
    state = env.torchrl.step_mdp(states[:, -1])
    state["action"] = torch.zeros(1, 1)
    step, after = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "truncated"].all()
    assert not step["next", "terminated"].any()
    angle, next_angle = (torch.atan2(*x["observation"][0, [1, 0]]) for x in (state, step["next"]))
    turned = torch.remainder(next_angle - angle + torch.pi, 2 * torch.pi) - torch.pi
    assert turned.item() == pytest.approx(0.05 * step["next", "observation"][0, 2].item(), abs=1e-3)
    assert not torch.allclose(after["observation"], step["next", "observation"])
    assert env.drain()[0].length == 200
    env.close()


def test_box_actions_are_clipped_component_by_component() -> None:
    """To the environment's own bounds; actions inside pass unchanged."""
    env = EnvConfig(toy("WideBox")).make(3, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([[9.0, 9.0], [-9.0, -9.0], [-1.25, 0.125]])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].tolist() == [[2.0, 0.5], [-2.0, 0.0], [-1.25, 0.125]]
    assert EnvConfig(toy("WideBox")).spec().action_space == Box(
        np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32)
    )
    env.close()


def test_a_bound_on_one_side_clips_on_that_side() -> None:
    """5 arrives as 1, and -5 as it is."""
    env = EnvConfig(toy("HalfBox")).make(1, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([[5.0, -5.0]])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].tolist() == [[1.0, -5.0]]
    env.close()


def test_discrete_actions_count_from_zero_here_and_from_start_there() -> None:
    """Index 0 is the environment's first action, whatever its number."""
    env = EnvConfig(toy("StartsAtOne")).make(3, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([0, 1, 2])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].flatten().tolist() == [1, 2, 3]
    assert step["next", "reward"].flatten().tolist() == [1, 2, 3]
    assert EnvConfig(toy("StartsAtOne")).spec().action_space == Discrete(3, start=1)
    env.close()


def first_observations(env_id: str, seed: int, num_envs: int = 3) -> torch.Tensor:
    """Five steps of fixed actions."""
    env = EnvConfig(env_id).make(num_envs, seed=seed, training=True)
    state, seen = env.torchrl.reset(), []
    for _ in range(5):
        state["action"] = torch.zeros_like(env.torchrl.rand_action()["action"])
        _, state = env.torchrl.step_and_maybe_reset(state)
        seen.append(state["observation"].clone())
    env.close()
    return torch.stack(seen, 1)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Hopper-v5", toy("Identity")])
def test_seeds_decide_the_episodes(env_id: str) -> None:
    """Same seed, same steps; another seed, or another copy, others."""
    one, same, other = (first_observations(env_id, seed) for seed in (1, 1, 100))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("HalfCheeta-v5", "is not a registered environment. Did you mean 'HalfCheetah-v5'"),
        ("cartpole-v1", "Did you mean 'CartPole-v1'"),
        ("CartPole-v99", "Did you mean 'CartPole-v1'"),
        ("tests.toys:ToyIdentiy-v0", "Did you mean 'ToyIdentity-v0'"),
        ("tests.no_such_module:X-v0", "importing 'tests.no_such_module' failed: No module named"),
        ("", "must name an environment"),
    ],
)
def test_unknown_ids_are_refused_with_the_nearest(given: str, message: str) -> None:
    """With what was given."""
    with pytest.raises(ConfigError, match=message) as error:
        EnvConfig(given)
    assert repr(given) in str(error.value)


def test_an_environment_that_cannot_be_made_says_why() -> None:
    """The first line of its own reason."""
    with pytest.raises(ConfigError, match=r"ToyUnbuildable-v0' cannot be made: no licence for this toy$"):
        EnvConfig(toy("Unbuildable")).spec()


def test_bad_keyword_arguments_are_the_users() -> None:
    """The constructor's own complaint, as a ConfigError."""
    with pytest.raises(ConfigError, match=r"cannot be made: .*no_such_option"):
        EnvConfig("CartPole-v1", kwargs={"no_such_option": 1}).spec()
