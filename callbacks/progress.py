"""The progress of a training in steps: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from tqdm import tqdm

from lit_a3c import A3C
from lit_a3c.callbacks.validation_scores import METRIC
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import check_number

BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
SECONDS_BETWEEN_LINES = 60.0


class StepProgressBar(TQDMProgressBar):
    """Shows steps done and to come, steps per second, the time left, the recent mean return, and the last validation.

    Where stderr is no terminal, a file or a pipe for example, it prints a line a minute, and no bars.

    Args:
        refresh_rate: Updates between two refreshes; one refresh costs about 0.3 ms.
    """

    def __init__(self, refresh_rate: int = 50) -> None:
        check_number("progress.refresh_rate", refresh_rate, low=1, whole=True)
        super().__init__(refresh_rate=refresh_rate)
        self._start = self._before = (0, 0.0)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if not sys.stderr.isatty():
            self.disable()

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The values shown to the right of the bar."""
        assert isinstance(pl_module, A3C)
        metrics: dict[str, int | str | float | dict[str, float]] = {}
        if recent := pl_module.metrics.episodes():
            metrics["return"] = _short(recent["return"])
        if METRIC in trainer.callback_metrics:
            metrics["val"] = _short(float(trainer.callback_metrics[METRIC]))
        return metrics

    def init_train_tqdm(self) -> Any:
        """A bar of 80 columns at the most common lengths of numbers."""
        module = self.trainer.lightning_module
        assert isinstance(module, A3C)
        return tqdm(
            desc="steps",
            total=module.last_step,
            initial=module.steps,
            unit_scale=True,
            unit="",
            dynamic_ncols=True,
            disable=self.is_disabled,
            leave=True,
            smoothing=0.1,
            bar_format=BAR,
        )

    def on_train_start(self, *_: Any) -> None:
        super().on_train_start()
        module = self.trainer.lightning_module
        assert isinstance(module, A3C)
        self._start = self._before = (module.steps, time.monotonic())

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """There is one bar for all epochs."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if not trainer.is_global_zero:
            return
        if self.is_disabled:
            self._print_line(pl_module)
        elif trainer.global_step % self.refresh_rate == 0 or trainer.should_stop:
            self._show(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if self.is_enabled:
            self._show(pl_module)

    def _show(self, module: A3C) -> None:
        bar = self.train_progress_bar
        if bar.total is not None:
            bar.total = max(bar.total, module.steps)  # the last rollout may go beyond the budget
        bar.set_postfix(self.get_metrics(self.trainer, module), refresh=False)
        bar.update(module.steps - bar.n)

    def _print_line(self, module: A3C) -> None:
        """Print a line if it is time for one."""
        now, (steps_before, before) = time.monotonic(), self._before
        if now - before < SECONDS_BETWEEN_LINES:
            return
        self._before = (module.steps, now)
        first_step, start = self._start
        parts = [f"{module.steps:,} steps"]
        if module.last_step is not None:
            parts[0] += f" ({100 * module.steps / module.last_step:.0f}%)"
            speed = (module.steps - first_step) / (now - start)
            if speed > 0:
                parts.append(f"{_clock((module.last_step - module.steps) / speed)} left")
        parts.insert(1, f"{(module.steps - steps_before) / (now - before):,.0f}/s")
        parts += [f"{name} {value}" for name, value in self.get_metrics(self.trainer, module).items()]
        say(", ".join(parts))


def _short(value: float) -> str:
    """With one digit behind the point, unless the value has many before it."""
    return f"{value:.1f}" if abs(value) < 10_000 else f"{value:.0f}"


def _clock(seconds: float) -> str:
    return str(tqdm.format_interval(max(0.0, seconds)))
