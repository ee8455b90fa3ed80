"""The examples of the documentation run as they are written."""

from __future__ import annotations

import re
import shlex
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


@pytest.mark.campaign
def test_the_environments_and_wrappers_of_the_page_train(tmp_path: Path) -> None:
    """By the commands of the page, in the directory of the user's modules, for a moment."""
    own, *wrappers = examples("environments.md")
    (tmp_path / "my_env.py").write_text(own)
    (tmp_path / "my_wrappers.py").write_text("\n".join(wrappers))
    text = (ROOT / "docs/environments.md").read_text().replace("\\\n", "")
    commands = [shlex.split(line) for line in re.findall(r"^lit-a3c (fit .*data\.wrappers.*)$", text, re.MULTILINE)]
    commands = [command for command in commands if "minigrid" not in " ".join(command)]
    assert len(commands) == 3
    corridor = ["--data.env_id", "my_env:Corridor-v0", "--data.env_kwargs", "{size: 6}"]
    assert " ".join(corridor[:3]) in text
    for command in (*commands, ["fit", "--config", "cartpole.yaml", *corridor]):
        short = ["--data.total_steps", "1000", "--data.eval_episodes", "1", "--engine", "serial"]
        done = launch(*command, *short, "--video.every_n_steps", "-1", cwd=tmp_path, timeout=240)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
