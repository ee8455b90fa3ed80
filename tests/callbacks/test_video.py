"""When videos are recorded, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest
from lightning.pytorch import Callback

from lit_a3c import A3C, Episode, EpisodeVideo, RolloutDataModule
from lit_a3c.callbacks.video import VideoRecorder
from lit_a3c.metrics.logger import RunLogger
from lit_a3c.utils.disk import DiskError
from tests.disks import UNLIMITED, full_disk, limit_files
from tests.dummy_envs import LIMIT, dummy
from tests.dummy_envs.base import DummyEnv
from tests.trainers import quiet


def train(directory: Path, recorder: VideoRecorder, more: Sequence[Callback] = (), **options: Any) -> None:
    """Ten updates of twenty steps."""
    data = RolloutDataModule(dummy("TimeLimit"), 200, "serial", envs_per_worker=4, rollout_length=5)
    module = A3C(data.spaces)
    options = {"default_root_dir": directory, "limit_val_batches": 0, "log_every_n_steps": 0, **options}
    quiet(callbacks=[recorder, *more], **options).fit(module, data)
    assert module.finished


def videos(directory: Path) -> list[Path]:
    return sorted((directory / "videos").iterdir(), key=lambda file: int(file.name.split("-")[1]))


@pytest.mark.parametrize(
    ("every_n_steps", "steps"), [(60, [60, 120, 180, 200]), (70, [80, 140, 200]), (0, [200]), (-1, [])]
)
def test_videos_are_recorded_as_often_as_asked_for(every_n_steps: int, steps: list[int], tmp_path: Path) -> None:
    """After the update that reaches the number of steps, and at the end. The name holds steps and return."""
    train(tmp_path, VideoRecorder(every_n_steps))
    if not steps:
        assert not list(tmp_path.iterdir())
        return
    files = videos(tmp_path)
    assert [file.name for file in files] == [f"step-{step}-return-{LIMIT}.0.mp4" for step in steps]
    with imageio.get_reader(files[-1]) as reader:
        assert sum(1 for _ in reader) == LIMIT


def test_an_image_goes_to_tensorboard(tmp_path: Path) -> None:
    """From the second half of the video, with steps as its axis."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = RunLogger(str(tmp_path), name="run")
    train(tmp_path, VideoRecorder(0), logger=logger)
    assert len(videos(Path(logger.log_dir))) == 1
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    (image,) = events.Images("video")
    assert image.step == 200
    assert (imageio.imread(image.encoded_image_string) == 20 * 4).all(), "number 4 of 0 to 6"


def test_an_environment_that_cannot_be_drawn_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, and the training goes on. No partial file is left."""

    def render(self: DummyEnv) -> np.ndarray:
        if self.t == 3:
            raise OSError("no display")
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr(DummyEnv, "render", render)
    with pytest.warns(UserWarning, match=r"No video: EnvError: .*OSError: no display.*[^.]\. Without") as warned:
        train(tmp_path, VideoRecorder(60))
    assert sum("No video" in str(warning.message) for warning in warned) == 1
    assert not videos(tmp_path)


class FullDisk(Callback):
    """The disk is full in the second and third update of ten."""

    def on_train_batch_start(self, trainer: Any, module: A3C, *_: Any) -> None:
        limit_files(0 if module.steps in (20, 40) else UNLIMITED)


def test_a_full_disk_costs_one_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not those after it, and not the training."""
    train(tmp_path, VideoRecorder(60), more=[FullDisk()])
    assert [file.name.split("-return")[0] for file in videos(tmp_path)] == ["step-120", "step-180", "step-200"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-a3c")]
    assert lines == [
        "lit-a3c: videos cannot be written: File too large. The training goes on, and the next one is tried again.",
        "lit-a3c: videos can be written again.",
    ]


@pytest.mark.parametrize("room", [0, 200, 5000])
def test_a_video_that_is_cut_does_not_appear(room: int, tmp_path: Path) -> None:
    """The disk fills up while it is recorded. ffmpeg does not say that it could not write."""
    video = EpisodeVideo(tmp_path, "cut", max_frames=100)
    rng = np.random.default_rng(0)
    with full_disk(room):
        with pytest.raises(DiskError):  # noqa: PT012 - from whichever image or the end
            for _ in range(50):
                video.write(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), fps=30)
            video.save(Episode(0, 0, 0))
        video.discard()
    assert not list(tmp_path.iterdir())


def predict(directory: Path, episodes: int) -> None:
    data = RolloutDataModule(dummy("TimeLimit"), predict_episodes=episodes)
    quiet(callbacks=[VideoRecorder(max_frames=5)], default_root_dir=directory).predict(A3C(data.spaces), data)


def test_predict_records_every_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole episodes, of which at most so many images are written."""
    predict(tmp_path, episodes=2)
    files = videos(tmp_path)
    assert [file.name for file in files] == [f"predict-{i}-return-{LIMIT}.0.mp4" for i in range(2)]
    out = capsys.readouterr().out
    assert all(f"written to {file}" in out for file in files)
    with imageio.get_reader(files[0]) as reader:
        assert sum(1 for _ in reader) == 5


def test_a_prediction_that_fails_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: EpisodeVideo, *args: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(EpisodeVideo, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        predict(tmp_path, episodes=1)
    assert not videos(tmp_path)
