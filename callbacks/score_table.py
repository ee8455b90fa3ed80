"""The score of a tested policy, as a table and a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.checkpoint.find import RUNS
from lit_a3c.checkpoint.shipped import agent_name
from lit_a3c.evaluation.scores import summarize
from lit_a3c.utils import compat
from lit_a3c.utils.disk import reason, replace_whole, say


class ScoreTable(Callback):
    """Prints the score of ``validate`` and ``test``. That of ``test`` is also written as ``test-CHECKPOINT.json``."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if trainer.state.fn == TrainerFn.VALIDATING and trainer.is_global_zero:
            print(table(score_of(trainer, pl_module)))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if not trainer.is_global_zero:
            return
        checkpoint = Path(trainer.ckpt_path) if trainer.ckpt_path else None
        score = score_of(trainer, pl_module)
        file = run_directory(trainer) / f"test-{checkpoint.stem if checkpoint else 'untrained'}.json"
        print(table(score))
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(file, (json.dumps(score | {"checkpoint": str(checkpoint)}, indent=2) + "\n").encode())
        except OSError as error:  # the run may be somebody else's
            say(f"{file} cannot be written: {reason(error)}. The score is printed only.")
        else:
            print(f"written to {file}")


def score_of(trainer: Trainer, module: A3C) -> dict[str, Any]:
    """The score of the evaluation that the module has just done, as plain types."""
    data = compat.datamodule_of(trainer)
    protocol = data.env.protocol if isinstance(data, RolloutDataModule) else None
    return (
        ({"protocol": protocol} if protocol else {})
        | summarize(module.episodes, module.spaces)
        | {
            "deterministic": module.hparams["deterministic_eval"],
            "trained_steps": module.steps,
            "returns": [episode.episode_return for episode in module.episodes],
        }
    )


def run_directory(trainer: Trainer) -> Path:
    """Where a run keeps its files: the logger's directory, or that of the checkpoint that is played.

    An agent file is of no run. What is made of it goes to ``runs/NAME/agent``. Lightning's ``trainer.log_dir`` is the
    same directory, but it waits until all processes of a job ask for it.
    """
    if trainer.logger is None and trainer.ckpt_path:
        file = Path(trainer.ckpt_path).absolute()
        if (name := agent_name(file)) is not None:
            return RUNS / name / "agent"
        parent = file.parent
        return parent.parent if parent.name == "checkpoints" else parent
    directory = getattr(trainer.logger, "log_dir", None) or getattr(trainer.logger, "save_dir", None)
    return Path(directory or trainer.default_root_dir)


def table(score: dict[str, Any]) -> str:
    """A score in lines of name and value."""
    rows = {
        "environment": score["env_id"],
        **({"protocol": score["protocol"]} if "protocol" in score else {}),
        "episodes": score["episodes"],
        "return, mean": f"{score['mean']:.2f}",
        "  95% interval": f"{score['ci95'][0]:.2f} to {score['ci95'][1]:.2f}",
        "  standard deviation": f"{score['sd']:.2f}",
        "  median": f"{score['median']:.2f}",
        "episode length, mean": f"{score['length']:.1f} steps",
        "played": f"{score['steps']:,} steps, {score['frames']:,} frames",
        "trained": f"{score['trained_steps']:,} steps",
    }
    if "human_normalized" in score:
        rows["human-normalised score"] = f"{100 * score['human_normalized']:.1f}%"
    return "\n".join(f"{name:<24}{value}" for name, value in rows.items())
