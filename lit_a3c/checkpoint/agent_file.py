"""Agents as files: the weights and running statistics of a checkpoint, and what is known of them, as safetensors.

Such a file holds no pickle and no state of an optimizer. It is small, and other programs can read it. It is loaded as
what :func:`lit_a3c.checkpoint.io.load_verified` returns, marked with ``weights_only``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection
from typing import Any

import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from lit_a3c.checkpoint.agent_header import CHECKSUM, TEXTS, VERSION, checksum, split, texts, to_json
from lit_a3c.checkpoint.compatibility import check_contents
from lit_a3c.checkpoint.errors import CorruptCheckpointError
from lit_a3c.checkpoint.trust import config_of
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.versions import installed_versions

WEIGHTS_ONLY = "weights_only"
"""Key of a checkpoint that came from an agent file. No training can go on from it."""
NUMBERS = (torch.float16, torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)
"""Types that a tensor may have."""
HALF_MAX = torch.finfo(torch.float16).max


def describe(
    checkpoint: dict[str, Any],
    *,
    sections: Collection[str],
    score: dict[str, Any] | None = None,
    seeds: Collection[dict[str, Any]] = (),
    command: str = "",
    versions: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What an agent file is to say of the agent, by the names in :data:`~lit_a3c.checkpoint.agent_header.TEXTS`.

    Options that say where files go are left out, and so is the logger: they are those of one machine.

    Args:
        checkpoint: What :func:`~lit_a3c.checkpoint.io.load_verified` returns.
        sections: Names of all sections that a config may have.
        score: What ``lit-a3c test`` has written of this checkpoint.
        seeds: The score of every seed that was trained, with the key ``seed``.
        command: The command that has trained it.
        versions: Of the packages that have trained it; by default those that are installed.

    Raises:
        ConfigError: The checkpoint is none, or carries no config.
    """
    spaces = check_contents(checkpoint)
    config = config_of(checkpoint, fit=True, sections=sections, trusted=True)
    config["trainer"].pop("logger", None)
    return {
        "format_version": VERSION,
        "config": yaml.safe_dump(config),
        "hyper_parameters": checkpoint["hyper_parameters"],
        "spaces": checkpoint["spaces"],
        **{name: checkpoint[name] for name in ("steps", "updates", "seconds")},
        "frames": checkpoint["steps"] * spaces.frame_skip,
        "seed": config.get("seed_everything"),
        "score": _without_returns(score),
        "seeds": [_without_returns(each) for each in seeds],
        "command": command,
        "versions": versions or installed_versions(),
    }


def pack(checkpoint: dict[str, Any], about: dict[str, Any], half: Collection[str] = ()) -> bytes:
    """The agent file of a checkpoint.

    Args:
        checkpoint: What :func:`~lit_a3c.checkpoint.io.load_verified` returns.
        about: What :func:`describe` returns.
        half: Names of tensors that are stored in half precision, those of weights.

    Raises:
        ConfigError: One of the weights is too large for half precision.
    """
    tensors = {name: _stored(name, tensor, name in half) for name, tensor in checkpoint["state_dict"].items()}
    metadata = {name: to_json(about[name]) for name in TEXTS}
    header, data = split(safetensors.torch.save(tensors, metadata))
    return safetensors.torch.save(tensors, metadata | {CHECKSUM: checksum(header, data)})


def unpack(data: bytes, map_location: Any = "cpu") -> dict[str, Any]:
    """The checkpoint of an agent file, without what only a training needs.

    Raises:
        CorruptCheckpointError: It is no agent file, or is not as it was written.
    """
    header, tail = split(data)
    about = texts(header)
    if checksum(header, tail) != header["__metadata__"][CHECKSUM]:
        raise CorruptCheckpointError("its checksum is wrong: the file is damaged")
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpointError(f"its tensors cannot be read: {str(error)[:120]}") from error
    if foreign := [name for name, tensor in tensors.items() if tensor.dtype not in NUMBERS]:
        raise CorruptCheckpointError(
            f"its {foreign[0][:80]} is of a type that no agent has: {tensors[foreign[0]].dtype}"
        )
    versions = about["versions"] if isinstance(about["versions"], dict) else {}
    return {
        **{name: about[name] for name in ("config", "hyper_parameters", "spaces", "steps", "updates", "seconds")},
        "state_dict": {name: _loaded(tensor).to(map_location) for name, tensor in tensors.items()},
        "first_step": 0,
        "discarded": 0,
        "optimizer": None,
        "recent_episodes": [],
        WEIGHTS_ONLY: True,
        # What Lightning asks of every checkpoint
        "pytorch-lightning_version": str(versions.get("lightning", importlib.metadata.version("lightning"))),
        "epoch": 0,
        "global_step": 0,
    }


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    if not half or tensor.dtype != torch.float32:
        return tensor.contiguous()
    if tensor.abs().max() > HALF_MAX:
        raise ConfigError(f"{name} has numbers that are too large for half precision.")
    return tensor.half().contiguous()


def _loaded(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _without_returns(score: dict[str, Any] | None) -> dict[str, Any] | None:
    """A score without the single returns, and without the path of its checkpoint, which is one of this machine."""
    return score and {name: value for name, value in score.items() if name not in ("returns", "checkpoint")}
