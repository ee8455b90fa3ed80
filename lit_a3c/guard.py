"""Numbers that are not finite, caught in the update that they would have spoilt and named by where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from lit_a3c.rollout import Rollout


class NotFiniteError(RuntimeError):
    """NaN or infinity in an observation, a reward, a loss or a gradient."""


def check_rollout(rollout: Rollout) -> None:
    """Refuse observations and rewards that are not finite, before any running statistics see them.

    Args:
        rollout: ``[T, B]`` steps; of the next observations only the valid ones are looked at.

    Raises:
        NotFiniteError: With the time step and the environment.
    """
    everywhere = torch.ones_like(rollout.truncated)
    valid = rollout.truncated.clone()
    valid[-1] = True
    for name, values, where in (
        ("observation", rollout.observation, everywhere),
        ("reward", rollout.reward, everywhere),
        ("observation after the step", rollout.next_observation, valid),
    ):
        if not values.is_floating_point():
            continue
        finite = (values if where is everywhere else values[where]).isfinite()
        if not finite.all():
            wrong = ~values.isfinite() & where.view(*where.shape, *[1] * (values.ndim - 2))
            at = wrong.nonzero()[0].tolist()
            raise NotFiniteError(
                f"the {name} is {float(values[tuple(at)])} in environment {at[1]} of the rollout at its step {at[0]}."
            )


def check_losses(losses: Mapping[str, Tensor]) -> None:
    """Refuse losses that are not finite.

    Args:
        losses: Scalars by name.

    Raises:
        NotFiniteError: With the name.
    """
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            raise NotFiniteError(f"the {name} is {float(loss)}.")


def check_gradients(norm: Tensor, gradients: Iterable[tuple[str, Tensor | None]]) -> None:
    """Refuse a gradient that is not finite.

    Args:
        norm: Norm of all of it.
        gradients: By name of the parameter; read only if the norm is not finite.

    Raises:
        NotFiniteError: With the parameter's name.
    """
    if torch.isfinite(norm):
        return
    bad = [name for name, gradient in gradients if gradient is not None and not gradient.isfinite().all()]
    raise NotFiniteError(f"the gradient of {bad[0] if bad else 'all parameters'} is not finite (norm {float(norm)}).")
