"""What a training survives: kills, damaged files, dead and hung workers, numbers that are not finite, long runs.

    python scripts/crash.py kill --config cartpole --times 100       # SIGKILL, resume, no step counted twice
    python scripts/crash.py exact --config mujoco_beta --times 20    # serial: to the bit as if never killed
    python scripts/crash.py workers --engine hogwild --times 25 --signal KILL
    python scripts/crash.py damage --times 200
    python scripts/crash.py hostile                                  # checkpoints that attack their reader
    python scripts/crash.py numbers --times 100
    python scripts/crash.py disk --times 20          # a full or read-only disk; `race`: starts at the same moment
    python scripts/crash.py signals --times 100
    python scripts/crash.py soak --config atari --minutes 60

Each campaign prints a line for every problem, and a summary. The exit code is 1 if there was a problem. Further options
go to ``lit-a3c fit``.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crash_disk import disk, race
from crash_files import damage
from crash_health import numbers, soak
from crash_hostile import hostile
from crash_signals import signals
from crash_trainings import (
    CONFIGS,
    LAST,
    changed,
    descendants,
    fit,
    import_from,
    replaced,
    running,
    size,
    wait_for,
    workers_of,
)

from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified

SCRIPTS = Path(__file__).parent.absolute()


def main() -> int:
    """Run one campaign; 1 if it found a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--config", choices=CONFIGS, default="cartpole")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--engine", choices=["async", "sync", "serial", "hogwild"], default="async")
    parser.add_argument("--signal", choices=["KILL", "STOP"], default="KILL", help="for the campaign `workers`")
    parser.add_argument("--updates", type=int, default=400, help="for the campaign `exact`")
    parser.add_argument("--minutes", type=float, default=60, help="for the campaign `soak`")
    parser.add_argument("--seed", type=int, default=0)
    arguments, options = parser.parse_known_args()
    random.seed(arguments.seed)
    import_from(SCRIPTS)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        problems = 0
        for problem in CAMPAIGNS[arguments.campaign](arguments, options):
            problems += 1
            print(f"PROBLEM: {problem}", flush=True)
    print(f"{arguments.campaign}: {problems} problems", flush=True)
    return 1 if problems else 0


# Campaigns


def kill(arguments: Any, options: list[str]) -> Iterator[str]:
    """SIGKILL at random moments, half of them while a checkpoint is being written; TMPDIR is on another file system."""
    if Path("/dev/shm").is_dir():
        os.environ["TMPDIR"] = "/dev/shm"
    import_from(SCRIPTS / "crash_count")
    os.environ["CRASH_COUNT"] = str(Path("count").absolute())
    options = ["--trainer.val_check_interval=1000000", *options]  # steps of evaluations would be counted, too
    part, steps, writing = LAST.with_name(f".{LAST.name}.part"), 0, 0
    for i in range(arguments.times):
        collected_before = size(Path("count"))
        with running(fit(arguments, options, resume=i > 0)) as process:
            wait_for(changed(LAST), process)
            time.sleep(random.uniform(0, 1))
            if i % 2:
                with contextlib.suppress(RuntimeError):
                    wait_for(part.exists, process, seconds=5)
            os.killpg(process.pid, signal.SIGKILL) if random.random() < 0.5 else process.kill()
            process.wait()
            writing += part.exists()
            deadline = time.monotonic() + 2
            while left := descendants(process.pid):
                if time.monotonic() > deadline:
                    names = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in left]
                    yield f"kill {i}: outlived the learner by two seconds: {names}"
                    break
                time.sleep(0.02)
        try:
            checkpoint = load_verified(LAST)
        except CorruptCheckpointError as error:
            yield f"kill {i}: last.ckpt is unreadable: {error}"
            continue
        if checkpoint["steps"] < steps:
            yield f"kill {i}: {checkpoint['steps']} steps after {steps}"
        learned, collected = checkpoint["steps"] - steps, size(Path("count")) - collected_before
        if learned > collected:
            yield f"kill {i}: {learned} steps learned from, {collected} collected"
        steps = checkpoint["steps"]
    print(
        f"{arguments.times} kills of {arguments.config}, {writing} of them inside a write; "
        f"{size(Path('count')):,} steps collected, {steps:,} of them learned from"
    )


def exact(arguments: Any, options: list[str]) -> Iterator[str]:
    """A run of the engine ``serial`` that is killed at random moments ends with the weights of an undisturbed run."""
    arguments.engine = "serial"
    budget = 80 * arguments.updates
    to_the_end = [f"--data.total_steps={budget}", *options]
    kills, limit = 0, arguments.times
    with running(fit(arguments, to_the_end)) as process:
        process.wait()
    if process.returncode:
        yield f"the undisturbed run ended with exit code {process.returncode}: {Path('log').read_text()[-1000:]}"
        return
    reference = load_verified(LAST)
    LAST.parents[1].rename("reference")
    while not (LAST.exists() and load_verified(LAST)["steps"] >= budget):
        with running(fit(arguments, to_the_end, resume=LAST.exists())) as process:
            saved = changed(LAST)
            if kills < limit:
                with contextlib.suppress(RuntimeError):
                    wait_for(lambda saved=saved: saved() or process.poll() is not None, process)
                    time.sleep(random.uniform(0, 0.5))
            else:
                process.wait()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            process.wait()
            if process.returncode not in (0, -signal.SIGKILL):
                yield f"exit code {process.returncode}: {Path('log').read_text()[-1000:]}"
                return
    checkpoint = load_verified(LAST)
    differing = [
        name
        for name, value in reference["state_dict"].items()
        if not torch.equal(value, checkpoint["state_dict"][name])
    ]
    if differing or checkpoint["steps"] != reference["steps"]:
        counts = f"{checkpoint['steps']} and {reference['steps']} steps"
        yield f"{len(differing)} tensors differ after {kills} kills; {counts}"
    print(f"{arguments.config}: {kills} kills in {arguments.updates} updates, {reference['steps']:,} steps")


def workers(arguments: Any, options: list[str]) -> Iterator[str]:
    """Workers are killed or stopped, one after the other. The run goes on, and SIGTERM ends it as it should."""
    signum, times = getattr(signal, f"SIG{arguments.signal}"), []
    timeout = 10 if arguments.signal == "STOP" else 120
    more = [f"--data.max_restarts={arguments.times}", f"--data.worker_timeout={timeout}"]
    more.append("--trainer.val_check_interval=1000000")  # the process that plays the validations is no worker
    metrics = LAST.parents[1] / "metrics.csv"
    with running(fit(arguments, [*more, *options])) as process:
        wait_for(changed(LAST), process)
        for _ in range(arguments.times):
            time.sleep(random.uniform(0.2, 1))
            before = workers_of(process.pid)
            start = time.monotonic()
            os.kill(random.choice(sorted(before)), signum)
            wait_for(functools.partial(replaced, process.pid, before), process)
            wait_for(changed(metrics), process)
            times.append(time.monotonic() - start)
        process.terminate()
        if (code := process.wait(10)) != 143:
            yield f"exit code {code} after SIGTERM"
    found = len(re.findall("it is replaced", Path("log").read_text()))
    if found != arguments.times:
        yield f"{found} replacements reported of {arguments.times}"
    print(
        f"{arguments.engine}: {arguments.times} workers replaced after SIG{arguments.signal}; seconds until the next "
        f"row of the log: median {np.median(times):.1f}, at most {max(times):.1f}"
    )


CAMPAIGNS = {
    campaign.__name__: campaign
    for campaign in (kill, exact, workers, damage, hostile, numbers, disk, race, signals, soak)
}


if __name__ == "__main__":
    sys.exit(main())
