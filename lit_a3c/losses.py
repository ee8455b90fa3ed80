"""The three terms of the actor-critic loss, each per step: ``[T, B]`` in, ``[T, B]`` out.

Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783, ascends::

    grad log pi(a_t|s_t) * (G_t - v_t)  +  beta * grad H(pi(.|s_t))

and descends ``grad (G_t - v_t)^2`` along the value. Here all three are terms to minimise; the module weighs,
adds and reduces them.
"""

from __future__ import annotations

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
