"""Scores of tasks whose best return is known: each is trained and tested through the command line, with seeds 0-2.

    python scripts/learning.py [--tasks cartpole taxi ...] [--seeds 0 1 2] [--engines async hogwild]
    python scripts/learning.py --tasks mujoco --engines async hogwild --data.total_steps 300000
    python scripts/learning.py --tasks cartpole mujoco --engines hogwild --nodes 2 --num_workers 1

Prints a Markdown table. A run passes if the mean return of the test episodes reaches the target in time. Without
``--engines`` a task has the engine of its config. A name that is no task is that of a config, which has no target.
With ``--nodes`` so many nodes of the engine hogwild, all of them on this machine, train together. Further options go to
``lit-a3c fit``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from reproduce import lit


@dataclass(frozen=True)
class Task:
    """What is trained, and how good it must become.

    Attributes:
        config: Name of a shipped config.
        target: Least mean return of the test.
        seconds: Most seconds of training, start-up included.
        options: Further options of ``lit-a3c fit``.
        episodes: Episodes of the test.
    """

    config: str
    target: float = -math.inf
    seconds: float = math.inf
    options: tuple[str, ...] = ()
    episodes: int = 100


LANDER = ("--data.env_id=LunarLander-v3", "--data.total_steps=1_500_000", "--model.gamma=0.995")
TASKS = {
    "cartpole": Task("cartpole", 475, 60),
    "inverted_pendulum": Task("inverted_pendulum", 950, 300),
    "mountain_car_continuous": Task("mountain_car_continuous", 90, 300),
    "pendulum": Task("pendulum", -200, 600),
    "frozen_lake": Task(
        "toy_text",
        0.99,
        options=(
            *("--data.env_id=FrozenLake-v1", "--data.env_kwargs={is_slippery: false}", "--data.total_steps=100_000"),
            "--trainer.val_check_interval=200",
        ),
    ),
    "taxi": Task("toy_text", 7),
    "blackjack": Task(  # the best mean return is -0.0431, by scripts/blackjack.py
        "toy_text",
        -0.0731,
        options=(
            *("--data.env_id=Blackjack-v1", "--data.total_steps=500_000", "--data.eval_episodes=1000"),
            *("--model.gae_lambda=1", "--model.optimizer.lr=1e-3"),
        ),
        episodes=20_000,
    ),
    "lunar_lander": Task("mujoco_beta", 200, options=LANDER),
    "lunar_lander_continuous": Task("mujoco_beta", 200, options=(*LANDER, "--data.env_kwargs={continuous: true}")),
    "bipedal_walker": Task(
        "mujoco_beta", 250, options=("--data.env_id=BipedalWalker-v3", "--data.total_steps=1_500_000")
    ),
    "minigrid_empty": Task("minigrid", 0.9),
    "minigrid_door_key": Task(
        "minigrid",
        0.9,
        options=("--data.env_id=minigrid:MiniGrid-DoorKey-5x5-v0", "--data.total_steps=1_000_000"),
    ),
    "fetch_reach": Task(
        "mujoco_beta", -5, options=("--data.env_id=gymnasium_robotics:FetchReach-v4", "--data.total_steps=500_000")
    ),
}


def main() -> int:
    """Train and test; 1 if any run misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), help=f"of {', '.join(TASKS)}, or configs")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--engines", nargs="+", default=[None], help="async, sync, serial, hogwild")
    parser.add_argument("--nodes", type=int, default=1, help="nodes of hogwild that average")
    parser.add_argument("--directory", type=Path, help="where the runs stay; a temporary one by default")
    arguments, options = parser.parse_known_args()
    print(
        "| task | engine | seed | steps | seconds | test return, mean | target | |\n|---|---|---|---|---|---|---|---|"
    )
    passed = True
    with tempfile.TemporaryDirectory() as directory:
        for name, engine, seed in itertools.product(arguments.tasks, arguments.engines, arguments.seeds):
            try:
                where = arguments.directory or Path(directory)
                passed &= _train_and_test(name, engine, seed, options, where, arguments.nodes)
            except RuntimeError as error:
                raise SystemExit(str(error)) from error
    return 0 if passed else 1


def fit(nodes: int, *arguments: str) -> None:
    """Run ``lit-a3c fit ARGUMENTS`` on so many nodes, which are processes of this machine.

    Raises:
        RuntimeError: One of them failed. The message is the end of what it wrote.
    """
    if nodes == 1:
        return lit("fit", *arguments)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    command = [sys.executable, "-m", "lit_a3c", "fit", *arguments, f"--trainer.num_nodes={nodes}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    variables = [{**os.environ, **where, "NODE_RANK": str(rank)} for rank in range(nodes)]
    processes = [subprocess.Popen(command, env=each, **quiet) for each in variables]  # type: ignore[call-overload]
    for errors in [process.communicate()[1] for process in processes]:
        if any(process.returncode for process in processes):
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return None


def _train_and_test(
    name: str, engine: str | None, seed: int, options: list[str], directory: Path, nodes: int = 1
) -> bool:
    several = f"{nodes}nodes" if nodes > 1 else ""
    task, version = TASKS.get(name, Task(name)), f"{engine or 'own'}{several}{seed}"
    run = directory / name / version
    start = time.monotonic()
    fit(
        nodes,
        f"--config={task.config}.yaml",
        *([f"--engine={engine}"] if engine else []),
        f"--seed_everything={seed}",
        f"--trainer.logger.save_dir={directory}",
        f"--trainer.logger.name={name}",
        f"--trainer.logger.version={version}",
        *task.options,
        *options,
    )
    seconds = time.monotonic() - start
    lit("test", f"--ckpt_path={run}", "--trust_checkpoint", f"--data.test_episodes={task.episodes}")
    score = json.loads(next(run.glob("test-*.json")).read_text())
    good = score["mean"] >= task.target and seconds <= task.seconds
    in_time = f" in {task.seconds} s" if task.seconds < math.inf else ""
    aim, verdict = (f"{task.target:g}{in_time}", "pass" if good else "MISS") if name in TASKS else ("-", "")
    who = f"{engine or 'own'}, {nodes} nodes" if nodes > 1 else engine or "own"
    print(
        f"| {name} | {who} | {seed} | {score['trained_steps']:,} | {seconds:.0f} | {score['mean']:.4g} "
        f"| {aim} | {verdict} |",
        flush=True,
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
