"""A fast sample of every campaign of ``scripts/crash.py`` that no other test is one of."""

import subprocess
import sys

import pytest

from tests.commands import ROOT, environment


@pytest.mark.parametrize(
    "arguments",
    [
        ["kill", "--times", "2"],
        ["exact", "--times", "2", "--updates", "30"],
        ["numbers", "--times", "1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_goes_wrong(arguments: list[str]) -> None:
    command = [sys.executable, str(ROOT / "scripts/crash.py"), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{arguments[0]}: 0 problems" in done.stdout
