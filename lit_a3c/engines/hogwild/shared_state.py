"""What the lock-free workers have in common, in shared memory without a name."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_a3c.engines.ledger import StepLedger
from lit_a3c.optim import parameters_of
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.machine import check_room


@dataclass
class SharedTrainState:
    """What all workers of a training have in common, in shared memory.

    Attributes:
        parameters: One tensor each. Every worker has a local copy of them.
        buffers: Running statistics, one tensor each. The workers have no local copies of them.
        optimizer_state: The optimizer's state of each parameter.
        ledger: The steps of the training.
        max_updates: Updates, by the ledger, at which the training ends; None where only the budget of steps ends it.
    """

    parameters: list[Tensor]
    buffers: list[Tensor]
    optimizer_state: list[dict[str, Any]]
    ledger: StepLedger
    max_updates: int | None = None

    @classmethod
    def of(
        cls, module: nn.Module, optimizer: Optimizer, ledger: StepLedger, max_updates: int | None = None
    ) -> SharedTrainState:
        """Copies of a module and its optimizer as they stand.

        Raises:
            ConfigError: There is too little shared memory, or too few files may be open.
        """
        states = optimizer_state_of(optimizer)
        values = (
            *parameters_of(optimizer),
            *module.buffers(),
            *(value for state in states for value in state.values()),
        )
        tensors = [value for value in values if isinstance(value, Tensor)]
        check_room(ledger.updates.slots, [tensor.nbytes for tensor in tensors])
        return cls(
            parameters=[_share(p) for p in parameters_of(optimizer)],
            buffers=[_share(buffer) for buffer in module.buffers()],
            optimizer_state=[{name: _share(value) for name, value in state.items()} for state in states],
            ledger=ledger,
            max_updates=max_updates,
        )

    @torch.no_grad()
    def pull_parameters(self, own: list[Tensor]) -> None:
        """Copy the shared parameters into a process's own."""
        torch._foreach_copy_(own, self.parameters)

    @torch.no_grad()
    def pull_buffers(self, own: Iterable[Tensor]) -> None:
        """Copy the shared running statistics into a process's own."""
        for mine, shared in zip(own, self.buffers, strict=True):
            mine.copy_(shared)

    def give_optimizer_state(self, optimizer: Optimizer) -> None:
        """Let the optimizer of a process stand on the shared state."""
        for p, state in zip(parameters_of(optimizer), self.optimizer_state, strict=True):
            optimizer.state[p] = state

    @property
    def max_updates_reached(self) -> bool:
        """Whether no worker shall begin another update."""
        return self.max_updates is not None and self.ledger.updates.total >= self.max_updates


def _share(value: Any) -> Any:
    """A copy in shared memory; plain values stay as they are."""
    return value.detach().clone().share_memory_() if isinstance(value, Tensor) else value


def optimizer_state_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The state of each parameter. An optimizer without state yet is asked what it makes at its first step.

    Raises:
        ConfigError: Its state does not begin at zero, so it cannot be known before the first step.
    """
    if all(optimizer.state.get(p) for p in parameters_of(optimizer)):
        return [optimizer.state[p] for p in parameters_of(optimizer)]
    trial = copy.deepcopy(optimizer)
    for p in parameters_of(trial):
        p.grad = torch.zeros_like(p)
    try:
        trial.step()
    except TypeError as error:  # it needs a closure, with which it would try several points between two updates
        raise ConfigError(f"the engine hogwild cannot share {type(optimizer).__name__}: {error}.") from error
    states = [trial.state[p] for p in parameters_of(trial)]
    for name, value in ((name, value) for state in states for name, value in state.items() if name != "step"):
        if isinstance(value, Tensor) and value.any():
            raise ConfigError(
                f"the engine hogwild cannot share {type(optimizer).__name__}: its {name} does not begin at zero. "
                "Use lit_a3c.RMSprop, or Adam."
            )
    return [
        {name: torch.zeros_like(value) if isinstance(value, Tensor) else value for name, value in state.items()}
        for state in states
    ]
