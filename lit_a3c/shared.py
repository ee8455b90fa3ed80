"""What the lock-free workers of :mod:`lit_a3c.strategies` have in common, in shared memory without a name."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c.counter import Counter
from lit_a3c.errors import ConfigError
from lit_a3c.optim import parameters_of


@dataclass
class Shared:
    """What all processes of a training have in common, in shared memory.

    Attributes:
        parameters: One tensor each.
        buffers: Running statistics, the very tensors of rank zero's module: there are no local copies of them.
        statistics: The optimizer's state of each parameter.
        steps: Steps learned from.
        updates: Updates applied.
        taken: Steps taken.
    """

    parameters: list[Tensor]
    buffers: list[Tensor]
    statistics: list[dict[str, Any]]
    steps: Counter
    updates: Counter
    taken: Counter

    @classmethod
    def of(cls, module: Any, optimizer: Optimizer, processes: int, taken: Counter) -> Shared:
        """Of a module and its optimizer as they stand; steps are counted in ``taken`` already."""
        return cls(
            parameters=[_share(p) for p in parameters_of(optimizer)],
            buffers=[buffer.share_memory_() for buffer in module.buffers()],  # in place: the collectors know them
            statistics=[{name: _share(value) for name, value in s.items()} for s in statistics_of(optimizer)],
            steps=module.step_counter.shared(processes),
            updates=Counter().shared(processes),
            taken=taken,
        )


def _share(value: Any) -> Any:
    """A copy in shared memory; plain values stay as they are."""
    return value.detach().clone().share_memory_() if isinstance(value, Tensor) else value


def statistics_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The state of each parameter; of an optimizer that makes it at its first step, as it will be made.

    Raises:
        ConfigError: It does not begin at zero, so that it cannot be known before the first step.
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
                f"the strategy hogwild cannot share {type(optimizer).__name__}: its {name} does not begin at zero. "
                "Use lit_a3c.RMSprop, or Adam."
            )
    return [
        {name: torch.zeros_like(value) if isinstance(value, Tensor) else value for name, value in state.items()}
        for state in states
    ]
