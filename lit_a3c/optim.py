"""RMSprop as the paper and TensorFlow define it, and what a training does with any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import ParamsT

from lit_a3c.utils.errors import ConfigError, check_number


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
        initial_accumulator_value: Where the mean square starts: 1 in TensorFlow, which softens the first updates; 0 in
            torch.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 7e-4,
        alpha: float = 0.99,
        eps: float = 0.1,
        initial_accumulator_value: float = 1.0,
    ) -> None:
        check_number("model.optimizer.lr", lr, above=0)
        check_number("model.optimizer.alpha", alpha, low=0, high=1)
        check_number("model.optimizer.eps", eps, above=0)
        check_number("model.optimizer.initial_accumulator_value", initial_accumulator_value, low=0)
        options = {"lr": lr, "alpha": alpha, "eps": eps, "initial_accumulator_value": initial_accumulator_value}
        super().__init__(params, options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters; their state is made at once, so that it can be shared before the first step."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self.state[p]["mean_square"] = torch.full_like(p, group["initial_accumulator_value"], requires_grad=False)

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


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """All parameters of an optimizer, in its own order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def make_optimizer(
    factory: Callable[[Iterable], Optimizer], parameters: Iterator[Tensor], in_checkpoint: str | None
) -> Optimizer:
    """The optimizer of a training.

    Args:
        factory: Makes it from the parameters.
        parameters: The parameters.
        in_checkpoint: Class of the optimizer whose state a checkpoint holds; None for a fresh training.

    Raises:
        ConfigError: The factory refuses its options, or the checkpoint is of another class.
    """
    try:
        optimizer = factory(parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.optimizer cannot be made: {error}") from error
    if in_checkpoint not in (None, type(optimizer).__name__):
        raise ConfigError(
            f"the checkpoint is of the optimizer {in_checkpoint}, and model.optimizer is {type(optimizer).__name__}."
        )
    return optimizer


def try_optimizer(factory: Callable[[Iterable], Optimizer], parameters: Iterable[Tensor]) -> None:
    """Refuse an optimizer that cannot be made, or whose first update fails, before a training begins.

    Args:
        factory: Makes it from the parameters.
        parameters: The parameters. They are not changed.

    Raises:
        ConfigError: With the optimizer's own reason.
    """
    copies = [p.detach().clone().requires_grad_() for p in parameters]
    for p in copies:
        p.grad = torch.zeros_like(p)
    optimizer = make_optimizer(factory, iter(copies), in_checkpoint=None)
    try:
        optimizer.step(lambda: 0.0)  # Lightning gives a closure, too, and LBFGS needs it
    except Exception as error:  # each optimizer has reasons of its own
        raise ConfigError(f"model.optimizer {type(optimizer).__name__} cannot be used: {error}.") from error


class LinearSchedule(LambdaLR):
    """A learning rate that is always ``share()`` of the initial one.

    The options of the optimizer as they were configured are kept: Lightning overwrites them with a checkpoint's.

    Args:
        optimizer: The optimizer.
        share: Gives the share that holds now, in [0, 1].
    """

    def __init__(self, optimizer: Optimizer, share: Callable[[], float]) -> None:
        self._share = share
        super().__init__(optimizer, lambda _: share())
        self._configured = [
            {name: value for name, value in group.items() if name not in ("params", "lr")}
            for group in optimizer.param_groups
        ]

    def restore_options(self) -> None:
        """Give the optimizer its configured options again, at the learning rate that holds now."""
        for group, options in zip(self.optimizer.param_groups, self._configured, strict=True):
            group.update(options, lr=options["initial_lr"] * self._share())
        self.base_lrs = [options["initial_lr"] for options in self._configured]

    def state_dict(self) -> dict[str, Any]:
        """Plain types only: without what follows from the config."""
        return {name: value for name, value in super().state_dict().items() if name not in ("_share", "_configured")}


def gradient_norm(optimizer: Optimizer) -> tuple[list[Tensor], Tensor]:
    """The parameters that have a gradient, and the norm of all their gradients together, a scalar."""
    parameters = [p for p in parameters_of(optimizer) if p.grad is not None]
    return parameters, torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
