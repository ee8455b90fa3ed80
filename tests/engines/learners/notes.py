"""What every learner of a training knows at its end, in a file for each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c import A3C
from lit_a3c.rollout import Rollout


class Notes(Callback):
    """Writes ``rank_N.json``.

    Args:
        directory: Where to.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.first = ""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Rollout, batch_idx: int
    ) -> None:
        self.first = self.first or hashlib.sha256(batch.observation.numpy().tobytes()).hexdigest()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        note = summary(trainer, pl_module) | {"first_observations": self.first}
        Path(self.directory, f"rank_{trainer.global_rank}.json").write_text(json.dumps(note))


def summary(trainer: Trainer, module: A3C) -> dict[str, Any]:
    """Counts, scores, and a digest of weights and running statistics."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    best = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    ledger = module.ledger
    return {
        "digest": digest.hexdigest(),
        "learned": ledger.learned.total,
        "updates": ledger.updates.total,
        "global_step": trainer.global_step,
        "collected_by_own": ledger.collected.own,
        "discarded": ledger.discarded.total,
        "in_flight": ledger.in_flight,
        "observations": float(count(module)),
        "episodes": [list(episode) for episode in module.episodes],
        "recent": [list(episode) for episode in module.metrics.recent],
        "share_left": module.share_left,
        "best": [callback.best_model_path for callback in best],
        "directory": str(getattr(trainer.logger, "log_dir", "")),
    }


def count(module: A3C) -> float:
    """Observations that the normaliser has seen; 0 without one."""
    return float(dict(module.named_buffers()).get("policy.encoder.body.norm.count", 0.0))
