"""What is said to requests that cannot work: one short message with the name and the remedy in it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_a3c.cli.main import main
from tests.cli.conftest import Refused, assert_readable
from tests.cli.trainings import SERIAL
from tests.commands import LAUNCH, alive, environment, wait_for

# Should a case be accepted one day, it trains for one step only.
SHORT = ["--data.total_steps", "1", "--data.envs_per_worker", "1", "--trainer.enable_progress_bar", "false"]
FIT = ["fit", "--config", "cartpole.yaml", "--num_workers", "1", *SHORT]
ATARI, MUJOCO = (
    ["fit", "--config", config, "--engine", "serial", *SHORT] for config in ("atari.yaml", "inverted_pendulum.yaml")
)
GOOD = "good/CartPole-v1/version_0"

CASES: dict[str, tuple[list[str], list[str]]] = {
    # name: (arguments, what the message must say)
    "command": (["fti"], ["'fti'", "'fit'"]),
    "nothing to fit": (["fit"], ["--config"]),
    "no config, abbreviated": (["fit", "--conf", "cartpole.yaml"], ["--config"]),
    "stray word": ([*FIT, "extra"], ["extra"]),
    "option of nothing": ([*FIT, "--verbos"], ["'--verbos'"]),
    "missing value": ([*FIT, "--data.total_steps"], ["--data.total_steps"]),
    "missing config": (["fit", "--config"], ["--config"]),
    "missing checkpoint": (["test", "--ckpt_path"], ["--ckpt_path"]),
    "environment": ([*FIT, "--data.env_id", "CartPol-v1"], ["data.env_id 'CartPol-v1'", "'CartPole-v1'"]),
    "no environment": ([*FIT, "--data.env_id", ""], ["data.env_id ''", "ALE/Pong-v5"]),
    "module of an environment": ([*FIT, "--data.env_id", "nosuchmodule:X-v0"], ["'nosuchmodule:X-v0'", "importing"]),
    "environment in a module": ([*FIT, "--data.env_id", "tests.dummy_envs:DummyIdentiti-v0"], ["'DummyIdentity-v0'"]),
    "environment that fails": (
        [*FIT, "--data.env_id", "tests.dummy_envs:DummyUnbuildable-v0"],
        ["no licence for this environment"],
    ),
    "game": ([*ATARI, "--data.env_id", "ALE/Pnog-v5"], ["'ALE/Pnog-v5'", "'ALE/Pong-v5'"]),
    "game of two players": ([*ATARI, "--data.env_id", "ALE/Joust-v5"], ["'ALE/Joust-v5'"]),
    "game's options elsewhere": (
        [*ATARI, "--data.atari.sticky", "0.25", "--data.env_id", "CartPole-v1"],
        ["data.atari", "'CartPole-v1'", "null"],
    ),
    "argument of a constructor": ([*FIT, "--data.env_kwargs", "{nosuch: 1}"], ["'CartPole-v1'", "nosuch"]),
    "config": (["fit", "--config", "cartpol.yaml"], ["--config 'cartpol.yaml'", "mujoco.yaml", "'cartpole.yaml'"]),
    "config with a typo": (["fit", "--config", "typo.yaml"], ["data.totl_steps", "data.total_steps"]),
    "config that is no YAML": (["fit", "--config", "broken.yaml"], ["broken.yaml"]),
    "config with a number as key": (["fit", "--config", "number.yaml"], ["the name of an option, and one is 1 "]),
    "config that is no mapping": (["fit", "--config", "a-file"], ["'a-file' is no config"]),
    "config with a checkpoint": (["fit", "--config", "again.yaml"], ["'again.yaml'", "--ckpt_path last"]),
    "test of nothing": (["test"], ["test", "--ckpt_path"]),
    "predict of nothing": (["predict"], ["predict", "--ckpt_path"]),
    "checkpoint": (["test", "--ckpt_path", "god.ckpt"], ["'god.ckpt'", "'good.ckpt'"]),
    "checkpoint to resume": (["fit", "--ckpt_path=nosuch.ckpt"], ["'nosuch.ckpt'"]),
    "directory without checkpoint": (["test", "--ckpt_path", "no-runs"], ["'no-runs'", "*.ckpt"]),
    "last of no runs": (["fit", "--ckpt_path", "last"], ["'last'", "runs"]),
    "best of no runs": (["test", "--ckpt_path", "best"], ["'best'", "runs"]),
    "text as checkpoint": (["test", "--ckpt_path", "text.ckpt"], ["'text.ckpt'", "cannot be read"]),
    "checkpoint of no name": (["fit", "--ckpt_path", ""], ["--ckpt_path ''", "must name"]),
    "checkpoint of no name, evaluated": (["test", "--ckpt_path="], ["--ckpt_path ''", "must name"]),
    "empty checkpoint": (["test", "--ckpt_path", "empty.ckpt"], ["'empty.ckpt'", "cannot be read"]),
    "truncated checkpoint": (
        ["test", "--ckpt_path", "truncated.ckpt"],
        ["'truncated.ckpt'", "cannot be read", "neighbour 'good.ckpt' is whole"],
    ),
    "foreign checkpoint": (["test", "--ckpt_path", "foreign.ckpt"], ["'foreign.ckpt'", "not written by lit-a3c"]),
    "whole one that is no neighbour": (["test", "--ckpt_path", "far/alone.ckpt"], ["'far/alone.ckpt' cannot be read"]),
    "link as checkpoint": (
        ["test", "--ckpt_path", "link.ckpt"],
        ["'link.ckpt' is a link to a file that does not ex"],
    ),
    "pipe as checkpoint": (["test", "--ckpt_path", "pipe.ckpt"], ["'pipe.ckpt' is neither a file nor a directory."]),
    "device as checkpoint": (["test", "--ckpt_path", "/dev/null"], ["'/dev/null' is neither"]),
    "list as checkpoint": (["test", "--ckpt_path", "list.ckpt"], ["'list.ckpt'", "not written by lit-a3c"]),
    "hostile pickle": (["test", "--ckpt_path", "hostile.ckpt"], ["'hostile.ckpt'"]),
    "hostile torch file": (["fit", "--ckpt_path", "hostile-zip.ckpt"], ["'hostile-zip.ckpt'"]),
    "hostile, with config": ([*FIT, "--ckpt_path", "hostile-zip.ckpt"], ["'hostile-zip.ckpt'"]),
    "other environment's checkpoint": (
        ["test", "--ckpt_path", GOOD, "--data.env_id", "Acrobot-v1"],
        ["'CartPole-v1'", "data.env_id is 'Acrobot-v1'"],
    ),
    "other network's checkpoint": (
        ["test", "--ckpt_path", GOOD, "--model.body.hidden", "[8]"],
        ["checkpoint", "model.body"],
    ),
    "other returns' checkpoint": (
        ["test", "--ckpt_path", GOOD, "--model.normalize_returns", "false"],
        ["checkpoint", "return_scale"],
    ),
    "other optimizer's checkpoint": (
        ["fit", "--ckpt_path", GOOD, "--data.total_steps", "160", "--model.optimizer", "torch.optim.Adam"],
        ["checkpoint", "model.optimizer"],
    ),
    "Text observations": (
        [*FIT, "--data.env_id", "tests.dummy_envs:DummyWords-v0"],
        ["DummyWords-v0", "Text", "Wrap the environment"],
    ),
    "Text actions": (
        [*FIT, "--data.env_id", "tests.dummy_envs:DummySpeech-v0"],
        ["DummySpeech-v0", "Text", "only Discrete"],
    ),
    "Gaussian head": ([*FIT, "--model.head", "lit_a3c.GaussianHead"], ["Discrete(2)", "lit_a3c.CategoricalHead"]),
    "categorical head": ([*MUJOCO, "--model.head", "lit_a3c.CategoricalHead"], ["Box(", "lit_a3c.GaussianHead"]),
    "images wanted": ([*FIT, "--model.body", "lit_a3c.A3CBody"], ["A3CBody", "(4,)", "lit_a3c.MLPBody"]),
    "unwritable directory": ([*FIT, "--trainer.logger.save_dir", "/dev/null/x"], ["'/dev/null/x'", "written"]),
    "variable that is not set": (
        [*FIT, "--trainer.logger.save_dir", "$NOSUCH/x"],
        ["the variable $NOSUCH is not set"],
    ),
    "file in the way": ([*FIT, "--trainer.logger.save_dir", "a-file"], ["'a-file'", "written"]),
    "file on the way": ([*FIT, "--trainer.logger.save_dir", "a-file/x"], ["'a-file/x'", "written"]),
}


class Hostile:
    """Makes a directory when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("hostile-ran",)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good run below ``good``, and everything else that the cases name."""
    directory = tmp_path_factory.mktemp("bad_input")
    with contextlib.chdir(directory):
        once = ["--data.total_steps", "1", "--data.eval_episodes", "1", "--trainer.logger.save_dir", "good"]
        assert main([*SERIAL, *once]) == 0
        good = Path(GOOD, "checkpoints/last.ckpt").read_bytes()
        Path("good.ckpt").write_bytes(good)
        Path("truncated.ckpt").write_bytes(good[: len(good) // 2])
        Path("empty.ckpt").touch()
        os.mkfifo("pipe.ckpt")
        Path("link.ckpt").symlink_to("nothing")
        Path("text.ckpt").write_text("these are words\n")
        Path("hostile.ckpt").write_bytes(pickle.dumps({"spaces": Hostile()}))
        torch.save({"spaces": {}, "state_dict": Hostile()}, "hostile-zip.ckpt")
        torch.save({"state_dict": {"w": torch.zeros(1)}}, "foreign.ckpt")
        torch.save([1, 2], "list.ckpt")
        Path("far/away").mkdir(parents=True)
        Path("far/alone.ckpt").touch()
        Path("far/away/good.ckpt").write_bytes(good)
        Path("no-runs").mkdir()
        Path("a-file").write_text("in the way\n")
        Path("typo.yaml").write_text("data: {env_id: CartPole-v1, totl_steps: 5}\n")
        Path("again.yaml").write_text("data: {env_id: CartPole-v1}\nckpt_path: last\n")
        Path("number.yaml").write_text("data: {env_id: CartPole-v1, 1: 2}\n")
        Path("broken.yaml").write_text("data: [unclosed\n")
    return directory


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, directory: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short message that says what it must, no worker, no run, and nothing of a file is executed."""
    monkeypatch.chdir(directory)
    arguments, words = CASES[name]
    message = refused(*arguments)
    for word in words:
        assert word in message
    assert "away" not in message
    assert not Path("hostile-ran").exists()
    assert not Path("runs").exists() or not list(Path("runs").rglob("*.*"))


REAL = ("environment", "test of nothing")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Two of the cases in processes of their own, side by side: each is the leader of its group."""
    processes = {
        name: subprocess.Popen(
            [*LAUNCH, *CASES[name][0]],
            cwd=tmp_path_factory.mktemp("real"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for name in REAL
    }
    yield processes
    for process in processes.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", REAL)
def test_bad_input_in_a_process_of_its_own(name: str, real: dict[str, subprocess.Popen[str]]) -> None:
    """The same through the interpreter; the process group, fork server included, is gone soon after."""
    _, stderr = real[name].communicate(timeout=120)
    assert real[name].returncode == 2
    assert_readable(stderr)
    for words in CASES[name][1]:
        assert words in stderr
    wait_for(lambda: not alive(real[name].pid), 60)
