"""Actors on a cluster of this machine: their rollouts, their steps, and what becomes of those that fail."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import WorkerError
from lit_a3c.engines.ray_pool import pool as pools
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.utils.errors import ConfigError
from tests.commands import wait_for
from tests.dummy_envs import dummy
from tests.engines.ray_pool.sources import opened_ray, pool_of, processes
from tests.engines.sources import GENEROUS, copied

pytestmark = pytest.mark.usefixtures("ray_cluster")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_actor_costs_its_present_rollouts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its loss is noticed at once, another takes its number, and every step is learned, in flight or discarded."""
    file, size, ledger = tmp_path / "steps", 2 * 3, StepLedger()
    with opened_ray(dummy("CountedByAll"), 2, 2, 3, file=str(file), ledger=ledger, restarts=1) as source:
        before = file.stat().st_size  # of the copies that were checked
        for version in range(1, 9):
            source.publish(version)
            rollout = copied(source.next())
            ledger.learned.add(rollout.num_steps)
            assert rollout.observation.shape == rollout.next_observation.shape == (3, 2, 1)
            assert 0 <= version - rollout.policy_version <= 8
            assert rollout.behaviour_log_prob is not None
        wait_for(lambda: bool(source.next()) and len(processes(source)) == 2, GENEROUS)
        victim = processes(source)[1]
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        while not caplog.records and time.monotonic() - killed_at < GENEROUS:
            ledger.learned.add(source.next().num_steps)
        assert "worker 1 ended without a message" in caplog.records[0].getMessage()
        while processes(source).get(1, victim) == victim:
            ledger.learned.add(source.next().num_steps)
        assert 0 < ledger.discarded.total <= 2 * size
        wait_for(lambda: idle(file), GENEROUS)
        pool = pool_of(source)
        while pool._receive(0.5):  # all that they have reported
            pass
        lost = ledger.collected.total - (file.stat().st_size - before)  # what the killed one had not begun
        assert 0 <= lost <= 2 * size
        pids = list(processes(source).values())
    wait_for(lambda: all(map(gone, pids)), GENEROUS)


def idle(file: Path) -> bool:
    """Whether nobody takes a step for a while."""
    before = file.stat().st_size
    time.sleep(0.5)
    return file.stat().st_size == before


def test_sync_waits_for_all_and_has_no_lag() -> None:
    """As the engine ``sync``: the rollouts of all actors side by side, by the newest weights."""
    with opened_ray("CartPole-v1", 2, 3, 5, options=RayOptions(sync=True)) as source:
        config = pool_of(source)._config
        for version in range(1, 5):
            source.publish(version)
            rollout = source.next()
            assert rollout.policy_version == version
            assert rollout.num_steps == config.steps_per_rollout == 2 * 3 * 5
    starts = {tuple(start.tolist()) for start in rollout.observation[0]}
    assert len(starts) == 6, "environments have seeds of their own"


@pytest.mark.campaign
def test_an_exception_before_the_first_rollout_ends_the_training() -> None:
    """With its type, its message and its place in the user's file, as with the engine ``async``."""
    with opened_ray(dummy("Broken"), 1, restarts=5) as source, pytest.raises(WorkerError) as error:
        source.next()
    what = rf"environment 0 of '{dummy('Broken')}': step\(\) failed: ZeroDivisionError: the environment broke in step 3"
    assert re.fullmatch(rf"worker 0 failed: {what} \(.*failing.py, line \d+, in Broken.judge\)\.", str(error.value))


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a rollout of the other version arrives. Here the learner believes to have another one."""
    here = pools.versions()
    monkeypatch.setattr(pools, "versions", lambda: {**here, "torch": "1.0.0"})
    with opened_ray("CartPole-v1", 1) as source, pytest.raises(ConfigError) as error:
        source.next()
    message = str(error.value)
    assert f"has torch {here['torch']}, and the learner has 1.0.0" in message
    assert "--ray.runtime_env" in message


def test_a_request_no_machine_can_meet_is_named() -> None:
    """After the time for which a worker may be silent."""
    with opened_ray("CartPole-v1", 1, options=RayOptions(actor={"num_cpus": 99})) as source:
        pool_of(source)._began -= 1000.0
        with pytest.raises(WorkerError, match=r"found no place for a worker in 120 seconds .*'CPU': 99\.0"):
            source.next()


@pytest.mark.campaign
def test_a_lost_head_is_saved_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    """The watch says that it is lost. Then workers of this machine go on, by the newest weights, with every step known.

    ``scripts/crash_ray.py`` kills a real head.
    """
    ledger, saved = StepLedger(), []
    with opened_ray("CartPole-v1", 2, 2, 5, ledger=ledger) as source:
        source.before_recovery = lambda: saved.append(ledger.learned.total)
        for version in range(1, 4):
            source.publish(version)
            ledger.learned.add(source.next().num_steps)
        pids = list(processes(source).values())
        pool = pool_of(source)
        pool._cluster.lost, pool._looked = True, 0.0
        rollout = source.next()
        assert saved == [30]
        assert rollout.policy_version == 3
        ledger.learned.add(rollout.num_steps)
        assert 0 <= ledger.in_flight <= 3 * rollout.num_steps
        assert "the training goes on with 2 workers of this machine" in caplog.records[-1].getMessage()
        wait_for(lambda: all(map(gone, pids)), GENEROUS)


@pytest.mark.campaign
def test_a_hung_actor_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """It is stopped here, and so silent. The other one goes on."""
    with opened_ray("CartPole-v1", 2, restarts=1) as source:
        wait_for(lambda: bool(source.next()) and len(processes(source)) == 2, GENEROUS)
        for _ in range(20):
            source.next()
        victim = processes(source)[0]
        os.kill(victim, signal.SIGSTOP)
        pool_of(source)._watchdog.limit = 3.0
        wait_for(lambda: bool(source.next()) and bool(caplog.records), GENEROUS)
        pool_of(source)._watchdog.limit = GENEROUS
        wait_for(lambda: bool(source.next()) and processes(source).get(0, victim) != victim, GENEROUS)
    assert "worker 0 was silent for 3 seconds" in caplog.records[0].getMessage()
