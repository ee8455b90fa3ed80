"""``starts.jsonl``: a line for each start of a training in its directory, the first one and every continuation.

It says what no other file of a run does: the command, the versions, and the machine.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_a3c.utils.disk import append_whole, reason, say
from lit_a3c.utils.versions import installed_versions

STARTS = "starts.jsonl"


def record_start(directory: Path, command: Sequence[str], step: int, device: str) -> None:
    """Append a line. Where that fails the user is told, and the training goes on.

    Args:
        directory: That of the run.
        command: The arguments of ``lit-a3c``.
        step: Steps that the policy has learned from so far: 0 for a new training.
        device: That of the learner.
    """
    line = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "step": step,
        "machine": {**machine(), "device": device},
        "versions": installed_versions(),
    }
    file = directory / STARTS
    try:
        directory.mkdir(parents=True, exist_ok=True)
        end = file.stat().st_size if file.exists() else 0
        append_whole(file, end, (json.dumps(line) + "\n").encode())
    except OSError as error:
        say(f"{file} cannot be written: {reason(error)}. The training goes on without it.")


def machine() -> dict[str, Any]:
    """The system, the processor, the number of cores that this process may use, and the memory in GiB."""
    found = {"system": platform.platform(), "processor": platform.processor() or platform.machine()}
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        found["processor"] = names[0] if names else found["processor"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = {}
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {**found, "cores": cores, **memory}


def read_starts(text: str) -> list[dict[str, Any]]:
    """The lines of ``starts.jsonl`` that can be read."""
    found = []
    for line in text.splitlines():
        try:
            start = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(start, dict):
            found.append(start)
    return found
