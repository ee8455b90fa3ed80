"""``lit-a3c export``: the file plays the episodes of ``lit-a3c test``; what cannot be exported is one line."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_a3c import A3C
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.commands import ROOT, RUN, Lightning, launch
from tests.export.policies import played_without_torch
from tests.test_documentation import examples

GREEDY = ("--model.deterministic_eval", "true")
HEADS = "tests.cli.verbs.own_parts"


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    """A copy of a run's checkpoint, in a directory of its own."""
    run = tmp_path / "run"
    run.mkdir()
    return Path(shutil.copy(trained / RUN / "checkpoints" / "best.ckpt", run))


def returns_of_test(cli: Lightning, checkpoint: Path, *options: str) -> list[float]:
    cli("test", "--ckpt_path", str(checkpoint), *GREEDY, *options)
    returns: list[float] = json.loads((checkpoint.parent / "test-best.json").read_text())["returns"]
    return returns


def own(checkpoint: Path, part: str, name: str) -> Path:
    """A checkpoint whose head or body is one of the user's."""
    agent = A3C.load_from_checkpoint(checkpoint)
    contents = torch.load(checkpoint, weights_only=True)
    contents["hyper_parameters"][part] = {"class_path": f"{HEADS}.{name}", "init_args": {}}
    assert len(contents["state_dict"]) == len(agent.state_dict())
    contents.pop("checksummed")
    target = checkpoint.with_name(f"{name}.ckpt")
    torch.save(contents, target)
    return target


def test_the_file_plays_the_episodes_of_the_test(cli: Lightning, checkpoint: Path) -> None:
    pytest.importorskip("onnxscript")
    shown = cli("export", "--ckpt_path", str(checkpoint.parent))  # a run's directory, as everywhere
    file = checkpoint.with_suffix(".onnx")
    assert f"written to {file}" in shown
    assert "observation                  float32  [batch, 4]" in shown
    assert "largest difference from the policy: " in shown
    expected = returns_of_test(cli, checkpoint, "--data.test_episodes", "23")  # one full batch of copies, and some
    assert played_without_torch({file: (None, 23)}) == [expected]


def test_pt2_needs_no_extra(cli: Lightning, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    cli("export", "--ckpt_path", str(checkpoint), "--output", "policy.pt2")
    program = torch.export.load("policy.pt2").module()
    outputs = program({"observation": torch.zeros(3, 4)})
    assert {name: tuple(tensor.shape) for name, tensor in outputs.items()} == {
        "action": (3,),
        "value": (3,),
        "logits": (3, 2),
    }


def test_a_missing_package_comes_with_the_command_that_installs_it(
    refused: Refused, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    message = refused("export", "--ckpt_path", str(checkpoint), "--format", "onnx")
    assert "onnxscript" in message
    assert "pip install 'lit-a3c[onnx]'" in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "export needs a trained agent: --ckpt_path with a checkpoint or a run's directory."),
        (["--ckpt_path", "run", "--format", "onx"], "--format 'onx' must be one of onnx, pt2. Did you mean 'onnx'?"),
        (
            ["--ckpt_path", "run", "--output", "a.onxx"],
            "--output 'a.onxx' must end in .onnx or .pt2, or --format must say which it is. Did you mean 'onnx'?",
        ),
        (
            ["--ckpt_path", "run", "--output", "a.onnx", "--format", "pt2"],
            "--format pt2 contradicts --output 'a.onnx'. Give one of them.",
        ),
        (["--ckpt_path", "rum", "--format", "pt2"], "--ckpt_path 'rum' does not exist. Did you mean 'run'?"),
        (["--ckpt_path", "run", "--output", "there.pt2"], "'there.pt2' exists already. Name another file with"),
        (["--ckpt_path", "run", "--format", "pt2", "--output", "run"], "--output 'run' is a directory. Name a file"),
        (["--ckpt_path", "run", "--output", "there.pt2/a.pt2"], "'there.pt2/a.pt2' cannot be written: "),
        (["--ckpt_path", "there.pt2", "--format", "pt2"], "--ckpt_path 'there.pt2' cannot be read as a checkpoint: "),
    ],
)
def test_a_request_that_cannot_work_is_one_line(
    refused: Refused, checkpoint: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    (tmp_path / "there.pt2").write_text("mine")
    assert refused("export", *options).startswith(says)
    assert (tmp_path / "there.pt2").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["best.ckpt", "there.pt2"]


def test_a_file_is_replaced_when_the_user_says_so(cli: Lightning, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.pt2").write_text("old")
    cli("export", "--ckpt_path", str(checkpoint), "--output", "policy.pt2", "--overwrite")
    assert (tmp_path / "policy.pt2").read_bytes().startswith(b"PK")


def test_what_was_downloaded_is_written_to_the_present_directory(cli: Lightning, checkpoint: Path) -> None:
    assert "written to CartPole-v1.pt2" in cli("export", "--ckpt_path", f"file://{checkpoint}", "--format", "pt2")


@pytest.mark.parametrize(
    ("part", "name", "why"),
    [("head", "Branching", "Could not guard on data-dependent"), ("body", "Listed", "batch")],
)
def test_a_part_that_cannot_be_exported_is_named(
    refused: Refused, checkpoint: Path, part: str, name: str, why: str
) -> None:
    file = own(checkpoint, part, name)
    given = ("export", "--ckpt_path", str(file), "--format", "pt2")
    assert "is none of the classes that a checkpoint may name" in refused(*given)
    message = refused(*given, "--trust_checkpoint")
    assert message.startswith(f"model.{part} {name} cannot be exported as pt2: ")
    assert why in message
    assert not file.with_suffix(".pt2").exists()


def test_a_policy_that_differs_leaves_no_file(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = own(checkpoint, "head", "Drifting")
    with contextlib.chdir(tmp_path):
        code = main(["export", "--ckpt_path", str(file), "--output", "policy.pt2", "--trust_checkpoint"])
    assert code == 1
    message = capsys.readouterr().err
    assert message.startswith("lit-a3c: the exported policy is not the same: its ")
    assert not (tmp_path / "policy.pt2").exists()


@pytest.mark.campaign
def test_the_examples_of_the_page_run(cli: Lightning, checkpoint: Path, tmp_path: Path) -> None:
    for name in ("best.onnx", "policy.pt2"):
        cli("export", "--ckpt_path", str(checkpoint), "--output", name)
    for number, text in enumerate(examples("export.md")):
        (tmp_path / f"example{number}.py").write_text(text)
        done = launch(f"example{number}.py", cwd=tmp_path, timeout=60, command=[sys.executable])
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        assert done.stdout
    assert number == 1
    script = (str(ROOT / "scripts/latency.py"), str(checkpoint), "--decisions", "50")
    assert "| onnxruntime | " in launch(*script, cwd=tmp_path, timeout=60, command=[sys.executable]).stdout


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("config", "options", "rtol"),
    [
        ("cartpole.yaml", (), 0),
        ("mujoco.yaml", ("--data.env_id", "Pendulum-v1", "--model.head", "lit_a3c.BetaHead"), 1e-4),
    ],
)
def test_a_hundred_episodes(cli: Lightning, tmp_path: Path, config: str, options: Any, rtol: float) -> None:
    budget = ("--data.total_steps", "3000", "--engine", "serial", "--video.every_n_steps", "-1")
    cli("fit", "--config", config, *options, *budget)
    (best,) = tmp_path.rglob("best.ckpt")
    cli("export", "--ckpt_path", str(best))
    cli("test", "--ckpt_path", str(best), *GREEDY)
    (score,) = tmp_path.rglob("test-best.json")
    expected = json.loads(score.read_text())["returns"]
    assert len(expected) == 100
    (played,) = played_without_torch({best.with_suffix(".onnx"): (None, 100)})
    assert played == pytest.approx(expected, rel=rtol, abs=0)
