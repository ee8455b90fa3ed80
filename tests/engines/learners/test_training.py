"""Two learners on the CPU: they learn the same from different experience, and count, score and write as one job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands import RUN, Lightning, column, read
from tests.engines.learners.conftest import STEPS, UPDATE, Job, train


def test_weights_and_statistics_are_equal_to_the_bit(job: Job) -> None:
    """Also those of the normaliser and of the returns' scale, which have seen the observations of both."""
    first, second = job.ranks
    assert first["digest"] == second["digest"]
    assert first["observations"] == STEPS


def test_environments_differ(job: Job) -> None:
    assert job.ranks[0]["first_observations"] != job.ranks[1]["first_observations"]


def test_counts_are_of_the_job(job: Job) -> None:
    """``collected = learned + in flight + discarded``, where each rank has counted what its own workers collected."""
    for rank in job.ranks:
        assert (rank["learned"], rank["updates"], rank["global_step"]) == (STEPS, STEPS // UPDATE, STEPS // UPDATE)
        assert rank["share_left"] == 0.0
        assert rank["discarded"] == 0
    collected = sum(rank["collected_by_own"] for rank in job.ranks)
    assert STEPS <= collected <= STEPS + 2 * 3 * 80  # of each worker two slots, and what it began before the end
    assert all(rank["collected_by_own"] >= STEPS // 2 for rank in job.ranks)
    checkpoint = read(job.run / "checkpoints/last.ckpt")
    assert (checkpoint["steps"], checkpoint["updates"], checkpoint["discarded"]) == (STEPS, STEPS // UPDATE, 0)


def test_rows_are_of_the_job(job: Job) -> None:
    """Their axis, their speed, and the returns of all ranks' episodes."""
    assert column(job.run, "step")[:1] == [5 * UPDATE]
    assert set(column(job.run, "step")) == {5.0 * UPDATE * row for row in range(1, 6)} | {20.0 * UPDATE}
    assert max(column(job.run, "time/seconds") or column(job.run, "seconds")) > 0
    assert job.ranks[0]["recent"] == job.ranks[1]["recent"]
    assert all(flight >= 0 for flight in column(job.run, "train/steps_in_flight"))


def test_validations_are_split_and_agreed(job: Job) -> None:
    """Three episodes: two at rank 0, one at rank 1, with seeds that count on. Both keep the same best checkpoint."""
    first, second = job.ranks
    assert first["episodes"] == second["episodes"]
    assert len(first["episodes"]) == 3
    assert [episode[0] for episode in first["episodes"]] == [0, 1, 0], "the numbers of the environments at each rank"
    assert first["best"] == second["best"] == [str(RUN / "checkpoints/best.ckpt")]


def test_one_run_and_one_voice(job: Job) -> None:
    """Rank 0 alone takes a directory, writes and prints."""
    assert [entry.name for entry in job.run.parent.iterdir()] == [job.run.name]
    assert {rank["directory"] for rank in job.ranks} == {str(RUN)}
    assert len((job.run / "starts.jsonl").read_text().splitlines()) == 1
    assert len(list(job.run.glob("events.*"))) == 1
    assert job.done.stdout.count("2 learners with 1 workers of 16 environments") == 1
    assert job.done.stdout.count("next ") == 1
    assert not job.done.stderr, job.done.stderr


@pytest.mark.campaign
def test_one_learner_goes_on(job: Job, cli: Lightning, tmp_path: Path) -> None:
    """From the totals of both."""
    shutil.copytree(job.directory / "runs", tmp_path / "runs")
    alone = ["--trainer.strategy", "auto", "--trainer.devices", "1", "--engine", "serial"]
    cli("fit", "--ckpt_path", str(RUN), "--trust_checkpoint", "--data.total_steps", str(STEPS + 800), *alone)
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert checkpoint["steps"] == STEPS + 800
    assert checkpoint["updates"] == STEPS // UPDATE + 10
    assert [json.loads(line)["step"] for line in (tmp_path / RUN / "starts.jsonl").open()] == [0, STEPS]


@pytest.mark.exhaustive
def test_two_learners_go_on(job: Job, tmp_path: Path) -> None:
    """The history belongs to rank 0: no step of it counts twice."""
    shutil.copytree(job.directory / "runs", tmp_path / "runs")
    again = train(tmp_path, "--ckpt_path", str(RUN), "--trust_checkpoint", "--data.total_steps", str(STEPS + 1_600))
    assert again.done.returncode == 0, again.done.stderr
    assert [rank["learned"] for rank in again.ranks] == [STEPS + 1_600] * 2
    assert again.ranks[0]["digest"] == again.ranks[1]["digest"]
    assert again.ranks[0]["collected_by_own"] >= STEPS + 800
    assert 800 <= again.ranks[1]["collected_by_own"] < STEPS
