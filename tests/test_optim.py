"""RMSprop against the paper's equations, and what a training does with any optimizer."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import nn

from lit_a3c.optim import LinearSchedule, RMSprop, gradient_norm, make_optimizer, parameters_of, try_optimizer
from lit_a3c.utils.errors import ConfigError


def literal(theta: float, grads: list[float], lr: float, alpha: float, eps: float, square: float) -> list[float]:
    """Eqs. S2-S3 of the paper on one number."""
    path = []
    for grad in grads:
        square = alpha * square + (1 - alpha) * grad**2
        theta -= lr * grad / math.sqrt(square + eps)
        path.append(theta)
    return path


def follow(make: Any, theta: float, grads: list[float]) -> list[float]:
    """The same numbers as an optimizer computes them."""
    parameter = nn.Parameter(torch.tensor([theta], dtype=torch.float64))
    optimizer, path = make([parameter]), []
    for grad in grads:
        parameter.grad = torch.tensor([grad], dtype=torch.float64)
        optimizer.step()
        path.append(parameter.item())
    return path


GRADS = [0.5, -2.0, 0.1, 3.0, 0.0, -0.7]


@pytest.mark.parametrize("square", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_steps_equal_the_papers(square: float, eps: float) -> None:
    """The vectorised step computes the equations, whatever the initial mean square is."""
    path = follow(lambda p: RMSprop(p, lr=0.03, alpha=0.9, eps=eps, initial_accumulator_value=square), 1.5, GRADS)
    assert path == pytest.approx(literal(1.5, GRADS, 0.03, 0.9, eps, square), rel=1e-12)


def test_the_papers_numbers_are_the_default() -> None:
    """The rate is 7e-4, alpha 0.99, eps 0.1, and the mean square starts at 1."""
    path = follow(RMSprop, 1.5, GRADS)
    assert path == pytest.approx(literal(1.5, GRADS, 7e-4, 0.99, 0.1, 1.0), rel=1e-12)


def test_epsilon_is_inside_the_root() -> None:
    """From a zero mean square and a zero eps both forms agree; with the paper's eps torch's steps are far larger."""
    ours = follow(lambda p: RMSprop(p, lr=0.01, alpha=0.99, eps=1e-300, initial_accumulator_value=0), 0.0, [0.5, 1.0])
    torchs = follow(lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99, eps=0), 0.0, [0.5, 1.0])
    assert ours == pytest.approx(torchs, rel=1e-9)
    [ours] = follow(lambda p: RMSprop(p, lr=1.0, alpha=0.99, eps=0.1, initial_accumulator_value=0), 0.0, [0.1])
    [torchs] = follow(lambda p: torch.optim.RMSprop(p, lr=1.0, alpha=0.99, eps=0.1), 0.0, [0.1])
    assert ours == pytest.approx(-0.1 / math.sqrt(0.01 * 0.01 + 0.1), rel=1e-9)
    assert torchs == pytest.approx(-0.1 / (0.01 + 0.1), rel=1e-6)


def test_state_dict_round_trip() -> None:
    """A restored optimizer continues as if it had not been interrupted."""
    torch.manual_seed(1)
    layer, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    first = RMSprop(layer.parameters(), lr=0.05, eps=0.01)
    for _ in range(3):
        layer(torch.randn(4, 3)).square().sum().backward()
        first.step()
        first.zero_grad()
    twin.load_state_dict(layer.state_dict())
    second = RMSprop(twin.parameters(), lr=0.9)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    x = torch.randn(4, 3)
    for module, optimizer in ((layer, first), (twin, second)):
        module(x).square().sum().backward()
        optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(layer.parameters(), twin.parameters(), strict=True))
    assert second.param_groups[0]["lr"] == 0.05


def test_parameters_without_gradient_stay() -> None:
    """Neither they nor their mean square change, alone or beside others."""
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = RMSprop([used, unused], lr=0.1)
    optimizer.step()
    assert torch.equal(used, torch.ones(2))
    used.grad = torch.ones(2)
    optimizer.step()
    assert not torch.equal(used, torch.ones(2))
    assert torch.equal(unused, torch.ones(2))
    assert torch.equal(optimizer.state[unused]["mean_square"], torch.ones(2))


def test_groups_keep_their_own_options_and_the_closure_is_called() -> None:
    """Each group steps with its own rate; the closure runs with gradients and its result is returned."""
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = RMSprop([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.2}], eps=0.1)

    def closure() -> torch.Tensor:
        loss = (a + b).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert 1 - b.item() == pytest.approx(2 * (1 - a.item()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0),
        ("lr", -1e-3),
        ("lr", float("nan")),
        ("alpha", 1.5),
        ("alpha", -0.1),
        ("eps", 0),
        ("eps", float("inf")),
        ("initial_accumulator_value", -1),
    ],
)
def test_bad_numbers_are_refused_by_name(name: str, value: float) -> None:
    """The message has the option and the value that was given."""
    with pytest.raises(ConfigError, match=rf"model\.optimizer\.{name} {value!r}"):
        RMSprop([nn.Parameter(torch.ones(1))], **{name: value})


def test_an_optimizer_of_another_class_than_the_checkpoints_is_refused() -> None:
    """Its state would not fit. The message has both classes; without a checkpoint any class will do."""
    for in_checkpoint in (None, "RMSprop"):
        made = make_optimizer(RMSprop, nn.Linear(1, 1).parameters(), in_checkpoint)
        assert isinstance(made, RMSprop)
    with pytest.raises(ConfigError, match=r"the checkpoint is of the optimizer Adam, and model\.optimizer is RMSprop"):
        make_optimizer(RMSprop, nn.Linear(1, 1).parameters(), "Adam")


def test_a_schedule_restores_the_configured_options() -> None:
    """After a checkpoint has overwritten them, each group has its own options again, at the share that holds now."""
    share = 1.0
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = RMSprop([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.2, "alpha": 0.5}], eps=0.3)
    schedule = LinearSchedule(optimizer, lambda: share)
    for group in optimizer.param_groups:
        group.update(lr=9.0, initial_lr=9.0, alpha=0.9, eps=0.9)
    share = 0.25
    schedule.restore_options()
    options = [(group["lr"], group["alpha"], group["eps"]) for group in optimizer.param_groups]
    assert options == [(0.025, 0.99, 0.3), (0.05, 0.5, 0.3)]
    share = 0.5
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.1]


def test_a_schedules_state_is_plain() -> None:
    """``weights_only=True`` can load it: it has no function in it, and no configured option."""
    schedule = LinearSchedule(RMSprop([nn.Parameter(torch.ones(1))]), lambda: 1.0)
    buffer = io.BytesIO()
    torch.save(schedule.state_dict(), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True).keys() >= {"base_lrs", "last_epoch"}


def test_the_gradient_norm_is_of_all_gradients_together() -> None:
    """The root of 9 + 16 + 144; parameters without a gradient are left out."""
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD([{"params": parameters[:2]}, {"params": parameters[2:]}], lr=0.1)
    parameters[0].grad, parameters[2].grad = torch.tensor([3.0, -4.0]), torch.tensor([12.0])
    with_gradient, norm = gradient_norm(optimizer)
    assert float(norm) == 13
    assert [id(p) for p in with_gradient] == [id(parameters[0]), id(parameters[2])]
    assert [id(p) for p in parameters_of(optimizer)] == [id(p) for p in parameters]


def test_trying_an_optimizer_changes_no_parameter() -> None:
    """Weight decay changes the copies alone."""
    parameter = torch.ones(3, requires_grad=True)
    try_optimizer(lambda parameters: torch.optim.SGD(parameters, lr=1.0, weight_decay=0.5), [parameter])
    assert torch.equal(parameter, torch.ones(3))
    assert parameter.grad is None
    with pytest.raises(ConfigError, match=r"model.optimizer SparseAdam cannot be used: .*dense gradients.*[^.]\.$"):
        try_optimizer(torch.optim.SparseAdam, [parameter])
    assert torch.equal(parameter, torch.ones(3))
