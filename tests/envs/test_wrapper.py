"""A step of the environments is TorchRL's own, and says where an episode begins."""

from __future__ import annotations

import pytest
import torch
from tensordict import TensorDict, TensorDictBase
from torchrl.envs import EnvBase, GymWrapper

from lit_a3c.envs import EnvConfig
from lit_a3c.envs.wrapper import VectorEnvWrapper
from lit_a3c.utils.shared_counter import SharedCounter
from tests.dummy_envs import LIMIT, dummy


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


@pytest.mark.parametrize("env_id", ["CartPole-v1", "HalfCheetah-v5", "ALE/Pong-v5", dummy("TimeLimit")])
def test_a_step_is_torchrls_own(env_id: str) -> None:
    """Keys, types, shapes and values are the same, those of resets included."""
    ours, theirs = (EnvConfig(env_id).make(3, seed=0, training=True) for _ in range(2))
    assert type(ours.torchrl) is VectorEnvWrapper
    reference = GymWrapper(theirs.gym, categorical_action_encoding=True)
    ended = False
    for step, expected in zip(steps(ours.torchrl, 60), steps(reference, 60), strict=True):
        assert set(step.keys(True, True)) == set(expected.keys(True, True))
        for key in expected.keys(True, True):
            torch.testing.assert_close(step[key], expected[key], rtol=0, atol=0)
        ended |= bool(step["next", "done"].any())
    assert ended == (env_id in ("CartPole-v1", dummy("TimeLimit")))
    ours.close()
    theirs.close()


def test_a_plain_step_is_the_same() -> None:
    """TorchRL's ``step``, which checks keys and types, finds nothing to change in what the short step returns."""
    one, other = (EnvConfig("HalfCheetah-v5").make(3, seed=0, training=True) for _ in range(2))
    state, after = one.torchrl.reset(), other.torchrl.reset()
    one.torchrl.run_type_checks = True
    for _ in range(5):
        action = one.torchrl.rand_action()["action"]
        plain = one.torchrl.step(state.set("action", action))["next"]
        short, after = other.torchrl.step_and_maybe_reset(after.set("action", action))
        assert set(plain.keys(True, True)) == set(short["next"].keys(True, True))
        for key, value in plain.items(True, True):
            assert torch.equal(value, short["next", key])
        state = plain.exclude("reward")
    one.close()
    other.close()


def test_every_step_is_counted_as_it_is_taken() -> None:
    """One counts for each environment, and none for a reset."""
    env = EnvConfig(dummy("TimeLimit")).make(3, seed=0, training=True)
    env.torchrl.collected = SharedCounter()
    state = env.torchrl.reset()
    for step in range(1, 2 * LIMIT):
        state["action"] = torch.zeros(3, dtype=torch.int64)
        _, state = env.torchrl.step_and_maybe_reset(state)
        assert env.torchrl.collected.total == 3 * step
    env.close()


def test_is_init_is_true_at_first_observations() -> None:
    """These episodes of 1 and of 20 steps observe their step: is_init is true where it is 0, and nowhere else."""
    env = EnvConfig(dummy("Lengths")).make(4, seed=0, training=True)
    assert env.is_init.all()
    seen = []
    for _ in range(2):
        state = env.torchrl.reset()
        assert env.is_init.all()
        for _ in range(60):
            state["action"] = torch.zeros(4, dtype=torch.int64)
            _, state = env.torchrl.step_and_maybe_reset(state)
            assert torch.equal(env.is_init, state["observation"][:, 0] == 0)
            seen.append(env.is_init)
    env.close()
    counts = {int(is_init.sum()) for is_init in seen}
    assert counts >= {0, 1, 2}, "nowhere, in one environment, in several"


def test_is_init_stays_true_until_the_step() -> None:
    """Environments that are reset one after the other are all at their first observations, until they step."""
    env = EnvConfig(dummy("Counter")).make(3, seed=0, training=True)
    state = env.torchrl.reset()

    def step() -> None:
        env.torchrl.step(state.set("action", torch.zeros(3, dtype=torch.int64)))

    def reset(*environments: int) -> None:
        mask = torch.tensor([[i in environments] for i in range(3)])
        env.torchrl.reset(TensorDict({"_reset": mask}, [3]))

    step()
    assert env.is_init.tolist() == [False, False, False]
    reset(1)
    assert env.is_init.tolist() == [False, True, False]
    reset(0)
    assert env.is_init.tolist() == [True, True, False]
    step()
    assert env.is_init.tolist() == [False, False, False]
    env.close()
