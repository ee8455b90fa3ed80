"""A recurrent layer taken one step of one environment at a time, by torch's own cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lit_a3c.networks.recurrent import GRU, LSTM, TorchRecurrentCore

Kind = type[LSTM] | type[GRU]


def cell_step(core: TorchRecurrentCore, features: Tensor, state: Tensor) -> Tensor:
    """The next state ``[S]``, whose first part is the output, by a cell that holds the very weights of the core."""
    weights: dict[str, Tensor] = {name.removesuffix("_l0"): weight for name, weight in core.rnn.named_parameters()}
    if isinstance(core.rnn, nn.GRU):
        gru = nn.GRUCell(len(features), core.num_features)
        hidden: Tensor = functional_call(gru, weights, (features, state))
        return hidden
    lstm = nn.LSTMCell(len(features), core.num_features)
    return torch.cat(functional_call(lstm, weights, (features, state.chunk(2))))
