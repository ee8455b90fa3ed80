"""Heads and a body of a user's own, as a trusted checkpoint may name them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Categorical

from lit_a3c import CategoricalHead, MLPBody


class Branching(CategoricalHead):
    """What it does depends on the numbers, which torch.export cannot follow."""

    def forward(self, features: Tensor) -> Categorical:
        logits = self.logits(features)
        if logits.sum().item() > 0:
            logits = logits * 2
        return Categorical(logits=logits, validate_args=False)


class Listed(MLPBody):
    """Makes a constant of the size of the batch."""

    def forward(self, observation: Tensor) -> Tensor:
        return super().forward(observation) + torch.zeros(int(observation.shape[0]), 1)


class Drifting(CategoricalHead):
    """Is another function at every call."""

    calls = 0

    def forward(self, features: Tensor) -> Categorical:
        type(self).calls += 1
        drift = torch.arange(self.logits.out_features) * self.calls
        return Categorical(logits=self.logits(features) + drift, validate_args=False)
