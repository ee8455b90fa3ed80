"""A progress bar that counts steps."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from tqdm import tqdm

from lit_a3c import A3C
from lit_a3c.utils.errors import check_number


class StepProgressBar(TQDMProgressBar):
    """Shows steps done and to come, steps per second, the time left, frames, and the recent mean return.

    Args:
        refresh_rate: Updates between two refreshes; one refresh costs about 0.3 ms.
    """

    def __init__(self, refresh_rate: int = 50) -> None:
        check_number("progress.refresh_rate", refresh_rate, low=1, whole=True)
        super().__init__(refresh_rate=refresh_rate)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The values shown to the right of the bar."""
        assert isinstance(pl_module, A3C)
        metrics: dict[str, int | str | float | dict[str, float]] = {
            "frames": tqdm.format_sizeof(pl_module.steps * pl_module.spaces.frame_skip)
        }
        if recent := pl_module.metrics.episodes():
            metrics["return"] = f"{recent['return']:.1f}"
        return metrics

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        module = trainer.lightning_module
        assert isinstance(module, A3C)
        self.train_progress_bar.close()
        self.train_progress_bar = tqdm(  # type: ignore[assignment]
            desc="train",
            total=module.last_step,
            initial=module.steps,
            unit=" steps",
            unit_scale=True,
            dynamic_ncols=True,
            leave=True,
            smoothing=0.1,
        )

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if trainer.global_step % self.refresh_rate == 0 or trainer.should_stop:
            self._show(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        self._show(pl_module)

    def _show(self, module: A3C) -> None:
        bar = self.train_progress_bar
        bar.set_postfix(self.get_metrics(self.trainer, module), refresh=False)
        bar.update(module.steps - bar.n)
