"""``validate``, ``test`` and ``predict``: what a trained agent does, without training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.trainings import SERIAL, STEPS, assert_mp4
from tests.commands import RUN, Lightning
from tests.dummy_envs import dummy


def test_test_writes_the_score(trained: Path, cli: Lightning) -> None:
    """From the run's directory alone; as many episodes as asked for."""
    out = cli("test", "--ckpt_path", str(trained / RUN))
    score = json.loads((trained / RUN / "test-best.json").read_text())
    keys = {"env_id", "episodes", "mean", "sd", "ci95", "median", "length", "steps", "frames"}
    assert set(score) == keys | {"deterministic", "trained_steps", "returns", "checkpoint"}
    assert score["episodes"] == len(score["returns"]) == 20
    assert score["mean"] == pytest.approx(sum(score["returns"]) / 20)
    assert score["ci95"][0] <= score["mean"] <= score["ci95"][1]
    assert score["steps"] == score["frames"] == sum(score["returns"])  # CartPole pays 1 a step
    assert score["checkpoint"] == str(trained / RUN / "checkpoints/best.ckpt")
    assert 0 < score["trained_steps"] <= STEPS
    assert score["deterministic"] is True
    assert f"{score['mean']:.2f}" in out
    assert "test-best.json" in out


def test_test_of_the_last_checkpoint_and_fewer_episodes(trained: Path, cli: Lightning) -> None:
    cli("test", "--ckpt_path", str(trained / RUN / "checkpoints/last.ckpt"), "--data.test_episodes=3")
    score = json.loads((trained / RUN / "test-last.json").read_text())
    assert (score["episodes"], score["trained_steps"]) == (3, STEPS)


def test_test_is_reproducible(trained: Path, cli: Lightning) -> None:
    returns = []
    for _ in range(2):
        cli("test", f"--ckpt_path={trained / RUN}", "--data.test_episodes=5")
        returns.append(json.loads((trained / RUN / "test-best.json").read_text())["returns"])
    assert returns[0] == returns[1]


def test_a_score_of_an_atari_game_names_its_protocol(cli: Lightning, tmp_path: Path) -> None:
    """It is the one of the training, which the checkpoint carries."""
    short = ["--engine", "serial", "--data.envs_per_worker", "2", "--data.total_steps", "20"]
    quiet = ["--trainer.enable_progress_bar=false", "--video.every_n_steps=-1", "--trainer.limit_val_batches=0"]
    cli("fit", "--config", "atari_sticky.yaml", *short, *quiet)
    out = cli("test", "--ckpt_path", "last", "--data.test_episodes", "1", "--data.max_eval_steps", "20")
    (file,) = tmp_path.rglob("test-last.json")
    protocol = json.loads(file.read_text())["protocol"]
    assert protocol == (
        "sticky actions (0.25), all 18 actions, no no-ops at the start, trained without information on lives"
    )
    assert protocol in out


def test_validate_prints_the_score_and_starts_no_run(trained: Path, cli: Lightning, tmp_path: Path) -> None:
    out = cli("validate", "--ckpt_path", str(trained / RUN))
    assert "CartPole-v1" in out
    assert "return, mean" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "batches"), [("validate", "val"), ("test", "test"), ("predict", "predict")])
def test_a_command_that_would_play_nothing_is_refused(
    command: str, batches: str, trained: Path, refused: Refused
) -> None:
    """It was exit code 0 without a word."""
    message = refused(command, "--ckpt_path", str(trained / RUN), f"--trainer.limit_{batches}_batches", "0")
    assert message == f"trainer.limit_{batches}_batches 0 plays nothing."


def test_predict_records(trained: Path, cli: Lightning) -> None:
    """The name of a video holds its return. CartPole pays 1 a step, so it is a whole number."""
    out = cli("predict", "--ckpt_path", str(trained / RUN), "--data.predict_episodes", "2")
    videos = sorted((trained / RUN / "videos").glob("predict-*.mp4"))
    assert [video.name.split("-return-")[0] for video in videos] == ["predict-0", "predict-1"]
    for video in videos:
        assert_mp4(video)
        assert str(video) in out
        episode_return = float(video.stem.rpartition("-return-")[2])
        assert episode_return == int(episode_return) > 0


@pytest.mark.parametrize("engine", ["hogwild", "async", "sync", "serial"])
def test_one_process_plays_whatever_the_engine_is(trained: Path, cli: Lightning, engine: str) -> None:
    """Neither workers nor a strategy are wanted where nothing is learned."""
    run = str(trained / RUN)
    out = cli("validate", "--ckpt_path", run, "--engine", engine, "--num_workers", "2", "--data.eval_episodes", "3")
    assert "episodes                3" in out


def test_a_checkpoint_may_be_remote(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, "--trainer.max_steps", "5")
    url = (tmp_path / RUN / "checkpoints/last.ckpt").as_uri()
    assert "400 steps" in cli("test", "--ckpt_path", url, "--data.test_episodes", "2")
    assert main(["test", "--ckpt_path", "file:///nowhere/last.ckpt"]) == 2


@pytest.mark.parametrize("kwargs", ["null", "{strict: true}"])
def test_an_environment_without_images_is_not_recorded(
    kwargs: str, cli: Lightning, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It can be trained. ``predict`` refuses it before anything is played."""
    task = ["--data.env_id", dummy("ForPeople"), "--data.env_kwargs", kwargs, "--data.total_steps", "80"]
    cli(*SERIAL, *task)
    capfd.readouterr()
    assert main(["predict", "--trust_checkpoint", "--ckpt_path", "last"]) == 2
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines())) == ("", 1), "no progress bar either"
    assert err.startswith("lit-a3c: data.env_id ")
    assert "its render modes are human, ansi, and a video needs rgb_array." in err
    assert not list(tmp_path.rglob("videos"))
