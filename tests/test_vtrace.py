"""V-trace against the paper's sum, against hand-made numbers, and against TorchRL's function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchrl.objectives.value.functional import vtrace_advantage_estimate

from lit_a3c.returns import lambda_returns, vtrace
from tests.return_cases import GAMMA, batch_first, column, random_case, time_first


def literal_vtrace(
    ratio: Tensor, r: Tensor, discount: Tensor, v_t: Tensor, v_tp1: Tensor, done: Tensor, lambda_: float
) -> Tensor:
    """Eq. 1 of Espeholt et al. (2018): for each s the whole sum over t, each with its own product of c."""
    time, batch = r.shape
    target = v_t.clone()
    for b in range(batch):
        for s in range(time):
            for t in range(s, time):
                weight = 1.0
                for i in range(s, t):
                    weight *= float(discount[i, b]) * lambda_ * min(1.0, float(ratio[i, b])) * (not done[i, b])
                delta = r[t, b] + discount[t, b] * v_tp1[t, b] - v_t[t, b]
                target[s, b] += weight * min(1.0, float(ratio[t, b])) * delta
    return target


@pytest.mark.parametrize("lambda_", [0.0, 0.9, 1.0])
def test_vtrace_equals_the_papers_sum(lambda_: float) -> None:
    """Targets are the sum; advantages follow from the targets of the step after, as in section 4.2 for lambda 1."""
    r, discount, v_t, v_tp1, _, done = random_case()
    ratio = torch.exp(torch.randn_like(r))
    assert (ratio > 1).any()
    target, advantage = vtrace(ratio, r, discount, v_t, v_tp1, done, lambda_)
    torch.testing.assert_close(target, literal_vtrace(ratio, r, discount, v_t, v_tp1, done, lambda_))
    vs_tp1 = torch.where(done, v_tp1, torch.cat([target[1:], v_tp1[-1:]]))
    mixed = (1 - lambda_) * v_tp1 + lambda_ * vs_tp1
    torch.testing.assert_close(advantage, r + discount * mixed - v_t)


def test_vtrace_equals_torchrls() -> None:
    """``vtrace_advantage_estimate`` has the same definition for lambda 1, with both thresholds at their default of 1.

    It has no lambda, so other lambdas cannot be compared. It takes one gamma and the flag ``terminated``, where
    ``vtrace`` takes a discount that is 0 there. It makes its discounts in single precision. Its advantages are weighed
    by the clipped ratio already.
    """
    r, discount, v_t, v_tp1, terminated, done = random_case()
    log_pi, log_mu = torch.randn_like(r), torch.randn_like(r)
    assert (log_pi > log_mu).any()
    assert (log_pi < log_mu).any()
    expected_advantage, expected_target = vtrace_advantage_estimate(
        GAMMA, *batch_first(log_pi, log_mu, v_t, v_tp1, r, done, terminated)
    )
    ratio = torch.exp(log_pi - log_mu)
    target, advantage = vtrace(ratio, r, discount, v_t, v_tp1, done)
    advantage *= ratio.clamp(max=1)
    torch.testing.assert_close(target, time_first(expected_target), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(advantage, time_first(expected_advantage), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("lambda_", [0.0, 0.95, 1.0])
def test_vtrace_without_lag_is_the_plain_estimate(lambda_: float) -> None:
    """With ratios of one, targets are lambda-returns (n-step returns for lambda 1), and advantages targets - values."""
    r, discount, v_t, v_tp1, _, done = random_case()
    target, advantage = vtrace(torch.ones_like(r), r, discount, v_t, v_tp1, done, lambda_)
    expected = lambda_returns(r, discount, v_tp1, done, lambda_)
    torch.testing.assert_close(target, expected)
    torch.testing.assert_close(advantage, expected - v_t)


def test_vtrace_by_hand() -> None:
    """Two steps, gamma 0.5: ratios 2 (clipped) and 0.5; values 1, 2 and 4."""
    ratio, r, v_t, v_tp1 = column([2, 0.5]), column([1, 3]), column([1, 2]), column([2, 4])
    nowhere = torch.zeros(2, 1, dtype=torch.bool)
    target, advantage = vtrace(ratio, r, torch.full_like(r, 0.5), v_t, v_tp1, nowhere)
    # delta: 1 * (1 + 1 - 1) = 1 and 0.5 * (3 + 2 - 2) = 1.5
    assert target.flatten().tolist() == [1 + 1 + 0.5 * 1 * 1.5, 2 + 1.5]
    assert advantage.flatten().tolist() == [1 + 0.5 * 3.5 - 1, 3 + 2 - 2]


def test_actions_the_policy_never_takes_teach_nothing() -> None:
    """With ratio 0 the target is the value itself."""
    r, discount, v_t, v_tp1, _, done = random_case()
    target, _ = vtrace(torch.zeros_like(r), r, discount, v_t, v_tp1, done)
    torch.testing.assert_close(target, v_t)


def test_vtrace_refuses_differing_shapes() -> None:
    """The message names the arguments."""
    r, discount, v_t, v_tp1, _, done = random_case()
    with pytest.raises(ValueError, match="ratio_t, v_t and r_tp1 must share one shape"):
        vtrace(torch.ones(3), r, discount, v_t, v_tp1, done)
