"""The loss and its targets against slow references, counters, schedules and checkpoints."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, ConfigError, EnvSpec, MLPBody, Rollout

T, B, OBS, ACTIONS, GAMMA = 4, 3, 5, 2, 0.9
SPEC = EnvSpec("Toy-v0", Box(-np.inf, np.inf, (OBS,)), Discrete(ACTIONS))


def agent(**options: Any) -> A3C:
    torch.manual_seed(0)
    body = functools.partial(MLPBody, hidden=[8], normalize=False)
    module = A3C(SPEC, 1000, gamma=GAMMA, body=body, **options)
    for parameter in module.policy.parameters():  # the fresh heads are almost constant
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def rollout(seed: int = 0) -> Rollout:
    g = torch.Generator().manual_seed(seed)
    terminated = torch.zeros(T, B, dtype=torch.bool)
    truncated = torch.zeros(T, B, dtype=torch.bool)
    terminated[1, 0] = truncated[2, 1] = True
    return Rollout(
        observation=torch.randn(T, B, OBS, generator=g),
        action=torch.randint(ACTIONS, (T, B), generator=g),
        reward=torch.randn(T, B, generator=g),
        terminated=terminated,
        truncated=truncated,
        next_observation=torch.randn(T, B, OBS, generator=g),
    )


def literal_returns(module: A3C, r: Rollout) -> torch.Tensor:
    """Algorithm S3 step by step: R is 0 at an end state, v of the true next state where the path is cut."""
    returns = torch.zeros(T, B)
    with torch.no_grad():
        for b in range(B):
            for t in reversed(range(T)):
                if r.terminated[t, b]:
                    future = 0.0
                elif r.truncated[t, b] or t == T - 1:
                    future = float(module.policy.values(r.next_observation[t, b]))
                else:
                    future = float(returns[t + 1, b])
                returns[t, b] = r.reward[t, b] + GAMMA * future
    return returns


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_loss_is_the_papers(reduction: str) -> None:
    """-log pi A + 0.5 (R - v)^2 - beta H, step by step, and its gradient."""
    module, r = agent(loss_reduction=reduction, entropy_coef=0.03, value_coef=0.5), rollout()
    returns = literal_returns(module, r)
    total = torch.zeros(())
    for t in range(T):
        for b in range(B):
            distribution, v = module.policy(r.observation[t, b])
            p = distribution.probs
            advantage = returns[t, b] - v.item()
            total = total - p[r.action[t, b]].log() * advantage + 0.5 * (returns[t, b] - v) ** 2
            total = total + 0.03 * (p * p.log()).sum()
    expected = total / (T * B) if reduction == "mean" else total
    gradient = torch.autograd.grad(expected, list(module.policy.parameters()))
    loss = module.training_step(r, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, list(module.policy.parameters())), gradient)


def test_garbage_in_unused_next_observations_changes_nothing() -> None:
    """Only the last row and the truncated steps bootstrap."""
    module, r = agent(), rollout()
    clean = module.training_step(r, 0)
    unused = ~r.truncated.clone()
    unused[-1] = False
    r.next_observation[unused] = torch.nan
    torch.testing.assert_close(module.training_step(r, 0), clean)


@pytest.mark.parametrize("normalize_returns", [False, True])
def test_vtrace_corrects_for_the_weights_that_acted(normalize_returns: bool) -> None:
    """Nothing to correct: the plain loss and gradient. Actions that the learner would not take: none at all."""

    def outcome(vtrace: bool, log_ratio: float) -> tuple[torch.Tensor, ...]:
        module, r = (
            agent(vtrace=vtrace, gae_lambda=0.9, entropy_coef=0.0, normalize_returns=normalize_returns),
            rollout(),
        )
        if vtrace:
            r.log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach() - log_ratio
        loss = module.training_step(r, 0)
        return loss, *torch.autograd.grad(loss, list(module.policy.parameters()))

    torch.testing.assert_close(outcome(True, 0.0), outcome(False, 0.0))
    if not normalize_returns:  # else the scale of the returns changes too
        for value in outcome(True, -100.0):
            torch.testing.assert_close(value, torch.zeros_like(value))


def test_scaled_returns_are_learned_in_units_of_their_deviation() -> None:
    """Multiplying all rewards by 1000 leaves the scaled loss as it is, once the statistics have seen them."""
    losses = []
    for factor in (1.0, 1000.0):
        module = agent(normalize_returns=True)
        torch.nn.init.zeros_(module.policy.value.weight)  # else the first scale of 1 enters through the bootstrap
        torch.nn.init.zeros_(module.policy.value.bias)
        r = rollout()
        r.reward *= factor
        losses.append(module.training_step(r, 0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_learning_rate_falls_with_steps() -> None:
    """Linearly to zero over total_steps, and never below."""
    module = agent()
    made = module.configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]
    optimizer.step()
    start = optimizer.param_groups[0]["lr"]
    for steps, share in ((250, 0.75), (1000, 0.0), (1200, 0.0)):
        module.step_counter.total = steps
        schedule["scheduler"].step()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(share * start)


def test_steps_are_counted_per_environment_step() -> None:
    """T x B a rollout."""
    module = agent()
    module.training_step(rollout(), 0)
    module.training_step(rollout(1), 1)
    assert module.steps == 2 * T * B


def test_a_checkpoint_of_other_spaces_is_refused_by_name() -> None:
    """The message has both environments."""
    module = agent()
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    other = A3C(EnvSpec("Other-v0", Box(-1, 1, (OBS,)), Discrete(7)), 1000)
    with pytest.raises(ConfigError, match=r"'Toy-v0'.*'Other-v0'"):
        other.on_load_checkpoint(checkpoint)


def test_an_optimizers_own_refusal_reaches_the_user() -> None:
    """A learning rate that torch refuses is a bad choice of the user, not a crash of ours."""
    module = agent(optimizer=functools.partial(torch.optim.Adam, lr=-1.0))
    with pytest.raises(ConfigError, match="Invalid learning rate"):
        module.configure_optimizers()


@pytest.mark.parametrize("option", [{"gae_lambda": 2.0}, {"entropy_coef": -1.0}, {"loss_reduction": "avg"}])
def test_bad_options_are_refused(option: dict[str, Any]) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match=next(iter(option))):
        agent(**option)
