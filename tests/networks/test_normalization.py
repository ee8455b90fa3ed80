from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_a3c.networks.normalization import ReturnScale, RunningNorm


def test_statistics_equal_those_over_all_data() -> None:
    """Batches of any size, taken in one after the other, count as one."""
    rng = np.random.default_rng(1)
    batches = [rng.normal([5, -300, 0.01], [2, 50, 1e-3], (n, 3)) for n in (7, 1, 80, 33, 2, 250)]
    norm, everything = RunningNorm([3]), np.concatenate(batches)
    for batch in batches:
        norm.update(torch.from_numpy(batch))
    np.testing.assert_allclose(norm.mean, everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.var, everything.var(0), rtol=1e-3)
    assert norm.count == len(everything)


def test_the_first_batch_replaces_the_initial_values() -> None:
    """Mean 0 and variance 1 are placeholders, not data."""
    norm = RunningNorm([1])
    norm.update(torch.tensor([[10.0], [14.0]]))
    assert norm.mean.tolist() == [12.0]
    assert norm.var.tolist() == [4.0]
    assert norm(torch.tensor([[14.0], [8.0]])).flatten().tolist() == pytest.approx([1.0, -2.0])


def test_late_batches_weigh_as_much_as_early_ones() -> None:
    """After ten million observations one more batch still counts, and does not count for more than its size."""
    norm = RunningNorm([1])
    norm.count.fill_(10_000_000)
    norm.update(torch.full((1000, 1), 100.0))
    assert float(norm.mean) == pytest.approx(100 * 1000 / 10_001_000, rel=1e-4)
    assert norm.count == 10_001_000


def test_output_is_clipped_and_does_nothing_before_data() -> None:
    """It is within +-clip. At the start it is the input, clipped."""
    norm = RunningNorm([2], clip=5.0)
    assert norm(torch.tensor([[0.5, -3.0], [100.0, -1e9]])).tolist() == [[0.5, -3.0], [5.0, -5.0]]


def test_a_constant_component_gives_zero() -> None:
    """Its variance is zero, and there is no division by zero."""
    norm = RunningNorm([2])
    norm.update(torch.tensor([[3.0, 1.0], [3.0, 2.0]]))
    assert norm(torch.tensor([[3.0, 1.5]])).tolist() == [[0.0, 0.0]]


def test_update_leaves_forward_without_gradient_to_statistics() -> None:
    """The statistics are buffers. Gradients flow to the input alone."""
    norm = RunningNorm([1])
    x = torch.tensor([[1.0], [3.0]], requires_grad=True)
    norm.update(x)
    norm(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == pytest.approx([1.0, 1.0])  # sd 1
    assert list(norm.parameters()) == []
    assert not norm.mean.requires_grad


def test_state_dict_holds_everything() -> None:
    """A restored normaliser normalises and goes on taking in observations in the same way."""
    norm, other = RunningNorm([3]), RunningNorm([3])
    norm.update(torch.randn(10, 3) * 4 + 2)
    other.load_state_dict(norm.state_dict())
    x = torch.randn(5, 3)
    for each in (norm, other):
        each.update(x)
    assert set(norm.state_dict()) == {"mean", "var", "count"}
    assert torch.equal(norm(x), other(x))
    assert other.count == 15


def test_return_scale_divides_by_the_sd_of_all_returns() -> None:
    """It does not shift, its statistics are over all batches, and restore is its inverse."""
    scale, batches = ReturnScale(), [torch.randn(4, 3) * 20 + 100 for _ in range(5)]
    for batch in batches:
        scale.update(batch)
    sd = torch.stack(batches).double().std(correction=0)
    assert float(scale.scale) == pytest.approx(float(sd), rel=1e-4)
    torch.testing.assert_close(scale(batches[0]), (batches[0] / sd).float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scale.restore(scale(batches[0])), batches[0])


def test_return_scale_starts_at_one_and_is_saved() -> None:
    """Before the first update nothing is scaled. The state_dict has the scale."""
    scale = ReturnScale()
    assert float(scale.scale) == pytest.approx(1)
    scale.update(torch.tensor([[0.0, 10.0]]))
    assert float(scale.scale) == pytest.approx(5)
    other = ReturnScale()
    other.load_state_dict(scale.state_dict())
    assert other.scale == scale.scale
