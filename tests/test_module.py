"""The loss and its targets against slow references, and what moves with the steps of a training."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lit_a3c import A3C, ConfigError, Rollout
from lit_a3c.networks.encoder import Encoder, RecurrentFactory
from lit_a3c.networks.recurrent import GRU, LSTM, TorchRecurrentCore
from lit_a3c.utils.finite import NotFiniteError
from tests.modules import GAMMA, SPACES, B, T, batch_first_views, make_module, make_rollout
from tests.rnn_reference import Kind, cell_step


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
    """It is -log pi A + 0.5 (R - v)^2 - beta H, summed or averaged over the steps, and so is its gradient."""
    module, r = make_module(loss_reduction=reduction, entropy_coef=0.03, value_coef=0.5), make_rollout()
    distribution, v, _ = module.policy(r.observation)
    v_next = module.policy(r.next_observation).value
    total = literal_loss(r, literal_returns(r, v_next), distribution.logits, v)
    expected = total / (T * B) if reduction == "mean" else total
    gradient = torch.autograd.grad(expected, list(module.policy.parameters()))
    loss = module.training_step(r, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, list(module.policy.parameters())), gradient)


def unrolled(encoder: Encoder, r: Rollout, state: Tensor) -> tuple[Tensor, Tensor]:
    """Features of each observation and of each true next one, both with the recurrent state that led there."""
    assert isinstance(encoder.recurrent, TorchRecurrentCore)
    features, next_features = torch.zeros(T, B, encoder.num_features), torch.zeros(T, B, encoder.num_features)
    for b in range(B):
        now = state[b]
        for t in range(T):
            now = cell_step(encoder.recurrent, encoder.body(r.observation[t, b, None])[0], now)
            after = cell_step(encoder.recurrent, encoder.body(r.next_observation[t, b, None])[0], now)
            features[t, b], next_features[t, b] = now[: encoder.num_features], after[: encoder.num_features]
            if r.terminated[t, b] or r.truncated[t, b]:
                now = torch.zeros_like(now)
    return features, next_features


def recurrent_rollout(recurrent_state: Tensor) -> Rollout:
    """Episodes end in the first row and the last, in consecutive rows, and for both reasons at once."""
    r = make_rollout()
    r.truncated[0, 2] = r.terminated[1, 2] = True
    r.terminated[2, 1] = r.truncated[1, 1] = True
    r.truncated[3, 0] = True
    return dataclasses.replace(r, recurrent_state=recurrent_state)


@pytest.mark.parametrize("share_body", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_loss_with_a_recurrent_core_is_that_of_single_steps(kind: Kind, share_body: bool) -> None:
    """The state starts from the actor's and again from zeros after each end. Bootstrap values continue from it."""
    recurrent = functools.partial(kind, hidden_size=4)
    module = make_module(recurrent=recurrent, share_body=share_body, loss_reduction="sum", entropy_coef=0.03)
    policy: Any = module.policy
    parameters = list(policy.parameters())
    state = torch.randn(1, B, policy.recurrent_state_size)
    r = recurrent_rollout(state)
    size = policy.encoder.state_size
    features, next_features = unrolled(policy.encoder, r, state[0, :, :size])
    logits = policy.head.logits(features)
    if policy.value_encoder is not None:
        features, next_features = unrolled(policy.value_encoder, r, state[0, :, size:])
    v, v_next = policy.value(features).squeeze(-1), policy.value(next_features).squeeze(-1)
    expected = literal_loss(r, literal_returns(r, v_next), logits, v)
    gradient = torch.autograd.grad(expected, parameters)
    loss = module.training_step(r, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, parameters), gradient)


@pytest.mark.parametrize("recurrent", [None, functools.partial(LSTM, hidden_size=4)])
def test_garbage_in_unused_next_observations_changes_nothing(recurrent: functools.partial[LSTM] | None) -> None:
    """Only the last row and the truncated steps bootstrap."""
    module, r = make_module(recurrent=recurrent), make_rollout()
    clean = module.training_step(r, 0)
    unused = ~r.truncated.clone()
    unused[-1] = False
    r.next_observation[unused] = torch.nan
    torch.testing.assert_close(module.training_step(r, 0), clean)


@pytest.mark.parametrize("recurrent", [None, functools.partial(LSTM, hidden_size=4)])
def test_the_order_in_memory_changes_nothing(recurrent: functools.partial[LSTM] | None) -> None:
    """Views of ``[B, T, ...]`` memory give the loss of the same numbers in ``[T, B, ...]`` memory."""
    module, r = make_module(recurrent=recurrent), make_rollout()
    views = batch_first_views(r)
    assert not views.observation.is_contiguous()
    torch.testing.assert_close(module.training_step(views, 0), module.training_step(r, 0))


@pytest.mark.parametrize("normalize_returns", [False, True])
def test_vtrace_corrects_for_the_weights_that_acted(normalize_returns: bool) -> None:
    """The same weights give the plain loss and gradient. Actions that the learner would not take give zeros."""

    def outcome(vtrace: bool, log_ratio: float) -> tuple[Tensor, ...]:
        module = make_module(vtrace=vtrace, gae_lambda=0.9, entropy_coef=0.0, normalize_returns=normalize_returns)
        r = make_rollout()
        if vtrace:
            log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach()
            r.behaviour_log_prob = log_prob - log_ratio
        loss = module.training_step(r, 0)
        return loss, *torch.autograd.grad(loss, list(module.policy.parameters()))

    torch.testing.assert_close(outcome(True, 0.0), outcome(False, 0.0))
    if not normalize_returns:  # else the scale of the returns changes too
        for value in outcome(True, -100.0):
            torch.testing.assert_close(value, torch.zeros_like(value))


def test_a_step_that_has_moved_enough_teaches_the_policy_nothing() -> None:
    """Where the ratio is e or 1/e, only advantages of the other direction count. Without lag nothing is clipped."""
    module = make_module(vtrace=True, clip_ratio=0.2, value_coef=0.0, entropy_coef=0.0)
    advantage = torch.tensor([[2.0, -3.0]])
    assert module._restrain(advantage, torch.zeros(1, 2)).tolist() == [[2.0, -3.0]]
    assert module._restrain(advantage, torch.ones(1, 2)).tolist() == [[0.0, -3.0]]
    left = module._restrain(advantage, -torch.ones(1, 2))
    torch.testing.assert_close(left, torch.tensor([[2.0 / math.e, 0.0]]))  # the weight is V-trace's
    report = module.metrics.report(1)
    assert report["clip_fraction"] == pytest.approx(1 / 3)
    assert report["kl"] == pytest.approx((0 + (math.e - 2) + 1 / math.e) / 3)

    r = make_rollout()
    r.behaviour_log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach() - 1  # all ratios are e
    kept = make_module(vtrace=True, value_coef=0.0, entropy_coef=0.0)
    output = kept.policy(r.observation)
    distribution = output.distribution
    _, worth = kept._targets(r, output, torch.ones(T, B))
    expected = -(distribution.log_prob(r.action) * worth.clamp(max=0)).mean()
    torch.testing.assert_close(module.training_step(r, 0), expected)


def test_the_bound_is_around_the_policy_before_the_first_pass() -> None:
    """A policy that acted at another temperature uses up nothing of it; V-trace's weight is by the one that acted."""
    module = make_module(vtrace=True, clip_ratio=0.2)
    advantage, far = torch.tensor([[2.0, -3.0]]), torch.full((1, 2), -1.0)
    assert module._restrain(advantage, far)[0, 1] == 0
    torch.testing.assert_close(module._restrain(advantage, far, torch.zeros(1, 2)), advantage / math.e)
    assert module._restrain(advantage, far, far)[0, 1] == 0
    r = make_rollout()
    log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach()
    r.behaviour_log_prob = log_prob + 1
    near = module.with_returns(r).proximal_log_prob
    assert near is not None
    torch.testing.assert_close(near, log_prob)


def test_normalized_advantages_do_not_depend_on_the_scale_of_the_rewards() -> None:
    """The policy's loss is that of a thousand times the rewards, if values are a thousand times as large, too."""
    losses = []
    for scale in (1.0, 1000.0):
        module, r = make_module(normalize_advantage=True, value_coef=0.0, entropy_coef=0.0), make_rollout()
        with torch.no_grad():
            module.policy.value.weight.mul_(scale)
            module.policy.value.bias.mul_(scale)
        losses.append(module.training_step(dataclasses.replace(r, reward=r.reward * scale), 0))
    torch.testing.assert_close(*losses)


def test_a_further_pass_is_learned_from_and_not_counted() -> None:
    """Neither as steps nor in the statistics of observations and returns."""
    torch.manual_seed(0)
    module = A3C(SPACES, vtrace=True, normalize_returns=True)
    module.begin_training(1000)
    optimizer = module.configure_optimizers()["optimizer"]
    r = make_rollout()
    r.behaviour_log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach()
    first = {name: value.clone() for name, value in module.named_buffers()}
    module.training_step(r, 0).backward()
    optimizer.step()
    second = {name: value.clone() for name, value in module.named_buffers()}
    assert all(not torch.equal(second[name], first[name]) for name in first)
    weights = [p.detach().clone() for p in module.policy.parameters()]
    optimizer.zero_grad()
    module.training_step(r.repeat(), 1).backward()
    optimizer.step()
    assert all(torch.equal(value, second[name]) for name, value in module.named_buffers())
    assert any(not torch.equal(p, before) for p, before in zip(module.policy.parameters(), weights, strict=True))
    assert (module.steps, module.ledger.updates.total) == (T * B, 2)


def test_values_keep_their_meaning_when_the_scale_changes() -> None:
    """An update without a learning rate leaves the values in units of the rewards as they are, PopArt's rule."""
    module = make_module(normalize_returns=True, optimizer=functools.partial(torch.optim.SGD, lr=0.0))
    optimizer = module.configure_optimizers()["optimizer"]
    r = make_rollout()

    def values() -> Tensor:
        return module._in_returns(module.policy(r.observation).value.detach())

    assert module.return_scale is not None
    for factor in (1.0, 1000.0, 1e-3):
        before, scale = values(), module.return_scale.scale
        module.training_step(dataclasses.replace(r, reward=r.reward * factor), 0).backward()
        optimizer.step()
        assert abs(module.return_scale.scale / scale - 1) > 0.1
        torch.testing.assert_close(values(), before)


@pytest.mark.parametrize("recurrent", [None, GRU])
def test_returns_of_several_passes_are_those_of_the_first(recurrent: RecurrentFactory | None) -> None:
    """Together they give the loss that the rollout gives without returns. Those before the next pass are new ones."""
    module, r = make_module(recurrent=recurrent, vtrace=True, gae_lambda=0.9), make_rollout()
    if recurrent is not None:
        r.recurrent_state = torch.zeros(1, B, module.policy.recurrent_state_size)
    r.behaviour_log_prob = module.policy(r.observation).distribution.log_prob(r.action).detach() - 0.1
    known = module.with_returns(r)
    assert known.returns is not None
    assert not known.returns.requires_grad
    expected = module.training_step(r, 0)
    torch.testing.assert_close(module.training_step(known, 0), expected)
    torch.testing.assert_close(module.training_step(known.single_steps().shuffle(), 0), expected)
    with torch.no_grad():
        module.policy.value.bias += 10
    again = module.with_returns(known.repeat())
    assert again.returns is not None
    assert not torch.allclose(again.returns, known.returns)
    assert again.proximal_log_prob is known.proximal_log_prob
    assert float(module.training_step(known, 0).detach()) > float(
        expected.detach()
    )  # the values moved, and the targets did not


def test_scaled_returns_are_learned_in_units_of_their_deviation() -> None:
    """Multiplying all rewards by 1000 leaves the scaled loss as it is, once the statistics have taken them in."""
    losses = []
    for factor in (1.0, 1000.0):
        module = make_module(normalize_returns=True)
        torch.nn.init.zeros_(module.policy.value.weight)  # else the first scale of 1 enters through the bootstrap
        torch.nn.init.zeros_(module.policy.value.bias)
        r = make_rollout()
        r.reward *= factor
        losses.append(module.training_step(r, 0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_learning_rate_falls_with_steps() -> None:
    """It falls linearly to zero over the budget, and never below."""
    module = make_module()
    optimizer, schedule = module.configure_optimizers().values()
    optimizer.step()
    start = optimizer.param_groups[0]["lr"]
    for steps, share in ((250, 0.75), (1000, 0.0), (1200, 0.0)):
        module.ledger.learned.total = steps
        schedule["scheduler"].step()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(share * start)


@pytest.mark.parametrize(
    ("final", "coefs"), [(0.1, (0.4, 0.325, 0.1, 0.1)), (0.8, (0.4, 0.5, 0.8, 0.8)), (None, [0.4] * 4)]
)
def test_entropy_coef_moves_with_steps(final: float | None, coefs: Sequence[float]) -> None:
    """It moves linearly from the first to the last over the budget, and no further. Without a last one it stays."""
    module = make_module(entropy_coef=0.4, final_entropy_coef=final)
    for steps, coef in zip((0, 250, 1000, 1200), coefs, strict=True):
        module.ledger.learned.total = steps
        assert module.entropy_coef == pytest.approx(coef)


def test_the_loss_has_the_present_weight_of_the_entropy() -> None:
    """Half-way from 0.3 to 0.1 the loss is that of a constant 0.2."""
    moving, constant = make_module(entropy_coef=0.3, final_entropy_coef=0.1), make_module(entropy_coef=0.2)
    before = moving.training_step(make_rollout(), 0)
    moving.ledger.learned.total = 500
    loss = moving.training_step(make_rollout(), 1)
    torch.testing.assert_close(loss, constant.training_step(make_rollout(), 0))
    assert before < loss, "less weight on the entropy is a larger loss"


def test_without_weight_the_entropy_is_measured_and_not_learned_from() -> None:
    """The gradient is that of a vanishing weight."""
    gradients = []
    for coef in (0.0, 1e-12):
        module = make_module(entropy_coef=coef)
        module.training_step(make_rollout(), 0).backward()
        gradients.append([p.grad for p in module.policy.parameters()])
        assert module.metrics.report(1)["entropy"] > 0
    for without, vanishing in zip(*gradients, strict=True):
        torch.testing.assert_close(without, vanishing)


def test_steps_count_once_nothing_stops_the_update() -> None:
    """``T x B`` steps a rollout count with the update, those of several rollouts together; none without an update."""
    module = make_module(optimizer=functools.partial(torch.optim.SGD, lr=0.1))
    module.trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    optimizer = module.configure_optimizers()["optimizer"]
    for i in range(2):
        module.training_step(make_rollout(i), i).backward()
        assert module.steps == 0
    module.configure_gradient_clipping(optimizer)
    assert module.steps == 0
    optimizer.step()
    assert (module.steps, module.ledger.updates.total) == (2 * T * B, 1)
    module.training_step(make_rollout(), 2).backward()
    next(module.policy.parameters()).grad.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(NotFiniteError, match="the gradient of encoder"):
        module.configure_gradient_clipping(optimizer)
    assert (module.steps, module.ledger.updates.total) == (2 * T * B, 1)


def test_policy_lag_is_the_updates_since_the_weights_that_acted() -> None:
    """With updates 5 and 6 of the training, rollouts of the versions 3 and 6 lag by 2 and by 0: the mean is 1."""
    module = make_module()
    for updates, version in ((5, 3), (6, 6)):
        module.ledger.updates.total = updates
        module.training_step(dataclasses.replace(make_rollout(), policy_version=version), 0)
    assert module.metrics.report(1)["policy_lag"] == 1


@pytest.mark.parametrize(
    "option",
    [
        {"gae_lambda": 2.0},
        {"clip_ratio": 0.0, "vtrace": True},
        {"clip_ratio": 0.2},
        {"entropy_coef": -1.0},
        {"final_entropy_coef": -0.1},
        {"loss_reduction": "avg"},
    ],
)
def test_bad_options_are_refused(option: dict[str, Any]) -> None:
    """They are refused before anything is made."""
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(option))} "):
        make_module(**option)


def test_an_optimizers_own_refusal_reaches_the_user() -> None:
    """A learning rate that torch refuses is the user's to change, and no crash of ours."""
    module = make_module(optimizer=functools.partial(torch.optim.Adam, lr=-1.0))
    with pytest.raises(ConfigError, match="Invalid learning rate"):
        module.configure_optimizers()
