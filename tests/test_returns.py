from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lit_a3c.returns import ReturnScale, explained_variance, lambda_returns, vtrace


def column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def returns_of(
    rewards: list[float], ends_at: int | None, terminated: bool, gamma: float, value: float, lambda_: float = 1.0
) -> list[float]:
    """Returns of one environment whose episode ends after the step ``ends_at``, with the same value everywhere."""
    end = torch.tensor([t == ends_at for t in range(len(rewards))])[:, None]
    discount = torch.where(end & terminated, 0.0, gamma).double()
    v_tp1 = torch.full_like(discount, value)
    return lambda_returns(column(rewards), discount, v_tp1, end, lambda_).flatten().tolist()


def random_case(time: int = 12, batch: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``r, discount, v_t, v_tp1, end`` with terminations, truncations, and the true values at both."""
    r, v_t, final = (torch.randn(time, batch, dtype=torch.float64) for _ in range(3))
    terminated = torch.rand(time, batch) < 0.15
    truncated = (torch.rand(time, batch) < 0.15) & ~terminated
    end = terminated | truncated
    assert terminated.any()
    assert truncated.any()
    v_tp1 = torch.cat([v_t[1:], final[-1:]])
    v_tp1 = torch.where(end, final, v_tp1)
    return r, 0.93 * (~terminated).double(), v_t, v_tp1, end


def literal_recursion(r: Tensor, discount: Tensor, v: Tensor, end: Tensor, lambda_: float) -> Tensor:
    """The docstring's definition, entry by entry and without a shared accumulator."""
    time, batch = r.shape

    def g(t: int, b: int) -> float:
        last = t == time - 1 or bool(end[t, b])
        following = float(v[t, b]) if last else g(t + 1, b)
        return float(r[t, b]) + float(discount[t, b]) * ((1 - lambda_) * float(v[t, b]) + lambda_ * following)

    return torch.tensor([[g(t, b) for b in range(batch)] for t in range(time)], dtype=torch.float64)


def literal_gae(r: Tensor, discount: Tensor, v_t: Tensor, v_tp1: Tensor, end: Tensor, lambda_: float) -> Tensor:
    """Eq. 16 of Schulman et al. (2016): sums of discounted TD errors up to the end of episode or rollout."""
    time, batch = r.shape
    advantage = torch.zeros_like(r)
    for b in range(batch):
        for t in range(time):
            weight = 1.0
            for k in range(t, time):
                delta = r[k, b] + discount[k, b] * v_tp1[k, b] - v_t[k, b]
                advantage[t, b] += weight * delta
                if end[k, b]:
                    break
                weight *= float(discount[k, b]) * lambda_
    return advantage


def literal_n_step(r: Tensor, discount: Tensor, v: Tensor, end: Tensor) -> Tensor:
    """``r_1 + g r_2 + ... + g^n v``, forwards."""
    time, batch = r.shape
    returns = torch.zeros_like(r)
    for b in range(batch):
        for t in range(time):
            weight = 1.0
            for k in range(t, time):
                returns[t, b] += weight * r[k, b]
                weight *= float(discount[k, b])
                if end[k, b] or k == time - 1:
                    returns[t, b] += weight * v[k, b]
                    break
    return returns


@pytest.mark.parametrize("lambda_", [0.0, 0.3, 0.95, 1.0])
def test_lambda_returns_equal_the_literal_recursion(lambda_: float) -> None:
    """The backward loop computes the definition, with ends of both kinds anywhere."""
    r, discount, _, v_tp1, end = random_case()
    expected = literal_recursion(r, discount, v_tp1, end, lambda_)
    torch.testing.assert_close(lambda_returns(r, discount, v_tp1, end, lambda_), expected)


@pytest.mark.parametrize("lambda_", [0.0, 0.3, 0.95, 1.0])
def test_returns_less_values_are_the_generalised_advantage(lambda_: float) -> None:
    """``G_t - v_t`` is the sum of discounted TD errors."""
    r, discount, v_t, v_tp1, end = random_case()
    expected = literal_gae(r, discount, v_t, v_tp1, end, lambda_)
    torch.testing.assert_close(lambda_returns(r, discount, v_tp1, end, lambda_) - v_t, expected)


def test_lambda_one_is_the_n_step_return_and_the_default() -> None:
    """The paper's returns are a special case, and what one gets without saying more."""
    r, discount, _, v_tp1, end = random_case()
    expected = literal_n_step(r, discount, v_tp1, end)
    torch.testing.assert_close(lambda_returns(r, discount, v_tp1, end), expected)


def test_lambda_zero_is_one_step_td() -> None:
    """With lambda 0 nothing but the next value counts."""
    r, discount, _, v_tp1, end = random_case()
    torch.testing.assert_close(lambda_returns(r, discount, v_tp1, end, 0.0), r + discount * v_tp1)


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


def test_nothing_leaks_across_an_end() -> None:
    """Rewards and values after an episode's end do not change returns before it, not even infinite ones."""
    r, discount, v = column([1, 1, 1e30]), column([0.9, 0.9, 0.9]), column([0, 5, 1e30])
    end = torch.tensor([False, True, False])[:, None]
    assert lambda_returns(r, discount, v, end)[:2].flatten().tolist() == pytest.approx([1 + 0.9 * 5.5, 5.5])


def test_environments_do_not_mix() -> None:
    """Every column is computed as if it were alone."""
    r, discount, _, v_tp1, end = random_case()
    together = lambda_returns(r, discount, v_tp1, end, 0.9)
    for b in range(r.shape[1]):
        alone = lambda_returns(*(x[:, b : b + 1] for x in (r, discount, v_tp1, end)), 0.9)
        torch.testing.assert_close(together[:, b : b + 1], alone)


def test_returns_carry_no_gradient_and_change_no_argument() -> None:
    """A target, not a prediction."""
    r, discount, _, v_tp1, end = random_case()
    before = [x.clone() for x in (r, discount, v_tp1, end)]
    v = v_tp1.clone().requires_grad_()
    assert not lambda_returns(r, discount, v, end, 0.9).requires_grad
    assert all(torch.equal(x, y) for x, y in zip(before, (r, discount, v_tp1, end), strict=True))


@pytest.mark.parametrize("wrong", range(4))
def test_differing_shapes_are_refused(wrong: int) -> None:
    """Also those that would broadcast."""
    arguments: list[Tensor] = [torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2).bool()]
    arguments[wrong] = arguments[wrong][:, :1]
    with pytest.raises(ValueError, match="must share one shape"):
        lambda_returns(*arguments)


def literal_vtrace(
    ratio: Tensor, r: Tensor, discount: Tensor, v_t: Tensor, v_tp1: Tensor, end: Tensor, lambda_: float
) -> Tensor:
    """Eq. 1 of Espeholt et al. (2018): for each s the whole sum over t, each with its own product of c."""
    time, batch = r.shape
    target = v_t.clone()
    for b in range(batch):
        for s in range(time):
            for t in range(s, time):
                weight = 1.0
                for i in range(s, t):
                    weight *= float(discount[i, b]) * lambda_ * min(1.0, float(ratio[i, b])) * (not end[i, b])
                delta = r[t, b] + discount[t, b] * v_tp1[t, b] - v_t[t, b]
                target[s, b] += weight * min(1.0, float(ratio[t, b])) * delta
    return target


@pytest.mark.parametrize("lambda_", [0.0, 0.9, 1.0])
def test_vtrace_equals_the_papers_sum(lambda_: float) -> None:
    """Targets term by term; advantages from the targets of the step after, as section 4.2 has them for lambda 1."""
    r, discount, v_t, v_tp1, end = random_case()
    ratio = torch.exp(torch.randn_like(r))
    assert (ratio > 1).any()
    target, advantage = vtrace(ratio, r, discount, v_t, v_tp1, end, lambda_)
    torch.testing.assert_close(target, literal_vtrace(ratio, r, discount, v_t, v_tp1, end, lambda_))
    vs_tp1 = torch.where(end, v_tp1, torch.cat([target[1:], v_tp1[-1:]]))
    mixed = (1 - lambda_) * v_tp1 + lambda_ * vs_tp1
    torch.testing.assert_close(advantage, ratio.clamp(max=1) * (r + discount * mixed - v_t))


@pytest.mark.parametrize("lambda_", [0.0, 0.95, 1.0])
def test_vtrace_without_lag_is_the_plain_estimate(lambda_: float) -> None:
    """Ratios of one: lambda-returns (n-step returns for lambda 1), and what they exceed the values by."""
    r, discount, v_t, v_tp1, end = random_case()
    target, advantage = vtrace(torch.ones_like(r), r, discount, v_t, v_tp1, end, lambda_)
    expected = lambda_returns(r, discount, v_tp1, end, lambda_)
    torch.testing.assert_close(target, expected)
    torch.testing.assert_close(advantage, expected - v_t)


def test_vtrace_by_hand() -> None:
    """Two steps, gamma 0.5: ratios 2 (clipped) and 0.5; values 1, 2 and 4."""
    ratio, r, v_t, v_tp1 = column([2, 0.5]), column([1, 3]), column([1, 2]), column([2, 4])
    no_end = torch.zeros(2, 1, dtype=torch.bool)
    target, advantage = vtrace(ratio, r, torch.full_like(r, 0.5), v_t, v_tp1, no_end)
    # delta: 1 * (1 + 1 - 1) = 1 and 0.5 * (3 + 2 - 2) = 1.5
    assert target.flatten().tolist() == [1 + 1 + 0.5 * 1 * 1.5, 2 + 1.5]
    assert advantage.flatten().tolist() == [1 + 0.5 * 3.5 - 1, 1.5]


def test_actions_the_policy_never_takes_teach_nothing() -> None:
    """Ratio 0: the target is the value itself, and there is no advantage."""
    r, discount, v_t, v_tp1, end = random_case()
    target, advantage = vtrace(torch.zeros_like(r), r, discount, v_t, v_tp1, end)
    torch.testing.assert_close(target, v_t)
    assert not advantage.any()


def test_vtrace_refuses_differing_shapes() -> None:
    """By name."""
    r, discount, v_t, v_tp1, end = random_case()
    with pytest.raises(ValueError, match="ratio_t, v_t and r_tp1 must share one shape"):
        vtrace(torch.ones(3), r, discount, v_t, v_tp1, end)


def test_explained_variance() -> None:
    """1 for a perfect prediction, 0 for a constant, negative for a harmful one, whatever the shift."""
    target = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert explained_variance(target, target) == 1
    assert explained_variance(target + 5, target) == pytest.approx(1)
    assert explained_variance(torch.full_like(target, 9), target) == pytest.approx(0)
    assert explained_variance(-target, target) == pytest.approx(-3)
    # target variance 1.25; residuals 0, 0, 1, 1 have variance 0.25
    assert explained_variance(torch.tensor([[1.0, 2.0], [2.0, 3.0]]), target) == pytest.approx(0.8)


def test_a_constant_target_leaves_nothing_to_explain() -> None:
    """No division by zero."""
    assert explained_variance(torch.randn(3, 2), torch.ones(3, 2)) == 0
    assert explained_variance(torch.ones(1, 1), torch.ones(1, 1)) == 0


def test_return_scale_divides_by_the_sd_of_all_returns() -> None:
    """No shift, statistics over all batches, and restore is the inverse."""
    scale, batches = ReturnScale(), [torch.randn(4, 3) * 20 + 100 for _ in range(5)]
    for batch in batches:
        scale.update(batch)
    sd = torch.stack(batches).double().std(correction=0)
    assert float(scale.scale) == pytest.approx(float(sd), rel=1e-4)
    torch.testing.assert_close(scale(batches[0]), (batches[0] / sd).float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scale.restore(scale(batches[0])), batches[0])


def test_return_scale_starts_at_one_and_is_saved() -> None:
    """Before the first update nothing is scaled; state_dict carries the scale."""
    scale = ReturnScale()
    assert float(scale.scale) == pytest.approx(1)
    scale.update(torch.tensor([[0.0, 10.0]]))
    assert float(scale.scale) == pytest.approx(5)
    other = ReturnScale()
    other.load_state_dict(scale.state_dict())
    assert other.scale == scale.scale
