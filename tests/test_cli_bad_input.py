"""What the command line says to requests that cannot work: one short message with the name and the remedy in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import LAUNCH, environment, launch

# Should a case be accepted one day, it trains for one step only.
SHORT = [
    "--data.total_steps",
    "1",
    "--data.num_workers",
    "1",
    "--data.envs_per_worker",
    "1",
    "--trainer.enable_progress_bar",
    "false",
]
FIT = ["fit", "--config", "cartpole.yaml", *SHORT]
ATARI = ["fit", "--config", "atari.yaml", *SHORT, "--trainer.strategy", "auto"]
MUJOCO = ["fit", "--config", "inverted_pendulum.yaml", "--trainer.strategy", "auto", *SHORT]
HOGWILD = [*FIT, "--trainer.strategy", "hogwild", "--data.num_workers", "null"]
GOOD = "good/CartPole-v1/version_0"

CASES: dict[str, tuple[list[str], list[str]]] = {
    # name: (arguments, what the message must say)
    "command": (["fti"], ["'fti'", "'fit'"]),
    "nothing to fit": (["fit"], ["--config"]),
    "no recipe, abbreviated": (["fit", "--conf", "cartpole.yaml"], ["--config"]),
    "environment": ([*FIT, "--data.env_id", "CartPol-v1"], ["data.env_id 'CartPol-v1'", "'CartPole-v1'"]),
    "no environment": ([*FIT, "--data.env_id", ""], ["data.env_id ''", "ALE/Pong-v5"]),
    "module of an environment": ([*FIT, "--data.env_id", "nosuchmodule:X-v0"], ["'nosuchmodule:X-v0'", "importing"]),
    "environment in a module": ([*FIT, "--data.env_id", "tests.toys:ToyIdentiti-v0"], ["'ToyIdentity-v0'"]),
    "environment that fails": ([*FIT, "--data.env_id", "tests.toys:ToyUnbuildable-v0"], ["no licence for this toy"]),
    "game": ([*ATARI, "--data.env_id", "ALE/Pnog-v5"], ["'ALE/Pnog-v5'", "'ALE/Pong-v5'"]),
    "game of two players": ([*ATARI, "--data.env_id", "ALE/Joust-v5"], ["'ALE/Joust-v5'"]),
    "recipe": (["fit", "--config", "cartpol.yaml"], ["--config 'cartpol.yaml'", "mujoco.yaml", "'cartpole.yaml'"]),
    "recipe with a typo": (["fit", "--config", "typo.yaml"], ["data.totl_steps", "data.total_steps"]),
    "recipe that is no YAML": (["fit", "--config", "broken.yaml"], ["broken.yaml"]),
    "option of data": ([*FIT, "--data.totl_steps", "5"], ["'--data.totl_steps'", "'--data.total_steps'"]),
    "option of the model": ([*FIT, "--model.gama", "0.9"], ["'--model.gama'", "'--model.gamma'"]),
    "option of the trainer": ([*FIT, "--trainer.max_epoch", "1"], ["'--trainer.max_epoch'", "'--trainer.max_epochs'"]),
    "option of nothing": ([*FIT, "--verbos"], ["'--verbos'"]),
    "option of atari": ([*ATARI, "--data.atari.stiky", "0.1"], ["data.atari.stiky", "data.atari.sticky"]),
    "option of the optimizer": ([*FIT, "--model.optimizer.lrr", "1"], ["model.optimizer.lrr", "model.optimizer.lr'"]),
    "option of the body": ([*FIT, "--model.body.hiden", "[8]"], ["model.body.hiden", "model.body.hidden'"]),
    "option of the head": (
        [*MUJOCO, "--model.head.init_log_st", "1"],
        ["model.head.init_log_st", "model.head.init_log_std'"],
    ),
    "option of the logger": ([*FIT, "--trainer.logger.nam", "x"], ["trainer.logger.nam", "trainer.logger.name"]),
    "abbreviated option": ([*FIT, "--data.env", "Acrobot-v1"], ["'--data.env'", "'--data.env_id'"]),
    "abbreviated option of the model": (
        [*FIT, "--model.entropy", "0"],
        ["'--model.entropy'", "'--model.entropy_coef'"],
    ),
    "stray word": ([*FIT, "extra"], ["extra"]),
    "missing value": ([*FIT, "--data.total_steps"], ["--data.total_steps"]),
    "missing recipe": (["fit", "--config"], ["--config"]),
    "missing checkpoint": (["test", "--ckpt_path"], ["--ckpt_path"]),
    "test of nothing": (["test"], ["test", "--ckpt_path"]),
    "predict of nothing": (["predict"], ["predict", "--ckpt_path"]),
    "checkpoint": (["test", "--ckpt_path", "god.ckpt"], ["'god.ckpt'", "'good.ckpt'"]),
    "checkpoint to resume": (["fit", "--ckpt_path=nosuch.ckpt"], ["'nosuch.ckpt'"]),
    "directory without checkpoint": (["test", "--ckpt_path", "no-runs"], ["'no-runs'", "*.ckpt"]),
    "last of no runs": (["fit", "--ckpt_path", "last"], ["'last'", "runs"]),
    "best of no runs": (["test", "--ckpt_path", "best"], ["'best'", "runs"]),
    "text as checkpoint": (["test", "--ckpt_path", "text.ckpt"], ["'text.ckpt'", "cannot be read"]),
    "empty checkpoint": (["test", "--ckpt_path", "empty.ckpt"], ["'empty.ckpt'", "cannot be read"]),
    "truncated checkpoint": (["test", "--ckpt_path", "truncated.ckpt"], ["'truncated.ckpt'", "cannot be read"]),
    "foreign checkpoint": (["test", "--ckpt_path", "foreign.ckpt"], ["'foreign.ckpt'", "not written by lit-a3c"]),
    "list as checkpoint": (["test", "--ckpt_path", "list.ckpt"], ["'list.ckpt'", "not written by lit-a3c"]),
    "hostile pickle": (["test", "--ckpt_path", "hostile.ckpt"], ["'hostile.ckpt'"]),
    "hostile torch file": (["fit", "--ckpt_path", "hostile-zip.ckpt"], ["'hostile-zip.ckpt'"]),
    "hostile, with recipe": ([*FIT, "--ckpt_path", "hostile-zip.ckpt"], ["'hostile-zip.ckpt'"]),
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
    "Discrete observations": ([*FIT, "--data.env_id", "Taxi-v4"], ["'Taxi-v4'", "Discrete(500)", "only Box"]),
    "Text observations": ([*FIT, "--data.env_id", "tests.toys:ToyWords-v0"], ["ToyWords-v0", "Text", "only Box"]),
    "Text actions": ([*FIT, "--data.env_id", "tests.toys:ToySpeech-v0"], ["ToySpeech-v0", "Text", "only Discrete"]),
    "no steps": ([*FIT, "--data.total_steps", "0"], ["data.total_steps 0", "at least 1"]),
    "steps in words": ([*FIT, "--data.total_steps", "many"], ["data.total_steps 'many'", "a whole number"]),
    "negative workers": ([*FIT, "--data.num_workers", "-1"], ["data.num_workers -1", "at least 1"]),
    "no environments": ([*FIT, "--data.envs_per_worker", "0"], ["data.envs_per_worker 0", "at least 1"]),
    "half a step": ([*FIT, "--data.rollout_length", "2.5"], ["data.rollout_length '2.5'", "a whole number"]),
    "no test episodes": ([*FIT, "--data.test_episodes", "0"], ["data.test_episodes 0", "at least 1"]),
    "negative evaluations": ([*FIT, "--data.eval_episodes", "-3"], ["data.eval_episodes -3", "at least 1"]),
    "mode of no learner": (
        [*HOGWILD, "--data.mode", "serial"],
        ["data.mode 'serial'", "hogwild", "--trainer.strategy auto", "--data.mode null"],
    ),
    "mode": ([*FIT, "--data.mode", "asinc"], ["data.mode 'asinc'", "serial", "'async'"]),
    "discount": ([*FIT, "--model.gamma", "1.5"], ["model.gamma 1.5", "at most 1"]),
    "discount nan": ([*FIT, "--model.gamma", "nan"], ["model.gamma 'nan'", "a finite number"]),
    "lambda": ([*FIT, "--model.gae_lambda", "-0.1"], ["model.gae_lambda -0.1", "at least 0"]),
    "entropy": ([*FIT, "--model.entropy_coef", "-1"], ["model.entropy_coef -1", "at least 0"]),
    "entropy in words": ([*FIT, "--model.entropy_coef", "some"], ["model.entropy_coef 'some'", "a finite number"]),
    "infinite value loss": ([*FIT, "--model.value_coef", "inf"], ["model.value_coef 'inf'", "a finite number"]),
    "reduction": ([*FIT, "--model.loss_reduction", "men"], ["model.loss_reduction 'men'", "'mean'"]),
    "switch": ([*FIT, "--model.anneal", "perhaps"], ["model.anneal 'perhaps'", "true or false"]),
    "negative rate": ([*FIT, "--model.optimizer.lr", "-1"], ["model.optimizer.lr -1", "above 0"]),
    "rate of zero": ([*FIT, "--model.optimizer.lr", "0"], ["model.optimizer.lr 0", "above 0"]),
    "rate nan": ([*FIT, "--model.optimizer.lr", "nan"], ["model.optimizer", "lr 'nan'", "a finite number"]),
    "rate in words": ([*FIT, "--model.optimizer.lr", "fast"], ["model.optimizer", "lr 'fast'", "a finite number"]),
    "decay": ([*FIT, "--model.optimizer.alpha", "2"], ["model.optimizer.alpha 2", "at most 1"]),
    "epsilon": ([*FIT, "--model.optimizer.eps", "0"], ["model.optimizer.eps 0", "above 0"]),
    "clip": ([*FIT, "--trainer.gradient_clip_val", "-1"], ["trainer.gradient_clip_val -1", "at least 0"]),
    "body": ([*ATARI, "--model.body", "lit_a3c.NatureBdy"], ["model.body 'lit_a3c.NatureBdy'", "'NatureBody'"]),
    "head": ([*FIT, "--model.head", "lit_a3c.GausianHead"], ["model.head 'lit_a3c.GausianHead'", "'GaussianHead'"]),
    "optimizer": ([*FIT, "--model.optimizer", "torch.optim.Adm"], ["model.optimizer 'torch.optim.Adm'", "'Adam'"]),
    "no such module": ([*FIT, "--model.body", "nosuch.module.Body"], ["model.body 'nosuch.module.Body'"]),
    "a body that is none": ([*FIT, "--model.body", "lit_a3c.RMSprop"], ["model.body 'lit_a3c.RMSprop'", "Body"]),
    "Gaussian head": ([*FIT, "--model.head", "lit_a3c.GaussianHead"], ["Discrete(2)", "lit_a3c.CategoricalHead"]),
    "categorical head": ([*MUJOCO, "--model.head", "lit_a3c.CategoricalHead"], ["Box(", "lit_a3c.GaussianHead"]),
    "images wanted": ([*FIT, "--model.body", "lit_a3c.A3CBody"], ["A3CBody", "(4,)", "lit_a3c.MLPBody"]),
    "layer of no units": ([*FIT, "--model.body.hidden", "[0]"], ["model.body.hidden 0", "at least 1"]),
    "activation": ([*FIT, "--model.body.activation", "tanhh"], ["model.body.activation 'tanhh'", "'tanh'"]),
    "unwritable directory": ([*FIT, "--trainer.logger.save_dir", "/dev/null/x"], ["'/dev/null/x'", "written"]),
    "file in the way": ([*FIT, "--trainer.logger.save_dir", "a-file"], ["'a-file'", "written"]),
    "file on the way": ([*FIT, "--trainer.logger.save_dir", "a-file/x"], ["'a-file/x'", "written"]),
    "atari options elsewhere": ([*FIT, "--data.atari.frame_skip", "4"], ["data.atari", "'CartPole-v1'"]),
    "game's recipe elsewhere": ([*ATARI, "--data.env_id", "CartPole-v1"], ["data.atari", "'CartPole-v1'", "null"]),
    "constructor of a game": ([*ATARI, "--data.env_kwargs", "{a: 1}"], ["data.env_kwargs", "'ALE/Pong-v5'"]),
    "constructor's argument": ([*FIT, "--data.env_kwargs", "{nosuch: 1}"], ["'CartPole-v1'", "nosuch"]),
    "frame skip": ([*ATARI, "--data.atari.frame_skip", "0"], ["data.atari.frame_skip 0", "at least 1"]),
    "stickiness": ([*ATARI, "--data.atari.sticky", "2"], ["data.atari.sticky 2", "at most 1"]),
    "accelerator": ([*FIT, "--trainer.accelerator", "cppu"], ["'cppu'", "cpu"]),
    "no devices": ([*FIT, "--trainer.devices", "0"], ["devices", "0"]),
    "devices in words": ([*FIT, "--trainer.devices", "many"], ["devices"]),
    "precision": ([*FIT, "--trainer.precision", "15"], ["trainer.precision '15'", "bf16-mixed"]),
    "strategy": ([*FIT, "--trainer.strategy", "dpp"], ["strategy", "dpp"]),
    "misspelt hogwild": ([*FIT, "--trainer.strategy", "hogwold"], ["trainer.strategy 'hogwold'", "'hogwild'"]),
    "no hogwild workers": ([*HOGWILD, "--trainer.devices", "0"], ["trainer.devices 0", "at least 1"]),
    "negative hogwild workers": ([*HOGWILD, "--trainer.devices", "-1"], ["trainer.devices", "-1", "at least 1"]),
    "hogwild workers in words": ([*HOGWILD, "--trainer.devices", "two"], ["trainer.devices 'two'", "a whole number"]),
    "hogwild on cuda": ([*HOGWILD, "--trainer.accelerator", "cuda"], ["trainer.accelerator 'cuda'", "must be cpu"]),
    "hogwild on a gpu": ([*HOGWILD, "--trainer.accelerator", "gpu"], ["trainer.accelerator 'gpu'", "must be cpu"]),
    "hogwild and workers": (
        [*HOGWILD, "--data.num_workers", "2"],
        ["data.num_workers 2", "hogwild", "--trainer.devices"],
    ),
    "hogwild on two nodes": ([*HOGWILD, "--trainer.num_nodes", "2"], ["trainer.num_nodes 2", "must be 1"]),
    "seed in words": ([*FIT, "--seed_everything", "abc"], ["seed_everything 'abc'", "a whole number"]),
    "negative seed": ([*FIT, "--seed_everything", "-1"], ["seed_everything", "-1"]),
    "log interval": ([*FIT, "--trainer.log_every_n_steps", "-1"], ["trainer.log_every_n_steps", "-1"]),
    "callback": (
        [*FIT, "--trainer.callbacks", "lit_a3c.callbacks.video.VideoRecoder"],
        ["lit_a3c.callbacks.video.VideoRecoder", "VideoRecorder"],
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every case's outcome, from one process."""
    directory = tmp_path_factory.mktemp("bad_input")
    (directory / "cases.json").write_text(json.dumps([(name, args) for name, (args, _) in CASES.items()]))
    runner = [sys.executable, "-m", "tests.bad_input_runner"]
    done = launch("cases.json", cwd=directory, timeout=180, command=runner)
    assert done.returncode == 0, done.stderr
    return {result["name"]: result for result in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, results: dict[str, dict[str, Any]]) -> None:
    """Exit code 2 within the runner's limit, a short message that says what it must, and no worker."""
    result = results[name]
    assert result["code"] == 2, result
    assert_kind(result["stderr"])
    for words in CASES[name][1]:
        assert words in result["stderr"]
    assert result["started"] == []
    assert not result["hostile_ran"]


def assert_kind(stderr: str) -> None:
    """At most three lines, from us, without Python's innards."""
    assert stderr.startswith("lit-a3c: ")
    assert 1 <= len(stderr.splitlines()) <= 3
    assert len(stderr) < 600
    for innards in ("Traceback", "NestedArg", "<class ", "'--."):
        assert innards not in stderr


REAL = ("environment", "recipe", "unwritable directory", "test of nothing", "best of no runs")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Five of the cases in processes of their own, side by side: each is the leader of its group."""
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
    _, stderr = real[name].communicate(timeout=60)
    assert real[name].returncode == 2
    assert_kind(stderr)
    for words in CASES[name][1]:
        assert words in stderr
    assert group_ends(real[name].pid)


def test_two_devices_are_refused_before_lightning_launches_a_second_run(tmp_path: Path) -> None:
    """Lightning would start the whole command again in a second process, on the same directory."""
    try:
        done = launch(*FIT, "--trainer.devices", "2", cwd=tmp_path, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("still running after a minute")
    assert done.returncode == 2
    assert_kind(done.stderr)
    assert "devices" in done.stderr


def group_ends(group: int, within: float = 5) -> bool:
    """Whether no process of a group is left after a while."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
