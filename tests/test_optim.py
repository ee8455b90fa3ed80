from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from lit_a3c.errors import ConfigError
from lit_a3c.optim import RMSprop


def literal(theta: float, grads: list[float], lr: float, alpha: float, eps: float, square: float) -> list[float]:
    """Eqs. S2-S3 of the paper on one number."""
    path = []
    for grad in grads:
        square = alpha * square + (1 - alpha) * grad**2
        theta -= lr * grad / math.sqrt(square + eps)
        path.append(theta)
    return path


def follow(make: Any, theta: float, grads: list[float]) -> list[float]:
    """The same numbers by an optimizer."""
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
    """The vectorised step computes the equations, from any initial mean square."""
    path = follow(lambda p: RMSprop(p, lr=0.03, alpha=0.9, eps=eps, initial_square=square), 1.5, GRADS)
    assert path == pytest.approx(literal(1.5, GRADS, 0.03, 0.9, eps, square), rel=1e-12)


def test_the_papers_numbers_are_the_default() -> None:
    """Rate 7e-4, alpha 0.99, eps 0.1, mean square from 1."""
    path = follow(RMSprop, 1.5, GRADS)
    assert path == pytest.approx(literal(1.5, GRADS, 7e-4, 0.99, 0.1, 1.0), rel=1e-12)


def test_epsilon_is_inside_the_root() -> None:
    """From a zero mean square and a zero eps both forms agree; with the paper's eps torch's steps are far larger."""
    ours = follow(lambda p: RMSprop(p, lr=0.01, alpha=0.99, eps=1e-300, initial_square=0), 0.0, [0.5, 1.0])
    torchs = follow(lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99, eps=0), 0.0, [0.5, 1.0])
    assert ours == pytest.approx(torchs, rel=1e-9)
    [ours] = follow(lambda p: RMSprop(p, lr=1.0, alpha=0.99, eps=0.1, initial_square=0), 0.0, [0.1])
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
    """Neither they nor their mean square move, alone or beside others."""
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

    assert float(optimizer.step(closure)) == 2
    assert 1 - float(b) == pytest.approx(2 * (1 - float(a)))


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
        ("initial_square", -1),
    ],
)
def test_bad_numbers_are_refused_by_name(name: str, value: float) -> None:
    """The message has the flag and what was given."""
    with pytest.raises(ConfigError, match=rf"model\.optimizer\.{name} {value!r}"):
        RMSprop([nn.Parameter(torch.ones(1))], **{name: value})
