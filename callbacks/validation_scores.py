"""The best and the last validation of a training."""

from __future__ import annotations

from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c import A3C

METRIC = "val/return_mean"


class Score(NamedTuple):
    """The mean return of a validation."""

    mean: float
    step: int
    """Steps that the policy had learned from."""


class ValidationScores(Callback):
    """Keeps the best and the last score, over all parts of a run that is continued.

    Attributes:
        best: That with the highest mean return, the first of several; None before a validation.
        last: The last one.
    """

    def __init__(self) -> None:
        self.best: Score | None = None
        self.last: Score | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if trainer.sanity_checking or METRIC not in trainer.callback_metrics:
            return
        self.last = Score(float(trainer.callback_metrics[METRIC]), pl_module.steps)
        if self.best is None or self.last.mean > self.best.mean:
            self.best = self.last

    def state_dict(self) -> dict[str, Any]:
        return {name: list(score) for name, score in (("best", self.best), ("last", self.last)) if score is not None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.last = (Score(*state_dict[name]) if name in state_dict else None for name in ("best", "last"))
