from __future__ import annotations

from dataclasses import replace

import torch

from lit_a3c.envs import Episode
from lit_a3c.rollout import Rollout

FIELDS = {"observation", "action", "reward", "terminated", "truncated", "next_observation"}


def rollout(start: int, time: int = 3, batch: int = 2, **fields: int) -> Rollout:
    """Numbers that tell rollouts and places apart."""
    reward = start + torch.arange(time * batch).reshape(time, batch).float()
    observation = reward[..., None].repeat(1, 1, 4)
    return Rollout(
        observation=observation,
        action=reward.long(),
        reward=reward,
        terminated=reward % 2 == 0,
        truncated=reward % 3 == 0,
        next_observation=observation + 1,
        episodes=[Episode(0, float(start), time)],
        **fields,
    )


def test_num_steps_and_lag() -> None:
    """Steps are T times B; the lag counts updates."""
    assert rollout(0, time=5, batch=3).num_steps == 15
    assert rollout(0, version=4, learner_version=9).policy_lag == 5
    assert rollout(0).policy_lag == 0


def test_tensors_are_all_six() -> None:
    """And nothing else."""
    assert set(rollout(0).tensors()) == FIELDS


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    """Dtype as a stand-in for a device."""
    record = rollout(0, version=3, learner_version=4)
    moved = record.to("meta")
    assert {tensor.device.type for tensor in moved.tensors().values()} == {"meta"}
    assert (moved.version, moved.learner_version, moved.episodes) == (3, 4, record.episodes)
    assert record.to(torch.float64).reward.dtype == torch.float64
    assert record.reward.device.type == "cpu"


def test_cat_puts_environments_side_by_side() -> None:
    """Along B, in order; the oldest version counts, all episodes are kept."""
    a, b = rollout(0, version=7, learner_version=8), rollout(100, batch=1, version=5, learner_version=8)
    both = Rollout.cat([a, b])
    assert both.num_steps == 9
    for name in FIELDS:
        tensor = both.tensors()[name]
        assert torch.equal(tensor[:, :2], a.tensors()[name])
        assert torch.equal(tensor[:, 2:], b.tensors()[name])
    assert (both.version, both.learner_version, both.policy_lag) == (5, 8, 3)
    assert both.episodes == a.episodes + b.episodes


def test_cat_copies_no_single_rollout() -> None:
    """Two become a third; one is megabytes of Atari and stays itself."""
    a, b = rollout(0), rollout(1)
    both = Rollout.cat([a, b])
    assert Rollout.cat([a]) is a
    a.reward.fill_(-1)
    assert both.reward[1, 0] == 2


def test_split_deals_out_environments() -> None:
    """Side by side again they are the whole; no step and no episode is there twice."""
    whole = rollout(0, batch=5, version=3, learner_version=4)
    parts = whole.split(2)
    assert [part.reward.shape for part in parts] == [(3, 3), (3, 2)]
    assert [len(part.episodes) for part in parts] == [1, 0]
    assert [part.policy_lag for part in parts] == [1, 1]
    again = Rollout.cat(parts)
    for name, tensor in whole.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name
    assert again.episodes == whole.episodes


def test_memories_stay_with_their_environments() -> None:
    """One row of them is split, put side by side and moved with the rest; it counts as no step."""
    memory = torch.arange(10.0).reshape(1, 5, 2)
    whole = replace(rollout(0, time=3, batch=5), memory=memory)
    assert whole.num_steps == 15
    parts = whole.split(2)
    assert [part.memory.tolist() for part in parts if part.memory is not None] == [
        [[[0, 1], [2, 3], [4, 5]]],
        [[[6, 7], [8, 9]]],
    ]
    swapped = Rollout.cat(parts[::-1])
    assert swapped.memory is not None
    assert swapped.memory.tolist() == [[[6, 7], [8, 9], [0, 1], [2, 3], [4, 5]]]
    assert torch.equal(swapped.reward[:, :2], whole.reward[:, 3:])
    moved = whole.to("meta").memory
    assert moved is not None
    assert (moved.device.type, moved.shape) == ("meta", (1, 5, 2))


def test_no_memory_stays_none() -> None:
    """Of a policy that has none."""
    parts = rollout(0).split(2)
    assert [part.memory for part in (*parts, Rollout.cat(parts), parts[0].to("meta"))] == [None] * 4
