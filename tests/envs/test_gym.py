"""Environments of Gymnasium's registry: their limits, actions, seeds, and refusals."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c.envs import EnvConfig
from lit_a3c.utils.errors import ConfigError
from tests.commands import environment
from tests.dummy_envs import LIMIT, dummy

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
def test_mujoco_tasks_have_spaces(task: str) -> None:
    """All eleven tasks have them, by name."""
    spaces = EnvConfig(f"{task}-v5").spaces()
    assert isinstance(spaces.action_space, Box)
    assert np.isfinite(spaces.action_space.high).all()
    assert (spaces.observation_space.shape, spaces.action_space.shape) == ((MUJOCO[task][0],), (MUJOCO[task][1],))
    assert spaces.frame_skip == 1


def test_a_time_limit_truncates_with_the_true_last_observation() -> None:
    """It does not terminate. ``("next", "observation")`` is the last step's, then the new episode's first follows."""
    env = EnvConfig(dummy("TimeLimit")).make(2, seed=0, training=True)
    state = env.torchrl.reset()
    for t in range(1, 2 * LIMIT + 1):
        state["action"] = torch.zeros(2, dtype=torch.int64)
        step, state = env.torchrl.step_and_maybe_reset(state)
        done = t % LIMIT == 0
        assert not step["next", "terminated"].any()
        assert (step["next", "truncated"] == done).all()
        assert step["next", "observation"].flatten().tolist() == [(t - 1) % LIMIT + 1] * 2
        assert state["observation"].flatten().tolist() == [0 if done else t % LIMIT] * 2
    assert [(e.env, e.episode_return, e.length) for e in env.pop_finished()] == [(0, 7, 7), (1, 7, 7)] * 2
    env.close()


def test_the_limit_of_a_real_task_truncates() -> None:
    """Pendulum never terminates. The 200th step moves the pendulum on, and the new episode starts elsewhere."""
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
    assert env.pop_finished()[0].length == 200
    env.close()


def test_box_actions_are_clipped_component_by_component() -> None:
    """The bounds are the environment's own. Actions inside pass unchanged."""
    env = EnvConfig(dummy("WideBox")).make(3, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([[9.0, 9.0], [-9.0, -9.0], [-1.25, 0.125]])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].tolist() == [[2.0, 0.5], [-2.0, 0.0], [-1.25, 0.125]]
    assert EnvConfig(dummy("WideBox")).spaces().action_space == Box(
        np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32)
    )
    env.close()


def test_a_bound_on_one_side_clips_on_that_side() -> None:
    """5 arrives as 1, and -5 arrives unchanged."""
    env = EnvConfig(dummy("HalfBox")).make(1, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([[5.0, -5.0]])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].tolist() == [[1.0, -5.0]]
    env.close()


def test_discrete_actions_count_from_the_spaces_start() -> None:
    """Index 0 is the environment's first action, whatever number that has."""
    env = EnvConfig(dummy("StartsAtOne")).make(3, seed=0, training=True)
    state = env.torchrl.reset()
    state["action"] = torch.tensor([0, 1, 2])
    step, _ = env.torchrl.step_and_maybe_reset(state)
    assert step["next", "observation"].flatten().tolist() == [1, 2, 3]
    assert step["next", "reward"].flatten().tolist() == [1, 2, 3]
    assert EnvConfig(dummy("StartsAtOne")).spaces().action_space == Discrete(3, start=1)
    env.close()


def first_observations(env_id: str, seed: int, num_envs: int = 3) -> torch.Tensor:
    """Observations of five steps with fixed actions."""
    env = EnvConfig(env_id).make(num_envs, seed=seed, training=True)
    state, seen = env.torchrl.reset(), []
    for _ in range(5):
        state["action"] = torch.zeros_like(env.torchrl.rand_action()["action"])
        _, state = env.torchrl.step_and_maybe_reset(state)
        seen.append(state["observation"].clone())
    env.close()
    return torch.stack(seen, 1)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Hopper-v5", dummy("Identity")])
def test_seeds_decide_the_episodes(env_id: str) -> None:
    """The same seed gives the same steps. Another seed or another copy gives others."""
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
        ("tests.dummy_envs:DummyIdentiy-v0", "Did you mean 'DummyIdentity-v0'"),
        ("tests.no_such_module:X-v0", "importing 'tests.no_such_module' failed: ModuleNotFoundError: No module named"),
        ("", "must name an environment"),
        (":CartPole-v3", "names no module before the colon. Did you mean 'CartPole-v1'"),
        ("HalfCheetah", "Did you mean 'HalfCheetah-v5'"),
    ],
)
def test_unknown_ids_are_refused_with_the_nearest(given: str, message: str) -> None:
    """The message has what was given."""
    with pytest.raises(ConfigError, match=message) as error:
        EnvConfig(given)
    assert repr(given) in str(error.value)


@pytest.mark.parametrize("given", ["X-v0", ":X-v0", "tests.dummy_envs:", "tests.dummy_envs:X-v0"])
def test_a_version_in_common_suggests_nothing(given: str) -> None:
    with pytest.raises(ConfigError) as error:
        EnvConfig(given)
    assert "Did you mean" not in str(error.value)


def test_what_gymnasium_says_of_an_environment_is_said_once() -> None:
    """Not of every copy."""
    config = EnvConfig("CartPole-v1", kwargs={"render_mode": "ascii"})

    def make_some() -> None:
        config.spaces()
        for known in (config, pickle.loads(pickle.dumps(config))):  # as a worker gets it
            known.make(3, seed=0, training=True).close()

    with pytest.warns(UserWarning, match="render_mode='ascii' that is not in the possible") as warned:
        make_some()
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n", r"SyntaxError: invalid syntax \(its_module_0.py, line 2\)"),
        (
            "\nimport no_such_library\n",
            r"ModuleNotFoundError: No module named 'no_such_library' \(its_module_1.py, line 2\)",
        ),
        ("def f():\n  return 1 / 0\nf()\n", r"ZeroDivisionError: division by zero \(its_module_2.py, line 2, in f\)"),
        ("import sys\nsys.exit(0)\n", r"sys.exit\(0\) was called \(its_module_3.py, line 2\)"),
        ("raise ValueError\n", r"ValueError \(its_module_4.py, line 1\)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_where(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option, the module, the reason, and the file and line of the module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    name = re.findall(r"its_module_\d", message)[0]
    Path(f"{name}.py").write_text(text)
    with pytest.raises(ConfigError, match=rf"data.env_id '{name}:X-v0': importing '{name}' failed: {message}\.$"):
        EnvConfig(f"{name}:X-v0")


def test_drawing_without_a_screen_says_nothing() -> None:
    """SDL, which draws CartPole, would look for a screen and report an error on stderr at every video."""
    code = (
        "from lit_a3c.envs import EnvConfig\n"
        "env = EnvConfig('CartPole-v1').make(1, seed=0, training=False, render=True)\n"
        "env.torchrl.reset()\n"
        "print(env.gym.render()[0].shape)"
    )
    screen = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SDL_VIDEODRIVER")
    variables = {name: value for name, value in environment().items() if name not in screen}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120)
    assert done.stdout == "(400, 600, 3)\n"
    assert "XDG" not in done.stderr


def test_an_environment_that_cannot_be_made_says_why() -> None:
    """The message has the first line of its own reason, the class, and the place."""
    reason = r"OSError: no licence for this environment \(.*failing.py, line \d+, in Unbuildable.__init__\)\.$"
    with pytest.raises(ConfigError, match=rf"DummyUnbuildable-v0' cannot be made: {reason}"):
        EnvConfig(dummy("Unbuildable")).spaces()


def test_bad_keyword_arguments_are_refused() -> None:
    """The message has the constructor's own reason."""
    with pytest.raises(ConfigError, match=r"cannot be made: .*no_such_option"):
        EnvConfig("CartPole-v1", kwargs={"no_such_option": 1}).spaces()
