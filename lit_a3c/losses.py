"""The three terms of the actor-critic loss, and what holds the policy near the one that acted.

All are per step: ``[T, B]`` in, ``[T, B]`` out.

Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783, ascends::

    grad log pi(a_t|s_t) * (G_t - v_t)  +  beta * grad H(pi(.|s_t))

and descends ``grad (G_t - v_t)^2`` along the value. Here all three are terms to minimise; the module weighs,
adds and reduces them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def policy_gradient_loss(log_prob_t: Tensor, advantage_t: Tensor) -> Tensor:
    """``-log pi(a_t|s_t) * A_t``, the score-function estimator; no gradient flows through the advantage."""
    return -log_prob_t * advantage_t.detach()


def value_loss(v_t: Tensor, target_t: Tensor) -> Tensor:
    """``(G_t - v_t)^2``; no gradient flows through the target."""
    return (target_t.detach() - v_t).square()


def entropy_loss(entropy_t: Tensor) -> Tensor:
    """``-H(pi(.|s_t))``: minimising it keeps the policy from collapsing early (Williams & Peng 1991)."""
    return -entropy_t


def standardize(advantage_t: Tensor) -> Tensor:
    """Advantages with mean 0 and standard deviation 1 over all steps, whatever the scale of the rewards."""
    return (advantage_t - advantage_t.mean()) / (advantage_t.std(correction=0) + 1e-8)


def has_moved_enough(ratio_t: Tensor, advantage_t: Tensor, clip_ratio: float) -> Tensor:
    """Where the policy has already moved as far from an earlier one as the advantage may make it, bool.

    With ``ratio_t = pi(a_t|s_t) / pi_old(a_t|s_t)`` these are the steps at which the objective of PPO, eq. 7 of
    Schulman et al. (2017), arXiv:1707.06347, has no gradient::

        ratio_t > 1 + clip_ratio  and  A_t > 0,    or    ratio_t < 1 - clip_ratio  and  A_t < 0

    An importance weight alone, as in V-trace, bounds the size of a step's gradient. It does not bound how far many
    updates from the same steps move the policy.

    Args:
        ratio_t: ``[T, B]``.
        advantage_t: ``[T, B]``.
        clip_ratio: Distance from 1, positive.
    """
    return torch.where(advantage_t > 0, ratio_t > 1 + clip_ratio, ratio_t < 1 - clip_ratio)


def kl_divergence(log_ratio_t: Tensor) -> Tensor:
    """An estimate of ``KL(mu || pi)`` from actions of mu, without bias and never negative.

    With ``ratio_t = pi(a_t|s_t) / mu(a_t|s_t)`` it is ``ratio_t - 1 - log(ratio_t)``.

    Args:
        log_ratio_t: ``log(ratio_t)``, ``[T, B]``.
    """
    return torch.expm1(log_ratio_t) - log_ratio_t
