"""The loss and its targets against slow references, counters, schedules and checkpoints."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from lightning.pytorch import Trainer
from torch import Tensor

from lit_a3c import A3C, ConfigError, EnvSpec, MLPBody, Rollout
from lit_a3c.guard import NotFiniteError
from lit_a3c.memory import GRU, LSTM, RecurrentMemory
from lit_a3c.policy import Trunk
from tests.cells import Kind, cell_step

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


def literal_returns(r: Rollout, v_next: Tensor) -> Tensor:
    """Algorithm S3 step by step: R is 0 at an end state, v of the true next state where the path is cut."""
    returns = torch.zeros(T, B)
    for b in range(B):
        for t in reversed(range(T)):
            if r.terminated[t, b]:
                future = 0.0
            elif r.truncated[t, b] or t == T - 1:
                future = v_next[t, b].item()
            else:
                future = returns[t + 1, b].item()
            returns[t, b] = r.reward[t, b] + GAMMA * future
    return returns


def literal_loss(r: Rollout, returns: Tensor, logits: Tensor, v: Tensor) -> Tensor:
    """-log pi A + 0.5 (R - v)^2 - 0.03 H, step by step."""
    total = torch.zeros(())
    for t in range(T):
        for b in range(B):
            p = logits[t, b].softmax(-1)
            advantage = returns[t, b] - v[t, b].item()
            total = total - p[r.action[t, b]].log() * advantage + 0.5 * (returns[t, b] - v[t, b]) ** 2
            total = total + 0.03 * (p * p.log()).sum()
    return total


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_loss_is_the_papers(reduction: str) -> None:
    """-log pi A + 0.5 (R - v)^2 - beta H, step by step, and its gradient."""
    module, r = agent(loss_reduction=reduction, entropy_coef=0.03, value_coef=0.5), rollout()
    distribution, v, _ = module.policy(r.observation)
    v_next = module.policy(r.next_observation).value
    total = literal_loss(r, literal_returns(r, v_next), distribution.logits, v)
    expected = total / (T * B) if reduction == "mean" else total
    gradient = torch.autograd.grad(expected, list(module.policy.parameters()))
    loss = module.training_step(r, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, list(module.policy.parameters())), gradient)


def walk(trunk: Trunk, r: Rollout, state: Tensor) -> tuple[Tensor, Tensor]:
    """Features of each observation and of each true next one, both with the memory of the way there."""
    assert isinstance(trunk.memory, RecurrentMemory)
    seen, foreseen = torch.zeros(T, B, trunk.num_features), torch.zeros(T, B, trunk.num_features)
    for b in range(B):
        now = state[b]
        for t in range(T):
            now = cell_step(trunk.memory, trunk.body(r.observation[t, b, None])[0], now)
            after = cell_step(trunk.memory, trunk.body(r.next_observation[t, b, None])[0], now)
            seen[t, b], foreseen[t, b] = now[: trunk.num_features], after[: trunk.num_features]
            if r.terminated[t, b] or r.truncated[t, b]:
                now = torch.zeros_like(now)
    return seen, foreseen


def eventful_rollout(memory_size: int) -> Rollout:
    """Episodes cut short in the first row and the last, in consecutive rows, and with an end state at once."""
    r = rollout()
    r.truncated[0, 2] = r.terminated[1, 2] = True
    r.terminated[2, 1] = r.truncated[1, 1] = True
    r.truncated[3, 0] = True
    return dataclasses.replace(r, memory=torch.randn(1, B, memory_size))


@pytest.mark.parametrize("share_body", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_loss_with_a_memory_is_that_of_the_way_there(kind: Kind, share_body: bool) -> None:
    """From the actor's memory on, anew after each end; the bootstrap values remember up to where the path is cut."""
    memory = functools.partial(kind, hidden_size=4)
    module = agent(memory=memory, share_body=share_body, loss_reduction="sum", entropy_coef=0.03)
    policy: Any = module.policy
    parameters = list(policy.parameters())
    r = eventful_rollout(policy.memory_size)
    assert r.memory is not None
    size = policy.trunk.state_size
    seen, foreseen = walk(policy.trunk, r, r.memory[0, :, :size])
    logits = policy.head.logits(seen)
    if policy.value_trunk is not None:
        seen, foreseen = walk(policy.value_trunk, r, r.memory[0, :, size:])
    v, v_next = policy.value(seen).squeeze(-1), policy.value(foreseen).squeeze(-1)
    expected = literal_loss(r, literal_returns(r, v_next), logits, v)
    gradient = torch.autograd.grad(expected, parameters)
    loss = module.training_step(r, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, parameters), gradient)


@pytest.mark.parametrize("memory", [None, functools.partial(LSTM, hidden_size=4)])
def test_garbage_in_unused_next_observations_changes_nothing(memory: functools.partial[LSTM] | None) -> None:
    """Only the last row and the truncated steps bootstrap."""
    module, r = agent(memory=memory), rollout()
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


@pytest.mark.parametrize(
    ("final", "coefs"), [(0.1, (0.4, 0.325, 0.1, 0.1)), (0.8, (0.4, 0.5, 0.8, 0.8)), (None, [0.4] * 4)]
)
def test_entropy_coef_moves_with_steps(final: float | None, coefs: Sequence[float]) -> None:
    """Linearly from the first to the last over total_steps, and no further; without a last it stays."""
    module = agent(entropy_coef=0.4, final_entropy_coef=final)
    for steps, coef in zip((0, 250, 1000, 1200), coefs, strict=True):
        module.step_counter.total = steps
        assert module.entropy_coef == pytest.approx(coef)


def test_the_loss_weighs_entropy_as_of_now() -> None:
    """Half-way from 0.3 to 0.1 the loss is that of 0.2 throughout."""
    moving, constant = agent(entropy_coef=0.3, final_entropy_coef=0.1), agent(entropy_coef=0.2)
    before = moving.training_step(rollout(), 0)
    moving.step_counter.total = 500
    loss = moving.training_step(rollout(), 1)
    torch.testing.assert_close(loss, constant.training_step(rollout(), 0))
    assert before < loss, "less weight on the entropy is a larger loss"


def test_without_weight_the_entropy_is_measured_and_not_learned_from() -> None:
    """The gradient is that of a vanishing weight."""
    gradients = []
    for coef in (0.0, 1e-12):
        module = agent(entropy_coef=coef)
        module.training_step(rollout(), 0).backward()
        gradients.append([p.grad for p in module.policy.parameters()])
        assert module.meter.report(1)["entropy"] > 0
    for without, vanishing in zip(*gradients, strict=True):
        torch.testing.assert_close(without, vanishing)


def test_steps_count_once_nothing_stops_the_update() -> None:
    """``T x B`` a rollout, several rollouts of one update together; none for a gradient that is not finite."""
    module = agent(optimizer=functools.partial(torch.optim.SGD, lr=0.1))
    module.trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    optimizer = module.configure_optimizers()["optimizer"]
    for i in range(2):
        module.training_step(rollout(i), i).backward()
        assert module.steps == 0
    module.configure_gradient_clipping(optimizer)
    assert module.steps == 2 * T * B
    module.training_step(rollout(), 2).backward()
    next(module.policy.parameters()).grad.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(NotFiniteError, match="the gradient of trunk"):
        module.configure_gradient_clipping(optimizer)
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


@pytest.mark.parametrize(
    "option",
    [{"gae_lambda": 2.0}, {"entropy_coef": -1.0}, {"final_entropy_coef": -0.1}, {"loss_reduction": "avg"}],
)
def test_bad_options_are_refused(option: dict[str, Any]) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(option))} "):
        agent(**option)
