"""Episodes that are played in a process of their own."""

from __future__ import annotations

import multiprocessing as mp
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_a3c import LSTM, ActorCritic, WorkerError
from lit_a3c.engines.watchdog import Watchdog
from lit_a3c.envs import EnvConfig
from lit_a3c.evaluation.play import EpisodeBatch, EpisodeLoader, play
from lit_a3c.evaluation.process import EpisodeProcess
from lit_a3c.networks.agent import Agent
from lit_a3c.rollout import Episode
from tests.dummy_envs import dummy

TIMEOUT = 60.0
"""Seconds for what takes a few on an idle machine."""


def evaluation_processes() -> list[Any]:
    return [process for process in mp.active_children() if process.name == "lit-a3c evaluation"]


@pytest.fixture
def process() -> Iterator[Callable[..., EpisodeProcess]]:
    """Makes such processes, and closes them."""
    made: list[EpisodeProcess] = []

    def make(env: EnvConfig, max_restarts: int = 2) -> EpisodeProcess:
        made.append(EpisodeProcess(env, TIMEOUT, max_restarts))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not evaluation_processes()


def agent(env: EnvConfig, num_envs: int, **options: Any) -> Agent:
    """Of a fresh policy, with draws that begin always the same."""
    torch.manual_seed(0)
    return Agent(ActorCritic(env.spaces(), **options), num_envs, generator=torch.Generator().manual_seed(1))


def play_all(env: EnvConfig, player: Any = None, check: Callable[[], None] = lambda: None) -> list[Episode]:
    """Five episodes, three at a time, with one agent's draws."""
    batches = list(EpisodeLoader(env, 5, seed=7, check=check, max_envs=3))
    acting = agent(env, 3, recurrent=LSTM)
    episodes: list[Episode] = []
    for batch in batches:
        acting.recurrent_state.zero_()
        episodes += play(acting, batch) if player is None else player.play(acting, batch)
    batches[0].envs.close()
    return episodes


def test_the_episodes_are_those_that_this_process_would_play(process: Any) -> None:
    """Of all batches, with random actions and a recurrent core. One process plays them all."""
    env = EnvConfig("CartPole-v1")
    player = process(env)
    assert play_all(env, player) == play_all(env)
    (first,) = evaluation_processes()
    assert play_all(env, player) == play_all(env)
    assert evaluation_processes() == [first]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_or_hangs_is_replaced(
    signum: signal.Signals, process: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch is played again. Meanwhile, the caller is asked to look after the training."""
    file = tmp_path / "steps"
    env = EnvConfig(dummy("Counted"), kwargs={"file": str(file), "pause": 0.02})
    player = process(env)
    asked, victims = [], []

    def check() -> None:
        asked.append(1)
        player._watchdog.limit = 1.0 if victims and evaluation_processes() == victims else TIMEOUT
        if not victims and file.exists() and file.stat().st_size > 5:
            victims.extend(evaluation_processes())
            os.kill(victims[0].pid, signum)

    assert [episode.length for episode in play_all(env, player, check)] == [10] * 5
    assert len(asked) > 5
    assert evaluation_processes() != victims
    (record,) = caplog.records
    what = "ended without a message (exit code -9)" if signum == signal.SIGKILL else "was silent for 1 seconds"
    assert record.getMessage() == (
        f"lit-a3c: evaluation: worker 0 {what}\nlit-a3c: it is replaced (1 of at most 2 times)"
    )


def test_a_crash_is_survived_and_named(process: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Until no more processes may be replaced."""
    env = EnvConfig(dummy("Crashes"), kwargs={"once": str(tmp_path / "once")})
    assert len(play_all(env, process(env))) == 5
    assert re.search(r"Segmentation fault, most recent call first:\n.*\n.*failing.py", caplog.text)
    (tmp_path / "once").unlink()
    with pytest.raises(WorkerError, match=r"evaluation: worker 0 ended without a message \(exit code -11\)"):
        play_all(env, process(env, max_restarts=0))


def test_an_exception_arrives(process: Any) -> None:
    """It would be raised again: the process is not replaced."""
    env = EnvConfig(dummy("Broken"))
    with pytest.raises(WorkerError, match=r"evaluation: worker 0 failed: .*the environment broke in step 3"):
        play_all(env, process(env))
    assert not evaluation_processes()


def test_long_episodes_are_no_silence(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process gives a sign of life between two steps."""
    monkeypatch.setattr(Watchdog, "POLL_SECONDS", 0.1)
    env = EnvConfig(dummy("Counted"), kwargs={"file": os.devnull, "pause": 0.25})
    player = process(env)
    acting = agent(env, 1)
    one = one_episode(env)
    player.play(acting, one)  # the start of the process does not count
    player._watchdog.limit = 1.5
    assert [episode.length for episode in player.play(acting, one)] == [10]


def one_episode(env: EnvConfig) -> EpisodeBatch:
    """One episode of ten steps."""
    (batch,) = EpisodeLoader(env, 1, seed=7)
    return batch
