"""Throughput of lit-a3c beside Stable-Baselines3's A2C and beside the limit that the bare costs imply.

Usage, from a checkout; SB3 comes with ``pip install -e .[benchmark]``::

    python scripts/benchmark.py                                    # both tasks, three rounds, about 30 minutes
    python scripts/benchmark.py --tasks halfcheetah --modes async:1 async:2 hogwild:1 hogwild:2 --output benchmark.json
    python scripts/benchmark.py --ours-only --modes hogwild hogwild+LSTM       # what a memory costs

A round measures every system once, one after the other, each in a fresh process: training starts, the warm-up is
discarded (in it the other lock-free workers make their environments, seconds after the first has begun), and the steps
per second of one window are kept. Rounds interleave the systems, so that a machine whose speed drifts slows all of
them. Ours is the real command line, ``lit-a3c fit`` with logger, checkpoints and progress bar, without evaluation and
video. SB3 runs without logger and progress bar, 16 environments x 5 steps, and its best setting counts. All processes
are confined to the same cores.

The bare costs are those of a step of the environment, of the policy's forward pass, and of the learner's share, each
on one core with one thread; ``C`` cores can make no more than ``C / (their sum)`` steps per second.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import platform
import signal
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from windows import ROOT, Task, ours, rival

TASKS = {
    "pong": Task("ALE/Pong-v5", "atari.yaml", {"async": 2.5, "hogwild": 3.5}, {"envs_per_worker": 32}),
    "halfcheetah": Task(
        "HalfCheetah-v5",
        "mujoco.yaml",
        {"async": 1.5, "hogwild": 3.0},
        {"envs_per_worker": 128, "updates_per_rollout": 4},
    ),
}


def measure(task: Task, options: argparse.Namespace) -> dict[str, list[Any]]:
    """Every system's windows, by name."""
    recipe = yaml.safe_load((ROOT / "configs" / task.recipe).read_text())
    data = recipe["data"] | task.data
    batch: dict[str, Any] = {
        "num_envs": data["envs_per_worker"],
        "rollout_length": data["rollout_length"],
        "updates_per_rollout": data.get("updates_per_rollout", 1),
    }
    if not recipe["model"].get("share_body", True):
        batch["separate"] = ""
    if "head" in recipe["model"]:
        batch["head"] = recipe["model"]["head"]["class_path"].removeprefix("lit_a3c.")
    times = {"warm_up": options.warm_up, "seconds": options.seconds}
    systems: dict[str, Callable[[], Any]] = {
        f"lit-a3c {mode}": partial(ours, task, mode, **times) for mode in options.modes
    }
    if not options.ours_only:
        for vector, threads in itertools.product(("DummyVecEnv", "SubprocVecEnv"), (1, 0)):
            name = f"SB3 A2C {vector}, {'1 thread' if threads else 'default threads'}"
            systems[name] = partial(rival, "sb3", task, vector=vector, threads=threads, **times)
    systems["bare costs"] = partial(rival, "bare", task, **batch, seconds=options.seconds)

    windows: dict[str, list[Any]] = {name: [] for name in systems}
    for number in range(1, options.rounds + 1):
        for name, system in systems.items():
            windows[name].append(result := system())
            said = f"{result:,.0f} steps/s" if isinstance(result, float) else costs_in_words(result)
            print(f"{task.env_id}, round {number} of {options.rounds}: {name}: {said}", file=sys.stderr, flush=True)
    return windows


def report(task: Task, windows: dict[str, list[Any]], cores: int) -> tuple[str, dict[str, Any]]:
    """A task's results as Markdown, and as plain data."""
    parts = windows.pop("bare costs")
    costs = {part: statistics.median(window[part] for window in parts) for part in parts[0]}
    guard = costs.pop("guard")
    limit = cores * 1e6 / sum(costs.values())
    medians = {name: statistics.median(values) for name, values in windows.items()}
    best = max((name for name in medians if name.startswith("SB3")), key=medians.__getitem__, default=None)

    lines = [
        f"### {task.env_id}, {cores} cores",
        "",
        "| system | steps/s, median | min - max | windows | x best SB3 | of the limit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, values in windows.items():
        each = " ".join(f"{value:.0f}" for value in values)
        ratio = f"{medians[name] / medians[best]:.2f}" if best else "-"
        spread = f"{min(values):,.0f} - {max(values):,.0f}"
        share = f"{100 * medians[name] / limit:.0f}%" if name.startswith("lit-a3c") else "-"
        lines.append(f"| {name} | {medians[name]:,.0f} | {spread} | {each} | {ratio} | {share} |")
    lines += ["", f"Bare costs: {costs_in_words(costs)}; limit on {cores} cores: {limit:,.0f} steps/s."]
    share = 100 * guard / sum(costs.values())
    lines += [f"The guard against numbers that are not finite: {guard:.2f} us per step, {share:.2f}% of that."]
    if best:
        verdicts = (
            f"{name} {'reaches' if medians[name] >= target * medians[best] else 'misses'} {target} x"
            for name in medians
            for mode, target in task.targets.items()
            if name.startswith(f"lit-a3c {mode}")
        )
        lines += ["", f"Against {best}: {', '.join(verdicts)}."]
    data = {"steps_per_second": windows, "medians": medians, "best_sb3": best, "targets": task.targets}
    return "\n".join(lines) + "\n", data | {"bare_costs_us": parts, "limit": limit}


def costs_in_words(costs: dict[str, float]) -> str:
    """``environment 100.0 + policy 50.0 + learner 200.0 = 350.0 us per step``."""
    return (
        " + ".join(f"{name} {cost:.1f}" for name, cost in costs.items()) + f" = {sum(costs.values()):.1f} us per step"
    )


def machine(cores: int) -> dict[str, Any]:
    """Where and with what the numbers were made."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    packages = ("torch", "lightning", "torchrl", "gymnasium", "ale-py", "mujoco", "stable-baselines3")
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"] in packages}
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": cores,
        "python": platform.python_version(),
    } | found


def arguments() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument(
        "--modes", nargs="+", default=["async", "hogwild"], help="of lit-a3c, each MODE[:WORKERS][+bf16][+gpu][+MEMORY]"
    )
    parser.add_argument("--rounds", type=int, default=3, help="windows of each system")
    parser.add_argument("--warm-up", type=float, default=15, help="seconds of training before a window")
    parser.add_argument("--seconds", type=float, default=20, help="length of a window")
    parser.add_argument("--cores", type=int, default=2, help="cores that all processes share")
    parser.add_argument("--ours-only", action="store_true", help="without Stable-Baselines3")
    parser.add_argument("--output", type=Path, help="JSON file for all windows")
    options = parser.parse_args()
    if not options.ours_only and not all(map(importlib.util.find_spec, ("stable_baselines3", "cv2"))):
        parser.error("Stable-Baselines3 is not installed: pip install -e .[benchmark], or measure with --ours-only")
    available = sorted(os.sched_getaffinity(0))
    if not 1 <= options.cores <= len(available):
        parser.error(f"--cores {options.cores}: there are {len(available)}")
    os.sched_setaffinity(0, available[: options.cores])  # inherited by every process started here
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of ``finally``, so that nothing is left running
    results: dict[str, Any] = {"machine": machine(options.cores), "seconds": options.seconds, "tasks": {}}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()) + "\n")
    for name in options.tasks:
        windows = measure(TASKS[name], options)
        text, results["tasks"][name] = report(TASKS[name], windows, options.cores)
        print(text, flush=True)
        if options.output:
            options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
