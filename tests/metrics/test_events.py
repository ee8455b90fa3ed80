"""TensorBoard's event file on a disk that is full."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from lit_a3c.metrics import events
from lit_a3c.metrics.events import EventFile, RunSummaryWriter
from lit_a3c.utils.disk import Outage
from tests.disks import full_disk


def open_events(directory: Path) -> EventFile:
    return EventFile(directory / "made", ".test", Outage("events", "It goes on."))


def read(directory: Path) -> list[Event]:
    """All events, whose checksums TensorBoard's own reader checks."""
    (file,) = directory.glob("made/events.out.tfevents.*.test")
    return [Event.FromString(record) for record in RawEventFileLoader(str(file)).Load()]


def steps(directory: Path) -> list[int]:
    first, *others = read(directory)
    assert first.file_version == "brain.Event:2"
    return [event.step for event in others]


def test_it_is_what_tensorboard_reads(tmp_path: Path) -> None:
    """At once, without a flush, and after a close."""
    file = open_events(tmp_path)
    assert not list(tmp_path.iterdir()), "a run without metrics needs no file"
    writer = RunSummaryWriter(file)
    writer.add_scalar("loss", 0.5, 10)
    assert steps(tmp_path) == [10]
    writer.close()
    writer.add_scalar("loss", 0.25, 20)
    assert steps(tmp_path) == [10, 20]
    assert [value.tag for event in read(tmp_path) for value in event.summary.value] == ["loss", "loss"]


@pytest.mark.parametrize("room", [0, 1, 30, 60])
def test_a_full_disk_costs_no_event(room: int, tmp_path: Path) -> None:
    """Whatever fits is cut off again, so that the file can be read at any time."""
    file = open_events(tmp_path)
    writer = RunSummaryWriter(file)
    with full_disk(room):
        writer.add_scalar("loss", 0.5, 10)
        assert file.waiting == 1
    writer.add_scalar("loss", 0.5, 20)
    (path,) = tmp_path.glob("made/*")
    size = path.stat().st_size
    with full_disk(size + room):
        for step in range(30, 60, 10):
            writer.add_scalar("loss", 0.5, step)
            assert steps(tmp_path) == [10, 20, *range(30, 30 + (path.stat().st_size - size) // 30 * 10, 10)]
    writer.flush()
    assert (steps(tmp_path), file.waiting) == ([10, 20, 30, 40, 50], 0)


def test_too_many_waiting_events_cost_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one of the file, which has its version, stays."""
    monkeypatch.setattr(events, "MAX_WAITING", 200)
    monkeypatch.setattr(events, "BYTES_AT_ONCE", 100)
    file = open_events(tmp_path)
    writer = RunSummaryWriter(file)
    with full_disk():
        for step in range(20):
            writer.add_scalar("loss", 0.5, step)
    waiting = file.waiting
    assert 0 < waiting < 20
    file.flush()
    assert steps(tmp_path) == list(range(20 - waiting, 20))


def test_events_of_a_row_are_written_in_one_piece(tmp_path: Path) -> None:
    file = open_events(tmp_path)
    writer = RunSummaryWriter(file)
    with file.together():
        writer.add_scalar("loss", 0.5, 10)
        writer.add_scalar("entropy", 0.5, 10)
        assert not list(tmp_path.iterdir())
    assert steps(tmp_path) == [10, 10]
