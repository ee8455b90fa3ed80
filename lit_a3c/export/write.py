"""A file with a policy, checked before it is written."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_a3c import __version__
from lit_a3c.evaluation.play import TEST_SEED
from lit_a3c.export.check import largest_difference
from lit_a3c.export.policy import ExportedPolicy
from lit_a3c.export.ports import Port
from lit_a3c.export.program import Format, load, serialize
from lit_a3c.policy_module import PolicyModule
from lit_a3c.utils.disk import replace_whole


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: The file.
        inputs: Its inputs.
        outputs: Its outputs.
        difference: The largest difference between the file and the policy.
    """

    file: Path
    inputs: list[Port]
    outputs: list[Port]
    difference: float


def export_policy(agent: PolicyModule, file: Path, kind: Format, config: str | None = None) -> Exported:
    """Write a policy as a file that other programs run, after it was compared with the policy.

    Args:
        agent: The agent. Afterwards it is on the CPU, in the mode of an evaluation.
        file: Where to write. A file that is there is replaced, once the new one is whole.
        kind: The format.
        config: The config of its training in YAML, for whoever makes the environment again.

    Raises:
        ConfigError: A part of the policy cannot be exported; with the part.
        RunError: The exported policy says something else than the policy. Nothing is written.
        OSError: The file cannot be written. The target is as before.
    """
    agent = agent.eval().cpu()
    policy = ExportedPolicy(agent).eval()
    inputs, outputs = policy.ports, policy.output_ports()
    data = serialize(policy, kind, metadata(agent, inputs, outputs, config))
    difference = largest_difference(agent, load(data, kind))
    replace_whole(file, data)
    return Exported(file, inputs, outputs, difference)


def metadata(agent: PolicyModule, inputs: list[Port], outputs: list[Port], config: str | None) -> dict[str, str]:
    """What a file says of itself, each value as text; those that are no plain word are JSON."""
    content = yaml.safe_load(config) if config is not None else {}
    content = content if isinstance(content, dict) else {}
    said: dict[str, Any] = {
        "lit_a3c_version": __version__,
        "env_id": agent.spaces.env_id,
        "trained_steps": agent.steps,
        "frame_skip": agent.spaces.frame_skip,
        "spaces": agent.spaces.to_plain(),
        "inputs": [port.plain() for port in inputs],
        "outputs": [port.plain() for port in outputs],
        "config": content,
    }
    if isinstance(seed := content.get("seed_everything"), int) and not isinstance(seed, bool):
        said["test_seed"] = seed % 2**30 + TEST_SEED
    return {name: value if isinstance(value, str) else json.dumps(_json(value)) for name, value in said.items()}


def _json(value: Any) -> Any:
    """JSON has no infinity. It becomes text, which numpy and ``float`` take as a number."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)
