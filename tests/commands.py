"""The command line, as tests call it: in a process of its own, or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LAUNCH = [sys.executable, "-m", "lit_a3c"]


def environment() -> dict[str, str]:
    """Variables with which ``lit_a3c`` and ``tests`` are importable from any directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def launch(*args: str, cwd: Path, timeout: float = 60, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """``lit-a3c ARGS`` in a process of its own."""
    return subprocess.run(
        [*LAUNCH, *args], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout, **kwargs
    )
