"""What the lock-free workers have in common, in shared memory without a name."""

from __future__ import annotations

import copy
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
    """What all processes of a training have in common, in shared memory.

    Attributes:
        parameters: One tensor each.
        buffers: Running statistics, the very tensors of rank zero's module. There are no local copies of them.
        optimizer_state: The optimizer's state of each parameter.
        ledger: The steps of the training.
    """

    parameters: list[Tensor]
    buffers: list[Tensor]
    optimizer_state: list[dict[str, Any]]
    ledger: StepLedger

    @classmethod
    def of(cls, module: nn.Module, optimizer: Optimizer, ledger: StepLedger) -> SharedTrainState:
        """Of a module and its optimizer as they stand.

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
            buffers=[buffer.share_memory_() for buffer in module.buffers()],  # in place: the actor stands on them
            optimizer_state=[{name: _share(value) for name, value in state.items()} for state in states],
            ledger=ledger,
        )


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
    trial.step()
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
