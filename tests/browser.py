"""Headless Chromium, as tests use it. It reaches no other machine: a page that asks for something shows an error."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=3000", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)


def chromium(url: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page, with a new profile in a directory. The console goes to stderr."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={directory / 'profile'}", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def console(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a page has written to the console, errors included."""
    return re.findall(r"CONSOLE.*", done.stderr)
