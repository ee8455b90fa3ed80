"""The entry point: what needs no torch is answered without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lit_a3c
from lit_a3c.cli.commands import COMMANDS, ELSEWHERE, VERBS
from lit_a3c.cli.main import main
from tests.commands import environment, launch

KNOWN = ", ".join([*COMMANDS, *VERBS])
HEAVY = {"torch", "lightning", "torchrl", "tensordict", "gymnasium", "numpy", "jsonargparse"}


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--version"], 0, lit_a3c.__version__),
        (["-V"], 0, lit_a3c.__version__),
        (["--help"], 0, "usage: lit-a3c"),
        (["-h"], 0, "--config atari.yaml"),
        ([], 0, "usage: lit-a3c"),
        (["tset"], 2, f"lit-a3c: 'tset' is not a command ({KNOWN}). Did you mean 'test'?"),
        (
            ["fit", "--data.total_step", "5"],
            2,
            "lit-a3c: there is no option '--data.total_step'. Did you mean '--data.total_steps'?",
        ),
        (["enjoy"], 2, f"lit-a3c: there is no command 'enjoy'. {ELSEWHERE['enjoy']}"),
    ],
)
def test_what_needs_no_torch_is_answered_at_once(args: list[str], code: int, says: str, tmp_path: Path) -> None:
    """No heavy module is imported on the way."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lit_a3c", *args],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stderr.splitlines()
    errors = [line for line in lines if not line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if line not in errors}
    assert done.returncode == code
    assert says in done.stdout if code == 0 else errors == [says]
    assert bool(done.stdout) == (code == 0)
    assert "lit_a3c" in imported
    assert not imported & HEAVY


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command, what in COMMANDS.items():
        assert command in out
        assert what in out


def test_the_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("verb", ELSEWHERE)
def test_a_command_of_another_system_is_answered_with_ours(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb not in COMMANDS
    assert main([verb, "--algo", "a2c"]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert message.startswith(f"lit-a3c: there is no command '{verb}'. To ")
    assert message.partition(": lit-a3c ")[2].split()[0] in COMMANDS | VERBS


def test_the_libraries_are_imported_without_garbage_collection(tmp_path: Path) -> None:
    """Their objects are not looked at again, and later ones are collected as ever."""
    code = """
import gc
from lit_a3c.cli.main import _lightning_cli
collected = []
gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
assert _lightning_cli() is _lightning_cli()
gc.callbacks.clear()
print(collected.count(2), gc.isenabled(), gc.get_freeze_count() > 100_000)
"""
    done = launch(cwd=tmp_path, command=[sys.executable, "-c", code])
    assert done.stdout.split() == ["0", "True", "True"], done.stderr


OWN = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

gymnasium.register("Own-v0", CartPoleEnv, max_episode_steps=20)
"""


SCRIPT = """
import sys
from lit_a3c.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
"""
"""As pip writes it. The directory of such a script comes first in the path, and not the present one."""


@pytest.mark.parametrize("engine", ["serial", pytest.param("async", marks=pytest.mark.campaign)])
def test_the_console_script_finds_an_environment_in_the_present_directory(engine: str, tmp_path: Path) -> None:
    """Its workers, too. A file with the name of a package does not hide the package."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "torch.py").write_text("raise ImportError('this is no torch')")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/lit-a3c"
    script.write_text(SCRIPT)
    options = ["--config", "cartpole.yaml", "--data.env_id", "own:Own-v0", "--data.total_steps", "100"]
    more = ["--engine", engine, "--num_workers", "1", "--video.every_n_steps", "-1"]
    done = launch("fit", *options, *more, cwd=tmp_path, command=[sys.executable, str(script)])
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("last.ckpt"))
