"""Films are whole episodes with their return in the name."""

from pathlib import Path

import imageio.v2 as imageio
import torch

from lit_a3c import EnvConfig, Film
from lit_a3c.callbacks.video import write_video
from lit_a3c.evaluate import Act


def push_right(num_envs: int) -> Act:
    return lambda observation, begun: torch.ones(num_envs, dtype=torch.int64)


def test_a_film_has_one_picture_a_step(tmp_path: Path) -> None:
    """CartPole that always pushes right falls after about ten steps; its return is its length."""
    film = Film(EnvConfig("CartPole-v1"), push_right, seed=0)
    file, still = write_video(film, tmp_path / "videos", "here", max_frames=1000)
    assert 5 < film.episode.length < 20
    assert file.name == f"here-return-{film.episode.ret:.1f}.mp4"
    assert sum(1 for _ in imageio.get_reader(file)) == film.episode.length
    assert still.shape == (400, 600, 3)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_cut_film_ends_at_its_limit(tmp_path: Path) -> None:
    """The limit counts pictures, and the name has the return so far."""
    film = Film(EnvConfig("CartPole-v1"), push_right, seed=0)
    file, _ = write_video(film, tmp_path, "cut", max_frames=4)
    assert sum(1 for _ in imageio.get_reader(file)) == 4
    assert film.episode.length in (3, 4)
