"""Memory: recurrent cores between body and heads.

A memory is made from the number of features alone, so that a class path in a recipe is all it takes to plug one in::

    model:
      memory: {class_path: lit_a3c.LSTM, init_args: {hidden_size: 256}}

Its state is one flat tensor per environment, so that it travels with a rollout like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from lit_a3c.errors import check_number


class Remembered(NamedTuple):
    """What a memory makes of ``T`` steps of ``B`` environments."""

    features: Tensor
    """``[T, B, num_features]``."""
    state: Tensor
    """After each step, before any reset, ``[T, B, state_size]`` without gradient. Valid only in the last row and in
    rows where an episode of any environment ended: elsewhere nobody asks."""


class Memory(nn.Module):
    """Interface of a memory.

    Attributes:
        num_features: Size of the output.
        state_size: Size ``S`` of one environment's state; an episode begins with zeros.
    """

    num_features: int
    state_size: int

    def forward(self, features: Tensor, state: Tensor, end: Tensor | None = None) -> Remembered:
        """Go on from a state.

        Args:
            features: ``[T, B, F]``, of consecutive steps.
            state: Before the first of them, ``[B, S]``; gradients stop here.
            end: Whether an episode ended with the step, so that the next begins with zeros, ``[T, B]`` bool.
        """
        raise NotImplementedError


class RecurrentMemory(Memory):
    """One recurrent layer of torch's, run over all environments at once from one end of an episode to the next.

    Args:
        cell: ``torch.nn.LSTM`` or ``torch.nn.GRU``.
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], num_features: int, hidden_size: int) -> None:
        super().__init__()
        check_number("model.memory.hidden_size", hidden_size, low=1, whole=True)
        self.rnn = cell(num_features, hidden_size)
        for name, parameter in self.rnn.named_parameters():
            nn.init.orthogonal_(parameter) if "weight" in name else nn.init.zeros_(parameter)
        # The second quarter of an LSTM's biases, or third of a GRU's, belongs to the gate that keeps what was. Begun
        # at one it keeps, and lets gradients through, for longer (Gers et al. 2000).
        nn.init.ones_(cast(Tensor, self.rnn.bias_ih_l0)[hidden_size : 2 * hidden_size])
        self.num_features = hidden_size
        self.parts = 2 if cell is nn.LSTM else 1  # hidden and cell state, or the former alone
        self.state_size = self.parts * hidden_size

    def forward(self, features: Tensor, state: Tensor, end: Tensor | None = None) -> Remembered:
        outputs, state = [], state.detach()
        states = features.new_zeros(*features.shape[:2], self.state_size)
        for begin, stop in _stretches(features.shape[0], end):
            hidden = tuple(part.contiguous() for part in state.unsqueeze(0).chunk(self.parts, dim=-1))
            output, hidden = self.rnn(features[begin:stop], hidden if self.parts == 2 else hidden[0])
            outputs.append(output)
            state = torch.cat(hidden if self.parts == 2 else (hidden,), dim=-1).squeeze(0)
            states[stop - 1] = state.detach()
            if end is not None:
                state = state * ~end[stop - 1].unsqueeze(-1)
        return Remembered(torch.cat(outputs), states)


class LSTM(RecurrentMemory):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), the paper's: 256 units for Atari (section 8).

    Args:
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, num_features: int, hidden_size: int = 256) -> None:
        super().__init__(nn.LSTM, num_features, hidden_size)


class GRU(RecurrentMemory):
    """Gated recurrent units (Cho et al. 2014), a cheaper memory.

    Args:
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, num_features: int, hidden_size: int = 256) -> None:
        super().__init__(nn.GRU, num_features, hidden_size)


def _stretches(length: int, end: Tensor | None) -> Iterator[tuple[int, int]]:
    """Rows ``[begin, stop)`` within which no environment's episode ends before the last."""
    begin = 0
    ends: Sequence[int] = [] if end is None else end[:-1].any(1).nonzero().flatten().tolist()
    for last in [*ends, length - 1]:
        yield begin, last + 1
        begin = last + 1
