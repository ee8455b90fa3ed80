"""What is in an exported file beside the network."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import lit_a3c
from lit_a3c import EnvConfig
from lit_a3c.export import export_policy
from lit_a3c.export.policy import ExportedPolicy
from tests.commands import ROOT
from tests.dummy_envs import dummy
from tests.export.policies import random_agent

CONFIG = "{seed_everything: 3, data: {env_kwargs: {scale: .inf}}}"


def strict(text: str) -> Any:
    """JSON as other languages read it: without infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def check_metadata(found: dict[str, str], env_id: str) -> None:
    assert found["lit_a3c_version"] == lit_a3c.__version__
    assert found["env_id"] == env_id
    assert found["trained_steps"] == "0"
    assert found["frame_skip"] == "1"
    assert found["test_seed"] == "20000003"
    assert strict(found["config"])["data"] == {"env_kwargs": {"scale": "inf"}}
    assert strict(found["spaces"])["observation_space"]["spaces"]["far"]["high"] == "inf"
    assert strict(found["inputs"])[0] == {"name": "observation.far", "type": "float64", "shape": ["batch", 3]}
    assert [port["name"] for port in strict(found["outputs"])][:2] == ["action.0", "action.1"]


def test_an_onnx_file_says_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    env = EnvConfig(dummy("Everything"))
    export_policy(random_agent(env), tmp_path / "policy.onnx", "onnx", CONFIG)
    data = (tmp_path / "policy.onnx").read_bytes()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    check_metadata({entry.key: entry.value for entry in model.metadata_props}, env.env_id)
    for port in (*model.graph.input, *model.graph.output):
        assert port.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert str(ROOT).encode() not in data
    assert "ReduceLogSumExp" not in {node.op_type for node in model.graph.node}  # see formats.py
    assert [file.name for file in tmp_path.iterdir()] == ["policy.onnx"]


def test_a_pt2_file_says_what_it_is(tmp_path: Path) -> None:
    env = EnvConfig(dummy("Everything"))
    agent = random_agent(env)
    exported = export_policy(agent, tmp_path / "policy.pt2", "pt2", CONFIG)
    assert exported.difference <= 1e-6
    extra = {"metadata.json": ""}
    program = torch.export.load(tmp_path / "policy.pt2", extra_files=extra).module()
    check_metadata(strict(extra["metadata.json"]), env.env_id)
    inputs = ExportedPolicy(agent).example(5)
    outputs = program(inputs)
    assert {name: len(tensor) for name, tensor in outputs.items()} == {port.name: 5 for port in exported.outputs}
    with zipfile.ZipFile(io.BytesIO((tmp_path / "policy.pt2").read_bytes())) as archive:
        assert not [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)]
