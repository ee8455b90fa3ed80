"""The campaigns ``numbers`` and ``soak`` of ``crash.py``: numbers that are not finite, and long runs."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from crash_trainings import LAST, changed, descendants, fit, running, size, status, wait_for

from lit_a3c.checkpoint.io import load_verified


def numbers(arguments: Any, options: list[str]) -> Iterator[str]:
    """NaN and infinity at random moments. The training names them, ends at once, and puts them into no checkpoint."""
    for i in range(arguments.times):
        what, value = ("observation", "reward", "loss", "gradient")[i % 4], ("nan", "inf", "-inf")[i % 3]
        poison = f"{{what: {what}, value: '{value}', at: {random.randrange(20, 200)}}}"
        if what in ("observation", "reward"):
            more = ["--data.env_id=crash_envs:Poisoned-v0", f"--data.env_kwargs={poison}"]
        else:
            more = [f"--model.body={{class_path: crash_envs.PoisonedBody, init_args: {poison}}}"]
        start = size(Path("log"))
        more.append(f"--trainer.logger.version={i}")
        with running(fit(arguments, [*more, "--num_workers=1", "--data.max_restarts=0", *options])) as process:
            code = process.wait(120)
        text = Path("log").read_text()[start:]
        if code != 1 or not re.search(rf"the (policy |value )?{what}.* is (not finite|nan|-?inf)", text):
            yield f"{poison}: exit code {code}, {text[-500:]}"
        if Path("went-on").exists():
            yield f"{poison}: the training went on"
        for file in Path().rglob("*.ckpt"):
            if not all(v.isfinite().all() for v in load_verified(file)["state_dict"].values()):
                yield f"{poison}: {file} is not finite"
    print(f"{arguments.times} numbers that are not finite")


def soak(arguments: Any, options: list[str]) -> Iterator[str]:
    """Growth per hour of memory, shared memory and file descriptors, over all processes of a long run."""
    samples: list[tuple[float, float, float, float]] = []
    with running(fit(arguments, options)) as process:
        wait_for(changed(LAST), process)
        time.sleep(min(60, 60 * arguments.minutes))  # until caches are full
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < 60 * arguments.minutes:
            pids = descendants(process.pid) | {process.pid}
            memory, shared = (sum(status(pid, name) for pid in pids) / 1024 for name in ("RssAnon", "RssShmem"))
            with contextlib.suppress(OSError):  # a process that has just ended
                descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
                samples.append((now / 3600, memory, shared, descriptors))
            time.sleep(min(10, arguments.minutes))
    print(f"{arguments.config}: {load_verified(LAST)['steps']:,} steps in {arguments.minutes:g} minutes")
    hours, *series = np.array([sample for sample in samples if np.isfinite(sample).all()]).T
    for name, values, allowed in zip(
        ("memory, MiB", "shared memory, MiB", "descriptors"), series, (30, 5, 1), strict=True
    ):
        slope = np.polyfit(hours, values, 1)[0]
        print(f"{arguments.config}: {name} {values[0]:.0f} to {values[-1]:.0f}, {slope:+.2f} an hour")
        if slope * hours[-1] > allowed:
            yield f"{name} grows"
