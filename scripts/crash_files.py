"""The campaign ``damage`` of ``crash.py``: checkpoint files that are damaged, and files that attack their reader."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from crash_trainings import LAST, fit, running

from lit_a3c.checkpoint.io import CorruptCheckpointError, deserialize, serialize


def damage(arguments: Any, options: list[str]) -> Iterator[str]:
    """A real checkpoint, cut short or with a flipped bit; and ten files that run a command when they are unpickled."""
    with running(fit(arguments, ["--trainer.max_steps=10", *options])) as process:
        process.wait()
    data = LAST.read_bytes()
    assert serialize(deserialize(data)), "the undamaged one can be read"
    for i in range(arguments.times):
        position = random.randrange(len(data))
        if i % 2:
            damaged = data[:position]
        else:
            damaged = data[:position] + bytes([data[position] ^ 1 << random.randrange(8)]) + data[position + 1 :]
        try:
            deserialize(damaged)
        except CorruptCheckpointError:
            continue
        yield f"{'cut' if i % 2 else 'flip'} at {position} of {len(data)} was not noticed"
    hostile = hostile_files()
    for i, file in enumerate(hostile):
        with contextlib.suppress(CorruptCheckpointError):
            deserialize(file)
            yield f"hostile file {i} was not noticed"
        if Path("executed").exists():
            yield f"hostile file {i} was executed"
    print(f"{arguments.times} damaged files of {len(data):,} bytes, {len(hostile)} hostile ones")


def hostile_files() -> list[bytes]:
    """Plain pickles of every protocol, and files in torch's formats with our checksum and without it."""
    files = [pickle.dumps({"state_dict": {}, "spaces": _Hostile()}, protocol) for protocol in range(6)]
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"steps": 7, "spaces": _Hostile()}, buffer, _use_new_zipfile_serialization=new)
        files.append(buffer.getvalue())
    return [*files, serialize({"steps": _Hostile()}), serialize({"optimizer_states": [{"state": {0: _Hostile()}}]})]


class _Hostile:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)
