"""A3C on CartPole in 60 lines, lock-free, from parts of lit_a3c: ``python tiny_a3c.py``."""

import torch
from torch import multiprocessing

from lit_a3c import A3C, ActorCritic, EnvConfig, RMSprop, Rollout, evaluate
from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.losses import entropy_loss, policy_gradient_loss, value_loss
from lit_a3c.returns import lambda_returns

STEPS, WORKERS, GAMMA, LAMBDA, RATE = 150_000, 2, 0.99, 0.95, 1e-3
ENV = EnvConfig("CartPole-v1")


def loss_of(policy: ActorCritic, rollout: Rollout) -> torch.Tensor:
    distribution, v_t, _ = policy(rollout.observation)
    v_tp1 = torch.cat([v_t[1:], policy.values(rollout.next_observation[-1]).unsqueeze(0)]).detach()
    if rollout.truncated.any():  # a time limit: the value of the state that it cut short
        v_tp1[rollout.truncated] = policy.values(rollout.next_observation[rollout.truncated]).detach()
    reward, discount = 0.05 * rollout.reward, GAMMA * ~rollout.terminated  # values below 5
    returns = lambda_returns(reward, discount, v_tp1, rollout.done, LAMBDA)
    policy_loss = policy_gradient_loss(distribution.log_prob(rollout.action), returns - v_t)
    return (policy_loss + 0.5 * value_loss(v_t, returns) + 0.01 * entropy_loss(distribution.entropy())).mean()


def work(rank: int, shared: SharedTrainState, curve: torch.Tensor) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    ledger, policy = shared.ledger.for_rank(rank), ActorCritic(ENV.spaces())
    parameters = list(policy.parameters())
    for own, common in zip(policy.buffers(), shared.buffers, strict=True):
        own.data = common  # the mean and the deviation of all observations
    local, optimizer = [p.data for p in parameters], RMSprop(parameters, eps=1e-5)
    shared.give_optimizer_state(optimizer)
    config = RolloutConfig(ENV, ENV.spaces(), "hogwild", WORKERS, envs_per_worker=16, rollout_length=5, seed=0)
    actor = Actor(config, policy, rank, ledger.collected, share_weights=True)
    while (steps := ledger.learned.total) < STEPS:
        shared.pull_parameters(local)  # line 2 of the algorithm
        rollout = actor.rollout(ledger.updates.total)  # line 3
        policy.observe(rollout.observation)
        optimizer.zero_grad()  # line 1
        loss_of(policy, rollout).backward()  # lines 4 and 5
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.param_groups[0]["lr"] = RATE * (1 - steps / STEPS)
        for p, common in zip(parameters, shared.parameters, strict=True):
            p.data = common
        optimizer.step()  # line 6: onto the shared weights, without a lock
        for p, own in zip(parameters, local, strict=True):
            p.data = own
        ledger.stage(rollout.num_steps)
        ledger.record_update()  # line 7
        for episode in rollout.episodes:
            curve[steps] = episode.episode_return


def train() -> tuple[A3C, torch.Tensor]:
    torch.manual_seed(0)
    agent, ledger, curve = A3C(ENV.spaces()), StepLedger(), torch.zeros(STEPS).share_memory_()
    ledger.allocate(WORKERS)
    shared = SharedTrainState.of(agent.policy, RMSprop(agent.policy.parameters(), initial_accumulator_value=0), ledger)
    multiprocessing.spawn(work, (shared, curve), WORKERS)  # waits for all, and raises where one fails
    shared.pull_parameters([p.data for p in agent.policy.parameters()])
    shared.pull_buffers(agent.policy.buffers())
    return agent, curve


if __name__ == "__main__":
    print(evaluate(train()[0], "CartPole-v1", deterministic=True).mean)
