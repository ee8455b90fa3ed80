"""How the agents of the package are trained and packed."""

from __future__ import annotations

import json
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
        options[(training.config, *training.options)] = training.command(Path("runs/agents/X/seed0"), 0, ())
    for command in options.values():
        assert "total_steps" in cli(*command, "--print_config")


@pytest.mark.campaign
def test_a_run_that_was_cut_off_goes_on_and_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    import agents
    import agents_files
    from agents_trainings import TRAININGS, Training

    monkeypatch.setitem(TRAININGS, "CartPole-v1", Training("cartpole", "CartPole-v1", 2_000, ("--engine=serial",)))  # type: ignore[arg-type]
    short = ("--trainer.val_check_interval=10", "--data.eval_episodes=2")
    agents.Run("CartPole-v1", 3, Path("runs"), (*short, "--trainer.max_steps=12")).train()
    run = agents.Run("CartPole-v1", 3, Path("runs"), ("--trainer.max_steps=-1",))
    last = run.directory / "checkpoints/last.ckpt"
    assert 0 < read(last)["steps"] < 2_000
    run.train()
    assert read(last)["steps"] == 2_000
    written = last.stat().st_mtime_ns
    run.train()
    assert last.stat().st_mtime_ns == written
    score = run.test()
    assert run.tested.exists()

    worse = run.directory.with_name("seed4")  # as good by its test, and worse by its validation
    shutil.copytree(run.directory, worse)
    checkpoint = read(worse / "checkpoints/best.ckpt")
    checkpoint["callbacks"]["ValidationScores"]["best"][0] -= 1
    save_atomic(checkpoint, worse / "checkpoints/best.ckpt")
    page = tmp_path / "agents.md"
    page.write_text(f"before\n{agents_files.BEGIN}old\n{agents_files.END}after\n")
    monkeypatch.setattr(agents_files, "AGENTS", tmp_path / "agents")
    monkeypatch.setattr(agents_files, "PAGE", page)
    agents._pack(Path("runs"), ["CartPole-v1"])
    file = tmp_path / "agents/CartPole-v1.safetensors"
    about = read_header(file)
    assert (about["seed"], [seed["seed"] for seed in about["seeds"]]) == (3, [3, 4])
    assert about["score"]["mean"] == score["mean"]
    assert "--trainer.logger" not in about["command"]
    assert str(tmp_path).encode() not in file.read_bytes()
    assert A3C.load_from_checkpoint(file).steps == score["trained_steps"]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert f"3: {score['mean']:,.2f}; 4: {score['mean']:,.2f}" in text
    assert "old" not in text
    assert json.loads((run.directory / "training.json").read_text())["seed"] == 3
