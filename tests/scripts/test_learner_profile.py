"""What an update costs the learner: each moment counts as one part, and the parts are the whole."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT, launch, script

sys.path.insert(0, str(ROOT / "scripts"))
from learner_profile import REST, Clock


def test_a_part_counts_without_those_that_it_calls() -> None:
    """Also where a part calls itself, or ends with an exception."""
    clock, now = Clock(), [0.0]
    clock.now = lambda: now[0]

    def work(seconds: float) -> None:
        now[0] += seconds

    inner = clock.timed("inner", work)

    @lambda function: clock.timed("outer", function)
    def outer() -> None:
        work(1)
        inner(10)
        work(2)
        raise ZeroDivisionError

    inner(1000)  # before the start
    clock.restart()
    work(100)
    with pytest.raises(ZeroDivisionError):
        outer()
    work(200)
    clock.stop()
    inner(1000)
    assert clock.seconds == {"outer": 3, "inner": 10, REST: 300}


@pytest.mark.campaign
def test_the_table(tmp_path: Path) -> None:
    """The parts of a real training add up to its whole, and an update of eight rollouts costs less than eight."""
    command = ["--tasks", "cartpole", "--updates", "20", "--rounds", "1", "--cpu-time"]
    done = launch(*command, cwd=tmp_path, timeout=240, command=script("learner_profile.py"))
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    assert rows[0] == ["us per update", "cartpole, 1 x 80 steps", "cartpole, 8 x 80 steps"]
    numbers = {name: [int(re.sub(r"\D", "", cell)) for cell in cells] for name, *cells in rows[2:]}
    whole = numbers.pop("**all**")
    speeds = numbers.pop("steps per second")
    for column in (0, 1):
        assert sum(cells[column] for cells in numbers.values()) == pytest.approx(whole[column], abs=len(numbers))
        assert speeds[column] == pytest.approx((80, 640)[column] * 1e6 / whole[column], rel=0.01)
    assert whole[1] < 8 * whole[0]
    never = {name for name, cells in numbers.items() if not any(cells)}
    assert never == set()
    assert numbers["rollouts side by side"][0] == 0, "a single one is not copied"
    assert re.search(r"^cartpole: a = -?[\d.]+ ms, b = -?[\d.]+ us a step$", done.stdout, re.MULTILINE)
