"""Throughput of lit-a3c beside Stable-Baselines3's A2C and beside the limit that the bare costs imply.

Usage, from a checkout. Stable-Baselines3 comes with ``pip install -e .[benchmark]``::

    python scripts/benchmark.py                                    # both tasks, three rounds, about 30 minutes
    python scripts/benchmark.py --tasks halfcheetah --engines async:1 hogwild:2 --output benchmark.json
    python scripts/benchmark.py --ours-only --engines hogwild hogwild+LSTM     # the cost of a recurrent core
    python scripts/benchmark.py --ours-only --beside ../main --rounds 8        # two versions of the code

In a round every system is measured once, one after the other, each in a fresh process. The training starts, the warm-up
is discarded, and the steps per second over a window of time are kept. Every second round has the reverse order, so
that a machine whose speed drifts slows all systems alike. lit-a3c is measured as its users run it: ``lit-a3c fit`` with
logger, checkpoints and progress bar, without evaluation and video. Stable-Baselines3 runs without logger and progress
bar, with 16 environments and 5 steps, and its best setting counts. All processes are confined to the same cores.

The bare costs are those of a step of the environment, of the policy's forward pass, and of the learner's share, each
on one core with one thread. ``C`` cores can make no more than ``C / (their sum)`` steps per second.

``--beside DIRECTORY`` measures the same engines with the code of another checkout of this project, which must have the
same command line, and prints the ratio of the medians. Both use the Python environment of this process.
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

from throughput import Task, baseline, full_config, training_speed

TASKS = {
    "pong": Task("ALE/Pong-v5", "atari.yaml", {"async": 2.5, "hogwild": 3.5}, {"envs_per_worker": 32}),
    "halfcheetah": Task(
        "HalfCheetah-v5",
        "mujoco_beta.yaml",
        {"async": 1.5, "hogwild": 3.0},
        {"envs_per_worker": 128, "num_minibatches": 4},
    ),
}
OURS, BESIDE = "lit-a3c ", "beside "
"""What the names of measured systems begin with: this checkout's, and those of ``--beside``."""


def measure(task: Task, options: argparse.Namespace) -> dict[str, list[Any]]:
    """Every system's steps per second, a number for each round, by name; and the bare costs."""
    times = {"warm_up": options.warm_up, "seconds": options.seconds}
    systems: dict[str, Callable[[], Any]] = {}
    for engine in options.engines:
        systems[OURS + engine] = partial(training_speed, task, engine, **times)
        if options.beside:
            systems[BESIDE + engine] = partial(training_speed, task, engine, **times, checkout=options.beside)
    if not options.ours_only:
        for vector, threads in itertools.product(("DummyVecEnv", "SubprocVecEnv"), (1, 0)):
            name = f"SB3 A2C {vector}, {'1 thread' if threads else 'default threads'}"
            systems[name] = partial(baseline, "sb3", task, vector=vector, threads=threads, **times)
    systems["bare costs"] = partial(baseline, "bare", task, **bare_options(task), seconds=options.seconds)

    speeds: dict[str, list[Any]] = {name: [] for name in systems}
    for number in range(1, options.rounds + 1):
        for name in list(systems) if number % 2 else reversed(systems):
            speeds[name].append(result := systems[name]())
            text = f"{result:,.0f} steps/s" if isinstance(result, float) else costs_in_words(result)
            print(f"{task.env_id}, round {number} of {options.rounds}: {name}: {text}", file=sys.stderr, flush=True)
    return speeds


def bare_options(task: Task) -> dict[str, Any]:
    """Batches and network of a task, as options of ``baselines.py bare``."""
    config = full_config(task)
    data, head = config["data"], config["model"]["head"]
    options: dict[str, Any] = {
        "num_envs": data["envs_per_worker"],
        "rollout_length": data["rollout_length"],
        "num_minibatches": data["num_minibatches"],
    }
    if not config["model"]["share_body"]:
        options["separate"] = True
    if isinstance(head, dict):
        options["head"] = head["class_path"].rpartition(".")[2]
    return options


def report(task: Task, speeds: dict[str, list[Any]], cores: int) -> tuple[str, dict[str, Any]]:
    """A task's results as Markdown, and as plain data."""
    parts = speeds.pop("bare costs")
    costs = {part: statistics.median(costs[part] for costs in parts) for part in parts[0]}
    checks = costs.pop("checks")
    limit = cores * 1e6 / sum(costs.values())
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    best = max((name for name in medians if name.startswith("SB3")), key=medians.__getitem__, default=None)

    lines = [
        f"### {task.env_id}, {cores} cores",
        "",
        "| system | steps/s, median | min - max | each round | x best SB3 | of the limit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, values in speeds.items():
        each = " ".join(f"{value:.0f}" for value in values)
        ratio = f"{medians[name] / medians[best]:.2f}" if best else "-"
        spread = f"{min(values):,.0f} - {max(values):,.0f}"
        share = "-" if name.startswith("SB3") else f"{100 * medians[name] / limit:.0f}%"
        lines.append(f"| {name} | {medians[name]:,.0f} | {spread} | {each} | {ratio} | {share} |")
    lines += ["", f"Bare costs: {costs_in_words(costs)}; limit on {cores} cores: {limit:,.0f} steps/s."]
    share = 100 * checks / sum(costs.values())
    lines += [f"The checks for numbers that are not finite cost {checks:.2f} us per step, {share:.2f}% of that."]
    if best:
        verdicts = (
            f"{name} {'reaches' if medians[name] >= target * medians[best] else 'misses'} {target} x"
            for name in medians
            for engine, target in task.targets.items()
            if name.startswith(OURS + engine)
        )
        lines += ["", f"Against {best}: {', '.join(verdicts)}."]
    engines = [name.removeprefix(BESIDE) for name in medians if name.startswith(BESIDE)]
    ratios = {engine: medians[OURS + engine] / medians[BESIDE + engine] for engine in engines}
    if ratios:
        each = ", ".join(f"{engine} {ratio:.3f}" for engine, ratio in ratios.items())
        lines += ["", f"Medians of this checkout divided by those of the one beside it: {each}."]
    data = {"steps_per_second": speeds, "medians": medians, "best_sb3": best, "targets": task.targets}
    return "\n".join(lines) + "\n", data | {"beside_ratios": ratios, "bare_costs_us": parts, "limit": limit}


def costs_in_words(costs: dict[str, float]) -> str:
    """``environment 100.0 + policy 50.0 + learner 200.0 = 350.0 us per step``."""
    return (
        " + ".join(f"{name} {cost:.1f}" for name, cost in costs.items()) + f" = {sum(costs.values()):.1f} us per step"
    )


def machine(cores: int) -> dict[str, Any]:
    """The machine and the versions of the libraries."""
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
    """The options of the command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["async", "hogwild"],
        help="engines of lit-a3c, each ENGINE[:WORKERS][+bf16][+gpu][+K8][+16x10][+LSTM]",
    )
    parser.add_argument("--beside", type=Path, metavar="DIRECTORY", help="another checkout to measure in turns")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each system")
    parser.add_argument("--warm-up", type=float, default=15, help="seconds of training before a measurement")
    parser.add_argument("--seconds", type=float, default=20, help="seconds of a measurement")
    parser.add_argument("--cores", type=int, default=2, help="cores that all processes share")
    parser.add_argument("--ours-only", action="store_true", help="without Stable-Baselines3")
    parser.add_argument("--output", type=Path, help="JSON file for all measurements")
    options = parser.parse_args()
    if not options.ours_only and not all(map(importlib.util.find_spec, ("stable_baselines3", "cv2"))):
        parser.error("Stable-Baselines3 is not installed: pip install -e .[benchmark], or measure with --ours-only")
    if options.beside:
        options.beside = options.beside.absolute()
        if not (options.beside / "lit_a3c/__init__.py").is_file():
            parser.error(f"--beside {options.beside}: this is no checkout of lit-a3c")
    available = sorted(os.sched_getaffinity(0))
    if not 1 <= options.cores <= len(available):
        parser.error(f"--cores {options.cores}: there are {len(available)}")
    os.sched_setaffinity(0, available[: options.cores])  # inherited by every process started here
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every ``finally`` ends its processes
    results: dict[str, Any] = {"machine": machine(options.cores), "seconds": options.seconds, "tasks": {}}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()) + "\n")
    for name in options.tasks:
        text, results["tasks"][name] = report(TASKS[name], measure(TASKS[name], options), options.cores)
        print(text, flush=True)
        if options.output:
            options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
