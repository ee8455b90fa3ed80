"""The score of a policy, and where it goes."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger

from lit_a3c import A3C, EnvSpaces, Episode, RolloutDataModule
from lit_a3c.evaluation.scores import summarize
from tests.dummy_envs import LIMIT, dummy
from tests.trainers import quiet


def spaces(env_id: str = "X-v0", frame_skip: int = 1) -> EnvSpaces:
    return EnvSpaces(env_id, Discrete(1), Discrete(1), frame_skip)


def test_summary_numbers_by_hand() -> None:
    """Returns 1, 2, 3, 6: mean 3, sample variance 14/3, median 2.5."""
    episodes = [Episode(0, value, length) for value, length in ((1, 10), (2, 20), (3, 10), (6, 40))]
    summary = summarize(episodes, spaces(frame_skip=4))
    assert summary["env_id"] == "X-v0"
    assert summary["episodes"] == 4
    assert summary["mean"] == 3
    assert summary["sd"] == pytest.approx(math.sqrt(14 / 3))
    assert summary["median"] == 2.5
    assert summary["length"] == 20
    assert summary["steps"] == 80
    assert summary["frames"] == 320
    assert 1 <= summary["ci95"][0] < 3 < summary["ci95"][1] <= 6
    assert "human_normalized" not in summary


def test_the_interval_is_the_means() -> None:
    """For many episodes the bootstrap is the normal approximation, mean +- 1.96 sd / sqrt(n)."""
    returns = np.random.default_rng(0).normal(50, 10, 400)
    summary = summarize([Episode(0, float(value), 1) for value in returns], spaces())
    half = 1.96 * summary["sd"] / 20
    assert summary["ci95"] == pytest.approx([summary["mean"] - half, summary["mean"] + half], abs=0.1 * half)


def test_one_episode_has_no_spread() -> None:
    """Numbers, and no warning of a division by zero."""
    summary = summarize([Episode(0, 7.0, 3)], spaces())
    assert (summary["mean"], summary["sd"], summary["ci95"], summary["median"]) == (7, 0, [7, 7], 7)


@pytest.mark.parametrize(("value", "normalized"), [(-20.7, 0), (14.6, 1), (21.0, 1.1813), (-21, -0.0085)])
def test_pong_is_human_normalized(value: float, normalized: float) -> None:
    """Random play scores -20.7 and is 0, human play 14.6 and is 1."""
    summary = summarize([Episode(0, value, 3)], spaces("ALE/Pong-v5", 4))
    assert summary["human_normalized"] == pytest.approx(normalized, abs=1e-4)


# Fewer batches


def first_lengths(seed: int, episodes: int) -> list[int]:
    """Lengths of the first episodes of so many environments, by Gymnasium itself."""
    lengths = []
    for i in range(episodes):
        env: Any = gymnasium.make(dummy("Lengths")).unwrapped
        env.reset(seed=seed + i)  # TorchRL seeds by a reset of its own
        env.reset()
        lengths.append(env.length)
    return lengths


@pytest.mark.parametrize(("limit", "episodes"), [(1, 20), (2, 40), (1.0, 40)])
@pytest.mark.parametrize("during", ["fit", "validate"])
def test_fewer_batches_are_a_smaller_unbiased_score(during: str, limit: float, episodes: int) -> None:
    """A batch is one whole episode of each of twenty environments, whatever their lengths."""
    seed_everything(7, verbose=False)
    data = RolloutDataModule(dummy("Lengths"), 80, "serial", eval_episodes=40, envs_per_worker=4)
    module = A3C(data.spaces)
    trainer = quiet(limit_val_batches=limit, num_sanity_val_steps=0, check_val_every_n_epoch=None, val_check_interval=4)
    if during == "fit":
        trainer.fit(module, data)
    else:
        trainer.validate(module, data, verbose=False)
    expected = first_lengths(10_000_000 + 7, episodes)
    assert set(expected) == {1, 20}
    assert [episode.env for episode in module.episodes] == [i % 20 for i in range(episodes)]
    assert [episode.length for episode in module.episodes] == expected
    assert trainer.callback_metrics["val/return_mean"] == pytest.approx(np.mean(expected))
    assert trainer.callback_metrics["val/episode_length"] == pytest.approx(np.mean(expected))


# Where a score goes


def rows(logger: CSVLogger) -> list[dict[str, str]]:
    with (Path(logger.log_dir) / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def loggers(tmp_path: Path) -> list[CSVLogger]:
    return [CSVLogger(tmp_path, name=name) for name in ("one", "other")]


def scored(trainer: Trainer, stage: str, module: A3C, data: RolloutDataModule) -> dict[str, float]:
    """What ``trainer.validate`` or ``trainer.test`` returns."""
    (score,) = (trainer.validate if stage == "val" else trainer.test)(module, data, verbose=False)
    return dict(score)


@pytest.mark.parametrize("steps", [0, 2**24 + 1, 3_000_000_019])
@pytest.mark.parametrize("stage", ["val", "test"])
def test_a_score_is_returned_and_reaches_every_logger(stage: str, steps: int, loggers: list[CSVLogger]) -> None:
    """With the number of steps as its step, exactly: single precision would round that from 2**24 on."""
    data = RolloutDataModule(dummy("Lengths"), eval_episodes=30, test_episodes=30)
    module = A3C(data.spaces)
    module.ledger.learned.total = steps
    score = scored(quiet(logger=loggers), stage, module, data)
    returns = np.array([episode.episode_return for episode in module.episodes])
    assert len(returns) == 30
    assert score.pop("step") == steps
    assert score == pytest.approx(
        {
            f"{stage}/return_mean": returns.mean(),
            f"{stage}/return_sd": returns.std(ddof=1),
            f"{stage}/episode_length": returns.mean(),
        }
    )
    for logger in loggers:
        (row,) = rows(logger)
        assert int(row["step"]) == steps
        assert {name: float(row[name]) for name in score} == pytest.approx(score)


def test_scores_of_a_training_reach_every_logger(loggers: list[CSVLogger]) -> None:
    """With steps, not updates, as their axis, and beside the frames and seconds of the training."""
    data = RolloutDataModule(dummy("TimeLimit"), 160, "serial", eval_episodes=2, envs_per_worker=4, rollout_length=5)
    module = A3C(data.spaces)
    options = {"num_sanity_val_steps": 0, "check_val_every_n_epoch": None, "val_check_interval": 4}
    quiet(logger=loggers, log_every_n_steps=0, **options).fit(module, data)
    for logger in loggers:
        scores = rows(logger)
        assert [int(row["step"]) for row in scores] == [80, 160]
        for row in scores:
            assert float(row["time/frames"]) == int(row["step"])
            assert float(row["time/seconds"]) > 0
            assert float(row["val/return_mean"]) == float(row["val/episode_length"]) == LIMIT


def test_an_evaluation_draws_nothing_from_the_training() -> None:
    """The draws of the actions are its own, and begin where those of the training stand."""
    data = RolloutDataModule(dummy("Identity"), eval_episodes=3)
    module = A3C(data.spaces)
    draws = torch.get_rng_state()
    episodes = []
    for _ in range(2):
        torch.set_rng_state(draws)
        quiet().validate(module, data, verbose=False)
        assert torch.equal(torch.get_rng_state(), draws)
        episodes.append(module.episodes)
    assert episodes[0] == episodes[1]
