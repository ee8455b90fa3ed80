"""Checkpoint files that are whole or not there, and say when they are damaged."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

MARK = b"\nlit-a3c sha256 "
"""Behind it stands the checksum of all before it. torch's reader does not mind, and itself notices no flipped bit."""
SEALED = "sealed"
"""Key of a checkpoint that has a checksum, so that a damaged mark is noticed, too."""


class DamagedError(ValueError):
    """A checkpoint file is not what was written."""


def seal(checkpoint: dict[str, Any]) -> bytes:
    """A checkpoint as torch writes it, and its checksum."""
    buffer = io.BytesIO()
    torch.save({**checkpoint, SEALED: True}, buffer)
    data = buffer.getvalue()
    return data + MARK + hashlib.sha256(data).digest()


def unseal(data: bytes, map_location: Any = "cpu") -> Any:
    """What :func:`seal` or ``torch.save`` wrote: tensors and plain types, nothing that could run code.

    Raises:
        DamagedError: It cannot be read, or not as it was written.
    """
    end = len(data) - len(MARK) - hashlib.sha256().digest_size
    sealed = end > 0 and data[end:].startswith(MARK)
    if sealed and hashlib.sha256(data[:end]).digest() != data[end + len(MARK) :]:
        raise DamagedError("its checksum is wrong: the file is damaged")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on files that are no checkpoints; the error says it
            checkpoint = torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
    except Exception as error:  # a damaged file makes torch and pickle raise almost anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise DamagedError(reason) from error
    if not sealed and isinstance(checkpoint, dict) and SEALED in checkpoint:
        raise DamagedError("its checksum is missing: the file is damaged")
    return checkpoint


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to disk, and renames, so that the target is the old or the new one, whole.

    Where that fails, on a full disk say, the training goes on, the target is as before, and the user is told. The same
    goes for weights that are not finite, which nobody could go on from.
    """

    _failed = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self._failed = True
        if bad := [name for name, value in checkpoint.get("state_dict", {}).items() if not _finite(value)]:
            _complain(path, f"{bad[0]} is not finite")
            return
        try:
            _write(seal(checkpoint), str(path))
            self._failed = False
        except OSError as error:
            _complain(path, error.strerror or str(error))

    def remove_checkpoint(self, path: Any) -> None:
        """Not while the one that was to take its place could not be written."""
        if not self._failed:
            super().remove_checkpoint(path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Tensors and plain types only, whatever the caller asks for.

        Raises:
            DamagedError: The file is damaged.
        """
        checkpoint: dict[str, Any] = unseal(read_bytes(str(path)), map_location)
        return checkpoint


def read_bytes(path: str) -> bytes:
    """A file's contents, by path or URL."""
    with get_filesystem(path).open(path, "rb") as file:
        data: bytes = file.read()
    return data


def _write(data: bytes, path: str) -> None:
    if "://" in path:  # an object store's files appear when they are complete
        with get_filesystem(path).open(path, "wb") as file:
            file.write(data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the name is safe once the directory is
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or not value.is_floating_point() or bool(value.isfinite().all())


def _complain(path: Any, reason: str) -> None:
    print(
        f"lit-a3c: {path} could not be written: {reason}. What was there before is kept.", file=sys.stderr, flush=True
    )
