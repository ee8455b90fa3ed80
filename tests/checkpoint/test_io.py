"""Checkpoint files are written whole or not at all, damage is noticed, and nothing in them is executed."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_a3c.checkpoint.io import MARK, CorruptCheckpointError, SafeCheckpointIO, deserialize, serialize
from tests.disks import full_disk

CHECKPOINT = {"state_dict": {"weight": torch.arange(500.0)}, "steps": 7, "names": ["a", "b"]}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "new/directory/x.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, file)
    read = SafeCheckpointIO().load_checkpoint(file)
    assert torch.equal(read["state_dict"]["weight"], CHECKPOINT["state_dict"]["weight"])  # type: ignore[index]
    assert (read["steps"], read["names"]) == (7, ["a", "b"])
    assert [path.name for path in file.parent.iterdir()] == ["x.ckpt"]


def test_torch_reads_it_too(tmp_path: Path) -> None:
    """And a file that torch wrote without a checksum is read."""
    file = tmp_path / "x.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, file)
    assert torch.load(file, weights_only=True)["steps"] == 7
    torch.save(CHECKPOINT, file)
    assert SafeCheckpointIO().load_checkpoint(file)["steps"] == 7


def test_every_damage_is_noticed() -> None:
    """One flipped bit anywhere, in the checksum and its mark as well, and a file cut at any length."""
    data, rng = serialize(CHECKPOINT), random.Random(0)
    tail = len(MARK) + 32
    for position in [*(rng.randrange(len(data)) for _ in range(100)), *range(len(data) - tail, len(data))]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.randrange(8)
        with pytest.raises(CorruptCheckpointError):
            deserialize(bytes(flipped))
    for length in [0, 1, tail, *(rng.randrange(len(data)) for _ in range(50)), len(data) - tail, len(data) - 1]:
        with pytest.raises(CorruptCheckpointError):
            deserialize(data[:length])


class Hostile:
    """Says so when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a bare pickle, in a zip, in torch's own format, old and new, checksummed or not."""
    monkeypatch.chdir(tmp_path)
    files = [pickle.dumps(Hostile()), pickle.dumps({"state_dict": {}, "x": [Hostile()]})]
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"steps": Hostile()}, buffer, _use_new_zipfile_serialization=new)
        files.append(buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile()))
        archive.writestr("archive/version", "3")
    files += [buffer.getvalue(), serialize({"steps": Hostile()})]
    for data in files:
        with pytest.raises(CorruptCheckpointError):
            deserialize(data)
    assert not Path("executed").exists()


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_failed_write_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    """A disk that is full at any moment costs the new checkpoint, not the old one and not the training."""
    file = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, file)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if failing == "write":
        monkeypatch.setattr(Path, "open", full)
    elif failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    SafeCheckpointIO().save_checkpoint({**CHECKPOINT, "steps": 8}, file)
    monkeypatch.undo()
    assert "last.ckpt cannot be written: No space left on device" in capsys.readouterr().err
    assert SafeCheckpointIO().load_checkpoint(file)["steps"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And once more when there is room, and at the end for a file that was not written again."""
    files = SafeCheckpointIO()
    for name in ("last.ckpt", "best.ckpt"):
        files.save_checkpoint(CHECKPOINT, tmp_path / name)
    with full_disk():
        for name in ("last.ckpt", "best.ckpt", "last.ckpt", "best.ckpt"):
            files.save_checkpoint({**CHECKPOINT, "steps": 8}, tmp_path / name)
    assert len(capsys.readouterr().err.splitlines()) == 1
    files.save_checkpoint({**CHECKPOINT, "steps": 9}, tmp_path / "last.ckpt")
    assert capsys.readouterr().err == "lit-a3c: checkpoints can be written again.\n"
    files.teardown()
    assert "best.ckpt is not the newest: the last attempt to write it failed (File too" in capsys.readouterr().err
    assert [files.load_checkpoint(tmp_path / f"{name}.ckpt")["steps"] for name in ("last", "best")] == [9, 7]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_stays_whose_successor_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's own ``ModelCheckpoint`` removes the old file once it has asked for the new one."""
    files, to_disk = SafeCheckpointIO(), tmp_path / "step-1.ckpt"
    files.save_checkpoint(CHECKPOINT, to_disk)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    files.save_checkpoint(CHECKPOINT, tmp_path / "step-2.ckpt")
    files.remove_checkpoint(to_disk)
    assert to_disk.exists()
    monkeypatch.undo()
    files.save_checkpoint(CHECKPOINT, tmp_path / "step-3.ckpt")
    files.remove_checkpoint(to_disk)
    assert not to_disk.exists()


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.tensor([1.0, float("nan")])}}, file)
    assert "weight is not finite" in capsys.readouterr().err
    assert not file.exists()


def saved(value: Any) -> bytes:
    data = io.BytesIO()
    torch.save(value, data)
    return data.getvalue()


def zipped(name: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, "{}")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped("policy.pth"), "it is not a file that torch has written"),
        (b"", "it is empty"),
        (b"step,loss\n1,2\n", "it is not a file that torch has written"),
        (pickle.dumps({"a": 1}), "it is not a file that torch has written"),
        (saved({"a": Hostile()}), "it holds 'posix.system', and a checkpoint holds tensors and plain types alone"),
        (saved(torch.nn.Identity()), "it holds 'torch.nn.modules.linear.Identity', and a checkpoint"),
        (saved({"a": 1})[:300], "it is damaged (PytorchStreamReader failed reading zip archive: "),
    ],
    ids=["archive", "empty", "text", "pickle", "function", "module", "cut"],
)
def test_a_file_that_cannot_be_read_says_what_it_is(data: bytes, reason: str) -> None:
    """Torch would recommend to read it without safety."""
    with pytest.raises(CorruptCheckpointError) as error:
        deserialize(data)
    assert str(error.value).startswith(reason)
    assert "weights_only" not in str(error.value)
