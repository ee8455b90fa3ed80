"""Rollouts side by side in one block of memory are those that were put there, on any device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lit_a3c.engines.staging import RolloutStaging
from lit_a3c.rollout import Episode, Rollout
from tests.devices import DEVICES
from tests.modules import OBS, B, T, batch_first_views, make_rollout

CPU = torch.device("cpu")
K = 3


def rollouts(seed: int = 0, *, cut: bool = True, **dtypes: Any) -> list[Rollout]:
    """Three rollouts with all that a rollout can have, as views of a collector's memory; cut short in the middle."""
    made = []
    for i in range(K):
        rollout = make_rollout(10 * seed + i)
        rollout = replace(
            rollout,
            truncated=rollout.truncated if cut else torch.zeros(T, B, dtype=torch.bool),
            observation=rollout.observation.to(dtypes.get("observation")),
            next_observation=rollout.next_observation.to(dtypes.get("observation")),
            behaviour_log_prob=torch.randn(T, B),
            recurrent_state=torch.randn(1, B, 7),
            policy_version=20 - i,
            episodes=[Episode(i, float(seed), 5)],
        )
        made.append(batch_first_views(rollout))
    return made


def apart(device: torch.device = CPU) -> RolloutStaging:
    """A staging whose learner is elsewhere. On the CPU a second block takes the place of a GPU's memory."""
    staging = RolloutStaging(rollouts()[0], K * B, device)
    if device.type == "cpu":
        staging._moved = torch.zeros_like(staging._block)
        staging._whole = staging._views(staging._moved)
    return staging


def staged(staging: RolloutStaging, parts: list[Rollout]) -> Rollout:
    for part in parts:
        staging.add(part)
    return staging.take()


def assert_side_by_side(whole: Rollout, parts: list[Rollout]) -> None:
    """All is there, and of the next observations those that are valid."""
    expected = Rollout.cat(parts)
    assert whole.tensors().keys() == expected.tensors().keys()
    for name, tensor in expected.tensors().items():
        seen = whole.tensors()[name].cpu()
        assert (seen.dtype, seen.shape) == (tensor.dtype, tensor.shape)
        if name == "next_observation":
            assert torch.equal(seen[-1], tensor[-1])
            assert torch.equal(seen[expected.truncated], tensor[expected.truncated])
        else:
            assert torch.equal(seen, tensor), name
    assert whole.policy_versions == expected.policy_versions == (20, 19, 18)
    assert (whole.policy_version, whole.mean_policy_version) == (18, 19)
    assert whole.episodes == expected.episodes
    assert not whole.batch_first


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_they_are_those_that_were_put_there(dtype: torch.dtype) -> None:
    """The rollouts may be written over as soon as they are staged, and the next ones take the same memory."""
    first = rollouts(observation=dtype)
    staging = RolloutStaging(first[0], K * B, CPU)
    memory = set()
    for seed in range(3):
        parts = rollouts(seed, observation=dtype)
        expected = [replace(part, **{name: x.clone() for name, x in part.tensors().items()}) for part in parts]
        for part in parts:
            staging.add(part)
            part.reward.fill_(-1)
            part.observation.zero_()
        whole = staging.take()
        assert_side_by_side(whole, expected)
        memory.add(whole.observation.data_ptr())
    assert len(memory) == 1
    assert whole.observation.is_contiguous(), "time first, as the network reads it"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cut", [True, False])
def test_a_learner_elsewhere_gets_the_same(device: str, cut: bool) -> None:
    """Whatever an earlier update has left there, and though the block is written again at once."""
    staging = apart(torch.device(device))
    for seed in range(3):
        parts = rollouts(seed, cut=cut if seed else not cut)
        whole = staged(staging, parts)
        assert {tensor.device.type for tensor in whole.tensors().values()} == {device}
        assert_side_by_side(whole, parts)
    staging.add(rollouts(9)[0])  # the next update, while this one is being learned from
    assert_side_by_side(whole, parts)


@pytest.mark.parametrize("device", DEVICES)
def test_next_observations_that_nobody_reads_stay_behind(device: str) -> None:
    """They are half of what Atari would send. Where no episode was cut short, only those of the last step are sent."""
    staging = apart(torch.device(device))
    staging._moved.fill_(0)
    whole = staged(staging, rollouts(cut=False))
    sent = whole.next_observation.cpu()
    assert sent.shape == (T, K * B, OBS)
    assert not sent[:-1].any()
    assert sent[-1].all()


def test_what_does_not_fill_the_block_is_an_error() -> None:
    """Neither too few rollouts nor too many are learned from in silence."""
    staging = RolloutStaging(rollouts()[0], K * B, CPU)
    staging.add(rollouts()[0])
    with pytest.raises(AssertionError, match="fewer environments"):
        staging.take()
    for part in rollouts()[1:]:
        staging.add(part)
    with pytest.raises(AssertionError, match="more environments"):
        staging.add(rollouts()[0])
