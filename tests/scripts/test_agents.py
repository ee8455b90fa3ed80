"""How the agents of the package are trained and packed."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import gymnasium
import pytest

from lit_a3c import A3C
from lit_a3c.checkpoint.agent_header import read_header
from lit_a3c.checkpoint.io import save_atomic
from tests.commands import ROOT, Lightning, read


def test_the_command_line_has_every_option_of_the_trainings(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from agents_trainings import TRAININGS

    options: dict[tuple[str, ...], list[str]] = {}
    for training in TRAININGS.values():
        gymnasium.spec(training.env_id)
        words = shlex.split(training.command(0, 2))
        assert words[0] == "lit-a3c"
        options[(training.config, *training.options)] = words[1:]
    for command in options.values():
        assert "total_steps" in cli(*command, "--print_config")


@pytest.mark.campaign
def test_what_is_trained_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed with the best validation, of all that have finished."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    import agents
    import agents_files
    from agents_trainings import TRAININGS, Training

    monkeypatch.setitem(TRAININGS, "CartPole-v1", Training("cartpole", "CartPole-v1", 2_000, ("--engine=serial",)))  # type: ignore[arg-type]
    page = tmp_path / "agents.md"
    page.write_text(f"before\n{agents_files.BEGIN}old\n{agents_files.END}after\n")
    monkeypatch.setattr(agents_files, "AGENTS", tmp_path / "agents")
    monkeypatch.setattr(agents_files, "PAGE", page)
    short = ["--trainer.val_check_interval=10", "--data.eval_episodes=2"]
    asked = ["agents.py", "--agents", "CartPole-v1", "--directory", "runs"]
    monkeypatch.setattr("sys.argv", [*asked, "--seeds", "3", "--num_workers", "1", *short])
    assert agents.main() == 0
    run = tmp_path / "runs/CartPole-v1/seed3"
    score = json.loads((run / "test-best.json").read_text())

    worse = run.with_name("seed4")  # as good by its test, and worse by its validation
    shutil.copytree(run, worse)
    checkpoint = read(worse / "checkpoints/best.ckpt")
    checkpoint["callbacks"]["ValidationScores"]["best"][0] -= 1
    save_atomic(checkpoint, worse / "checkpoints/best.ckpt")
    monkeypatch.setattr("sys.argv", [*asked, "--pack_only"])
    assert agents.main() == 0
    file = tmp_path / "agents/CartPole-v1.safetensors"
    about = read_header(file)
    assert (about["seed"], [seed["seed"] for seed in about["seeds"]]) == (3, [3, 4])
    assert about["score"]["mean"] == score["mean"]
    assert about["command"] == TRAININGS["CartPole-v1"].command(3, 1)
    assert str(tmp_path).encode() not in file.read_bytes()
    assert A3C.load_from_checkpoint(file).steps == score["trained_steps"]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert f"3: {score['mean']:,.2f}; 4: {score['mean']:,.2f}" in text
    assert "old" not in text
