"""From a saved state another copy of the environments goes on exactly as the first does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.spaces.utils import flatten

from lit_a3c.envs import AtariOptions, BatchedEnv, EnvConfig, action_log
from tests.dummy_envs import dummy

E = 3
STICKY = AtariOptions(sticky=0.25)
KINDS = [
    ("CartPole-v1", None, 100),
    ("Hopper-v5", None, 60),
    ("ALE/Breakout-v5", STICKY, 200),
    (dummy("Senses"), None, 40),
]


def act(env: BatchedEnv, state: Any, actions: list[np.ndarray]) -> tuple[list[torch.Tensor], Any]:
    """Everything that a collector gets under these actions."""
    seen = []
    for action in actions:
        state["action"] = torch.as_tensor(action)
        step, state = env.torchrl.step_and_maybe_reset(state)
        after = step["next"]
        seen += [step["observation"].clone(), after["observation"].clone(), after["reward"].clone()]
        seen += [after["terminated"].clone(), after["truncated"].clone(), env.is_init.clone()]
    return seen, state


@pytest.mark.parametrize("min_length", [1, 25, 10**6])
@pytest.mark.parametrize(("env_id", "atari", "steps"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_state_is_reached_again(
    monkeypatch: pytest.MonkeyPatch, env_id: str, atari: AtariOptions | None, steps: int, min_length: int
) -> None:
    """This holds whether every episode is seeded anew, some, or none. Unfinished returns and lives are included."""
    monkeypatch.setattr(action_log, "MIN_LENGTH", min_length)
    config = EnvConfig(env_id, atari)
    spaces = config.spaces()
    spaces.action_space.seed(0)
    draws = [np.stack([drawn(spaces.action_space) for _ in range(E)]) for _ in range(2 * steps)]
    actions = [torch.as_tensor(draw.reshape(E, *spaces.action_shape)).to(spaces.action_dtype).numpy() for draw in draws]
    first, second = (config.make(E, seed=seed, training=True, record=True) for seed in (3, 99))
    _, now = act(first, first.torchrl.reset(), actions[:steps])
    assert first.pop_finished(), "no episode ended"
    state = first.state_dict()
    assert state["actions"].shape[0] == state["length"].max()
    reached: list[Any] = []
    second.load_state_dict(state, lambda: reached.append(second.torchrl.reset()))
    assert torch.equal(reached[0]["observation"], now["observation"])
    expected, _ = act(first, now, actions[steps:])
    given, _ = act(second, reached[0], actions[steps:])
    assert all(torch.equal(*pair) for pair in zip(given, expected, strict=True))
    assert second.pop_finished() == first.pop_finished()
    first.close()
    second.close()


def drawn(space: Any) -> np.ndarray:
    """A random action, in the form that rollouts have it in."""
    action = space.sample()
    return np.asarray(action) if isinstance(space, Box | Discrete) else np.asarray(flatten(space, action))


def test_seeds_differ_between_environments_and_episodes() -> None:
    """No two of nine episodes begin in the same way."""
    env = EnvConfig("CartPole-v1").make(E, seed=0, training=True, record=True)
    begins = [env.torchrl.reset()["observation"].clone() for _ in range(3)]
    assert len({tuple(row.tolist()) for begin in begins for row in begin}) == 3 * E
    env.close()
