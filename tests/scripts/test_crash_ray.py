"""A sample of the campaign with kills of actors, machines and heads of a Ray cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import launch, script


@pytest.mark.exhaustive
def test_a_sample_of_the_campaign(tmp_path: Path) -> None:
    """Three minutes on an idle machine. A second start finds nothing left to do."""
    pytest.importorskip("ray")
    arguments = ["--actors", "1", "--machines", "1", "--heads", "1", "--stop"]
    done = launch(*arguments, cwd=tmp_path, timeout=900, command=script("crash_ray.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    entries = [json.loads(line) for line in (tmp_path / "crash-ray.jsonl").read_text().splitlines()]
    assert sorted(entry["what"] for entry in entries) == ["actor", "head", "machine", "training"]
    again = launch(*arguments, cwd=tmp_path, timeout=60, command=script("crash_ray.py"))
    assert again.stdout.strip() == "4 entries, 0 problems"
