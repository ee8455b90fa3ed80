"""Targets of the value function and of the policy gradient: pure functions on ``[T, B]`` tensors.

Time indices follow rlax: ``r_tp1`` is the reward that the action at ``t`` brought.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def lambda_returns(
    r_tp1: Tensor, discount_tp1: Tensor, v_tp1: Tensor, done_tp1: Tensor, lambda_: float = 1.0
) -> Tensor:
    """Bootstrapped returns over the rest of the rollout or episode, whichever ends first.

    Computed backwards, for t = T-1, ..., 0::

        G_t = r_{t+1} + gamma_{t+1} * ((1 - lambda) * v_{t+1} + lambda * G_{t+1})

    where ``G_{t+1}`` is ``v_{t+1}`` if the episode or the rollout ends at t+1. With ``lambda = 1`` these are
    the n-step returns of Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783; in general ``G_t - v_t`` is
    the generalised advantage estimate, eq. 16 of Schulman et al. (2016), arXiv:1506.02438.

    Termination is carried by the discount (0); truncation by ``done_tp1`` alone, so a time limit
    still bootstraps from the state that it cut short.

    Args:
        r_tp1: Rewards, ``[T, B]``.
        discount_tp1: ``gamma``, or 0 where the environment terminated, ``[T, B]``.
        v_tp1: Values of the true next states, before any reset, ``[T, B]``.
        done_tp1: True where an episode terminated or was truncated, ``[T, B]``.
        lambda_: Weight of what follows against the bootstrap value, in [0, 1].

    Returns:
        ``G_t`` for t in [0, T-1], ``[T, B]``, detached: a target, not a prediction.

    Raises:
        ValueError: The shapes differ.
    """
    shapes = {tuple(x.shape) for x in (r_tp1, discount_tp1, v_tp1, done_tp1)}
    if len(shapes) != 1:
        raise ValueError(f"r_tp1, discount_tp1, v_tp1 and done_tp1 must share one shape [T, B], got {sorted(shapes)}")
    v_tp1 = v_tp1.detach()
    # Where an episode ends nothing of G_{t+1} may enter: there the weight moves to v_{t+1} whole.
    carry = discount_tp1 * lambda_ * ~done_tp1
    base = r_tp1 + (discount_tp1 - carry) * v_tp1
    backwards = [v_tp1[-1]]
    for base_t, carry_t in zip(reversed(base.unbind()), reversed(carry.unbind()), strict=True):
        backwards.append(torch.addcmul(base_t, carry_t, backwards[-1]))
    return torch.stack(backwards[:0:-1])


class VTrace(NamedTuple):
    """What V-trace makes of a rollout."""

    target: Tensor
    """``vs_t``, for the value function, ``[T, B]``."""
    advantage: Tensor
    """For the policy gradient, which weighs it by ``rho_t``, ``[T, B]``."""


def vtrace(
    ratio_t: Tensor,
    r_tp1: Tensor,
    discount_tp1: Tensor,
    v_t: Tensor,
    v_tp1: Tensor,
    done_tp1: Tensor,
    lambda_: float = 1.0,
) -> VTrace:
    """Returns corrected for actions of another policy mu, section 4.1 of Espeholt et al. (2018), arXiv:1802.01561.

    With ``rho_t = min(1, ratio_t)`` and ``c_t = lambda * min(1, ratio_t)``, computed backwards::

        delta_t = rho_t * (r_{t+1} + gamma_{t+1} * v_{t+1} - v_t)
        vs_t    = v_t + delta_t + gamma_{t+1} * c_t * (vs_{t+1} - v_{t+1})
        A_t     = r_{t+1} + gamma_{t+1} * ((1 - lambda) * v_{t+1} + lambda * vs_{t+1}) - v_t

    where ``vs_{t+1}`` is ``v_{t+1}`` if the episode or the rollout ends at t+1. The policy gradient is that of
    ``rho_t * A_t * log pi(a_t|s_t)``. Where all ratios are 1, ``vs_t`` is
    :func:`lambda_returns` and ``A_t = vs_t - v_t``; for this the advantage mixes in ``v_{t+1}``, which the
    paper, whose lambda is 1 there, does not.

    Args:
        ratio_t: ``pi(a_t|s_t) / mu(a_t|s_t)``, ``[T, B]``.
        r_tp1: Rewards, ``[T, B]``.
        discount_tp1: ``gamma``, or 0 where the environment terminated, ``[T, B]``.
        v_t: Values of the states, ``[T, B]``.
        v_tp1: Values of the true next states, before any reset, ``[T, B]``.
        done_tp1: True where an episode terminated or was truncated, ``[T, B]``.
        lambda_: As of :func:`lambda_returns`.

    Returns:
        Target and advantage, detached.

    Raises:
        ValueError: The shapes differ.
    """
    ratio_t, v_t, v_tp1 = ratio_t.detach(), v_t.detach(), v_tp1.detach()
    if ratio_t.shape != v_t.shape or v_t.shape != r_tp1.shape:
        shapes = [tuple(x.shape) for x in (ratio_t, v_t, r_tp1)]
        raise ValueError(f"ratio_t, v_t and r_tp1 must share one shape [T, B], got {shapes}")
    rho_t = ratio_t.clamp(max=1)
    # Corrections add up like lambda-returns: of rewards delta_t, with discount gamma * c_t, and no value at the end.
    delta_t = r_tp1 + discount_tp1 * v_tp1 - v_t
    correction_t = lambda_returns(rho_t * delta_t, discount_tp1 * rho_t * lambda_, torch.zeros_like(v_t), done_tp1)
    correction_tp1 = torch.cat([correction_t[1:], torch.zeros_like(v_t[:1])]).masked_fill(done_tp1, 0)
    return VTrace(v_t + correction_t, delta_t + discount_tp1 * lambda_ * correction_tp1)


def explained_variance(predicted: Tensor, target: Tensor) -> Tensor:
    """``1 - Var[target - predicted] / Var[target]``: 1 is perfect, 0 no better than a constant.

    Args:
        predicted: Any shape.
        target: The same shape.

    Returns:
        A scalar; 0 for a constant target, which leaves nothing to explain.
    """
    variance = target.var(correction=0)
    explained = 1 - (target - predicted).var(correction=0) / variance.clamp_min(1e-12)
    return torch.where(variance > 1e-12, explained, torch.zeros_like(explained))
