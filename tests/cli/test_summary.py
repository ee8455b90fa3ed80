"""The last lines of ``fit``: results, files, and a command that works as it stands."""

from __future__ import annotations

import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from lit_a3c.cli.main import main
from tests.cli.trainings import FIT, SERIAL
from tests.commands import RUN, Lightning, launch, read, rows, started, wait_for

TIMEOUT = 120.0


def next_command(out: str, label: str) -> list[str]:
    """The arguments of the command behind a label, as a shell would take them."""
    found = re.search(rf"^  {label} +(lit-a3c (?:.*\\\n)*.*)$", out, re.MULTILINE)
    assert found, out
    return shlex.split(found[1].replace("\\\n", " "))[1:]


def validations(run: Path) -> list[tuple[float, int]]:
    return [(float(row["val/return_mean"]), int(row["step"])) for row in rows(run) if row["val/return_mean"]]


def test_the_summary_of_a_finished_training(cli: Lightning, tmp_path: Path, recwarn: Any) -> None:
    """The best and the last validation are those of the logs, the files are there, and the command tests the best."""
    out = cli(*FIT, "--engine", "serial")
    first, *lines = out.splitlines()
    assert "files in" in first
    assert max(map(len, lines)) <= 80
    last = validations(tmp_path / RUN)[-1]
    best = max(validations(tmp_path / RUN), key=lambda score: score[0])
    assert re.fullmatch(r"lit-a3c: 4,000 steps of CartPole-v1 in 0\.\d minutes", lines[0])
    assert lines[1] == f"  best validation return {best[0]:.2f} at step {best[1]:,}"
    assert lines[2] == f"  last validation return {last[0]:.2f} at step {last[1]:,}"
    assert lines[3].split() == ["files", str(RUN)]
    checkpoint, video = (line.strip() for line in lines[4:6])
    assert checkpoint == "checkpoints/best.ckpt"
    assert (tmp_path / RUN / checkpoint).is_file()
    assert video.startswith(f"videos/best-step-{best[1]}-return-")
    assert (tmp_path / RUN / video).is_file()
    assert len(lines) == 7
    assert "environment             CartPole-v1" in cli(*next_command(out, "next"), "--data.test_episodes", "1")
    assert not [str(warning.message) for warning in recwarn if "callbacks" in str(warning.message)]


def test_the_best_validation_is_that_of_all_parts(cli: Lightning, tmp_path: Path) -> None:
    """A continued run remembers that of its first part, with the step."""
    cli(*SERIAL, "--data.total_steps", "1600")
    ((mean, step),) = validations(tmp_path / RUN)
    last = tmp_path / RUN / "checkpoints/last.ckpt"
    (name,) = (name for name in read(last)["callbacks"] if name.startswith("ValidationScores"))
    assert read(last)["callbacks"][name] == {"best": [mean, step], "last": [mean, step]}
    out = cli("fit", "--ckpt_path", "last", "--data.total_steps", "4000")
    best = max(validations(tmp_path / RUN), key=lambda score: score[0])
    assert f"  best validation return {best[0]:.2f} at step {best[1]:,}\n" in out


def test_a_run_that_validates_nothing_says_so(cli: Lightning) -> None:
    out = cli(*SERIAL, "--trainer.limit_val_batches", "0")
    assert "  best validation none\n  last validation none\n" in out
    assert next_command(out, "next")[:2] == ["test", "--ckpt_path"]


def test_a_long_directory_is_named_in_a_command_of_several_lines(cli: Lightning, tmp_path: Path) -> None:
    """And a blank in it is quoted. What lies elsewhere has its whole path."""
    directory = tmp_path / ("long " * 12).strip()
    out = cli(*SERIAL, "--trainer.logger.save_dir", str(directory), "--data.total_steps", "800")
    assert next_command(out, "next")[2] == f"{directory.name}/CartPole-v1/version_0"
    assert "lit-a3c test \\\n    --ckpt_path 'long long" in out


@pytest.mark.campaign
def test_a_signal_is_followed_by_the_command_that_goes_on(tmp_path: Path) -> None:
    """Saved before that. The environment of a module needs the flag of trust, which the command has."""
    env = ["--data.env_id", "tests.cli.slow_env:SlowsDown-v0", "--data.env_kwargs"]
    kwargs = f"{{file: {tmp_path / 'steps'}, fast: 100000}}"
    run = tmp_path / "runs/SlowsDown-v0/version_0"
    command = [*SERIAL, *env, kwargs, "--data.total_steps", "10_000_000", "--trainer.limit_val_batches", "0"]
    with (tmp_path / "out").open("w") as out, started(tmp_path, *command, stdout=out) as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 2, TIMEOUT)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
    text = (tmp_path / "out").read_text()
    steps = read(run / "checkpoints/last.ckpt")["steps"]
    assert f"lit-a3c: {steps:,} steps of tests.cli.slow_env:SlowsDown-v0 in" in text
    arguments = next_command(text, "continue with")
    assert arguments == ["fit", "--ckpt_path", str(run.relative_to(tmp_path)), "--trust_checkpoint"]
    done = launch(*arguments, "--data.total_steps", str(steps + 160), cwd=tmp_path, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert read(run / "checkpoints/last.ckpt")["steps"] >= steps + 160
    assert "  next " in done.stdout


def test_a_refused_training_has_no_summary(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SERIAL, "--model.optimizer", "SparseAdam"]) == 2
    assert capfd.readouterr().out == ""
