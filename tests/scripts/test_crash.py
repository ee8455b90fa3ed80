"""A fast sample of every campaign of ``scripts/crash.py``."""

from pathlib import Path

import pytest

from tests.commands import launch, script
from tests.disks import can_mount


@pytest.mark.campaign
@pytest.mark.parametrize(
    "arguments",
    [
        ["kill", "--times", "2"],
        ["exact", "--times", "1", "--updates", "30"],
        ["numbers", "--times", "2"],
        ["damage", "--times", "20"],
        ["hostile"],
        ["workers", "--times", "1"],
        ["workers", "--times", "1", "--engine", "hogwild"],
        ["signals", "--times", "4"],
        pytest.param(["soak", "--minutes", "0.3"], marks=pytest.mark.exhaustive),
        ["disk", "--times", "2"],
        ["race", "--times", "2"],
    ],
    ids=" ".join,
)
def test_nothing_goes_wrong(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] == "disk" and not can_mount(tmp_path):
        pytest.skip("this needs the right to mount file systems")
    done = launch(*arguments, cwd=tmp_path, timeout=240, command=script("crash.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{arguments[0]}: 0 problems" in done.stdout
