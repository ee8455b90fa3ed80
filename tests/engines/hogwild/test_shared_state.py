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


def test_what_is_shared_is_a_copy_that_can_be_pulled() -> None:
    """The process that was started validates with parameters and running statistics of its own."""
    module, _ = make(body=functools.partial(MLPBody, normalize=True))
    optimizer = module.configure_optimizers()["optimizer"]
    shared = SharedTrainState.of(module, optimizer, module.ledger)
    pairs = [
        *zip(module.policy.parameters(), shared.parameters, strict=True),
        *zip(module.buffers(), shared.buffers, strict=True),
    ]
    assert shared.buffers
    for own, common in pairs:
        assert common.is_shared()
        assert torch.equal(own, common)
        assert own.data_ptr() != common.data_ptr()
        common.add_(1)
        assert not torch.equal(own, common)
    shared.pull_parameters([p.data for p in module.policy.parameters()])
    shared.pull_buffers(module.buffers())
    assert all(torch.equal(own, common) for own, common in pairs)
    assert all(state["mean_square"].is_shared() for state in shared.optimizer_state)
    assert shared.ledger is module.ledger


def test_all_processes_have_one_optimizer_state() -> None:
    """It is no copy."""
    module, _ = make()
    optimizers = [module.configure_optimizers()["optimizer"] for _ in range(2)]
    shared = SharedTrainState.of(module, optimizers[0], module.ledger)
    for optimizer in optimizers:
        shared.give_optimizer_state(optimizer)
    shared.optimizer_state[0]["mean_square"].fill_(7)
    for optimizer in optimizers:
        assert (next(iter(optimizer.state.values()))["mean_square"] == 7).all()


@pytest.mark.parametrize(("most", "reached"), [(None, False), (8, False), (7, True)])
def test_the_most_updates_are_those_of_all_workers(most: int | None, reached: bool) -> None:
    """Those before the training included."""
    module, _ = make()
    module.ledger.restore(learned=40, discarded=0, updates=5)
    module.ledger.allocate(3)
    for slot in (1, 2):
        module.ledger.for_rank(slot).updates.add(1)
    assert SharedTrainState([], [], [], module.ledger, most).max_updates_reached == reached


def test_an_optimizer_that_needs_a_closure_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"hogwild cannot share LBFGS: .*closure"):
        optimizer_state_of(torch.optim.LBFGS([torch.ones(3, requires_grad=True)]))
