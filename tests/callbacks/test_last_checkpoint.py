"""The checkpoint to go on from: when it is saved, and when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c import A3C, ConfigError, RolloutDataModule
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.callbacks.video import VideoRecorder
from lit_a3c.checkpoint.io import SafeCheckpointIO
from tests.commands import read
from tests.disks import UNLIMITED, limit_files
from tests.dummy_envs import dummy
from tests.trainers import quiet

ROLLOUT = 20


def fit(
    directory: Path, *callbacks: Callback, updates: int = 8, env_id: str = dummy("TimeLimit"), **options: Any
) -> A3C:
    """A training of so many updates, with checkpoints in ``directory / "checkpoints"`` unless told otherwise."""
    data = RolloutDataModule(env_id, updates * ROLLOUT, "serial", envs_per_worker=4, rollout_length=5)
    module = A3C(data.spaces)
    ckpt_path = options.pop("ckpt_path", None)
    options = {"limit_val_batches": 0, "enable_checkpointing": True, "default_root_dir": directory, **options}
    quiet(callbacks=list(callbacks), **options).fit(module, data, ckpt_path=ckpt_path, weights_only=True)
    return module


def updates_in(file: Path) -> int | None:
    """The updates that a checkpoint holds."""
    return int(read(file)["updates"]) if file.exists() else None


class Watch(Callback):
    """Notes before every update which updates the two checkpoints hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: list[tuple[int | None, int | None]] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.seen.append((updates_in(self.directory / "last.ckpt"), updates_in(self.directory / "previous.ckpt")))


class Fail(Callback):
    """Raises after an update."""

    def __init__(self, error: BaseException, update: int) -> None:
        self.error, self.update = error, update

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.update:
            raise self.error


def test_it_is_saved_every_so_many_updates_and_at_the_end(tmp_path: Path) -> None:
    """The one before stays as ``previous.ckpt``. No other file is left."""
    directory = tmp_path / "checkpoints"
    watch = Watch(directory)
    module = fit(tmp_path, LastCheckpoint(3), watch)
    assert watch.seen == [(None, None)] * 3 + [(3, None)] * 3 + [(6, 3)] * 2
    assert (updates_in(directory / "last.ckpt"), updates_in(directory / "previous.ckpt")) == (8, 6)
    assert {file.name for file in directory.iterdir()} == {"last.ckpt", "previous.ckpt"}
    assert read(directory / "last.ckpt")["steps"] == module.steps == 8 * ROLLOUT


class FullDisk(Callback):
    """After this update the disk is full, and two updates later there is room."""

    def __init__(self, update: int) -> None:
        self.update = update

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.update:
            limit_files(0)
        elif trainer.global_step == self.update + 2:
            limit_files(UNLIMITED)


def test_a_full_disk_costs_the_new_one_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that could not be written is no reason to give up the one before the last."""
    directory = tmp_path / "checkpoints"
    watch = Watch(directory)
    fit(tmp_path, LastCheckpoint(3), FullDisk(5), watch, plugins=[SafeCheckpointIO()])
    assert watch.seen[-2:] == [(3, None)] * 2, "that of update 6 is missing"
    assert (updates_in(directory / "last.ckpt"), updates_in(directory / "previous.ckpt")) == (8, 3)
    assert {file.name for file in directory.iterdir()} == {"last.ckpt", "previous.ckpt"}
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("lit-a3c: ")] == [
        f"lit-a3c: {directory / 'last.ckpt'} cannot be written: File too large. "
        "The training goes on, and the file that was there before is kept.",
        "lit-a3c: checkpoints can be written again.",
    ]


@pytest.mark.parametrize("error", [ZeroDivisionError("an error"), KeyboardInterrupt()])
def test_it_is_saved_when_something_ends_the_training(error: BaseException, tmp_path: Path) -> None:
    """With all updates up to there. A training goes on from it."""
    with pytest.raises((ZeroDivisionError, KeyboardInterrupt, SystemExit)):
        fit(tmp_path, LastCheckpoint(3), Fail(error, update=5))
    last = tmp_path / "checkpoints/last.ckpt"
    assert (updates_in(last), updates_in(last.with_name("previous.ckpt"))) == (5, 3)
    module = fit(tmp_path, LastCheckpoint(), ckpt_path=str(last))
    assert module.steps == 8 * ROLLOUT


class BrokenOff(SafeCheckpointIO):
    """The first checkpoint is broken off by a signal, as one may come at any moment."""

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        first, self.first = getattr(self, "first", True), False
        if first:
            raise KeyboardInterrupt
        super().save_checkpoint(*args, **kwargs)


@pytest.mark.parametrize("every", [3, 8], ids=["between", "at the end"])
def test_a_save_that_a_signal_broke_off_is_made_again(every: int, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        fit(tmp_path, LastCheckpoint(every), plugins=[BrokenOff()])
    assert updates_in(tmp_path / "checkpoints/last.ckpt") == every


class WatchValidation(Callback):
    """Notes at the start of every validation which updates the last checkpoint holds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: list[tuple[int, int | None]] = []

    def on_validation_start(self, trainer: Any, *_: Any) -> None:
        self.seen.append((trainer.global_step, updates_in(self.file)))


def test_the_last_update_is_saved_before_the_last_validation_and_the_last_video(tmp_path: Path) -> None:
    """Both may take minutes, in which a machine may fail."""
    last = tmp_path / "checkpoints/last.ckpt"
    validation = WatchValidation(last)
    options = {"limit_val_batches": 1, "num_sanity_val_steps": 0, "check_val_every_n_epoch": None}
    fit(tmp_path, LastCheckpoint(100), validation, VideoRecorder(0), val_check_interval=4, **options)
    assert validation.seen == [(4, None), (8, 8)]
    (video,) = (tmp_path / "videos").iterdir()
    assert last.stat().st_mtime_ns < video.stat().st_mtime_ns


class FailInValidation(Callback):
    """Raises in the middle of an evaluation."""

    def on_validation_batch_start(self, *_: Any) -> None:
        raise ZeroDivisionError("an error")


def test_it_is_saved_when_a_validation_fails(tmp_path: Path) -> None:
    """The updates before it need not be made again."""
    data = RolloutDataModule(dummy("TimeLimit"), 8 * ROLLOUT, "serial", envs_per_worker=4, rollout_length=5)
    module = A3C(data.spaces)
    trainer = quiet(
        callbacks=[LastCheckpoint(), FailInValidation()],
        enable_checkpointing=True,
        default_root_dir=tmp_path,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        val_check_interval=4,
    )
    with pytest.raises(ZeroDivisionError):
        trainer.fit(module, data)
    assert updates_in(tmp_path / "checkpoints/last.ckpt") == 4


def test_a_refused_resumption_changes_nothing(tmp_path: Path) -> None:
    """It must not overwrite what it could not load."""
    fit(tmp_path, LastCheckpoint())
    (last,) = (tmp_path / "checkpoints").iterdir()
    before = last.read_bytes(), last.stat().st_mtime_ns
    with pytest.raises(ConfigError, match="Identity"):
        fit(tmp_path, LastCheckpoint(1), env_id=dummy("Identity"), ckpt_path=str(last))
    assert (last.read_bytes(), last.stat().st_mtime_ns) == before
    assert list(last.parent.iterdir()) == [last]


def test_it_goes_where_the_other_checkpoints_go(tmp_path: Path) -> None:
    fit(tmp_path, LastCheckpoint(), ModelCheckpoint(tmp_path / "mine", filename="best"))
    assert (tmp_path / "mine/last.ckpt").exists()
    assert not (tmp_path / "checkpoints").exists()


def test_a_development_run_saves_nothing(tmp_path: Path) -> None:
    fit(tmp_path, LastCheckpoint(1), fast_dev_run=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("updates", [0, -1, 2.5])
def test_a_bad_interval_is_refused_by_name(updates: Any) -> None:
    with pytest.raises(ConfigError, match=r"last_checkpoint\.every_n_updates"):
        LastCheckpoint(updates)


class LosesItsCluster(Callback):
    """Does what a source of rollouts does before it goes on without what it stood on."""

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 3:
            (loader,) = trainer.datamodule._open
            loader._source.before_recovery()


def test_a_source_that_loses_what_it_stands_on_saves_first(tmp_path: Path) -> None:
    """Between two updates, although the next save would be far away."""
    watch = Watch(tmp_path / "checkpoints")
    fit(tmp_path, LastCheckpoint(every_n_updates=1000), LosesItsCluster(), watch)
    assert [last for last, _ in watch.seen] == [None, None, None, 3, 3, 3, 3, 3]
