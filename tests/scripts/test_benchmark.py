"""The speed of a real training is measured, and stands beside the limit that the bare costs imply."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, launch, script


def benchmark(directory: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """One short round of ``serial``: what is printed, and the numbers of the task."""
    short = ["--rounds", "1", "--warm-up", "1", "--seconds", "1", "--cores", "1"]
    task = ["--tasks", "halfcheetah", "--ours-only", "--engines", "serial", "--output", "figures.json"]
    done = launch(*task, *short, *options, cwd=directory, timeout=240, command=script("benchmark.py"))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((directory / "figures.json").read_text())["tasks"]["halfcheetah"]


@pytest.mark.campaign
def test_speed_and_limit(tmp_path: Path) -> None:
    printed, figures = benchmark(tmp_path)
    (rate,) = figures["steps_per_second"]["lit-a3c serial"]
    assert figures["medians"] == {"lit-a3c serial": rate}
    (costs,) = figures["bare_costs_us"]
    assert all(cost > 0 for cost in costs.values())
    assert figures["limit"] == pytest.approx(1e6 / sum(cost for part, cost in costs.items() if part != "checks"))
    assert 0 < rate < 1.5 * figures["limit"]  # a busy machine may slow either
    assert f"| lit-a3c serial | {rate:,.0f} |" in printed


@pytest.mark.exhaustive
def test_the_code_of_another_checkout_is_measured_in_turns(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "lit_a3c", other / "lit_a3c", ignore=shutil.ignore_patterns("__pycache__"))  # follows links
    shutil.copytree(ROOT / "configs", other / "configs")
    mark = "import pathlib\npathlib.Path(__file__).with_name('was_run').touch()\n"
    entry = other / "lit_a3c/cli/main.py"
    entry.write_text(entry.read_text().replace("import sys\n", f"import sys\n{mark}", 1))
    printed, figures = benchmark(tmp_path, "--beside", str(other))
    assert (other / "lit_a3c/cli/was_run").exists()
    assert not (ROOT / "lit_a3c/cli/was_run").exists()
    ours, theirs = (figures["medians"][f"{name} serial"] for name in ("lit-a3c", "beside"))
    assert figures["beside_ratios"] == {"serial": pytest.approx(ours / theirs)}
    assert f"| beside serial | {theirs:,.0f} |" in printed
    assert f"divided by those of the one beside it: serial {ours / theirs:.3f}." in printed


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    done = launch("--ours-only", "--beside", str(tmp_path), cwd=tmp_path, command=script("benchmark.py"))
    assert done.returncode == 2
    assert f"--beside {tmp_path}: this is no checkout of lit-a3c" in done.stderr


def test_the_name_of_a_system_has_the_size_of_its_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from throughput import options_of

    assert options_of("16x10") == {
        "data.envs_per_worker": "16",
        "data.rollout_length": "10",
        "data.num_minibatches": 1,
    }
    assert options_of("K8") == {"data.rollouts_per_update": 8}
    assert options_of("GRU") == {"model.recurrent": "lit_a3c.GRU"}
