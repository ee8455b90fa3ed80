"""What ``lit-a3c play --follow`` takes from the training that it follows: steps per second with it and without it.

    python scripts/follow.py [--config mujoco_beta.yaml] [--env_id HalfCheetah-v5] [--rounds 3] [--seconds 30]

In each round the same training runs twice, in turns: alone, and while a page shows its best agent to one viewer, who
reads every image. Both are confined to the same cores. The window of time begins ``--warm_up`` seconds after the start
of the training; the page must show images by then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from throughput import NEVER, log, rows, running, window

from lit_a3c.experiments.run import NO_VIDEO

CONFIRMED = 0.5
"""Seconds between two looks at a file."""


class Viewer:
    """Reads the images of a page, and counts them.

    Args:
        url: Of the page.
    """

    def __init__(self, url: str) -> None:
        self.images = 0
        threading.Thread(target=self._read, args=(f"{url}stream",), daemon=True).start()

    def _read(self, url: str) -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as stream:
            for line in stream:
                self.images += line.startswith(b"Content-Length")


@contextlib.contextmanager
def shown(run: Path) -> Iterator[Viewer]:
    """The page of a run that is being trained, with one viewer."""
    command = [sys.executable, "-m", "lit_a3c", "play", f"--ckpt_path={run}", "--follow", "--page"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+/", line):
                break
        else:
            raise SystemExit("lit-a3c play has ended without a page")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield Viewer(found.group())
        finally:
            process.send_signal(signal.SIGINT)


def speed(arguments: argparse.Namespace, follow: bool) -> tuple[float, float]:
    """Steps per second of a training, and images per second of the page that follows it."""
    options = [f"--config={arguments.config}", f"--data.env_id={arguments.env_id}", f"--data.total_steps={NEVER}"]
    command = [sys.executable, "-m", "lit_a3c", "fit", *options, "--trainer.logger.save_dir=runs", NO_VIDEO]
    with running(command) as (process, directory), contextlib.ExitStack() as at_the_end:
        viewer, images, looked, rate = None, 0, 0.0, None
        while rate is None:
            if process.poll() is not None:
                raise SystemExit(log(directory))
            time.sleep(CONFIRMED)
            best = next(directory.glob("runs/**/best.ckpt"), None)
            if follow and viewer is None and best is not None:
                viewer = at_the_end.enter_context(shown(best.parents[1]))
            if viewer is not None and not looked and viewer.images:
                images, looked = viewer.images, time.monotonic()
            rate = window(rows(directory), arguments.warm_up, arguments.seconds)
        seen = 0.0 if viewer is None else (viewer.images - images) / (time.monotonic() - looked)
        at_the_end.close()
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
    return rate, seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="mujoco_beta.yaml")
    parser.add_argument("--env_id", default="HalfCheetah-v5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm_up", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    alone, followed, images = [], [], []
    for number in range(arguments.rounds):
        for follow in (False, True) if number % 2 == 0 else (True, False):
            rate, seen = speed(arguments, follow)
            print(f"round {number + 1}: {rate:,.0f} steps/s{f', {seen:.1f} images/s' if follow else ''}", flush=True)
            (followed if follow else alone).append(rate)
            images += [seen] if follow else []
    ratio = statistics.median(followed) / statistics.median(alone)
    print(f"{arguments.env_id}: {ratio:.1%} of the speed alone, {statistics.median(images):.1f} images per second")


if __name__ == "__main__":
    main()
