"""RMSprop as the paper and TensorFlow define it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from lit_a3c.errors import check_number


class RMSprop(Optimizer):
    """Non-centred RMSprop with epsilon inside the root, eqs. S2-S3 of Mnih et al. (2016).

    Per parameter::

        g     <- alpha * g + (1 - alpha) * grad^2
        theta <- theta - lr * grad / sqrt(g + eps)

    ``torch.optim.RMSprop`` divides by ``sqrt(g) + eps`` instead: with the paper's eps of 0.1 a very different step.

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate.
        alpha: Decay of the mean square.
        eps: Added to the mean square.
        initial_square: Where the mean square starts: 1 in TensorFlow, which softens the first updates; 0 in torch.
    """

    def __init__(
        self, params: ParamsT, lr: float = 7e-4, alpha: float = 0.99, eps: float = 0.1, initial_square: float = 1.0
    ) -> None:
        check_number("model.optimizer.lr", lr, above=0)
        check_number("model.optimizer.alpha", alpha, low=0, high=1)
        check_number("model.optimizer.eps", eps, above=0)
        check_number("model.optimizer.initial_square", initial_square, low=0)
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "initial_square": initial_square})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters; their state is made at once, so that it can be shared before the first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self.state[p]["mean_square"] = torch.full_like(p, group["initial_square"], requires_grad=False)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; the closure's result is passed on."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params]
            squares = [self.state[p]["mean_square"] for p in params]
            torch._foreach_mul_(squares, group["alpha"])
            torch._foreach_addcmul_(squares, grads, grads, value=1 - group["alpha"])
            roots = torch._foreach_add(squares, group["eps"])
            torch._foreach_sqrt_(roots)
            torch._foreach_addcdiv_(params, grads, roots, value=-float(group["lr"]))
        return loss


def parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """All parameters of an optimizer, in its own order."""
    return [p for group in optimizer.param_groups for p in group["params"]]
