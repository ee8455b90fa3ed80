"""Checks for numbers that are not finite. Each raises before the number reaches the weights, and names its origin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from lit_a3c.utils.errors import RunError

LARGEST = float(np.finfo(np.float32).max)
"""Largest number of single precision, 3.4e38. Policies, rollouts and the learner have no other precision."""


class NotFiniteError(RunError):
    """NaN, infinity, or what single precision turns into infinity: in an observation, a reward, a return, a loss or a
    gradient.
    """


def check_step(observation: np.ndarray, reward: np.ndarray | None = None) -> None:
    """Refuse observations and rewards that are not finite in single precision, before a policy sees them.

    Args:
        observation: ``[E, ...]``; only floating point is checked.
        reward: ``[E]``; None after a reset.

    Raises:
        NotFiniteError: With the index of the environment.
    """
    if not _representable(observation):
        _refuse("observation", observation)
    if reward is not None and not _representable(reward):
        _refuse("reward", reward)


def check_return(env: int, value: float) -> None:
    """Refuse the raw return of an episode that single precision cannot hold.

    Args:
        env: Index of the environment.
        value: The return, the sum of its rewards.

    Raises:
        NotFiniteError: With the index of the environment.
    """
    if not abs(value) <= LARGEST:
        raise NotFiniteError(f"the return of an episode is {value:g} in environment {env}: {_LIMIT}.")


_LIMIT = f"single precision ends at {LARGEST:.2g}"


def _representable(values: np.ndarray) -> bool:
    """Whether all of these are finite in single precision."""
    if values.dtype.kind != "f" or not values.size:
        return True
    if values.dtype.itemsize <= 4:
        return bool(np.isfinite(values).all())
    return bool(np.abs(values).max() <= LARGEST)  # false for NaN


def _refuse(name: str, values: np.ndarray) -> None:
    at = tuple(np.argwhere(~(np.abs(values) <= LARGEST))[0])
    single = values.dtype.itemsize <= 4 and np.isinf(values[at])  # which may have been 1e300 before
    what = f"{values[at]:g}" + (f" ({_LIMIT})" if single or np.isfinite(values[at]) else "")
    raise NotFiniteError(f"the {name} is {what} in environment {at[0]}, which returned it itself.")


def check_loss(loss: Tensor, terms: Mapping[str, Tensor]) -> None:
    """Refuse a loss that is not finite.

    Args:
        loss: The whole, a scalar.
        terms: Its terms by name; read only if the whole is not finite.

    Raises:
        NotFiniteError: With the name of the term.
    """
    if math.isfinite(loss.item()):  # torch.isfinite takes four operations for the same answer, on a GPU four kernels
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
    if math.isfinite(norm.item()):
        return
    bad = [name for name, gradient in gradients if gradient is not None and not gradient.isfinite().all()]
    raise NotFiniteError(f"the gradient of {bad[0] if bad else 'all parameters'} is not finite (norm {float(norm)}).")
