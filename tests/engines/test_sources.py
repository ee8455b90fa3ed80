"""What holds for the rollouts of every engine with one learner."""

from __future__ import annotations

import copy
import dataclasses
import functools
import time

import pytest
import torch

from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.recurrent import GRU, LSTM
from tests.devices import DEVICES
from tests.dummy_envs import LIMIT, dummy
from tests.engines.sources import ENGINES, always, assert_same_tensors, collecting, copied, opened, setting
from tests.rnn_reference import Kind


@pytest.mark.parametrize("engine", ENGINES)
def test_rollouts_of_cartpole_are_its_physics(engine: str) -> None:
    """Shapes and types are right. A row's state follows from the row before, unless a new episode begins in it.

    The true next observation of the last row follows from that row.
    """
    count = 2 if engine != "async" else 1
    with collecting("CartPole-v1", engine, workers=2, envs=3, length=15) as (source, _):
        rollouts = [copied(source.next()) for _ in range(4)]
    episodes = 0
    for r in rollouts:
        lead = (15, 3 * count)
        assert r.observation.shape == r.next_observation.shape == (*lead, 4)
        assert r.observation.dtype == r.reward.dtype == torch.float32
        assert r.action.shape == r.reward.shape == r.terminated.shape == r.truncated.shape == lead
        assert r.action.dtype == torch.int64
        assert r.terminated.dtype == r.truncated.dtype == torch.bool
        assert set(r.action.unique().tolist()) == {0, 1}
        assert (r.reward == 1).all()
        assert not r.truncated.any()
        assert r.num_steps == 45 * count
        x, speed = r.observation[..., 0], r.observation[..., 1]
        goes_on = ~r.terminated[:-1]
        torch.testing.assert_close(x[1:][goes_on], (x + 0.02 * speed)[:-1][goes_on])
        assert torch.equal((speed[1:] > speed[:-1])[goes_on], r.action[:-1][goes_on] == 1)
        assert (r.observation[1:][r.terminated[:-1]].abs() <= 0.05).all()
        torch.testing.assert_close(r.next_observation[-1, :, 0], (x + 0.02 * speed)[-1])
        assert len(r.episodes) == r.terminated.sum()
        episodes += len(r.episodes)
    assert episodes > 0


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("engine", ENGINES)
def test_behaviour_log_probs_are_those_of_the_weights_that_acted(engine: str, env_id: str) -> None:
    """They do not change when the learner's weights change later."""
    config, policy = setting(env_id, engine, workers=2)
    acted = copy.deepcopy(policy)
    with opened(dataclasses.replace(config, behaviour_log_prob=True), policy) as source:
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        r = copied(source.next())
    assert r.behaviour_log_prob is not None
    assert r.behaviour_log_prob.shape == r.reward.shape
    with torch.no_grad():
        torch.testing.assert_close(r.behaviour_log_prob, acted(r.observation).distribution.log_prob(r.action))
        assert not torch.allclose(r.behaviour_log_prob, policy(r.observation).distribution.log_prob(r.action))


@pytest.mark.parametrize(
    ("env_id", "kind", "share_body"), [(dummy("Lengths"), LSTM, True), (dummy("TimeLimit"), GRU, False)]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_recurrent_states_are_those_that_acted(engine: str, env_id: str, kind: Kind, share_body: bool) -> None:
    """From the state that comes with a rollout the learner computes the log-probabilities of the actions.

    It also computes the state that comes with the next rollout.
    """
    workers = 1 if engine == "async" else 2  # so that the next rollout is of the same environments
    config, _ = setting(env_id, engine, workers, envs=3, length=4)
    recurrent = functools.partial(kind, hidden_size=4)
    policy = ActorCritic(config.spaces, recurrent=recurrent, share_body=share_body)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter)
    with opened(dataclasses.replace(config, behaviour_log_prob=True), policy) as source:
        rollouts = [copied(source.next()) for _ in range(8)]
    expected = torch.zeros(1, 3 * workers, policy.recurrent_state_size)
    for r in rollouts:
        assert r.recurrent_state is not None
        assert r.behaviour_log_prob is not None
        torch.testing.assert_close(r.recurrent_state, expected)
        with torch.no_grad():
            distribution, _, state_t = policy(r.observation, r.recurrent_state[0], r.done)
            torch.testing.assert_close(r.behaviour_log_prob, distribution.log_prob(r.action))
            from_zero = policy(r.observation).distribution.log_prob(r.action)
        never_reset = not r.recurrent_state.any() and not r.done[:-1].any()
        assert torch.allclose(r.behaviour_log_prob, from_zero) == never_reset
        expected = (state_t[-1] * ~r.done[-1].unsqueeze(-1)).unsqueeze(0)
    for row in range(4):
        assert any(r.done[row].any() for r in rollouts), "episodes ended in every row of a rollout"


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_nobody_needs_is_absent(engine: str, env_id: str) -> None:
    """Without V-trace there are no log-probabilities, and without a recurrent core there is no state of one."""
    with collecting(env_id, engine, workers=2) as (source, _):
        rollout = source.next()
    assert rollout.behaviour_log_prob is None
    assert rollout.recurrent_state is None


@pytest.mark.parametrize("engine", ENGINES)
def test_truncated_rows_keep_their_true_next_observation(engine: str) -> None:
    """The counter shows the limit there, and 0 in the next row. This holds in a slot of shared memory as well."""
    with collecting(dummy("TimeLimit"), engine, envs=2, length=5) as (source, _):
        rollouts = [copied(source.next()) for _ in range(6)]
    counts = torch.cat([r.observation for r in rollouts])[..., 0]
    truncated = torch.cat([r.truncated for r in rollouts])
    following = torch.cat([r.next_observation for r in rollouts])[..., 0]
    assert counts[:, 0].tolist() == [t % LIMIT for t in range(30)]
    assert torch.equal(truncated, counts == LIMIT - 1)
    assert not torch.cat([r.terminated for r in rollouts]).any()
    valid = truncated.clone()
    valid[4::5] = True
    assert torch.equal(following[valid], counts[valid] + 1)
    finished = [episode for r in rollouts for episode in r.episodes]
    assert [(e.episode_return, e.length) for e in finished] == [(LIMIT, LIMIT)] * 8


@pytest.mark.parametrize("engine", ENGINES)
def test_box_actions_and_wide_numbers_arrive(engine: str) -> None:
    """Continuous actions arrive as the policy drew them, unclipped, beside what the environment made of them."""
    with collecting(dummy("WideBox"), engine, envs=3, length=6) as (source, _):
        source.next()
        r = copied(source.next())
    assert r.action.shape == (6, 3, 2)
    assert r.action.dtype == torch.float32
    assert (r.action[..., 1] < 0).any()
    clipped = r.action.clamp(torch.tensor([-2, 0]), torch.tensor([2, 0.5]))
    torch.testing.assert_close(r.observation[1:], clipped[:-1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("engine", ENGINES)
def test_published_weights_reach_the_actors(engine: str, device: str) -> None:
    """Every rollout acts as the weights of its version say, and a published version arrives soon."""
    with collecting("CartPole-v1", engine, workers=2, envs=4, length=8, device=device) as (source, policy):
        first = source.next()
        assert first.policy_version == 0
        assert set(first.action.unique().tolist()) == {0, 1}
        for version, action in ((10, 0), (20, 1)):
            always(policy, action)
            source.publish(version)
            for _ in range(12):
                rollout = source.next()
                if rollout.policy_version == version:
                    assert (rollout.action == action).all()
                    break
            else:
                pytest.fail("the weights never arrived")


@pytest.mark.parametrize("engine", ENGINES)
def test_buffers_are_published_with_the_parameters(engine: str) -> None:
    """An actor that normalises by other statistics than the learner would act differently: here, oppositely."""
    with collecting(dummy("Counter"), engine, envs=1, length=4) as (source, policy):
        with torch.no_grad():  # one unit, whose sign decides the action
            for p in policy.parameters():
                p.zero_()
            policy.encoder.body.layers[0].weight[0, 0] = 10
            policy.encoder.body.layers[2].weight[0, 0] = 10
            policy.head.logits.weight[:, 0] = torch.tensor([-50.0, 50.0])
            policy.encoder.body.norm.mean.fill_(1e6)  # all counts are below: action 0
        source.publish(1)
        for _ in range(4):
            rollout = source.next()
        assert not rollout.action.any()
        policy.encoder.body.norm.mean.fill_(-1e6)
        source.publish(2)
        for _ in range(4):
            rollout = source.next()
        assert rollout.action.all()


@pytest.mark.parametrize("engine", ["serial", "sync"])
def test_the_lag_is_zero_where_the_learner_waits(engine: str) -> None:
    """Weights that were published before a rollout is asked for have acted in it, in the first one as well."""
    with collecting("CartPole-v1", engine, workers=2) as (source, _):
        for version in range(1, 12):
            source.publish(version)
            assert source.next().policy_version == version


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rollout_stays_as_it_is_until_the_next_is_asked_for(engine: str) -> None:
    """No worker writes into what the learner learns from."""
    with collecting(dummy("Counter"), engine, envs=2, length=3) as (source, _):
        for _ in range(4):
            rollout = source.next()
            before = copied(rollout)
            time.sleep(0.05)
            assert_same_tensors(rollout, before)


def test_workers_and_their_environments_have_seeds_of_their_own() -> None:
    """No two of six environments start alike."""
    with collecting("CartPole-v1", "sync", workers=2, envs=3) as (source, _):
        starts = source.next().observation[0]
    assert len({tuple(start.tolist()) for start in starts}) == 6


@pytest.mark.parametrize(("engine", "steps"), [("async", 10), ("sync", 30), ("serial", 30)])
def test_steps_per_rollout_is_what_next_gives(engine: str, steps: int) -> None:
    """The unit in which a run's length is counted."""
    config, policy = setting("CartPole-v1", engine, workers=3)
    with opened(config, policy) as source:
        assert source.next().num_steps == config.steps_per_rollout == steps


def test_worker_seeds_differ() -> None:
    """Seeds differ by worker and by run. The same run gives the same seeds again."""
    configs = [setting("CartPole-v1", "serial", workers=4, seed=seed)[0] for seed in (1, 2, 1)]
    seeds = [[config.worker_seed(worker) for worker in range(4)] for config in configs]
    assert seeds[0] == seeds[2]
    assert len({*seeds[0], *seeds[1]}) == 8
