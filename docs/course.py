# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A3C, line by line
#
# This page goes through Algorithm S3 of [Mnih et al. (2016)](https://arxiv.org/abs/1602.01783), the asynchronous
# advantage actor-critic. Each line stands beside the function of `lit_a3c` that does it, and each function is called on
# an example that is small enough to check by hand. The last section puts the functions together into a program of 60
# lines, with real worker processes and no lock, and trains it until it balances CartPole's pole.
#
# The page is an executed notebook, [course.py](course.py). Jupyter with jupytext opens it. You need to know what a
# policy, a value function and a discounted return are.
#
# ## The algorithm
#
# Several workers run at the same time. They share the weights of a policy and of a value function. Every worker also
# has a copy of these weights for itself. Each worker does the following, until all of them together have taken as many
# steps as the budget allows:
#
# | line | what a worker does | in lit_a3c |
# |---|---|---|
# | 1 | set its own gradient to zero | Lightning does so before each backward pass |
# | 2 | copy the shared weights into its own | `SharedTrainState.pull_parameters` in `lit_a3c/engines/hogwild/shared_state.py` |
# | 3 | act with its own weights for at most `t_max` steps; keep states, actions and rewards | `Actor.rollout` in `lit_a3c/engines/actor.py` gives a `Rollout` (`lit_a3c/rollout.py`) |
# | 4 | go backwards over these steps: the return `G` of a step is its reward plus `gamma` times the return of the next step. It begins with 0 where the episode has ended, else with the value of the last state | `lambda_returns` in `lit_a3c/returns.py` |
# | 5 | for each step, add the gradient of `log pi(a\|s) * (G - v(s))` and of the entropy for the policy, and that of `(G - v(s))^2` for the value | the three terms in `lit_a3c/losses.py`, which `training_step` in `lit_a3c/module.py` adds; one backward pass |
# | 6 | apply the gradient to the shared weights, without waiting for anybody | `HogwildWorker.optimizer_step` in `lit_a3c/engines/hogwild/worker.py`, and `RMSprop` in `lit_a3c/optim.py` |
# | 7 | count the steps, and begin again | `StepLedger` in `lit_a3c/engines/ledger.py`. `lit_a3c/engines/hogwild/updates.py` shows the updates of all workers to the process that was started |
#
# ## Line 4: returns
#
# All tensors are `[T, B]`: `T` steps of `B` environments. The name `r_tp1` means the reward at time t + 1, which the
# action at time t brought. Here are three steps of three environments. Every reward is 1 and every value is 5. In the
# first environment nothing ends. In the second one the episode *terminates* after the second step: the pole has fallen.
# In the third one it is *truncated* there: a time limit has cut it short.

# %%
import torch

from lit_a3c.returns import lambda_returns

gamma = 0.9
r_tp1 = torch.ones(3, 3)
v_tp1 = torch.full((3, 3), 5.0)
terminated = torch.zeros(3, 3, dtype=torch.bool)
truncated = torch.zeros(3, 3, dtype=torch.bool)
terminated[1, 1] = truncated[1, 2] = True
discount_tp1 = gamma * ~terminated
returns = lambda_returns(r_tp1, discount_tp1, v_tp1, terminated | truncated)
returns

# %% [markdown]
# Read each column from below. In the first one, `1 + 0.9 * 5 = 5.5`, then `1 + 0.9 * 5.5 = 5.95`, then `6.355`. In the
# second one the second step ends the episode, so nothing follows its reward: 1. The first step gets `1 + 0.9 * 1`. In
# the third one the second step is `1 + 0.9 * 5`: the pole still stands at the time limit, so what would have followed is
# still worth 5. The last row belongs to the next episode in both.
#
# Termination is in the discount, which is 0 there. Truncation only ends the walk backwards. That is why the two are
# never merged in this library.
#
# With `lambda_` below 1 a return trusts the values more. At 0 it looks one step ahead:

# %%
lambda_returns(r_tp1, discount_tp1, v_tp1, terminated | truncated, lambda_=0.0)

# %% [markdown]
# ## Line 5: the policy's gradient
#
# Two actions are equally likely. The first one was taken, and it was better than expected: its advantage, `G - v`, is
# 2. The gradient of a loss points to where it grows, and an optimizer goes the other way. So the logit of the action
# that was taken will rise.

# %%
from torch.distributions import Categorical

from lit_a3c.losses import entropy_loss, policy_gradient_loss, value_loss

logits = torch.zeros(2, requires_grad=True)
log_prob = Categorical(logits=logits).log_prob(torch.tensor(0))
loss = policy_gradient_loss(log_prob, torch.tensor(2.0))
loss.backward()
loss.item(), logits.grad

# %% [markdown]
# The entropy term keeps the policy from becoming certain too early. Where the first action is much more likely, it
# lowers that one:

# %%
logits = torch.tensor([2.0, 0.0], requires_grad=True)
loss = entropy_loss(Categorical(logits=logits).entropy())
loss.backward()
loss.item(), logits.grad

# %% [markdown]
# The value learns to be the return. It is 3 and the return is 5, so it has to rise: the gradient is `-2 * (5 - 3)`.

# %%
value = torch.tensor(3.0, requires_grad=True)
loss = value_loss(value, torch.tensor(5.0))
loss.backward()
loss.item(), value.grad

# %% [markdown]
# The paper adds up gradients step by step. Here the three terms are computed for all `[T, B]` steps at once, and one
# backward pass gives the same gradient, but for a constant factor: the mean over the steps in place of the sum.
#
# ## Line 3: acting
#
# The network has a body, which turns observations into features, and two heads on it: the policy and the value. An
# observation of CartPole has four numbers, and there are two actions.

# %%
from lit_a3c import ActorCritic, EnvConfig

env = EnvConfig("CartPole-v1")
torch.manual_seed(0)
policy = ActorCritic(env.spaces())
output = policy(torch.zeros(1, 1, 4))  # [T, B, observation]
output.distribution.probs.detach(), output.value.detach()

# %% [markdown]
# An actor steps `E` environments as one batch, with this policy. A rollout has `T` steps of each of them. This is the
# only place where the data of the algorithm comes from.

# %%
from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig
from lit_a3c.utils.shared_counter import SharedCounter

collected = SharedCounter()
config = RolloutConfig(env, env.spaces(), "hogwild", num_workers=1, envs_per_worker=3, rollout_length=5, seed=0)
actor = Actor(config, policy, worker=0, collected=collected)
rollout = actor.rollout(policy_version=0)
actor.close()
{name: tuple(tensor.shape) for name, tensor in rollout.tensors().items()} | {"collected": collected.total}

# %% [markdown]
# ## Lines 2 and 6: weights that are shared
#
# Torch can put a tensor into memory that several processes see. `SharedTrainState` does so with the weights, with the
# running statistics and with the optimizer's own state: the paper shares the mean of squared gradients, too.

# %%
from lit_a3c import RMSprop
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.ledger import StepLedger

layer = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.constant_(layer.weight, 1.0)
optimizer = RMSprop(layer.parameters(), lr=0.1, alpha=0.99, eps=0.01, initial_accumulator_value=0.0)
shared = SharedTrainState.of(layer, optimizer, StepLedger())
shared.parameters[0].is_shared(), shared.optimizer_state[0]["mean_square"].is_shared()

# %% [markdown]
# A worker computes a gradient at its own weights, and the optimizer then changes the shared ones. Let the gradient be
# 2. The mean square becomes `0.01 * 2^2 = 0.04`, and the step is `0.1 * 2 / sqrt(0.04 + 0.01)`, which is 0.894. The
# worker's own copy is as before, until it copies again.

# %%
own = layer.weight.data  # the worker's copy
shared.give_optimizer_state(optimizer)
layer.weight.grad = torch.tensor([[2.0]])
layer.weight.data = shared.parameters[0]
optimizer.step()  # line 6
layer.weight.data = own
before = own.item(), shared.parameters[0].item(), shared.optimizer_state[0]["mean_square"].item()
shared.pull_parameters([own])  # line 2
before, own.item()

# %% [markdown]
# Nobody holds a lock while this happens. Two workers may read and write the same number at the same moment, and one of
# two small steps may be lost. The algorithm bears that: steps are small, and the next gradient is computed from what is
# there. A worker's gradient is also a little old, because others have changed the weights since line 2. The metric
# `train/policy_lag` counts by how many updates.
#
# ## All of it: 60 lines
#
# This is [tiny_a3c.py](tiny_a3c.py). `loss_of` has lines 4 and 5, and `work` is what each worker process does.

# %%
from pathlib import Path

from IPython.display import Markdown

Markdown(f"```python\n{Path('tiny_a3c.py').read_text()}```")

# %% [markdown]
# It has five things that the table above has not:
#
# - `loss_of` gives `lambda_returns` the values that it needs, `[T, B]` of them: of the next states, of the state after
#   the last step, and of states that a time limit has cut short.
# - Rewards are scaled, so that returns are not far from 1.
# - The network normalises its observations by their running mean and deviation, which `policy.observe` updates.
# - Large gradients are clipped.
# - The learning rate falls to zero.
#
# Two processes train for 150,000 steps. After that the policy plays 100 new episodes, each with the most likely
# actions. An episode pays 1 for each step and ends after 500.

# %%
import time

import tiny_a3c

from lit_a3c import evaluate

start = time.monotonic()
agent, curve = tiny_a3c.train()
seconds = time.monotonic() - start
score = evaluate(agent, "CartPole-v1", 100, deterministic=True)
print(f"mean return {score.mean:.1f}, lowest {score.returns.min():.0f}, after {seconds:.0f} seconds")

# %%
import matplotlib.pyplot as plt

steps = curve.nonzero().flatten()
smooth = torch.nn.functional.avg_pool1d(curve[steps].view(1, 1, -1), 50, 1).flatten()
figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
axes.plot(steps, curve[steps], ".", markersize=2, alpha=0.3, label="an episode of the training")
axes.plot(steps[49:], smooth, label="mean of 50 episodes")
axes.set(xlabel="steps", ylabel="return", ylim=(0, 520))
axes.legend(loc="lower right")
plt.close(figure)
figure

# %% [markdown]
# Lock-free workers are not reproducible: run it again, and the curve is another one.
#
# ## What the library adds
#
# The program above stops at the first worker that fails, and forgets everything when it ends. `lit_a3c` has the same
# loop, with what a training of hours needs: workers that are replaced, checkpoints that are whole, a ledger of every
# step, checks for NaN, validation in a process of its own, recurrent cores, other actions and observations, and other
# [engines](engines.md). [Find your way](find-your-way.md) says where each of these is, and [the
# guarantees](guarantees.md) say what it holds.
#
# Things to try in the program: `LAMBDA = 1` (the paper's returns), `WORKERS = 1`, an entropy weight of 0, and a
# `lit_a3c.LSTM` as in [Environments](environments.md#what-must-be-remembered).
