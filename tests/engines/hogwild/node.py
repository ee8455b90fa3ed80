"""One node of a lock-free training with several: a process of its own, as the tests start it.

    NODE_RANK=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python -m tests.engines.hogwild.node DIRECTORY [NAME=VALUE ...]

It leaves ``node-RANK.pt`` in the directory: the state at the end, and what each slot of the ledger has counted. Each
worker leaves a file that is named by the seed of its environments.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from lit_a3c import A3C, RunLogger, SafeCheckpointIO
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from tests.engines.hogwild.trainings import make, trainer


class Marked(A3C):
    """Each of its workers names the seed of its environments."""

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.trainer.global_rank and self.trainer.num_nodes == 1:  # in a worker
            config = self.trainer.datamodule.rollout_config()  # type: ignore[attr-defined]
            Path(f"seed-{config.worker_seed(config.first_worker)}").touch()


def main(directory: Path, options: dict[str, Any]) -> None:
    os.chdir(directory)
    updates, every, devices = options.get("updates", 400), options.get("every", 20), options.get("devices", 1)
    module, data = make(updates=updates, cls=Marked, data={"average_every": every}, normalize_returns=True)
    training = trainer(
        devices=devices,
        num_nodes=2,
        logger=RunLogger("runs"),
        plugins=[SafeCheckpointIO()],
        callbacks=[LastCheckpoint()],
        enable_checkpointing=True,
        val_check_interval=100,
    )
    training.fit(module, data, ckpt_path=options.get("checkpoint"))
    ledger = module.ledger
    torch.save(
        {
            "state": module.state_dict(),
            "optimizer": training.optimizers[0].state_dict()["state"],
            "learned": ledger.learned._slots,
            "collected": ledger.collected._slots,
            "updates": ledger.updates._slots,
            "global_step": training.global_step,
            "validated": "val/return_mean" in training.callback_metrics,
        },
        f"node-{os.environ['NODE_RANK']}.pt",
    )


if __name__ == "__main__":
    pairs = (argument.split("=", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {name: json.loads(value) for name, value in pairs})
