"""Files that are whole or as before, and messages that are printed once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lit_a3c.utils.disk import DiskError, Outage, append_whole, check_room, replace_whole, say
from tests.disks import full_disk


@pytest.mark.parametrize("room", range(6))
def test_an_appended_piece_is_whole_or_absent(room: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    end = append_whole(file, 0, b"123")
    with full_disk(end + room):
        try:
            end = append_whole(file, end, b"45678")
        except OSError:
            assert room < 5
    assert file.read_bytes() == (b"12345678" if room >= 5 else b"123")
    assert append_whole(file, end, b"9") == end + 1
    assert file.read_bytes() == (b"123456789" if room >= 5 else b"1239")


def test_what_lies_behind_the_end_is_cut_off(tmp_path: Path) -> None:
    """It is half of a piece that did not fit. A file that somebody has cut is not filled up with zeros."""
    file = tmp_path / "file"
    file.write_bytes(b"123half")
    assert append_whole(file, 3, b"4") == 4
    assert file.read_bytes() == b"1234"
    assert append_whole(file, 100, b"5") == 5
    assert file.read_bytes() == b"12345"


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    """And no part of the new one stays."""
    file = tmp_path / "file"
    replace_whole(file, b"old")
    with full_disk(1), pytest.raises(OSError, match="File too large"):
        replace_whole(file, b"new")
    assert file.read_bytes() == b"old"
    replace_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_room_is_looked_for_before_it_is_needed(tmp_path: Path) -> None:
    check_room(tmp_path / "new" / "directory")
    with full_disk(2**19), pytest.raises(DiskError, match="File too large") as refused:
        check_room(tmp_path)
    assert refused.value.filename == str(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="File exists"):
        check_room(tmp_path / "file")


def test_an_outage_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    outage = Outage("letters", "They wait.")
    outage.end()
    for name in ("a", "b"):
        outage.begin(OSError(28, "No space left on device"), name)
    outage.end("None is lost.")
    outage.end()
    outage.begin(OSError("a reason without a number"))
    assert capsys.readouterr().err.splitlines() == [
        "lit-a3c: a cannot be written: No space left on device. They wait.",
        "lit-a3c: letters can be written again. None is lost.",
        "lit-a3c: letters cannot be written: a reason without a number. They wait.",
    ]


def test_a_message_that_cannot_be_printed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr is a file on the disk that is full."""
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115, PTH123 - it cannot be closed without an error
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        say("the disk is full")
    with pytest.raises(OSError, match="No space left"):  # what it has kept
        full.close()
