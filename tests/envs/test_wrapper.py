from __future__ import annotations

import pytest
import torch
from tensordict import TensorDict, TensorDictBase
from torchrl.envs import EnvBase, GymWrapper

from lit_a3c.envs import EnvConfig
from lit_a3c.envs.wrapper import VectorEnvWrapper
from tests.toys import toy


def steps(env: EnvBase, count: int) -> list[TensorDictBase]:
    env.set_seed(0)
    generator = torch.Generator().manual_seed(0)
    state = env.reset()
    found = []
    for _ in range(count):
        spec = env.action_spec
        draws = torch.rand(spec.shape, generator=generator)
        state["action"] = (draws * spec.n).long() if hasattr(spec, "n") else draws.to(spec.dtype)
        step, state = env.step_and_maybe_reset(state)
        found.append(step.clone())
    return found


@pytest.mark.parametrize("env_id", ["CartPole-v1", "HalfCheetah-v5", "ALE/Pong-v5", toy("TimeLimit")])
def test_a_step_is_torchrls_own(env_id: str) -> None:
    """Keys, types, shapes and values, resets included."""
    ours, theirs = (EnvConfig(env_id).make(3, seed=0, training=True) for _ in range(2))
    assert type(ours.torchrl) is VectorEnvWrapper
    reference = GymWrapper(theirs.gym, categorical_action_encoding=True)
    ended = False
    for step, expected in zip(steps(ours.torchrl, 60), steps(reference, 60), strict=True):
        assert set(step.keys(True, True)) == set(expected.keys(True, True))
        for key in expected.keys(True, True):
            torch.testing.assert_close(step[key], expected[key], rtol=0, atol=0)
        ended |= bool(step["next", "done"].any())
    assert ended == (env_id in ("CartPole-v1", toy("TimeLimit")))
    ours.close()
    theirs.close()


def test_begun_is_at_first_observations() -> None:
    """Episodes of 1 and of 20 steps that count their own: begun is where the count is 0, and nowhere else."""
    env = EnvConfig(toy("Lengths")).make(4, seed=0, training=True)
    assert env.begun.all()
    seen = []
    for _ in range(2):
        state = env.torchrl.reset()
        assert env.begun.all()
        for _ in range(60):
            state["action"] = torch.zeros(4, dtype=torch.int64)
            _, state = env.torchrl.step_and_maybe_reset(state)
            assert torch.equal(env.begun, state["observation"][:, 0] == 0)
            seen.append(env.begun)
    env.close()
    counts = {int(begun.sum()) for begun in seen}
    assert counts >= {0, 1, 2}, "nowhere, in one environment, in several"


def test_begun_stays_until_the_step() -> None:
    """Environments reset one after the other are all at their first observations, until they go on."""
    env = EnvConfig(toy("Counter")).make(3, seed=0, training=True)
    state = env.torchrl.reset()

    def step() -> None:
        env.torchrl.step(state.set("action", torch.zeros(3, dtype=torch.int64)))

    def reset(*environments: int) -> None:
        mask = torch.tensor([[i in environments] for i in range(3)])
        env.torchrl.reset(TensorDict({"_reset": mask}, [3]))

    step()
    assert env.begun.tolist() == [False, False, False]
    reset(1)
    assert env.begun.tolist() == [False, True, False]
    reset(0)
    assert env.begun.tolist() == [True, True, False]
    step()
    assert env.begun.tolist() == [False, False, False]
    env.close()
