"""The script that bash reads, and what bash completes by it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lit_a3c.cli.commands import COMMANDS, VERBS
from lit_a3c.cli.completion import FUNCTION_SHELLS
from lit_a3c.cli.configs import shipped_configs
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused

pytest.importorskip("shtab")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: printed.append(text))
        assert main(["--print_completion", "bash"]) == 0
    file = tmp_path_factory.mktemp("completion") / "lit-a3c.bash"
    file.write_text(printed[0])
    return file


TRY = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
function=$(complete -p lit-a3c | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function
printf '%s\\n' "${COMPREPLY[@]}"
"""

LINES = {
    # line: what bash proposes at its end
    "f": ["fit"],
    "": [*COMMANDS, *VERBS],
    "fit --data.env": ["--data.env_id", "--data.envs_per_worker", "--data.env_kwargs"],
    "fit --engine ": ["hogwild", "async", "sync", "serial", "ray"],
    "fit --engine serial --model.vtrace ": ["true", "false"],
    "fit --config atari": ["atari.yaml", "atari_paper.yaml", "atari_sticky.yaml"],
    "fit --config ": [*shipped_configs(), "mine.yaml", "runs"],
    "fit --model.head Be": ["BetaHead", "BernoulliHead"],
    "fit --model.body.hid": ["--model.body.hidden"],
    "fit --model.optimizer.initial": ["--model.optimizer.initial_accumulator_value"],
    "fit --data.atari.st": ["--data.atari.sticky"],
    "test --data.tes": ["--data.test_episodes"],
    "test --ckpt_path ": ["last", "best", "mine.ckpt", "runs"],
    "sweep --para": ["--parallel"],
    "fit --data.total_steps ": [""],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize("line", LINES)
def test_bash_completes(line: str, script: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for name in ("mine.yaml", "mine.ckpt", "mine.txt"):
        (tmp_path / name).touch()
    words = ["lit-a3c", *line.split(" ")]
    done = subprocess.run(
        ["bash", "--norc", "-c", TRY, "try", str(script), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(LINES[line])


def test_every_shell_of_shtab(capfd: pytest.CaptureFixture[str]) -> None:
    """The functions of a shell are in its script."""
    for shell in ("zsh", "fish"):
        assert main(["--print_completion", shell]) == 0
        text = capfd.readouterr().out
        assert "data.env_id" in text
        assert ("_lit_a3c_config()" in text) == (shell in FUNCTION_SHELLS)


def test_without_shtab(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert refused("--print_completion", "bash") == (
        "--print_completion needs shtab: pip install 'lit-a3c[completion]'."
    )


def test_a_shell_that_there_is_not(refused: Refused) -> None:
    assert refused("--print_completion", "bsh").endswith("Did you mean 'bash'?")
    assert "must be one of bash, zsh" in refused("--print_completion")
