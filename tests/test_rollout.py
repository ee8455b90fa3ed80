"""Rollouts are moved, split and put side by side without losing a step, an episode or a recurrent state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lit_a3c.rollout import Episode, Rollout
from tests.modules import batch_first_views

FIELDS = {"observation", "action", "reward", "terminated", "truncated", "next_observation"}
"""The tensors that every rollout has."""


def rollout(start: int, time: int = 3, batch: int = 2, **fields: Any) -> Rollout:
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


def state_of(part: Rollout) -> Tensor:
    """The recurrent state of a rollout that has one."""
    assert part.recurrent_state is not None
    return part.recurrent_state


def test_num_steps_is_time_times_batch() -> None:
    """Five steps of three environments are fifteen."""
    assert rollout(0, time=5, batch=3).num_steps == 15


def test_an_episode_is_done_for_either_reason() -> None:
    """Of the rewards 0 to 5 those that are divisible by 2 are terminated, and those divisible by 3 truncated."""
    assert rollout(0).done.tolist() == [[True, False], [True, True], [True, False]]


def test_tensors_are_those_that_are_there() -> None:
    """The optional ones are there only where a rollout has them."""
    assert set(rollout(0).tensors()) == FIELDS
    optional: dict[str, Any] = {"behaviour_log_prob": torch.zeros(3, 2), "recurrent_state": torch.zeros(1, 2, 7)}
    assert set(rollout(0, **optional).tensors()) == FIELDS | set(optional)


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    """The meta device stands in for a GPU."""
    record = rollout(0, policy_version=3, batch_first=True)
    moved = record.to("meta")
    assert {tensor.device.type for tensor in moved.tensors().values()} == {"meta"}
    assert (moved.policy_version, moved.batch_first, moved.episodes) == (3, True, record.episodes)
    assert record.to(torch.float64).reward.dtype == torch.float64
    assert record.reward.device.type == "cpu"


def test_single_steps_keep_what_belongs_together() -> None:
    """Each of ``T * B`` columns has one step. Shuffled, every step is there once, with its own action and return."""
    r = rollout(0, policy_version=3)
    r.returns, r.advantage = r.reward + 10, -r.reward
    for record in (r, batch_first_views(r)):
        flat = record.single_steps()
        assert (tuple(flat.reward.shape), flat.batch_first) == ((1, 6), False)
        assert flat.num_steps == r.num_steps
        shuffled = flat.shuffle()
        assert sorted(shuffled.reward.flatten().tolist()) == list(range(6))
        for part in shuffled.split(4):
            assert part.returns is not None
            assert part.advantage is not None
            assert torch.equal(part.returns, part.reward + 10)
            assert torch.equal(part.advantage, -part.reward)
            assert torch.equal(part.action, part.reward.long())
            assert torch.equal(part.observation[..., 0], part.reward)
            assert part.policy_version == 3


def test_steps_of_a_recurrent_policy_stay_in_order() -> None:
    """Whole environments are mixed, each with its recurrent state."""
    r = rollout(0, batch=5)
    r.returns = r.reward + 10
    r.recurrent_state = r.reward[:1, :, None].clone()
    shuffled = r.single_steps().shuffle()
    assert shuffled.reward.shape == r.reward.shape
    assert torch.equal(state_of(shuffled)[0, :, 0], shuffled.reward[0])
    assert torch.equal(shuffled.reward[1:], shuffled.reward[:1] + torch.tensor([[5.0], [10.0]]))
    assert sorted(shuffled.reward[0].tolist()) == list(range(5))


def test_cat_puts_environments_side_by_side() -> None:
    """They are in order along B. The oldest policy version counts, and all episodes are kept."""
    a, b = rollout(0, policy_version=7), rollout(100, batch=1, policy_version=5)
    both = Rollout.cat([a, b])
    assert both.num_steps == 9
    for name in FIELDS:
        tensor = both.tensors()[name]
        assert torch.equal(tensor[:, :2], a.tensors()[name])
        assert torch.equal(tensor[:, 2:], b.tensors()[name])
    assert both.policy_version == 5
    assert both.episodes == a.episodes + b.episodes


def test_cat_copies_no_single_rollout() -> None:
    """Two are copied into a third. A single one, which may be megabytes of Atari, is returned itself."""
    a, b = rollout(0), rollout(1)
    both = Rollout.cat([a, b])
    assert Rollout.cat([a]) is a
    a.reward.fill_(-1)
    assert both.reward[1, 0] == 2


def test_what_cat_has_copied_is_time_first_in_memory() -> None:
    """Views of ``[B, T, ...]`` memory are marked as such. Their copy side by side is not, and a single one still is."""
    views = [batch_first_views(rollout(start)) for start in (0, 100)]
    assert not views[0].observation.is_contiguous()
    assert not Rollout.cat(views).batch_first
    assert Rollout.cat(views).observation.is_contiguous()
    assert Rollout.cat(views[:1]).batch_first


def test_split_shares_out_environments() -> None:
    """Put side by side again, the parts are the whole. No step and no episode is in two parts."""
    whole = rollout(0, batch=5, policy_version=3, batch_first=True)
    parts = whole.split(2)
    assert [part.reward.shape for part in parts] == [(3, 3), (3, 2)]
    assert [len(part.episodes) for part in parts] == [1, 0]
    assert [part.policy_version for part in parts] == [3, 3]
    assert [part.batch_first for part in parts] == [True, True]
    again = Rollout.cat(parts)
    for name, tensor in whole.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name
    assert again.episodes == whole.episodes


def test_recurrent_states_stay_with_their_environments() -> None:
    """The one row of them is split, put side by side and moved with the rest. It counts as no step."""
    states = torch.arange(10.0).reshape(1, 5, 2)
    whole = replace(rollout(0, time=3, batch=5), recurrent_state=states)
    assert whole.num_steps == 15
    parts = whole.split(2)
    assert [state_of(part).tolist() for part in parts] == [[[[0, 1], [2, 3], [4, 5]]], [[[6, 7], [8, 9]]]]
    swapped = Rollout.cat(parts[::-1])
    assert state_of(swapped).tolist() == [[[6, 7], [8, 9], [0, 1], [2, 3], [4, 5]]]
    assert torch.equal(swapped.reward[:, :2], whole.reward[:, 3:])
    moved = state_of(whole.to("meta"))
    assert (moved.device.type, moved.shape) == ("meta", (1, 5, 2))


def test_no_recurrent_state_stays_none() -> None:
    """The policy has no recurrent core."""
    parts = rollout(0).split(2)
    assert [part.recurrent_state for part in (*parts, Rollout.cat(parts), parts[0].to("meta"))] == [None] * 4
