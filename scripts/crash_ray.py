"""What a training on a Ray cluster survives: kills of actors, of machines and of the head.

    python scripts/crash_ray.py --actors 50 --machines 10 --heads 5      # the whole campaign, about an hour
    python scripts/crash_ray.py --actors 3 --machines 1 --heads 1        # a sample

A head without CPUs and three machines of one CPU each, all on this machine. CartPole is trained with three actors.
Every step of the environments adds a byte to a file: a count that does not depend on the library. What was done and
found is in ``--output``, a line of JSON each; a second start goes on with the kills that are not there yet. The exit
code is 1 if there was a problem.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray_cluster import LocalCluster

ENVIRONMENT = '''
import os
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

class Counted(CartPoleEnv):
    """CartPole that adds a byte to a file with every step."""

    def __init__(self, file: str, **kwargs):
        super().__init__(**kwargs)
        self.file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.t = 0

    def reset(self, **kwargs):
        self.t = 0
        return super().reset(**kwargs)

    def step(self, action):
        os.write(self.file, b".")
        self.t += 1
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, self.t >= 500, info
'''
ENVS, LENGTH, WORKERS = 8, 10, 3
ROLLOUT = ENVS * LENGTH
NOTICED = {"actor": 1.0, "machine": 5.0, "head": 40.0}
"""Seconds within which a loss must be noticed."""
LINES = {"actor": "ended without a message", "machine": "does not answer", "head": "Saved; the training goes on"}


class Training:
    """``lit-a3c fit`` on a cluster, its errors with the time at which they came, and its files.

    Args:
        directory: Where it runs.
        address: The head of the cluster.
        steps: Its budget.
    """

    def __init__(self, directory: Path, address: str, steps: int) -> None:
        self.directory, self.steps_file = directory, directory / "steps"
        directory.mkdir(parents=True)
        (directory / "counted_env.py").write_text(ENVIRONMENT)
        self.run = directory / "runs/run/version_0"
        options = {
            **{"engine": "ray", "ray.address": address, "num_workers": WORKERS, "model.vtrace": "true"},
            **{"data.env_id": "counted_env.Counted", "data.env_kwargs": f"{{file: {self.steps_file}}}"},
            **{"data.envs_per_worker": ENVS, "data.rollout_length": LENGTH, "data.total_steps": steps},
            **{"data.max_restarts": 1000, "data.eval_episodes": 20, "trainer.val_check_interval": 1_000_000},
            **{"trainer.logger.name": "run", "trainer.logger.version": 0, "video.every_n_steps": -1},
            **{"trainer.enable_progress_bar": "false", "trainer.log_every_n_steps": 20},
        }
        command = [sys.executable, "-m", "lit_a3c", "fit", "--config=cartpole.yaml"]
        path = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))
        self.log = (directory / "log").open("wb")
        self.process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            **{"cwd": directory, "stdout": self.log, "stderr": self.log, "start_new_session": True},
            env={**os.environ, "PYTHONPATH": path},
        )

    def rows(self) -> list[dict[str, str]]:
        """Those of ``metrics.csv`` that are whole."""
        file = self.run / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="") as lines:
            return [row for row in csv.DictReader(lines) if row.get("train/steps_in_flight")]

    def wait(self, condition: Callable[[], Any], seconds: float = 300.0) -> float:
        """Seconds until a condition held; NaN if it did not, or the training has ended before."""
        start = time.monotonic()
        while not condition():
            if self.process.poll() is not None or time.monotonic() - start > seconds:
                return float("nan")
            time.sleep(0.02)
        return time.monotonic() - start

    def learns(self) -> None:
        """Wait until the metrics have three more rows."""
        before = len(self.rows())
        self.wait(lambda: len(self.rows()) >= before + 3)

    def says(self, words: str) -> Callable[[], bool]:
        """Whether it says these words from now on."""
        before = (self.directory / "log").stat().st_size
        return lambda: words in (self.directory / "log").read_text(errors="replace")[before:]

    def end(self) -> int:
        """The exit code after SIGTERM, if it has not ended by itself."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()
        finally:
            self.log.close()


def ledger_problems(training: Training, lost: int) -> list[str]:
    """What is wrong with the counts of a training in which so many actors were lost."""
    problems = []
    for row in training.rows():
        in_flight, discarded = (float(row[f"train/steps_{name}"]) for name in ("in_flight", "discarded"))
        if not 0 <= in_flight <= 2 * (WORKERS + 1) * ROLLOUT:
            problems.append(f"{in_flight:g} steps in flight at step {row['step']}")
        if not 0 <= discarded <= 3 * lost * ROLLOUT:
            problems.append(f"{discarded:g} steps discarded after the loss of {lost} actors")
    if training.rows():
        last = training.rows()[-1]
        collected = sum(float(last[name]) for name in ("step", "train/steps_in_flight", "train/steps_discarded"))
        taken = training.steps_file.stat().st_size
        if not -2 * lost * ROLLOUT <= taken - collected <= (2 * lost + 40 + 3 * WORKERS) * ROLLOUT:
            problems.append(f"{taken} steps taken, {collected:g} counted, {lost} actors lost")
    return problems


def kills(options: argparse.Namespace, todo: dict[str, int], report: Callable[..., None]) -> None:
    """Kill actors and machines of one training, until there is nothing left to do or it has had its steps."""
    victims = ["actor"] * todo["actor"] + ["machine"] * todo["machine"]
    random.shuffle(victims)
    cluster = LocalCluster(3)
    training = Training(options.directory / f"kills-{time.time_ns()}", cluster.address, options.steps)
    lost = 0
    try:
        for victim in victims:
            training.learns()
            training.wait(lambda: len(cluster.actors()) == WORKERS)
            time.sleep(random.uniform(0.0, 2.0))
            if training.process.poll() is not None:
                break
            noticed = training.says(LINES[victim])
            if victim == "actor":
                os.kill(random.choice(cluster.actors()), signal.SIGKILL)
            else:
                cluster.kill_machine(random.randrange(len(cluster.machines)))
            lost += 2  # the second one: a replacement that Ray puts on a machine that has just died
            seconds = training.wait(noticed, 30.0)
            problems = [] if seconds <= NOTICED[victim] else [f"noticed after {seconds:.1f} s"]
            if victim == "machine":
                before = len(training.rows())
                if not training.wait(lambda before=before: len(training.rows()) > before, 60.0) >= 0:
                    problems.append("the others do not go on")
                cluster.add()
            report(victim, seconds=round(seconds, 2), problems=problems)
        code = training.end() if options.stop else training.process.wait()
        score = re.findall(r"best validation return (\S+)", (training.directory / "log").read_text())
        report("training", code=code, best=score, lost=lost, problems=ledger_problems(training, lost))
    finally:
        training.end()
        cluster.close()


def head(options: argparse.Namespace, report: Callable[..., None]) -> None:
    """Kill the head in a training, which must save, say so, and go on."""
    cluster = LocalCluster(3)
    training = Training(options.directory / f"head-{time.time_ns()}", cluster.address, 100_000_000)
    try:
        training.learns()
        time.sleep(random.uniform(0.0, 3.0))
        last, problems = training.run / "checkpoints/last.ckpt", []
        stamp = last.stat().st_mtime_ns if last.exists() else 0
        noticed = training.says(LINES["head"])
        cluster.kill_head()
        seconds = training.wait(noticed, 60.0)
        if not seconds <= NOTICED["head"]:
            problems.append(f"noticed after {seconds:.1f} s")
        if not last.exists() or last.stat().st_mtime_ns == stamp:
            problems.append("last.ckpt was not written")
        before = len(training.rows())
        if not training.wait(lambda: len(training.rows()) >= before + 3, 120.0) >= 0:
            problems.append("the training does not go on")
        if (code := training.end()) != 143:
            problems.append(f"exit code {code} after SIGTERM")
        report("head", seconds=round(seconds, 2), problems=problems)
    finally:
        training.end()
        cluster.close()


def main() -> int:
    """Run what is not done yet; 1 if there was a problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("actors", 50), ("machines", 10), ("heads", 5)):
        parser.add_argument(f"--{name}", type=int, default=number, help="kills of them")
    parser.add_argument("--steps", type=int, default=500_000, help="budget of a training in which actors are killed")
    parser.add_argument("--stop", action="store_true", help="end that training after the last kill")
    parser.add_argument("--directory", type=Path, default=Path("crash-ray"), help="where the trainings run")
    parser.add_argument("--output", type=Path, default=Path("crash-ray.jsonl"))
    options = parser.parse_args()
    options.directory = options.directory.absolute()
    done = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.exists() else []

    def report(what: str, **found: Any) -> None:
        done.append({"what": what, **found})
        print(json.dumps(done[-1]), flush=True)
        with options.output.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")

    def left(what: str, number: int) -> int:
        return max(0, number - sum(entry["what"] == what for entry in done))

    while left("actor", options.actors) + left("machine", options.machines):
        kills(options, {"actor": left("actor", options.actors), "machine": left("machine", options.machines)}, report)
    while left("head", options.heads):
        head(options, report)
    problems = [f"{entry['what']}: {problem}" for entry in done for problem in entry["problems"]]
    print("\n".join([*problems, f"{len(done)} entries, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
