"""Actors are exactly as many updates behind as asked for."""

from pathlib import Path

import pytest

from tests.commands import launch, script


@pytest.mark.campaign
def test_the_lag_is_the_one_asked_for(tmp_path: Path) -> None:
    """The script itself refuses a run that logs another lag."""
    short = ["--data.total_steps", "4800", "--trainer.val_check_interval", "20", "--trainer.log_every_n_steps", "10"]
    done = launch("--lag", "7", "--seeds", "3", *short, cwd=tmp_path, timeout=120, command=script("policy_lag.py"))
    assert done.returncode == 0, done.stderr
    table = [line.split(" | ")[:3] for line in done.stdout.splitlines() if line.startswith("|")]
    assert table[2:] == [["| 0", "no", "3"], ["| 7", "no", "3"], ["| 7", "yes", "3"]]
