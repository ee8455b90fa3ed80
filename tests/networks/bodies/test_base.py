from __future__ import annotations

import torch
from torch import nn

from lit_a3c.networks.bodies import orthogonal


def test_orthogonal_weights_and_zero_bias() -> None:
    """``W W^T = gain^2 I`` for a wide layer."""
    layer = orthogonal(nn.Linear(9, 4), gain=3.0)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 9 * torch.eye(4))
    assert not layer.bias.any()
