"""When videos are recorded, and where they go."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image

from lit_a3c import A3C, ConfigError, Episode, EpisodeVideo, RolloutDataModule
from lit_a3c.callbacks.video import VideoRecorder
from lit_a3c.evaluation.frames import Frame
from lit_a3c.evaluation.overlay import WIDTH
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


def images(file: Path) -> list[np.ndarray]:
    with imageio.get_reader(file) as reader:
        return [np.asarray(image) for image in reader]


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
    assert len(images(files[-1])) == LIMIT + 1, "one a step, and the end"


def test_without_the_strip_the_images_are_those_of_the_environment(tmp_path: Path) -> None:
    """One a step."""
    train(tmp_path, VideoRecorder(0, overlay=False))
    (file,) = videos(tmp_path)
    found = images(file)
    assert [image.shape for image in found] == [(32, 32, 3)] * LIMIT
    assert [int(image.mean()) for image in found] == pytest.approx([20 * t for t in range(LIMIT)], abs=3)


def test_with_the_strip_the_video_says_what_the_policy_does(tmp_path: Path) -> None:
    """The strip changes from step to step, and so does the image beside it."""
    train(tmp_path, VideoRecorder(0))
    (file,) = videos(tmp_path)
    found = images(file)
    assert {image.shape for image in found} == {(320, 320 + WIDTH, 3)}
    assert [int(image[:, :300].mean()) for image in found] == pytest.approx([20 * t for t in range(LIMIT + 1)], abs=3)
    strips = [image[:, 320:].astype(int) for image in found]
    assert all(np.abs(one - other).max() > 50 for one, other in itertools.pairwise(strips))


def test_an_animation_goes_to_tensorboard(tmp_path: Path) -> None:
    """Of the whole video, with steps as its axis; those of the best policy under a name of their own."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = RunLogger(str(tmp_path), name="run")
    options = {
        "logger": logger,
        "limit_val_batches": None,
        "val_check_interval": 4,
        "check_val_every_n_epoch": None,
        "enable_checkpointing": True,
    }
    train(tmp_path, VideoRecorder(60), [ModelCheckpoint(monitor="val/return_mean")], **options)
    assert len(list(Path(logger.log_dir, "videos").iterdir())) == 4
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    assert [image.step for image in events.Images("video")] == [60, 120, 180]
    (image,) = events.Images("video/best")
    assert image.step == 200
    animation = Image.open(io.BytesIO(image.encoded_image_string))
    assert (animation.format, getattr(animation, "n_frames", 1)) == ("GIF", LIMIT + 1)
    assert animation.size == (image.width, image.height) == (320 + WIDTH, 320)


def test_an_environment_that_cannot_be_drawn_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, and the training goes on. No partial file is left."""

    def render(self: DummyEnv) -> np.ndarray:
        if self.t == 3:
            raise OSError("no display")
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr(DummyEnv, "render", render)
    train(tmp_path, VideoRecorder(60))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-a3c")]
    assert re.search(r"no video: EnvError: .*OSError: no display.*[^.]\. Without a screen.* is not affected\.$", line)
    assert not videos(tmp_path)


@pytest.mark.parametrize(
    ("env", "kwargs", "says"),
    [
        ("ForPeople", None, "cannot be recorded: its render modes are human, ansi, and a video needs rgb_array."),
        ("ForPeople", {"strict": True}, "asked for images: its render modes are human, ansi, and a video needs"),
        ("Unseen", None, "cannot be recorded: it has no render modes, and a video needs rgb_array."),
        ("Undrawable", None, "Without that it cannot be drawn."),
    ],
)
def test_an_environment_without_images_is_trained_and_not_recorded(
    env: str, kwargs: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the render modes that it has."""
    data = RolloutDataModule(dummy(env), 40, "serial", envs_per_worker=4, rollout_length=5, env_kwargs=kwargs)
    module = A3C(data.spaces)
    options = {"default_root_dir": tmp_path, "limit_val_batches": 0, "log_every_n_steps": 0}
    quiet(callbacks=[VideoRecorder(0)], **options).fit(module, data)
    assert module.finished
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-a3c")]
    assert line.startswith(f"lit-a3c: no video: data.env_id {dummy(env)!r} ")
    assert says in line
    assert "MuJoCo" not in line
    with pytest.raises(ConfigError, match=re.escape(says)):
        quiet(callbacks=[VideoRecorder()], default_root_dir=tmp_path).predict(module, data)
    assert not list(tmp_path.rglob("*.mp4"))


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
                video.write(Frame(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), fps=30))
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
