"""From a tape's state another copy of the environments goes on exactly as the first does."""

from typing import Any

import numpy as np
import pytest
import torch

from lit_a3c.envs import AtariOptions, EnvConfig, VectorEnv, tape

E = 3
STICKY = AtariOptions(sticky=0.25)
KINDS = [
    ("CartPole-v1", None, 100),
    ("Hopper-v5", None, 60),
    ("ALE/Breakout-v5", STICKY, 200),
    ("tests.toys:ToySenses-v0", None, 40),
]


def act(env: VectorEnv, state: Any, actions: list[np.ndarray]) -> tuple[list[torch.Tensor], Any]:
    """Everything that a collector sees under these actions."""
    seen = []
    for action in actions:
        state["action"] = torch.as_tensor(action)
        step, state = env.torchrl.step_and_maybe_reset(state)
        after = step["next"]
        seen += [step["observation"].clone(), after["observation"].clone(), after["reward"].clone()]
        seen += [after["terminated"].clone(), after["truncated"].clone(), env.begun.clone()]
    return seen, state


@pytest.mark.parametrize("min_length", [1, 25, 10**6])
@pytest.mark.parametrize(("env_id", "atari", "steps"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_state_is_reached_again(
    monkeypatch: pytest.MonkeyPatch, env_id: str, atari: AtariOptions | None, steps: int, min_length: int
) -> None:
    """Whether every episode is seeded anew, some, or none; unfinished returns and lives included."""
    monkeypatch.setattr(tape, "MIN_LENGTH", min_length)
    config = EnvConfig(env_id, atari)
    space = config.spec().action_space
    space.seed(0)
    shape, dtype = config.spec().action_shape, config.spec().action_dtype
    draws = [np.stack([flattened(space) for _ in range(E)]).reshape(E, *shape) for _ in range(2 * steps)]
    actions = [torch.as_tensor(draw).to(dtype).numpy() for draw in draws]
    first, second = (config.make(E, seed=seed, training=True, record=True) for seed in (3, 99))
    _, now = act(first, first.torchrl.reset(), actions[:steps])
    assert first.drain(), "no episode ended"
    state = first.state()
    assert state["actions"].shape[0] == state["length"].max()
    reached: list[Any] = []
    second.resume(state, lambda: reached.append(second.torchrl.reset()))
    assert torch.equal(reached[0]["observation"], now["observation"])
    expected, _ = act(first, now, actions[steps:])
    given, _ = act(second, reached[0], actions[steps:])
    assert all(torch.equal(*pair) for pair in zip(given, expected, strict=True))
    assert second.drain() == first.drain()
    first.close()
    second.close()


def flattened(space: Any) -> np.ndarray:
    """An action as rollouts hold it."""
    from gymnasium.spaces import Box, Discrete
    from gymnasium.spaces.utils import flatten

    action = space.sample()
    return np.asarray(action) if isinstance(space, Box | Discrete) else flatten(space, action)


def test_seeds_differ_between_environments_and_episodes() -> None:
    env = EnvConfig("CartPole-v1").make(E, seed=0, training=True, record=True)
    begins = [env.torchrl.reset()["observation"].clone() for _ in range(3)]
    assert len({tuple(row.tolist()) for begin in begins for row in begin}) == 3 * E
    env.close()
