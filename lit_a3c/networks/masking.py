"""Policies that give no probability to actions which the environment forbids."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from lit_a3c.networks.heads.composite import Joint
from lit_a3c.utils.errors import ConfigError


def masked(distribution: Distribution, mask: Tensor) -> Distribution:
    """The distribution on the condition that the action is allowed.

    For a categorical one with logits ``z``, as in Huang & Ontanon (2022), arXiv:2006.14171::

        pi(a|s) = mask_a exp(z_a) / sum_b mask_b exp(z_b)

    which has the entropy of the allowed actions alone, and no gradient along forbidden ones.

    torch's own ``Categorical`` takes logits of minus infinity, so TorchRL's ``MaskedCategorical`` is not needed, whose
    import costs a second.

    Args:
        distribution: Of batch shape ``[...]``. A joint one is masked part by part. Parts that are not categorical, such
            as those of ``Box`` components, stay as they are.
        mask: True where an action is allowed, ``[..., M]``: the masks of the categorical parts side by side.

    Raises:
        ConfigError: A head of the user's own gives another kind of distribution.
    """
    masked_distribution, left = _masked(distribution, mask)
    if left.shape[-1] != 0:
        raise ConfigError(
            f"model.head gives a {type(distribution).__name__}, to which the environment's action mask cannot be "
            "applied. Use --model.head lit_a3c.CategoricalHead or lit_a3c.JointHead, or --data.action_mask false."
        )
    return masked_distribution


def _masked(distribution: Distribution, mask: Tensor) -> tuple[Distribution, Tensor]:
    """The masked distribution, and what is left of the mask for further parts."""
    if isinstance(distribution, Joint):
        parts = []
        for part in distribution.parts:
            part, mask = _masked(part, mask)
            parts.append(part)
        return Joint(parts), mask
    if not isinstance(distribution, Categorical):
        return distribution, mask
    size = distribution.logits.shape[-1]
    logits = distribution.logits.masked_fill(~mask[..., :size], -torch.inf)
    return Categorical(logits=logits, validate_args=False), mask[..., size:]
