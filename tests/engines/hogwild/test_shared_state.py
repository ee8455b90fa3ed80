"""What the workers of hogwild share, the state of an optimizer included, which is known before its first step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lit_a3c import ConfigError, MLPBody, RMSprop
from lit_a3c.engines.hogwild.shared_state import SharedTrainState, optimizer_state_of
from tests.engines.hogwild.trainings import make


def stepped(make_optimizer: Callable[..., Any]) -> tuple[Any, Any]:
    """Two optimizers alike, of which the second has made a step with gradient zero."""
    fresh, used = (make_optimizer([torch.ones(3, requires_grad=True)]) for _ in range(2))
    used.param_groups[0]["params"][0].grad = torch.zeros(3)
    used.step()
    return fresh, used


@pytest.mark.parametrize(
    "make_optimizer",
    [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, functools.partial(torch.optim.SGD, lr=1, momentum=0.9)],
)
def test_optimizer_states_that_begin_at_zero_can_be_shared(make_optimizer: Callable[..., Any]) -> None:
    """All that the first step would make is there before it, and nothing has happened to the parameters."""
    fresh, used = stepped(make_optimizer)
    (state,) = optimizer_state_of(fresh)
    (p,) = fresh.param_groups[0]["params"]
    assert state.keys() == used.state[used.param_groups[0]["params"][0]].keys()
    assert all(not value.any() for value in state.values())
    assert torch.equal(p, torch.ones(3))
    assert p.grad is None
    assert not fresh.state


def test_a_state_that_is_there_is_shared_as_it_is() -> None:
    """That of a resumed optimizer, or one that is made with the optimizer."""
    _, used = stepped(torch.optim.Adam)
    assert optimizer_state_of(used) == list(used.state.values())
    ours = RMSprop([torch.ones(3, requires_grad=True)])
    assert torch.equal(optimizer_state_of(ours)[0]["mean_square"], torch.ones(3))


def test_optimizer_states_that_begin_elsewhere_are_refused() -> None:
    """Rprop begins with its learning rate in every component."""
    with pytest.raises(ConfigError, match="Rprop"):
        optimizer_state_of(torch.optim.Rprop([torch.ones(3, requires_grad=True)]))


def test_parameters_are_copied_and_buffers_are_shared_in_place() -> None:
    """Rank zero computes with parameters of its own, and with the running statistics of all."""
    module, _ = make(body=functools.partial(MLPBody, normalize=True))
    optimizer = module.configure_optimizers()["optimizer"]
    shared = SharedTrainState.of(module, optimizer, module.ledger)
    for own, common in zip(module.policy.parameters(), shared.parameters, strict=True):
        assert common.is_shared()
        assert torch.equal(own, common)
        assert own.data_ptr() != common.data_ptr()
    assert shared.buffers
    for own, common in zip(module.buffers(), shared.buffers, strict=True):
        assert common.is_shared()
        assert own.data_ptr() == common.data_ptr()
    assert all(state["mean_square"].is_shared() for state in shared.optimizer_state)
    assert shared.ledger is module.ledger
