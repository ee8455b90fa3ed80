"""Finding, reading and refusing checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_a3c.envs import EnvSpec
from lit_a3c.errors import ConfigError, did_you_mean

RUNS = Path("runs")
"""Where ``last`` and ``best`` look for the newest run."""


def resolve_checkpoint(given: str, prefer: str) -> Path:
    """A checkpoint by file, by run directory, or by ``last`` or ``best`` for that of the newest run below ``runs``.

    Args:
        given: What the user wrote.
        prefer: ``last`` or ``best``: which of a directory's checkpoints to take where it has both.

    Raises:
        ConfigError: There is none.
    """
    if given in ("last", "best"):
        newest = _newest(RUNS, given)
        if newest is None:
            raise ConfigError(f"--ckpt_path {given!r}: there is no {given}.ckpt below {str(RUNS.absolute())!r}.")
        return newest
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        found = _newest(path, prefer) or _newest(path, "last") or _newest(path, "*")
        if found is None:
            raise ConfigError(f"--ckpt_path {given!r} has no checkpoint (*.ckpt) in it.")
        return found
    near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise ConfigError(f"--ckpt_path {given!r} does not exist.{near}")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents on the CPU: tensors and plain types, nothing that could run code.

    Raises:
        ConfigError: The file is no checkpoint, is damaged, or was not written by lit-a3c.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on files that are no checkpoints; the error says it
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch and pickle raise almost anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ConfigError(f"--ckpt_path {str(path)!r} cannot be read as a checkpoint: {reason}") from error
    if not isinstance(checkpoint, dict) or "spec" not in checkpoint:
        raise ConfigError(f"--ckpt_path {str(path)!r} was not written by lit-a3c.")
    return checkpoint


def check_fits(checkpoint: dict[str, Any], spec: EnvSpec, weights: dict[str, Tensor]) -> None:
    """Refuse a checkpoint of another environment or of another network, by the difference.

    Args:
        checkpoint: The checkpoint.
        spec: The environment that it is to serve.
        weights: ``state_dict`` of the network that is to take it.

    Raises:
        ConfigError: It does not fit.
    """
    if "spec" not in checkpoint:
        raise ConfigError("the checkpoint was not written by lit-a3c.")
    theirs = EnvSpec.from_plain(checkpoint["spec"])
    if (theirs.observation_space, theirs.action_space) != (spec.observation_space, spec.action_space):
        raise ConfigError(
            f"the checkpoint is of {theirs.env_id!r} (observations {theirs.observation_space}, actions "
            f"{theirs.action_space}), and data.env_id is {spec.env_id!r} "
            f"({spec.observation_space}, {spec.action_space})."
        )
    here, there = (
        {name: tuple(tensor.shape) for name, tensor in each.items()} for each in (weights, checkpoint["state_dict"])
    )
    if different := sorted(dict(here.items() ^ there.items())):
        raise ConfigError(
            "the checkpoint is of another network than model.body, model.memory, model.head, model.share_body and "
            f"model.normalize_returns make: {different[0]} is {there.get(different[0], 'missing')} in it and "
            f"{here.get(different[0], 'missing')} here."
        )


def is_plain(value: Any) -> bool:
    """Whether ``torch.load(weights_only=True)`` takes a value that is no tensor."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _newest(directory: Path, stem: str) -> Path | None:
    files = [file for file in directory.glob(f"**/{stem}.ckpt") if file.is_file()]
    return max(files, key=lambda file: file.stat().st_mtime, default=None)
