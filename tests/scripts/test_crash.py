"""A fast sample of every campaign of ``scripts/crash.py``."""

from pathlib import Path

import pytest

from tests.commands import launch, script
from tests.disks import can_mount


@pytest.mark.campaign
@pytest.mark.parametrize(
    "arguments",
    [
        ["kill", "--times", "1"],
        pytest.param(["exact", "--times", "1", "--updates", "30"], marks=pytest.mark.exhaustive),
        pytest.param(["numbers", "--times", "2"], marks=pytest.mark.exhaustive),
        ["damage", "--times", "20"],
        pytest.param(["hostile"], marks=pytest.mark.exhaustive),
        pytest.param(["workers", "--times", "1"], marks=pytest.mark.exhaustive),
        ["workers", "--times", "1", "--engine", "hogwild"],
        pytest.param(["signals", "--times", "4"], marks=pytest.mark.exhaustive),
        pytest.param(["soak", "--minutes", "0.3"], marks=pytest.mark.exhaustive),
        pytest.param(["disk", "--times", "2"], marks=pytest.mark.exhaustive),
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
