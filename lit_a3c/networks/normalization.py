"""Running statistics, kept as buffers of a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Shifts and scales by the mean and variance of all observations seen so far.

    The statistics are buffers: saved with the weights, pushed with them to the workers, shared with evaluation.
    Updated with the parallel formula of Chan et al. (1983).

    Args:
        shape: Shape of one observation.
        clip: Bound of the output.
        eps: Added to the variance.

    Attributes:
        deferred: Whether :meth:`update` only keeps what it is given, because several learners merge it together.
    """

    deferred = False

    def __init__(self, shape: Sequence[int], clip: float = 10.0, eps: float = 1e-8) -> None:
        super().__init__()
        self.clip, self.eps = clip, eps
        self.mean: Tensor
        self.var: Tensor
        self.count: Tensor
        self.register_buffer("mean", torch.zeros(tuple(shape)))
        self.register_buffer("var", torch.ones(tuple(shape)))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self._pending: tuple[int, Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, *shape]`` to the same, normalised."""
        scale = torch.rsqrt(self.var + self.eps)
        return torch.sub(x.float(), self.mean).mul_(scale).clamp_(-self.clip, self.clip)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take ``[N, *shape]`` observations into the statistics."""
        x = x.float()
        mean = x.mean(dim=0)
        var = (x - mean).square_().mean(dim=0)  # torch.var_mean takes 50 times as long for three images of Atari
        if self.deferred:
            self._pending = (x.shape[0], mean, var)
        else:
            self._take(x.shape[0], mean - self.mean, var)

    def take_moments(self) -> Tensor:
        """What was deferred, as sums that add up over learners: float64, on the CPU, ``[1 + 2 * size]``.

        They are the number of observations, and the sums of the first and second powers of their distances from
        :attr:`mean`, which is the same at all learners. Zeros where nothing was deferred.
        """
        if self._pending is None:
            return torch.zeros(1 + 2 * self.mean.numel(), dtype=torch.float64)
        (count, mean, var), self._pending = self._pending, None
        delta = mean.double() - self.mean.double()
        sums = torch.cat([delta.flatten(), (var + delta.square()).flatten()]) * count
        return torch.cat([torch.tensor([count], dtype=torch.float64), sums.cpu()])

    @torch.no_grad()
    def merge_moments(self, moments: Tensor) -> None:
        """Take the sums of :meth:`take_moments` of all learners into the statistics."""
        count = int(moments[0])
        if count:
            delta, square = (moments[1:] / count).to(self.mean.device).view(2, *self.mean.shape)
            self._take(count, delta.float(), (square - delta.square()).clamp_(min=0).float())

    def _take(self, count: int, delta: Tensor, var: Tensor) -> None:
        """Take a batch by its size, the distance of its mean from :attr:`mean`, and its variance."""
        self.count += count
        new = (count / self.count).float()  # weight of the new batch, 1 at the first
        self.mean += delta * new
        self.var.lerp_(var + delta.square() * (1 - new), new)


class ReturnScale(nn.Module):
    """Divides returns by the running standard deviation of all returns seen so far; no shift.

    The value head then predicts numbers of unit scale whatever the rewards, and one learning rate and value
    coefficient serve all tasks. The statistics are buffers, saved with the weights.

    Returns are bootstrapped from the value head itself. If its outputs grew with the scale, the returns would grow with
    them, and the scale again, without end. So the weights of the head are multiplied by the old scale over the new one,
    which leaves its values as they are in units of the rewards (PopArt, van Hasselt et al. 2016, arXiv:1602.07714, here
    without the shift).

    Args:
        eps: Added to the variance.
    """

    def __init__(self, eps: float = 1e-8) -> None:
        super().__init__()
        self.norm = RunningNorm([], eps=eps)
        self._old_over_new: Tensor | None = None

    @property
    def scale(self) -> Tensor:
        """The standard deviation, a scalar; 1 before the first update."""
        return (self.norm.var + self.norm.eps).sqrt()

    def forward(self, returns: Tensor) -> Tensor:
        """Returns to units of the value head."""
        return returns / self.scale

    def restore(self, values: Tensor) -> Tensor:
        """The value head's outputs to returns."""
        return values * self.scale

    def update(self, returns: Tensor, merge: Callable[[RunningNorm], None] = lambda norm: None) -> None:
        """Take returns of any shape into the statistics.

        Args:
            returns: In units of the rewards.
            merge: Lets several learners take their returns together.
        """
        old = self.scale
        self.norm.update(returns.flatten())
        merge(self.norm)
        ratio = old / self.scale
        self._old_over_new = ratio if self._old_over_new is None else self._old_over_new * ratio

    @torch.no_grad()
    def carry_over(self, value_head: nn.Module) -> None:
        """Give a linear head the outputs, in units of the rewards, that it had before the updates since the last call.

        It comes after the optimizer's step, when the gradients of the old weights have been applied.
        """
        if self._old_over_new is None:
            return
        for parameter in value_head.parameters():
            parameter.mul_(self._old_over_new)
        self._old_over_new = None
