"""What all tests share: one torch thread, fixed seeds, and the tiniest spaces."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c.cli.main import main
from lit_a3c.envs import EnvSpaces
from tests.commands import Lightning

if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Under nohup. The commands that tests start would ignore it, too. A handler of this process they do not inherit.
    signal.signal(signal.SIGHUP, lambda *_: None)
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the fork server's imports


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Every test starts from the same random numbers and leaves one torch thread behind."""
    torch.manual_seed(0)
    np.random.seed(0)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def discrete_spaces() -> EnvSpaces:
    """Three numbers in, two actions out."""
    return EnvSpaces("test", Box(-1, 1, (3,), np.float32), Discrete(2))


@pytest.fixture
def continuous_spaces() -> EnvSpaces:
    """Three numbers in, a pair of them out."""
    return EnvSpaces("test", Box(-1, 1, (3,), np.float32), Box(-1, 1, (2,), np.float32))


@pytest.fixture
def image_spaces() -> EnvSpaces:
    """The observations of an Atari game."""
    return EnvSpaces("test", Box(0, 255, (4, 84, 84), np.uint8), Discrete(6))


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lightning:
    """``lit-a3c ARGS`` in this process, in ``tmp_path``; must succeed; its stdout."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> str:
        capfd.readouterr()
        code = main(list(args))
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    return call
