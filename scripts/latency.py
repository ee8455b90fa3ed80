"""How long one decision takes: the policy in torch, and its exported file in onnxruntime, at a batch of one.

    python scripts/latency.py runs/HalfCheetah-v5/version_0/checkpoints/best.ckpt [--decisions 2000]

Both have one thread. Observations are drawn before the clock starts. Prints a Markdown table of microseconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from play_onnx import Policy

from lit_a3c import A3C
from lit_a3c.export import export_policy


def microseconds(act: Callable[[Any], Any], observations: list[Any]) -> np.ndarray:
    """Of each decision, without the first hundred."""
    times = np.empty(len(observations))
    for i, observation in enumerate(observations):
        start = time.perf_counter()
        act(observation)
        times[i] = time.perf_counter() - start
    return 1e6 * times[100:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--decisions", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    agent = A3C.load_from_checkpoint(arguments.checkpoint)
    spaces = agent.spaces
    if spaces.mask_size:
        parser.error("policies with action masks are not measured: no masks can be drawn for them")
    observations = [spaces.observation_space.sample() for _ in range(arguments.decisions + 100)]
    with tempfile.TemporaryDirectory() as directory:
        file = export_policy(agent, Path(directory) / "policy.onnx", "onnx").file
        policy = Policy(str(file), spaces.action_space)
    print(f"{spaces.env_id}, {arguments.decisions} decisions, one thread\n")
    print("| who | median | 99% |\n|---|---|---|")
    for name, act in (("`agent.predict`", agent.predict), ("onnxruntime", lambda seen: policy(seen, {}))):
        times = microseconds(act, observations)
        print(f"| {name} | {np.median(times):.0f} us | {np.quantile(times, 0.99):.0f} us |")


if __name__ == "__main__":
    main()
