"""Checkpoint files that are whole or not there, and whose damage is noticed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import re
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from lit_a3c.checkpoint.agent_file import unpack
from lit_a3c.checkpoint.agent_header import is_agent_file
from lit_a3c.checkpoint.errors import CorruptCheckpointError as CorruptCheckpointError
from lit_a3c.checkpoint.sources import local_copy
from lit_a3c.utils.disk import Outage, reason, replace_whole, say

MARK = b"\nlit-a3c sha256 "
"""The checksum of everything before it follows. torch's reader does not mind it, and itself notices no flipped bit."""
CHECKSUMMED = "checksummed"
"""Key of a checkpoint that has a checksum, so that damage to the mark is noticed, too."""


def serialize(checkpoint: dict[str, Any]) -> bytes:
    """A checkpoint as torch writes it, and its checksum."""
    buffer = io.BytesIO()
    torch.save({**checkpoint, CHECKSUMMED: True}, buffer)
    data = buffer.getvalue()
    return data + MARK + hashlib.sha256(data).digest()


def deserialize(data: bytes, map_location: Any = "cpu") -> Any:
    """What :func:`serialize` or ``torch.save`` wrote, or an agent file holds: tensors and plain types only.

    Raises:
        CorruptCheckpointError: It cannot be read, or is not as it was written.
    """
    if is_agent_file(data):
        return unpack(data, map_location)
    end = len(data) - len(MARK) - hashlib.sha256().digest_size
    marked = end > 0 and data[end:].startswith(MARK)
    if marked and hashlib.sha256(data[:end]).digest() != data[end + len(MARK) :]:
        raise CorruptCheckpointError("its checksum is wrong: the file is damaged")
    if _is_compressed(data):
        raise CorruptCheckpointError("it is compressed, and torch writes no compressed checkpoints")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on files that are no checkpoints; the error says it
            checkpoint = torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
    except Exception as error:  # a damaged file makes torch and pickle raise almost anything
        raise CorruptCheckpointError(_unreadable(data, error)) from error
    if not marked and isinstance(checkpoint, dict) and CHECKSUMMED in checkpoint:
        raise CorruptCheckpointError("its checksum is missing: the file is damaged")
    return checkpoint


def load_verified(path: str | Path, map_location: Any = "cpu") -> Any:
    """A checkpoint or an agent file by path, URL, ``agent:NAME`` or ``hf://user/agent``: tensors and plain types only.

    Raises:
        OSError: The file cannot be read.
        ConfigError: There is no such agent, or it cannot be fetched.
        CorruptCheckpointError: The file is damaged.
    """
    return deserialize(read_bytes(str(path)), map_location)


def save_atomic(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint beside its target, flush it to disk and rename it: the target is the old or the new one.

    Raises:
        OSError: It cannot be written. The target is as before.
    """
    data = serialize(checkpoint)
    if "://" in str(path):  # an object store's files appear when they are complete
        with get_filesystem(path).open(path, "wb") as file:
            file.write(data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(target, data)


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints by :func:`save_atomic` and reads them by :func:`load_verified`.

    Where writing fails, on a full disk for example, the training goes on, the target is as before, and the user is
    told, once until writing works again. The same holds for weights that are not finite, which nobody could go on from.
    """

    _failed = False

    def __init__(self) -> None:
        self._outage = Outage("checkpoints", "The training goes on, and the file that was there before is kept.")
        self._unwritten: dict[str, str] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self._failed = True
        if bad := [name for name, value in checkpoint.get("state_dict", {}).items() if not _finite(value)]:
            _report(path, f"{bad[0]} is not finite")
            return
        try:
            save_atomic(checkpoint, path)
            self._failed = False
        except OSError as error:
            self._outage.begin(error, str(path))
            self._unwritten[str(path)] = reason(error)
        else:
            self._unwritten.pop(str(path), None)
            self._outage.end()

    def teardown(self) -> None:
        """At the end of the training, say which files are not what was to be saved last."""
        for path, why in self._unwritten.items():
            say(f"{path} is not the newest: the last attempt to write it failed ({why}).")
        self._unwritten.clear()

    def remove_checkpoint(self, path: Any) -> None:
        """Not while the checkpoint that was to take its place could not be written."""
        if not self._failed:
            with contextlib.suppress(OSError):  # one file too many
                super().remove_checkpoint(path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Tensors and plain types only, whatever the caller asks for.

        Raises:
            CorruptCheckpointError: The file is damaged.
        """
        checkpoint: dict[str, Any] = load_verified(path, map_location)
        return checkpoint


def read_bytes(path: str) -> bytes:
    """A file's contents, by path or by what :func:`~lit_a3c.checkpoint.sources.local_copy` takes."""
    return (local_copy(path) or Path(path)).read_bytes()


def is_plain(value: Any) -> bool:
    """Whether ``torch.load(weights_only=True)`` takes a value that is no tensor."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _is_compressed(data: bytes) -> bool:
    """Whether the archive is larger inside than outside. Some kilobytes could then fill the memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False  # torch's older format, or no checkpoint, which torch says itself


def _unreadable(data: bytes, error: Exception) -> str:
    """Why torch cannot read a file. Its own words are long, and recommend to read such a file without safety."""
    if not data:
        return "it is empty"
    if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds {found[1][:80]!r}, and a checkpoint holds tensors and plain types alone"
    foreign = isinstance(error, pickle.UnpicklingError) or not data.startswith((b"PK", b"\x80"))
    with contextlib.suppress(zipfile.BadZipFile, ValueError, NotImplementedError):
        foreign |= not any(name.endswith("/data.pkl") for name in zipfile.ZipFile(io.BytesIO(data)).namelist())
    if foreign:
        return "it is not a file that torch has written"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return f"it is damaged ({reason.partition('. ')[0]})"


def _finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or not value.is_floating_point() or bool(value.isfinite().all())


def _report(path: Any, reason: str) -> None:
    print(
        f"lit-a3c: {path} could not be written: {reason}. The file that was there before is kept.",
        file=sys.stderr,
        flush=True,
    )
