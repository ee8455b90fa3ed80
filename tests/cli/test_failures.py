"""A run that has failed says so in one line and ends with exit code 1, whatever tried to end it as a success."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from pathlib import Path

import pytest
from gymnasium.spaces import Box
from torch import Tensor

from lit_a3c import Body
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.trainings import FIT
from tests.commands import launch
from tests.dummy_envs import dummy

SHORT = [*FIT, "--video.every_n_steps", "-1", "--num_workers", "1", "--data.envs_per_worker", "2"]
RUN = "runs/DummyMisbehaving-v0/version_0"
ENGINES = ("serial", "sync", "async", "hogwild")


class StoppingBody(Body):
    """Stops the program as soon as it is used."""

    def __init__(self, space: Box, how: str) -> None:
        super().__init__()
        self.how, self.num_features = how, 1

    def forward(self, observation: Tensor) -> Tensor:
        if self.how == "interrupts":
            raise KeyboardInterrupt
        sys.exit(0)


STOPPING = "tests.cli.test_failures.StoppingBody"


def misbehaving(how: str, at: int) -> list[str]:
    return ["--data.env_id", dummy("Misbehaving"), "--data.env_kwargs", f"{{how: {how}, at: {at}}}"]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def failure(capfd: pytest.CaptureFixture[str], *args: str) -> str:
    """``lit-a3c ARGS``, which must fail: its message."""
    capfd.readouterr()
    assert main(list(args)) == 1
    message = capfd.readouterr().err
    assert message.startswith("lit-a3c: ")
    assert len(message.splitlines()) == 1, message
    return message


@pytest.mark.parametrize("engine", ENGINES)
def test_an_environment_that_ends_the_process_is_a_failure(engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    """``sys.exit(0)`` was the end of the command, with exit code 0."""
    restarts = ["--engine", engine, "--data.max_restarts", "0"]
    message = failure(capfd, *SHORT, *restarts, *misbehaving("sys.exit", 60))
    assert "environment 0 of 'tests.dummy_envs:DummyMisbehaving-v0': step() failed: sys.exit(0) was called (" in message
    assert "misbehaving.py, line" in message


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_worker_that_leaves_with_exit_code_0_is_a_failure(engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    message = failure(capfd, *SHORT, "--engine", engine, "--data.max_restarts", "0", *misbehaving("os._exit", 60))
    assert "worker 0 ended without a message (exit code 0)" in message


@pytest.mark.parametrize("engine", ["serial", "async"])
def test_an_environment_that_goes_wrong_later_is_named(engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In one line, whichever process it is in."""
    message = failure(
        capfd, *SHORT, "--engine", engine, "--data.max_restarts", "0", *misbehaving("terminated by text", 60)
    )
    assert "environment 0 of 'tests.dummy_envs:DummyMisbehaving-v0': step() must return True or False as t" in message


@pytest.mark.parametrize("engine", ["serial", "async"])
def test_a_network_that_ends_the_process_is_a_failure(engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    body = ["--model.body", STOPPING, "--model.body.how", "leaves", "--data.max_restarts", "0"]
    assert main([*SHORT, "--engine", engine, *body]) == 1
    message = capfd.readouterr().err
    assert "SystemExit" in message or "sys.exit(0) was called (" in message


def test_an_interruption_that_nobody_asked_for_is_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    """It was exit code 1 without a word."""
    body = ["--engine", "serial", "--model.body", STOPPING, "--model.body.how", "interrupts"]
    assert "before it had finished: KeyboardInterrupt (" in failure(capfd, *SHORT, *body)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run of an environment that behaves for long."""
    directory = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(directory), contextlib.redirect_stdout(io.StringIO()):
        task = ["--data.total_steps", "20", "--engine", "serial", *misbehaving("sys.exit", 1_000_000)]
        assert main([*SHORT, *task]) == 0
    return directory


@pytest.mark.parametrize(
    ("command", "how", "message"),
    [
        ("validate", "sys.exit", "step() failed: sys.exit(0) was called"),
        ("test", "sys.exit", "step() failed: sys.exit(0) was called"),
        ("test", "huge reward", "the reward is 1e+300 (single precision ends at 3.4e+38) in environment 0"),
        ("predict", "exit in render", "render() failed: sys.exit(0) was called"),
        ("predict", "grey image", "render() must return an image, [height, width, 3] uint8, and returned an array of"),
    ],
)
def test_an_evaluation_fails_as_well(
    command: str, how: str, message: str, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in failure(capfd, command, "--ckpt_path", str(trained / RUN), *misbehaving(how, 3))


@pytest.mark.parametrize("place", [0, 1, -1])
def test_debug_shows_the_traceback_of_a_refusal(
    place: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it stands among the arguments; without it there is the one line."""
    given = [*SHORT, "--data.env_id", dummy("Unbuildable")]
    caplog.set_level(logging.NOTSET, "lit_a3c")  # which is restored after the test
    assert main(given) == 2
    alone = capfd.readouterr().err
    assert len(alone.splitlines()) == 1
    assert not caplog.text
    given.insert(place if place >= 0 else len(given), "--debug")
    assert main(given) == 2
    assert capfd.readouterr().err == alone
    assert "Traceback" in caplog.text
    assert 'raise OSError("no licence for this environment' in caplog.text


def test_debug_shows_the_traceback_of_a_worker(tmp_path: Path) -> None:
    """Of the one that is replaced, and of the one that ends the training."""
    given = [*SHORT, "--engine", "async", "--data.max_restarts", "1", *misbehaving("sys.exit", 60), "--debug"]
    done = launch(*given, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("lit-a3c: worker 0 failed: environment 0 of") == 2
    assert done.stderr.count("\n    sys.exit(0)") == 2
    assert "lit-a3c: it is replaced (1 of at most 1 times)" in done.stderr


def test_a_key_that_is_given_twice_is_refused(refused: Refused, tmp_path: Path) -> None:
    """In a config, in the config below it, and in a value of the command line."""
    Path("twice.yaml").write_text("data:\n  env_id: CartPole-v1\n  total_steps: 5\n  total_steps: 6\n")
    Path("above.yaml").write_text("base: twice.yaml\ndata: {total_steps: 7}\n")
    twice = "the key 'data.total_steps' is given twice, in lines 3 and 4"
    assert f"--config 'twice.yaml' cannot be read: {twice}" in refused("fit", "--config", "twice.yaml")
    assert twice in refused("fit", "--config", "above.yaml")
    message = refused(*SHORT, "--data.env_kwargs", "{a: 1, a: 2}")
    assert message.startswith("data.env_kwargs: the key 'a' is given twice")
    assert "init_args.hidden' is given twice" in refused(
        *SHORT, "--model.body", "{class_path: lit_a3c.MLPBody, init_args: {hidden: [8], hidden: [9]}}"
    )
