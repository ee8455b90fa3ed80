"""Recurrent cores between the body and the heads.

A core is made from the number of features alone, so a class path in a config is enough to plug in another::

    model:
      recurrent: {class_path: lit_a3c.LSTM, init_args: {hidden_size: 256}}

The state of a core is one flat tensor for each environment. It travels with a rollout like every other tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lit_a3c.utils.errors import check_number


class RecurrentOutput(NamedTuple):
    """What a recurrent core makes of ``T`` steps of ``B`` environments."""

    features: Tensor
    """``[T, B, num_features]``."""
    recurrent_state: Tensor
    """The state after each step, before any reset, ``[T, B, state_size]`` without gradient. Valid only in the last row
    and in rows where an episode of any environment ended. No other row is read."""


class RecurrentCore(nn.Module):
    """Interface of a recurrent core.

    Attributes:
        num_features: Size of the output.
        state_size: Size ``S`` of one environment's state. An episode begins with zeros.
    """

    num_features: int
    state_size: int

    def forward(self, features: Tensor, recurrent_state: Tensor, done: Tensor | None = None) -> RecurrentOutput:
        """Go on from a state.

        Args:
            features: ``[T, B, F]``, of consecutive steps.
            recurrent_state: The state before the first of them, ``[B, S]``. Gradients stop here.
            done: Whether an episode ended with the step, so that the next begins with zeros, ``[T, B]`` bool.
        """
        raise NotImplementedError


class TorchRecurrentCore(RecurrentCore):
    """One recurrent layer of torch's, run over all environments at once from one end of an episode to the next.

    Args:
        cell: ``torch.nn.LSTM`` or ``torch.nn.GRU``.
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], num_features: int, hidden_size: int) -> None:
        super().__init__()
        check_number("model.recurrent.hidden_size", hidden_size, low=1, whole=True)
        self.rnn = cell(num_features, hidden_size)
        for name, parameter in self.rnn.named_parameters():
            nn.init.orthogonal_(parameter) if "weight" in name else nn.init.zeros_(parameter)
        # The second quarter of an LSTM's biases, and the second third of a GRU's, belong to the gate that keeps the
        # old state. With a bias of one at the start the state, and the gradient, last longer (Gers et al. 2000).
        nn.init.ones_(self.rnn.get_parameter("bias_ih_l0")[hidden_size : 2 * hidden_size])
        self.num_features = hidden_size
        self.parts = 2 if cell is nn.LSTM else 1  # hidden and cell state, or the hidden state alone
        self.state_size = self.parts * hidden_size

    def forward(self, features: Tensor, recurrent_state: Tensor, done: Tensor | None = None) -> RecurrentOutput:
        outputs, state = [], recurrent_state.detach()
        states = features.new_zeros(*features.shape[:2], self.state_size)
        for start, stop in _segments(features.shape[0], done):
            hidden = tuple(part.contiguous() for part in state.unsqueeze(0).chunk(self.parts, dim=-1))
            output, hidden = self.rnn(features[start:stop], hidden if self.parts == 2 else hidden[0])
            outputs.append(output)
            state = torch.cat(hidden if self.parts == 2 else (hidden,), dim=-1).squeeze(0)
            states[stop - 1] = state.detach()
            if done is not None:
                state = state * ~done[stop - 1].unsqueeze(-1)
        return RecurrentOutput(torch.cat(outputs), states)


class LSTM(TorchRecurrentCore):
    """Long short-term memory (Hochreiter & Schmidhuber 1997). The paper has 256 units for Atari (section 8).

    Args:
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, num_features: int, hidden_size: int = 256) -> None:
        super().__init__(nn.LSTM, num_features, hidden_size)


class GRU(TorchRecurrentCore):
    """Gated recurrent units (Cho et al. 2014), which cost less than an LSTM.

    Args:
        num_features: Size ``F`` of the body's output.
        hidden_size: Units.
    """

    def __init__(self, num_features: int, hidden_size: int = 256) -> None:
        super().__init__(nn.GRU, num_features, hidden_size)


def _segments(length: int, done: Tensor | None) -> Iterator[tuple[int, int]]:
    """Rows ``[start, stop)`` within which no environment's episode ends before the last row."""
    start = 0
    ends: Sequence[int] = [] if done is None else done[:-1].any(1).nonzero().flatten().tolist()
    for last in [*ends, length - 1]:
        yield start, last + 1
        start = last + 1
