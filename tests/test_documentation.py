"""The examples of the documentation run as they are written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT, launch


def examples(page: str) -> list[str]:
    """The Python programs of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


@pytest.mark.campaign
def test_the_examples_of_python_run(tmp_path: Path) -> None:
    """One after the other, as a reader of the page runs them. The first one trains; here it does so for a moment."""
    first, *others = examples("python.md")
    assert len(others) >= 5
    short = first.replace("total_steps=200_000", "total_steps=2_000")
    assert short != first
    for number, text in enumerate((short, *others)):
        (tmp_path / f"example{number}.py").write_text(text)
        done = launch(f"example{number}.py", cwd=tmp_path, timeout=300, command=[sys.executable])
        assert done.returncode == 0, f"{text}\n{done.stderr}"
    assert list(tmp_path.glob("videos/*.mp4"))
