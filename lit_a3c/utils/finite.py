"""Checks for numbers that are not finite. Each raises before the number reaches the weights, and names its origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor


class NotFiniteError(RuntimeError):
    """NaN or infinity in an observation, a reward, a loss or a gradient."""


def check_step(observation: np.ndarray, reward: np.ndarray | None = None) -> None:
    """Refuse observations and rewards that are not finite, before a policy acts on them or learns from them.

    Args:
        observation: ``[E, ...]``; only floating point is checked.
        reward: ``[E]``; None after a reset.

    Raises:
        NotFiniteError: With the index of the environment.
    """
    for name, values in (("observation", observation), ("reward", reward)):
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            at = tuple(np.argwhere(~np.isfinite(values))[0])
            raise NotFiniteError(f"the {name} is {values[at]} in environment {at[0]}, which returned it itself.")


def check_loss(loss: Tensor, terms: Mapping[str, Tensor]) -> None:
    """Refuse a loss that is not finite.

    Args:
        loss: The whole, a scalar.
        terms: Its terms by name; read only if the whole is not finite.

    Raises:
        NotFiniteError: With the name of the term.
    """
    if torch.isfinite(loss):
        return
    bad = [f"the {name} is {float(term)}" for name, term in terms.items() if not torch.isfinite(term)]
    raise NotFiniteError(f"{bad[0] if bad else f'the loss is {float(loss)}'}.")


def check_gradients(norm: Tensor, gradients: Iterable[tuple[str, Tensor | None]]) -> None:
    """Refuse a gradient that is not finite.

    Args:
        norm: Norm of all of it.
        gradients: By name of the parameter; read only if the norm is not finite.

    Raises:
        NotFiniteError: With the name of the parameter.
    """
    if torch.isfinite(norm):
        return
    bad = [name for name, gradient in gradients if gradient is not None and not gradient.isfinite().all()]
    raise NotFiniteError(f"the gradient of {bad[0] if bad else 'all parameters'} is not finite (norm {float(norm)}).")
