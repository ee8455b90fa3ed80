"""``agent:NAME`` in the place of a checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lit_a3c import A3C, ConfigError, RolloutDataModule, SafeCheckpointIO, evaluate
from lit_a3c.checkpoint.agent_header import read_header
from tests.checkpoint.agent_files import forged
from tests.cli.conftest import Refused
from tests.cli.shipped import shipped
from tests.cli.trainings import SERIAL, assert_mp4
from tests.commands import RUN, Lightning, environment, read
from tests.trainers import quiet

__all__ = ["shipped"]

AGENT = "agent:CartPole-v1"


def test_its_score_is_that_of_its_checkpoint(shipped: Path, trained: Path, cli: Lightning, tmp_path: Path) -> None:
    """And nothing is written beside the file, which is the package's."""
    cli("test", "--ckpt_path", AGENT, "--data.test_episodes=5")
    score = json.loads((tmp_path / "runs/CartPole-v1/agent/test-CartPole-v1.json").read_text())
    cli("test", "--ckpt_path", str(trained / RUN / "checkpoints/best.ckpt"), "--data.test_episodes=5")
    assert score["returns"] == json.loads((trained / RUN / "test-best.json").read_text())["returns"]
    assert list(shipped.parent.iterdir()) == [shipped]


def test_validate_and_predict_take_it(shipped: Path, cli: Lightning, tmp_path: Path) -> None:
    assert "episodes                2" in cli("validate", "--ckpt_path", AGENT, "--data.eval_episodes=2")
    cli("predict", "--ckpt_path", AGENT)
    assert_mp4(next(tmp_path.glob("runs/CartPole-v1/agent/videos/*.mp4")))
    assert list(shipped.parent.iterdir()) == [shipped]


def test_a_training_begins_from_it(shipped: Path, cli: Lightning, tmp_path: Path) -> None:
    out = cli(*SERIAL, "--init_from", AGENT, "--data.total_steps=80", "--model.optimizer.lr=1e-30")
    assert "begins from the weights of" in out
    (last,) = tmp_path.glob("runs/CartPole-v1/version_0/checkpoints/last.ckpt")
    name = "policy.encoder.body.layers.2.weight"
    assert torch.equal(read(last)["state_dict"][name], A3C.load_from_checkpoint(AGENT).state_dict()[name])


def test_python_takes_it_too(shipped: Path) -> None:
    agent = A3C.load_from_checkpoint(AGENT)
    assert len(evaluate(agent, "CartPole-v1", episodes=2).returns) == 2
    data = RolloutDataModule("CartPole-v1", test_episodes=2)
    other = A3C(data.spaces, body=agent.hparams["body"], normalize_returns=True)
    (scores,) = quiet(plugins=[SafeCheckpointIO()]).test(other, data, ckpt_path=str(shipped))
    assert scores["step"] == agent.steps
    assert all(torch.equal(a, b) for a, b in zip(agent.parameters(), other.parameters(), strict=True))
    with pytest.raises(ConfigError, match="is no agent of this package"):
        A3C.load_from_checkpoint("agent:Chess")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["fit", "--ckpt_path", AGENT],
            f"--ckpt_path '{AGENT}' holds no state of an optimizer, so no training can go on from it. To begin a new "
            f"one with its weights, give a --config and --init_from {AGENT}.",
        ),
        (["test", "--ckpt_path", "agent:CartPoel-v1"], "Did you mean 'CartPole-v1'? 'lit-a3c agents' lists them."),
        (
            ["test", "--ckpt_path", "agent:"],
            "--ckpt_path 'agent:' is no agent of this package. There are: CartPole-v1.",
        ),
        (["fit", "--config", "cartpole.yaml", "--init_from", "agent:X"], "--init_from 'agent:X' is no agent of this"),
        (["agents", "Chess"], "'agent:Chess' is no agent of this package. There are: CartPole-v1."),
    ],
)
def test_what_cannot_be_done_is_one_line(shipped: Path, refused: Refused, command: list[str], said: str) -> None:
    assert said in refused(*command)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: config["model"].update(body={"class_path": "os.system"}), "model.body 'os.system' is none"),
        (lambda config: config["data"].update(env_id="evil:CartPole-v1"), "the checkpoint contradicts itself"),
        (lambda config: config["data"].update(wrappers=["subprocess.call"]), "data.wrappers"),
    ],
)
def test_the_config_in_a_file_is_held_to_the_rules_of_checkpoints(
    shipped: Path, refused: Refused, tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    config = yaml.safe_load(read_header(shipped)["config"])
    change(config)
    file = tmp_path / "hostile.safetensors"
    file.write_bytes(forged(shipped.read_bytes(), config=yaml.safe_dump(config)))
    assert said in refused("test", "--ckpt_path", str(file))


def test_a_damaged_file_is_one_line(shipped: Path, refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "cut.safetensors"
    file.write_bytes(shipped.read_bytes()[:-1])
    assert "cannot be read as a checkpoint: its checksum is wrong: the file is damaged." in refused(
        "test", "--ckpt_path", str(file)
    )


def test_the_list_has_scores_and_every_seed(shipped: Path, cli: Lightning) -> None:
    out = cli("agents")
    (row,) = [line for line in out.splitlines() if line.startswith("CartPole-v1")]
    assert row.split()[2:7] == ["60.50", "60.25", "to", "1,061.00", "2"]
    assert all(len(line) <= 80 for line in out.splitlines())
    sheet = cli("agents", "cartpole-v1")
    assert "seed 1        40.00 (95% interval" in sheet
    assert "over 100 episodes, this agent" in sheet
    assert "lit-a3c fit --config=cartpole.yaml" in sheet
    assert json.loads(cli("agents", "--json"))["CartPole-v1"]["score"]["mean"] == 60.5


def test_the_list_needs_no_torch() -> None:
    """In a process of its own: this one has it already."""
    code = (
        "import sys; from lit_a3c.cli.main import main; assert main(['agents']) == 0; "
        "assert not {'torch', 'gymnasium', 'safetensors', 'huggingface_hub'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_agents_the_list_is_empty(shipped: Path, cli: Lightning) -> None:
    shipped.unlink()
    assert "agent  steps" in cli("agents")
