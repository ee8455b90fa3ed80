"""Lambda-returns against their definition, against hand-made numbers, and against TorchRL's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torchrl.objectives.value.functional import (
    generalized_advantage_estimate,
    td_lambda_return_estimate,
    vec_generalized_advantage_estimate,
)

from lit_a3c.returns import explained_variance, lambda_returns
from tests.return_cases import GAMMA, batch_first, column, random_case, time_first

lambdas = pytest.mark.parametrize("lambda_", [0.0, 0.3, 0.95, 1.0])


def returns_of(
    rewards: list[float], ends_at: int | None, terminated: bool, gamma: float, value: float, lambda_: float = 1.0
) -> list[float]:
    """Returns of one environment whose episode ends after the step ``ends_at``, with the same value everywhere."""
    done = torch.tensor([t == ends_at for t in range(len(rewards))])[:, None]
    discount = torch.where(done & terminated, 0.0, gamma).double()
    v_tp1 = torch.full_like(discount, value)
    return lambda_returns(column(rewards), discount, v_tp1, done, lambda_).flatten().tolist()


def literal_recursion(r: Tensor, discount: Tensor, v: Tensor, done: Tensor, lambda_: float) -> Tensor:
    """The docstring's definition, entry by entry and without a shared accumulator."""
    time, batch = r.shape

    def g(t: int, b: int) -> float:
        last = t == time - 1 or bool(done[t, b])
        following = float(v[t, b]) if last else g(t + 1, b)
        return float(r[t, b]) + float(discount[t, b]) * ((1 - lambda_) * float(v[t, b]) + lambda_ * following)

    return torch.tensor([[g(t, b) for b in range(batch)] for t in range(time)], dtype=torch.float64)


def literal_gae(r: Tensor, discount: Tensor, v_t: Tensor, v_tp1: Tensor, done: Tensor, lambda_: float) -> Tensor:
    """Eq. 16 of Schulman et al. (2016): sums of discounted TD errors up to the end of episode or rollout."""
    time, batch = r.shape
    advantage = torch.zeros_like(r)
    for b in range(batch):
        for t in range(time):
            weight = 1.0
            for k in range(t, time):
                delta = r[k, b] + discount[k, b] * v_tp1[k, b] - v_t[k, b]
                advantage[t, b] += weight * delta
                if done[k, b]:
                    break
                weight *= float(discount[k, b]) * lambda_
    return advantage


def literal_n_step(r: Tensor, discount: Tensor, v: Tensor, done: Tensor) -> Tensor:
    """``r_1 + g r_2 + ... + g^n v``, summed forwards."""
    time, batch = r.shape
    returns = torch.zeros_like(r)
    for b in range(batch):
        for t in range(time):
            weight = 1.0
            for k in range(t, time):
                returns[t, b] += weight * r[k, b]
                weight *= float(discount[k, b])
                if done[k, b] or k == time - 1:
                    returns[t, b] += weight * v[k, b]
                    break
    return returns


@lambdas
def test_lambda_returns_equal_the_literal_recursion(lambda_: float) -> None:
    """The backward loop computes the definition, with terminations and truncations anywhere."""
    case = random_case()
    expected = literal_recursion(case.r, case.discount, case.v_tp1, case.done, lambda_)
    torch.testing.assert_close(lambda_returns(case.r, case.discount, case.v_tp1, case.done, lambda_), expected)


@lambdas
def test_lambda_returns_equal_torchrls(lambda_: float) -> None:
    """``td_lambda_return_estimate`` has the same definition, with terminations and truncations anywhere.

    TorchRL takes one gamma and the flag ``terminated``, where ``lambda_returns`` takes a discount that is 0 there. Both
    give ``done`` to say where an episode ends, and both bootstrap in the last row.
    """
    case = random_case()
    expected = td_lambda_return_estimate(GAMMA, lambda_, *batch_first(case.v_tp1, case.r, case.done, case.terminated))
    returns = lambda_returns(case.r, case.discount, case.v_tp1, case.done, lambda_)
    torch.testing.assert_close(returns, time_first(expected))


@lambdas
def test_returns_less_values_are_the_generalised_advantage(lambda_: float) -> None:
    """``G_t - v_t`` is the sum of discounted TD errors."""
    case = random_case()
    expected = literal_gae(case.r, case.discount, case.v_t, case.v_tp1, case.done, lambda_)
    returns = lambda_returns(case.r, case.discount, case.v_tp1, case.done, lambda_)
    torch.testing.assert_close(returns - case.v_t, expected)


@pytest.mark.parametrize(
    ("estimate", "lambda_"),
    [
        *((generalized_advantage_estimate, lambda_) for lambda_ in (0.0, 0.3, 0.95, 1.0)),
        *((vec_generalized_advantage_estimate, lambda_) for lambda_ in (0.3, 0.95, 1.0)),
    ],
)
def test_returns_less_values_are_torchrls_advantage(
    estimate: Callable[..., tuple[Tensor, Tensor]], lambda_: float
) -> None:
    """Both of TorchRL's estimates give ``G_t - v_t`` as the advantage and ``G_t`` as the target of the value.

    TorchRL makes its discounts in single precision, and its vectorised estimate raises an ``IndexError`` for lambda 0.
    """
    case = random_case()
    advantage, target = estimate(GAMMA, lambda_, *batch_first(case.v_t, case.v_tp1, case.r, case.done, case.terminated))
    returns = lambda_returns(case.r, case.discount, case.v_tp1, case.done, lambda_)
    torch.testing.assert_close(returns - case.v_t, time_first(advantage), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(returns, time_first(target), rtol=1e-6, atol=1e-6)


def test_lambda_one_is_the_n_step_return_and_the_default() -> None:
    """The paper's returns are a special case, and the default."""
    case = random_case()
    expected = literal_n_step(case.r, case.discount, case.v_tp1, case.done)
    torch.testing.assert_close(lambda_returns(case.r, case.discount, case.v_tp1, case.done), expected)


def test_lambda_zero_is_one_step_td() -> None:
    """With lambda 0 nothing but the next value counts."""
    case = random_case()
    returns = lambda_returns(case.r, case.discount, case.v_tp1, case.done, 0.0)
    torch.testing.assert_close(returns, case.r + case.discount * case.v_tp1)


def test_numbers_by_hand() -> None:
    """Rewards 1, 2, 3, discount 1/2, values 8: 3 + 4 = 7; 2 + 3.5 = 5.5; 1 + 2.75 = 3.75."""
    assert returns_of([1, 2, 3], None, False, 0.5, 8.0) == pytest.approx([3.75, 5.5, 7.0])
    # lambda 1/2: 3 + 4 = 7; 2 + (4 + 3.5) / 2 = 5.75; 1 + (4 + 2.875) / 2 = 4.4375
    assert returns_of([1, 2, 3], None, False, 0.5, 8.0, lambda_=0.5) == pytest.approx([4.4375, 5.75, 7.0])


@pytest.mark.parametrize("lambda_", [0.0, 0.5, 1.0])
def test_truncation_bootstraps_and_termination_does_not(lambda_: float) -> None:
    """With reward 1 for ever and v = 1/(1-gamma) the return is 1/(1-gamma) wherever the future is not cut off."""
    gamma, v = 0.9, 10.0
    truncated = returns_of([1, 1, 1], ends_at=1, terminated=False, gamma=gamma, value=v, lambda_=lambda_)
    assert truncated == pytest.approx([10.0, 10.0, 10.0])
    terminated = returns_of([1, 1, 1], ends_at=1, terminated=True, gamma=gamma, value=v, lambda_=lambda_)
    first = 1 + gamma * ((1 - lambda_) * v + lambda_ * 1.0)
    assert terminated == pytest.approx([first, 1.0, 10.0])


def test_nothing_leaks_across_the_end_of_an_episode() -> None:
    """Rewards and values after an episode's end do not change returns before it, however large they are."""
    r, discount, v = column([1, 1, 1e30]), column([0.9, 0.9, 0.9]), column([0, 5, 1e30])
    done = torch.tensor([False, True, False])[:, None]
    assert lambda_returns(r, discount, v, done)[:2].flatten().tolist() == pytest.approx([1 + 0.9 * 5.5, 5.5])


def test_environments_do_not_mix() -> None:
    """Every column is computed as if it were alone."""
    case = random_case()
    arguments = (case.r, case.discount, case.v_tp1, case.done)
    together = lambda_returns(*arguments, 0.9)
    for b in range(case.r.shape[1]):
        alone = lambda_returns(*(x[:, b : b + 1] for x in arguments), 0.9)
        torch.testing.assert_close(together[:, b : b + 1], alone)


def test_returns_carry_no_gradient_and_change_no_argument() -> None:
    """Returns are targets, not predictions."""
    case = random_case()
    arguments = (case.r, case.discount, case.v_tp1, case.done)
    before = [x.clone() for x in arguments]
    v = case.v_tp1.clone().requires_grad_()
    assert not lambda_returns(case.r, case.discount, v, case.done, 0.9).requires_grad
    assert all(torch.equal(x, y) for x, y in zip(before, arguments, strict=True))


@pytest.mark.parametrize("wrong", range(4))
def test_differing_shapes_are_refused(wrong: int) -> None:
    """Shapes that would broadcast are refused as well."""
    arguments: list[Any] = [torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2).bool()]
    arguments[wrong] = arguments[wrong][:, :1]
    with pytest.raises(ValueError, match="must share one shape"):
        lambda_returns(*arguments)


def test_explained_variance() -> None:
    """It is 1 for a perfect prediction, 0 for a constant, negative for a harmful one, and a shift changes nothing."""
    target = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert explained_variance(target, target) == 1
    assert explained_variance(target + 5, target) == pytest.approx(1)
    assert explained_variance(torch.full_like(target, 9), target) == pytest.approx(0)
    assert explained_variance(-target, target) == pytest.approx(-3)
    # target variance 1.25; residuals 0, 0, 1, 1 have variance 0.25
    assert explained_variance(torch.tensor([[1.0, 2.0], [2.0, 3.0]]), target) == pytest.approx(0.8)


def test_a_constant_target_leaves_nothing_to_explain() -> None:
    """There is no division by zero."""
    assert explained_variance(torch.randn(3, 2), torch.ones(3, 2)) == 0
    assert explained_variance(torch.ones(1, 1), torch.ones(1, 1)) == 0
