"""A window of the real training is measured and set beside the limit that the bare costs imply."""

import json
from pathlib import Path

import pytest

from tests.commands import launch, script


def test_speed_and_limit(tmp_path: Path) -> None:
    short = ["--rounds", "1", "--warm-up", "1", "--seconds", "1", "--cores", "1"]
    task = ["--tasks", "halfcheetah", "--ours-only", "--modes", "serial", "--output", "figures.json"]
    done = launch(*task, *short, cwd=tmp_path, timeout=120, command=script("benchmark.py"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["tasks"]["halfcheetah"]
    (rate,) = figures["steps_per_second"]["lit-a3c serial"]
    assert figures["medians"] == {"lit-a3c serial": rate}
    (costs,) = figures["bare_costs_us"]
    assert all(cost > 0 for cost in costs.values())
    assert figures["limit"] == pytest.approx(1e6 / sum(cost for part, cost in costs.items() if part != "guard"))
    assert 0 < rate < 1.5 * figures["limit"]  # a busy machine may slow either
    assert f"| lit-a3c serial | {rate:,.0f} |" in done.stdout
