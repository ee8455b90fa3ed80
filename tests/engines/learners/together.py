"""Several trainings of two learners, one after the other in the same two processes. Each rank writes what it has seen.

Run as ``python together.py DIRECTORY``. Lightning starts rank 1 by running the command again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from lit_a3c import A3C, LSTM, RolloutDataModule, RunLogger
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.utils.signals import INTERRUPTION
from tests.engines.learners.notes import summary

DIRECTORY = Path(sys.argv[1])
RANK = int(os.environ.get("LOCAL_RANK", "0"))


class CartPoleUntil(gymnasium.Wrapper):
    """Raises in a step of rank 1, in training or in an evaluation, which is known by its seeds."""

    def __init__(self, fails: str, at: int) -> None:
        super().__init__(gymnasium.make("CartPole-v1"))
        self.fails, self.left, self.evaluation = fails, at, False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self.evaluation = 10_000_000 <= seed < 20_000_000
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        self.left -= 1
        if self.left < 0 and RANK == 1 and self.fails == ("evaluation" if self.evaluation else "training"):
            raise ZeroDivisionError("as was asked for")
        return self.env.step(action)


class AtUpdate(Callback):
    """Does something after an update of rank 1."""

    def __init__(self, update: int, what: Callable[[A3C], None]) -> None:
        self.update, self.what = update, what

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if RANK == 1 and trainer.global_step == self.update:
            self.what(pl_module)


def train(
    name: str,
    callback: Callback | None = None,
    data: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    fails: str = "",
) -> None:
    """Train for ten updates of 2 x 20 steps, with a validation after the fifth."""
    seed_everything(3, verbose=False)
    options = {"engine": "serial", "num_workers": 1, "envs_per_worker": 4, "rollout_length": 5, "eval_episodes": 5}
    env = {"env_id": CartPoleUntil, "env_kwargs": {"fails": fails, "at": 12 if fails == "training" else 3}}
    module_data = RolloutDataModule(total_steps=400, **{**options, **env, **(data or {})})  # type: ignore[arg-type]
    module = A3C(module_data.spaces, normalize_returns=True, **(model or {}))
    callbacks = [LastCheckpoint(), *([callback] if callback else [])]
    trainer = Trainer(
        **{"accelerator": "cpu", "strategy": "ddp", "devices": 2, "max_epochs": -1, "callbacks": callbacks},
        **{"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0},
        **{"val_check_interval": 5, "check_val_every_n_epoch": None, "log_every_n_steps": 2},
        logger=RunLogger(str(DIRECTORY / "runs"), name=name),
    )
    start, error = time.monotonic(), ""
    try:
        trainer.fit(module, module_data)
    except (Exception, SystemExit) as raised:
        cause = raised.__context__ if isinstance(raised, SystemExit) else raised
        error = f"{type(cause).__name__}: {cause}"
    note = {"error": error, "seconds": time.monotonic() - start, **summary(trainer, module)}
    (DIRECTORY / f"{name}_{RANK}.json").write_text(json.dumps(note))
    INTERRUPTION.__init__()  # type: ignore[misc]


def signal_asks(module: A3C) -> None:
    """As the handler of SIGTERM would do between two updates."""
    INTERRUPTION.signum = 15


def poison(module: A3C) -> None:
    """Make the next loss of this rank NaN, and no other's."""
    module.hparams["value_coef"] = float("nan")


if __name__ == "__main__":
    halves = {"num_minibatches": 2, "num_passes": 2}
    bound = {"vtrace": True, "clip_ratio": 0.2, "normalize_advantage": True}
    train("whole", data=halves, model={"recurrent": LSTM, "share_body": False, "loss_reduction": "sum", **bound})
    train("options", model={"gamma": (0.9, 0.95)[RANK]})
    train("training", fails="training")
    train("evaluation", fails="evaluation")
    train("signal", AtUpdate(3, signal_asks))
    train("nan", AtUpdate(3, poison))
