"""Images of an episode, and the video that they become."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from torch import Tensor

from lit_a3c import AtariOptions, EnvConfig, Episode, EpisodeBatch, EpisodeVideo
from lit_a3c.evaluation.frames import Frame
from lit_a3c.evaluation.play import Act, EvaluationEnvs, play

CARTPOLE = EnvConfig("CartPole-v1")
PONG = EnvConfig("ALE/Pong-v5", AtariOptions(max_frames=240))


def zero(observation: Tensor, is_init: Tensor) -> Tensor:
    return torch.zeros(len(observation), dtype=torch.int64)


def push_right(observation: Tensor, is_init: Tensor) -> Tensor:
    return torch.ones(len(observation), dtype=torch.int64)


def watched(config: EnvConfig, act: Act, seed: int = 0) -> tuple[Episode, list[np.ndarray], float]:
    """An episode, its images, and the images per second."""
    images, rates = [], set()

    def on_frame(frame: Frame) -> None:
        images.append(frame.image)
        rates.add(frame.fps)

    with closing(EvaluationEnvs(config, 1, render=True)) as envs:
        batch = EpisodeBatch(envs, seed, 1)
        batch.on_frame = on_frame
        (episode,) = play(act, batch)
    (fps,) = rates
    return episode, images, fps


def test_images_of_cartpole() -> None:
    """One image a step."""
    pytest.importorskip("pygame")
    episode, images, fps = watched(CARTPOLE, zero)
    assert {(image.shape, str(image.dtype)) for image in images} == {((400, 600, 3), "uint8")}
    assert episode.length == episode.episode_return == len(images)
    assert fps == 50


def test_images_of_pong() -> None:
    """Images in colour, one a step, that move."""
    episode, images, fps = watched(PONG, zero)
    assert {(image.shape, str(image.dtype)) for image in images} == {((210, 160, 3), "uint8")}
    assert episode.length == len(images) > 40
    assert episode.episode_return <= 0
    assert fps == 15
    assert len({image.tobytes() for image in images}) > 20
    assert (images[0][..., 0] != images[0][..., 2]).any(), "in colour"


def test_images_follow_from_the_seed() -> None:
    """Played twice, the episode looks the same. Another seed looks different."""
    one, same, other = ([image.tobytes() for image in watched(PONG, zero, seed)[1]] for seed in (3, 3, 4))
    assert one == same
    assert one != other


def recorded(directory: Path, max_frames: int) -> tuple[Episode, EpisodeVideo, Path]:
    """CartPole that always pushes right falls after about ten steps. Its return is its length."""
    video = EpisodeVideo(directory, "here", max_frames)
    with closing(EvaluationEnvs(CARTPOLE, 1, render=True)) as envs:
        batch = EpisodeBatch(envs, 0, 1)
        batch.on_frame = video.write
        (episode,) = play(push_right, batch)
    assert [file.name for file in directory.glob("*partial*")] == ["here.partial.mp4"]
    return episode, video, video.save(episode)


def test_a_video_has_one_image_a_step(tmp_path: Path) -> None:
    """It appears under its name, which holds the return, when the episode is whole."""
    episode, video, file = recorded(tmp_path / "videos", max_frames=1000)
    assert 5 < episode.length < 20
    assert file.name == f"here-return-{episode.episode_return:.1f}.mp4"
    with imageio.get_reader(file) as reader:
        assert sum(1 for _ in reader) == episode.length
        assert reader.get_meta_data()["fps"] == 50
    video.discard()
    assert list(file.parent.iterdir()) == [file]


def test_a_cut_video_ends_at_its_limit(tmp_path: Path) -> None:
    """The limit counts images. The episode is played to its end, and the name has its whole return."""
    episode, _, file = recorded(tmp_path, max_frames=4)
    assert 5 < episode.length < 20
    assert file.name == f"here-return-{episode.length}.0.mp4"
    with imageio.get_reader(file) as reader:
        assert sum(1 for _ in reader) == 4


def test_a_second_video_of_the_same_return_leaves_the_first(tmp_path: Path) -> None:
    _, _, first = recorded(tmp_path, 20)
    before = first.read_bytes()
    files = [recorded(tmp_path, 5)[2] for _ in range(2)]
    assert [file.name for file in files] == [f"{first.stem}-2.mp4", f"{first.stem}-3.mp4"]
    assert first.read_bytes() == before


def test_a_discarded_video_leaves_no_file(tmp_path: Path) -> None:
    """Also before its first image."""
    video = EpisodeVideo(tmp_path, "broken", max_frames=10)
    video.discard()
    video = EpisodeVideo(tmp_path, "broken", max_frames=10)
    video.write(Frame(np.zeros((16, 16, 3), np.uint8), fps=30))
    video.discard()
    video.discard()
    assert not list(tmp_path.iterdir())
