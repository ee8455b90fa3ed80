"""What ``fit`` says at its end: how good the agent is, where its files are, and what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only

from lit_a3c.callbacks.last_checkpoint import checkpoint_directory
from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.callbacks.validation_scores import Score, ValidationScores
from lit_a3c.cli.configs import TRUST
from lit_a3c.cli.save_config import SaveConfigToCheckpoint
from lit_a3c.datamodule import RolloutDataModule
from lit_a3c.module import A3C
from lit_a3c.utils import compat

T = TypeVar("T", bound=Callback)

COLUMNS = 80
LABEL = 18
"""Columns of the names on the left."""


@rank_zero_only
def print_start(trainer: Trainer, data: RolloutDataModule, engine: str) -> None:
    """Print what is about to run, and where its files go.

    Args:
        trainer: The trainer.
        data: Its data module.
        engine: Name of the engine.
    """
    rollout = data.envs_per_worker * data.rollout_length
    longer = f" (one rollout has {rollout:,})" if rollout > data.total_steps else ""
    several = isinstance(trainer.strategy, DDPStrategy) and trainer.world_size > 1
    learners = f"{trainer.world_size} learners with " if several else ""
    print(
        f"lit-a3c: {data.env.env_id}, {data.total_steps:,} steps{longer}, {engine}, {learners}{data.workers} workers "
        f"of {data.envs_per_worker} environments; files in {run_directory(trainer)}",
        flush=True,
    )


@rank_zero_only
def print_summary(trainer: Trainer, *, stopped: bool) -> None:
    """Print the summary of a training that has ended.

    Args:
        trainer: The trainer, with its module.
        stopped: Whether a signal or an error has ended it.
    """
    module = trainer.lightning_module
    assert isinstance(module, A3C)
    files = run_directory(trainer)
    run = _near(files)
    scores = _callback(trainer, ValidationScores)
    lines = [f"lit-a3c: {module.steps:,} steps of {module.spaces.env_id} in {module.seconds / 60:.1f} minutes"]
    lines += _row("best validation", _score(scores.best))
    lines += _row("last validation", _score(scores.last))
    lines += _row("files", str(run))
    lines += [line for file in _files(trainer, run) for line in _row("", str(file))]
    checkpoints = checkpoint_directory(trainer)
    config = _callback(trainer, SaveConfigToCheckpoint)
    place = f"--ckpt_path {shlex.quote(str(run if checkpoints.parent == files else _near(checkpoints)))}"
    trust = [TRUST] if config.needs_trust(module.spaces.env_id) else []
    if stopped and not module.finished and (checkpoints / "last.ckpt").is_file():
        if config.names_more_loggers():  # the config comes first: what comes later wins, and it has a ckpt_path of null
            parts = [f"--config {shlex.quote(str(run / 'config.yaml'))}", place]
        else:
            parts = [place, *trust]
        lines += _command("continue with", ["lit-a3c fit", *parts])
    elif any(checkpoints.glob("*.ckpt")):
        lines += _command("next", ["lit-a3c test", place, *trust])
    print("\n".join(lines), flush=True)


def _callback(trainer: Trainer, kind: type[T]) -> T:
    """The callback of this class, which the command line has added."""
    return next(callback for callback in compat.callbacks_of(trainer) if isinstance(callback, kind))


def _row(label: str, value: str) -> list[str]:
    return [f"  {label:<{LABEL - 2}}{value}"]


def _score(score: Score | None) -> str:
    return "none" if score is None else f"return {score.mean:,.2f} at step {score.step:,}"


def _files(trainer: Trainer, run: Path) -> Iterator[Path]:
    """The best checkpoint and the newest video, as seen from the directory of the run."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
            yield _within(Path(callback.best_model_path), run)
            break
    videos = [file for file in run.glob("videos/*.mp4") if not file.name.endswith(".partial.mp4")]
    if videos:
        yield _within(max(videos, key=lambda file: file.stat().st_mtime), run)


def _within(file: Path, run: Path) -> Path:
    return file.absolute().relative_to(run.absolute()) if file.absolute().is_relative_to(run.absolute()) else file


def _near(directory: Path) -> Path:
    """A directory as seen from the present one, where it lies below that."""
    here = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would follow links
    return here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here


def _command(label: str, parts: list[str]) -> Iterator[str]:
    """A command in one line, or in one for each part where it is too long. A shell takes it as it stands."""
    one_line = f"  {label:<{LABEL - 2}}{' '.join(parts)}"
    if len(one_line) <= COLUMNS:
        yield one_line
        return
    yield f"  {label:<{LABEL - 2}}{parts[0]} \\"
    yield from (f"    {part} \\" for part in parts[1:-1])
    yield f"    {parts[-1]}"
