"""The engine ``serial``: no processes, and reproducible to the bit."""

from __future__ import annotations

import pytest
import torch

from lit_a3c.rollout import Rollout
from lit_a3c.utils.errors import EnvError
from tests.dummy_envs import dummy
from tests.engines.sources import always, assert_same_tensors, collecting, copied, opened, setting, workers


def test_serial_is_reproducible_to_the_bit() -> None:
    """The same seed gives the same rollouts, updates between them included. Another seed gives others."""

    def run(seed: int) -> list[Rollout]:
        rollouts = []
        with collecting("CartPole-v1", "serial", workers=2, envs=2, length=10, seed=seed) as (source, policy):
            for version in range(5):
                with torch.no_grad():
                    policy.head.logits.bias.add_(torch.randn(2))
                source.publish(version)
                rollouts.append(copied(source.next()))
        return rollouts

    one, same, other = run(3), run(3), run(4)
    for a, b in zip(one, same, strict=True):
        assert a.episodes == b.episodes
        assert_same_tensors(a, b)
    assert not any(torch.equal(a.observation, b.observation) for a, b in zip(one, other, strict=True))


def test_serial_and_sync_step_the_same_environments() -> None:
    """With a policy that leaves nothing to chance the two engines differ only in who computes."""
    rollouts = {}
    for engine in ("serial", "sync"):
        with collecting("CartPole-v1", engine, workers=2, envs=3, length=12) as (source, _):
            first = source.next()  # drawn at random
            assert first.observation.shape == (12, 6, 4)
        config, policy = setting("CartPole-v1", engine, workers=2, envs=3, length=12)
        with opened(config, always(policy, 1)) as source:
            rollouts[engine] = [copied(source.next()) for _ in range(3)]
    for a, b in zip(rollouts["serial"], rollouts["sync"], strict=True):
        for name in ("observation", "action", "reward", "terminated", "truncated"):
            assert torch.equal(a.tensors()[name], b.tensors()[name])
        assert torch.equal(a.next_observation[-1], b.next_observation[-1])


def test_serial_raises_the_environments_error() -> None:
    """There is no worker, and no WorkerError. The cause is the environment's own exception."""
    with (
        collecting(dummy("Broken"), "serial") as (source, _),
        pytest.raises(EnvError, match="the environment broke in step 3") as failure,
    ):
        source.next()
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_serial_has_no_processes_and_may_be_closed_twice() -> None:
    config, policy = setting("CartPole-v1", "serial", workers=2)
    with opened(config, policy) as source:
        source.next()
        assert not workers()
        source.close()
