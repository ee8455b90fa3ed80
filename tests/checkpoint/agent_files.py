"""Agent files for tests, good ones and a stranger's."""

from __future__ import annotations

import json
from typing import Any

import safetensors.torch
import torch
import yaml

from lit_a3c import A3C
from lit_a3c.checkpoint.agent_file import describe, pack
from lit_a3c.checkpoint.agent_header import CHECKSUM, checksum, split, to_json
from lit_a3c.cli.configs import SECTIONS
from tests.modules import SPACES, make_module

SCORE = {"mean": 9.5, "sd": 0.5, "ci95": [9.0, 10.0], "episodes": 100, "deterministic": True, "trained_steps": 1000}


def checkpoint_of(module: A3C) -> dict[str, Any]:
    """As a training of the command line writes it, with places of its machine."""
    config = {
        "data": {"env_id": SPACES.env_id},
        "model": {},
        "seed_everything": 3,
        "trainer": {"default_root_dir": "/home/me", "logger": {"class_path": "lit_a3c.RunLogger"}},
        "last_checkpoint": {"dirpath": "/home/me"},
    }
    checkpoint = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    module.on_save_checkpoint(checkpoint)
    return checkpoint | {"steps": 1000, "config": yaml.safe_dump(config)}


def packed(*, half: bool = False, **options: Any) -> bytes:
    """The file of a small agent."""
    module = make_module(**options)
    checkpoint = checkpoint_of(module)
    seeds = [SCORE | {"seed": seed, "returns": [1.0]} for seed in (3, 4)]
    about = describe(checkpoint, sections=SECTIONS, score=SCORE | {"returns": [1.0], "checkpoint": "/x"}, seeds=seeds)
    return pack(checkpoint, about, dict(module.named_parameters()) if half else ())


def forged(data: bytes, tensors: dict[str, torch.Tensor] | None = None, **changes: Any) -> bytes:
    """A file with other texts or tensors, and a right checksum."""
    metadata = split(data)[0]["__metadata__"] | {name: to_json(value) for name, value in changes.items()}
    kept = safetensors.torch.load(data) | (tensors or {})
    header, tail = split(safetensors.torch.save(kept, metadata))
    return safetensors.torch.save(kept, metadata | {CHECKSUM: checksum(header, tail)})


def with_header(data: bytes, text: str) -> bytes:
    """A file with another header, of the same tensors."""
    encoded = text.encode()
    return len(encoded).to_bytes(8, "little") + encoded + split(data)[1]


def header_of(data: bytes) -> str:
    return json.dumps(split(data)[0])
