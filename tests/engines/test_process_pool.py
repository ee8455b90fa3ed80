"""The engines ``async`` and ``sync``: workers that fill slots of shared memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_a3c.engines.ledger import StepLedger
from tests.commands import environment, wait_for
from tests.dummy_envs import dummy
from tests.engines.sources import GENEROUS, collecting, opened, setting, workers


def test_the_lag_of_a_worker_is_at_most_one() -> None:
    """A worker fills one slot while the learner learns from the other, so it is one rollout ahead at most."""
    with collecting("CartPole-v1", "async") as (source, _):
        lags, versions = [], []
        for version in range(1, 41):
            time.sleep(0.01)  # time enough for a worker to run ahead
            source.publish(version)
            versions.append(source.next().policy_version)
            lags.append(version - versions[-1])
    assert min(lags) >= 0
    assert max(lags) <= 1
    assert versions == sorted(versions)
    assert versions[-1] > 30


def test_a_pause_of_the_learner_loses_and_repeats_nothing() -> None:
    """Nobody asks until all slots are full and nobody acts any more. Each worker's counter goes on without a gap."""
    seen: dict[tuple[float, ...], list[Tensor]] = defaultdict(list)
    config, policy = setting(dummy("Pid"), "async", workers=2, envs=2, length=3)
    ledger = StepLedger()
    with opened(config, policy, ledger) as source:
        for i in range(60):
            if i == 20:
                full = (i + 3) * config.steps_per_rollout  # of four slots the learner holds one
                wait_for(lambda full=full: ledger.collected.total == full, GENEROUS)
                time.sleep(0.2)
                assert ledger.collected.total == full
            rollout = source.next()
            process = rollout.observation[0, 0, :2]
            assert (rollout.observation[..., :2] == process).all()
            assert torch.equal(rollout.next_observation[-1, :, 2], rollout.observation[-1, :, 2] + 1)
            seen[tuple(process.tolist())].append(rollout.observation[..., 2].clone())
    assert len(seen) == 2, "both workers have sent rollouts"
    assert (os.getpid() // 1000, os.getpid() % 1000) not in seen
    for counts in seen.values():
        steps = torch.cat(counts)
        assert torch.equal(steps, torch.arange(float(len(steps)))[:, None].expand(-1, 2))


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_close_leaves_no_process_and_may_be_called_twice(engine: str) -> None:
    """In the middle of work, and even where a worker is stopped and cannot read its messages."""
    with collecting("CartPole-v1", engine, workers=2) as (source, _):
        source.next()
        processes = workers()
        assert len(processes) == 2
        os.kill(processes[0].pid, signal.SIGSTOP)
        start = time.monotonic()
        source.close()
        assert time.monotonic() - start < GENEROUS
        assert not workers()
        assert not any(process.is_alive() for process in processes)


def test_close_right_after_the_start() -> None:
    """Workers that are still importing do not hold it up: it ends them by force after a second."""
    with collecting("CartPole-v1", "async", workers=2) as (source, _):
        start = time.monotonic()
        source.close()
        assert time.monotonic() - start < GENEROUS
        assert not workers()


def test_an_interpreter_ends_though_nobody_closed_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from lit_a3c.engines.ledger import StepLedger\n"
        "from lit_a3c.engines.registry import make_source\n"
        "from tests.engines.sources import setting\n"
        "if __name__ == '__main__':\n"
        "    source = make_source(*setting('CartPole-v1', 'async', workers=2), StepLedger())\n"
        "    source.next()\n"
        "    raise RuntimeError('nobody closes it')\n"
    )
    done = subprocess.run([sys.executable, script], env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stderr.strip().endswith("RuntimeError: nobody closes it")
