"""``lit-a3c play`` with a trained agent."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_a3c.checkpoint.io import save_atomic
from lit_a3c.cli.watched import trained_agent
from lit_a3c.evaluation.controls import Controls
from lit_a3c.evaluation.live import Show
from tests.cli.conftest import Refused
from tests.commands import LAUNCH, RUN, environment, read, wait_for


class RecordedScreen:
    """A viewer who remembers."""

    tick = None

    def __init__(self) -> None:
        self.controls = Controls()
        self.shown: list[tuple[float, np.ndarray, dict[str, Any]]] = []
        self.watched = True

    def show(self, image: np.ndarray, status: dict[str, Any]) -> None:
        self.shown.append((time.monotonic(), image, status))

    def poll(self) -> None:
        pass

    def is_watched(self) -> bool:
        return self.watched


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, so that it can be changed."""
    shutil.copytree(trained / RUN, tmp_path / "run")
    return tmp_path / "run"


def test_episodes_are_shown_in_the_time_of_the_environment(run: Path) -> None:
    agent, screen = trained_agent([f"--ckpt_path={run}"]), RecordedScreen()
    envs = agent.envs()
    played = Show(agent.module, envs, screen, which=agent.which).run(1)
    envs.close()
    images = screen.shown
    assert len(played) == 1
    assert len(images) == played[0].length + 1  # the state in which it ended is shown, too
    seconds = images[-1][0] - images[0][0]
    assert seconds == pytest.approx(played[0].length / 50, rel=0.5)
    assert images[0][1].shape[1] > 600  # with the strip
    status = images[-1][2]
    assert status["return"] == played[0].episode_return
    assert status["policy"] == f"best policy after {agent.module.steps:,} steps"


def test_it_waits_while_paused_or_unseen(run: Path) -> None:
    agent, screen = trained_agent([f"--ckpt_path={run}"]), RecordedScreen()
    envs = agent.envs()
    screen.watched = False
    thread = threading.Thread(target=Show(agent.module, envs, screen, fps=1000).run, args=(None,))
    thread.start()
    wait_for(lambda: len(screen.shown) == 1, 10)
    time.sleep(0.3)
    assert len(screen.shown) == 1
    screen.watched = True
    screen.controls.apply("step")
    wait_for(lambda: len(screen.shown) == 2, 10)
    time.sleep(0.3)
    assert len(screen.shown) == 2
    screen.controls.apply("pause")
    wait_for(lambda: len(screen.shown) > 20, 10)
    screen.controls.apply("close")
    thread.join(10)
    assert not thread.is_alive()
    envs.close()


def test_it_follows_a_training(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The best checkpoint as soon as there is one, and then each new one that can be used."""
    best, hidden = run / "checkpoints/best.ckpt", run / "hidden"
    best.rename(hidden)
    agent = trained_agent([f"--ckpt_path={run}"])
    assert agent.file.name == "last.ckpt"
    assert agent.reload(follow_best=True) is None
    contents = read(hidden)
    contents["steps"] = 123_456
    contents["state_dict"] = {
        name: value + 1 if value.is_floating_point() else value for name, value in contents["state_dict"].items()
    }
    save_atomic(contents, best)
    assert agent.reload(follow_best=True) == "best policy"
    assert agent.module.steps == 123_456
    assert all(torch.equal(value, contents["state_dict"][name]) for name, value in agent.module.state_dict().items())
    assert agent.reload(follow_best=True) is None
    best.write_bytes(b"damaged")
    assert agent.reload(follow_best=True) is None
    assert (
        "best.ckpt cannot be used: it is not a file that torch has written. The agent stays" in capfd.readouterr().err
    )
    assert agent.module.steps == 123_456


@pytest.fixture
def server(run: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    variables = {**environment(), "MUJOCO_GL": "egl"}
    process = subprocess.Popen(
        [*LAUNCH, "play", str(run), "--page", "--follow"],
        cwd=run.parent,
        env={name: value for name, value in variables.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    found = re.search(r"open (http://127\.0\.0\.1:\d+/) in a browser", process.stdout.readline())
    assert found
    yield process, found[1]
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_page_shows_the_agent_and_ctrl_c_ends_it(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    with urllib.request.urlopen(f"{url}stream", timeout=60) as stream:
        data = b""
        while data.count(b"\xff\xd8\xff") < 3:
            data += stream.read(1000)
    status = json.loads(urllib.request.urlopen(f"{url}status", timeout=10).read())
    assert status["environment"] == "CartPole-v1"
    assert status["policy"].startswith("best policy after ")
    threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
    assert all(os.getpriority(os.PRIO_PROCESS, thread) == 19 for thread in threads)
    wait_for(lambda: json.loads(urllib.request.urlopen(f"{url}status", timeout=10).read())["viewers"] == 0, 10)
    time.sleep(1)
    before = cpu_seconds(process.pid)
    time.sleep(2)
    assert cpu_seconds(process.pid) - before < 0.1  # nobody looks, so nothing is computed
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("play nowhere --page", "--ckpt_path 'nowhere' does not exist."),
        ("play a --ckpt_path b", "play has two checkpoints: a and --ckpt_path."),
        ("play a --port 70000", "argument --port: '70000' must be a whole number from 0 to 65535."),
        ("play a --fps none", "argument --fps: 'none' must be a number above 0"),
        ("play a --episodes 0", "argument --episodes: '0' must be a whole number of at least 1."),
        (
            "play a --folow",
            "neither lit-a3c play nor lit-a3c predict has an option '--folow'. Did you mean '--follow'?",
        ),
        ("play a --page --host no.such.host.invalid", "--host no.such.host.invalid --port 0: "),
        ("play a --model.deterministic_eval true", "takes no --model.deterministic_eval. Use --deterministic."),
        ("enjoy", "there is no command 'enjoy'. To watch a trained agent: lit-a3c play --ckpt_path best"),
    ],
)
def test_one_line(refused: Refused, options: str, says: str) -> None:
    assert says in refused(*options.split())


def test_the_rule_of_trust_is_that_of_test(refused: Refused, run: Path) -> None:
    contents = read(run / "checkpoints/best.ckpt")
    contents["config"] = contents["config"].replace("lit_a3c.MLPBody", "os.system")
    save_atomic(contents, run / "checkpoints/best.ckpt")
    message = refused("play", str(run), "--page")
    assert message == refused("test", "--ckpt_path", str(run))
    assert "'os.system' is none of the classes that a checkpoint may name" in message
