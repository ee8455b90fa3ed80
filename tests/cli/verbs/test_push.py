"""``push``: a run as a repository, on a Hub of this machine."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_a3c import A3C
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.shipped import COMMAND, SCORE, shipped
from tests.cli.test_trust import changed
from tests.commands import RUN, Lightning, read
from tests.hub_server import TOKEN, Hub
from tests.hubs import hub, impatient

__all__ = ["hub", "impatient", "shipped"]


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run that has been tested. Its files are the test's own."""
    target = tmp_path / "secret_place" / RUN
    shutil.copytree(trained / RUN, target)
    steps = read(target / "checkpoints/best.ckpt")["steps"]
    score = SCORE | {"env_id": "CartPole-v1", "trained_steps": steps, "returns": [1.0], "checkpoint": str(target)}
    (target / "test-best.json").write_text(json.dumps(score))
    return target


@pytest.fixture
def owner(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A Hub whose token is known here."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


def card(hub: Hub) -> tuple[dict[str, Any], str]:
    """The metadata of a repository's page, and its text."""
    _, metadata, text = hub.repositories["me/agent"]["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(metadata), text


def test_what_is_pushed_is_what_is_pulled(owner: Hub, run: Path, cli: Lightning) -> None:
    out = cli("push", str(run), "me/agent", "--private")
    assert "uploaded    agent.safetensors, replay.mp4, config.yaml, README.md" in out
    assert f"page        {owner.url}/me/agent" in out
    assert owner.created == [{"name": "agent", "organization": "me", "visibility": "private"}]
    files = owner.repositories["me/agent"]
    newest = next(run.glob("videos/best-*.mp4"))
    assert files["replay.mp4"] == newest.read_bytes()
    assert not [name for name, data in files.items() if b"secret_place" in data or b"/home/" in data]
    pushed, kept = A3C.load_from_checkpoint("hf://me/agent"), read(run / "checkpoints/best.ckpt")
    assert all(tensor.equal(pushed.state_dict()[name]) for name, tensor in kept["state_dict"].items())
    out = cli("test", "--ckpt_path", "hf://me/agent", "--data.test_episodes=2")
    assert "written to runs/me--agent/agent/test-agent.json" in out
    Path("config.yaml").write_bytes(files["config.yaml"])
    assert "env_id: CartPole-v1" in cli("fit", "--config", "config.yaml", "--print_config")


def test_its_page_has_what_the_hub_lists_and_what_a_reader_needs(owner: Hub, run: Path, cli: Lightning) -> None:
    cli("push", str(run), "me/agent")
    assert "visibility" not in owner.created[0]
    metadata, text = card(owner)
    assert (metadata["library_name"], metadata["pipeline_tag"]) == ("lit-a3c", "reinforcement-learning")
    assert "CartPole-v1" in metadata["tags"]
    (result,) = metadata["model-index"][0]["results"]
    assert result["dataset"] == {"name": "CartPole-v1", "type": "CartPole-v1"}
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == ("mean_reward", "60.50 +/- 1.00")
    assert "60.50 (95% interval 60.25 to 1,061.00) over 100 episodes" in text
    assert "lit-a3c test --ckpt_path hf://me/agent" in text
    assert "![The agent](replay.mp4)" in text
    assert re.search(r"\| torch \| \d", text)


def test_an_agent_of_the_package_is_pushed_as_it_is(owner: Hub, shipped: Path, cli: Lightning) -> None:
    cli("push", "agent:CartPole-v1", "me/agent")
    assert set(owner.repositories["me/agent"]) == {"agent.safetensors", "config.yaml", "README.md"}
    assert owner.repositories["me/agent"]["agent.safetensors"] == shipped.read_bytes()
    assert COMMAND in card(owner)[1]


def test_without_a_score_nothing_is_pushed(owner: Hub, run: Path, refused: Refused) -> None:
    """Nor with that of another checkpoint."""
    file = run / "test-best.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"trained_steps": 7}))
    assert "is the score of step 7, and the checkpoint is of step" in refused("push", str(run), "me/agent")
    file.write_text("{")
    assert "cannot be read as a score. Test the agent again: lit-a3c test" in refused("push", str(run), "me/agent")
    file.unlink()
    said = refused("push", str(run), "me/agent")
    assert f"has no score, which its page needs. Test it first: lit-a3c test --ckpt_path {run}/checkpoints/best" in said
    assert not owner.asked


def test_a_place_of_this_machine_is_not_pushed(owner: Hub, run: Path, refused: Refused) -> None:
    file = run / "checkpoints/best.ckpt"
    changed(file, file, lambda _, config: config["data"].update(env_kwargs={"xml_file": "/home/me/robot.xml"}))
    said = refused("push", str(run), "me/agent")
    assert said.startswith("an option of the agent is '/home/me/robot.xml', a place on this machine.")
    assert not owner.asked


def test_without_a_token_the_way_to_log_in_is_named(hub: Hub, run: Path, refused: Refused) -> None:
    said = refused("push", str(run), "me/agent")
    assert "the server says 401, you may not do this. Log in with 'hf auth login', or set HF_TOKEN." in said


@pytest.mark.parametrize("repository", ["agent", "me/agent/x", "me/", "/agent"])
def test_a_name_that_is_none_is_refused(hub: Hub, run: Path, refused: Refused, repository: str) -> None:
    assert refused("push", str(run), repository).endswith("is no name of a repository: it must be user/agent.")
    assert not hub.asked


def test_an_upload_that_fails_has_the_exit_code_of_a_failure(
    owner: Hub, run: Path, impatient: None, capfd: pytest.CaptureFixture[str]
) -> None:
    owner.broken = 503
    capfd.readouterr()
    assert main(["push", str(run), "me/agent"]) == 1
    said = capfd.readouterr().err
    assert main(["push", str(run), "me/agent", "--endpoint", "http://127.0.0.1:9"]) == 1
    said += capfd.readouterr().err
    assert [line[:34] for line in said.splitlines()] == ["lit-a3c: 'me/agent' cannot be uplo"] * 2
