"""``metrics.csv`` on a disk that is full, and after what other processes have left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_a3c.metrics import table
from lit_a3c.metrics.table import MetricsTable
from lit_a3c.utils.disk import Outage
from tests.commands import rows
from tests.disks import full_disk


def open_table(directory: Path, first_step: int | None = None) -> MetricsTable:
    return MetricsTable(directory / "metrics.csv", first_step, Outage("metrics", "It goes on."))


def steps(directory: Path) -> list[str]:
    return [row["step"] for row in rows(directory)]


def test_columns_come_with_the_rows(tmp_path: Path) -> None:
    """The rows before have no value there."""
    metrics = open_table(tmp_path)
    metrics.add({"b": 1.5}, 10)
    metrics.add({"a": 2.5}, 20)
    metrics.add({"b": 3.5, "a": 4.5}, 30)
    assert rows(tmp_path) == [
        {"a": "", "b": "1.5", "step": "10"},
        {"a": "2.5", "b": "", "step": "20"},
        {"a": "4.5", "b": "3.5", "step": "30"},
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize("column", ["loss", "new"], ids=["append", "rewrite"])
@pytest.mark.parametrize("room", [0, 1, 7, 20])
def test_a_full_disk_costs_no_row(column: str, room: int, tmp_path: Path) -> None:
    """Whatever fits is cut off again, and nothing that was there before is touched."""
    metrics = open_table(tmp_path)
    metrics.add({"loss": 0.125}, 10)
    before = (tmp_path / "metrics.csv").read_bytes()
    with full_disk(len(before) + room if column == "loss" else room):
        for step in (20, 30, 40):
            metrics.add({column: 0.0625 + step}, step)
            assert not (tmp_path / "metrics.csv").read_bytes()[len(before) :].strip(b"\r\n,.0123456789")
            assert (tmp_path / "metrics.csv").read_bytes().startswith(before)
    assert metrics.waiting
    metrics.add({column: 1.0}, 50)
    assert metrics.waiting == metrics.lost == 0
    assert steps(tmp_path) == ["10", "20", "30", "40", "50"]
    assert [row[column] for row in rows(tmp_path)[1:]] == ["20.0625", "30.0625", "40.0625", "1.0"]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_row_that_is_cut_is_never_left(tmp_path: Path) -> None:
    """Half a row fits, and the file ends with the row before it."""
    metrics = open_table(tmp_path)
    metrics.add({"loss": 0.125}, 10)
    before = (tmp_path / "metrics.csv").read_bytes()
    with full_disk(len(before) + 4):
        metrics.add({"loss": 0.25}, 20)
        assert (tmp_path / "metrics.csv").read_bytes() == before


def test_too_many_waiting_rows_cost_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_WAITING", 5)
    metrics = open_table(tmp_path)
    with full_disk():
        for step in range(8):
            metrics.add({"loss": 1.0}, step)
    assert (metrics.waiting, metrics.lost) == (5, 3)
    metrics.flush()
    assert steps(tmp_path) == ["3", "4", "5", "6", "7"]


def test_many_waiting_rows_are_all_written(tmp_path: Path) -> None:
    """In more than one piece, with a column that comes in the middle."""
    metrics = open_table(tmp_path)
    with full_disk():
        for step in range(1000):
            metrics.add({"loss" if step < 555 else "new": 1.0}, step)
    metrics.flush()
    assert steps(tmp_path) == [str(step) for step in range(1000)]


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ("loss,step\r\n0.5,10\r\n0.25,20\r\n0.12", ["10", "20"]),
        ("loss,step\r\n0.5,10\r\n0.25,2", ["10"]),
        ("loss,step\r\n0.5,10\r\n0.25\r\n0.125,30\r\n", ["10", "30"]),
        ("loss,step\r\n0.5,10\r\n\0\0\0\0\0\r\n0.125,30\r\n", ["10", "30"]),
        ("loss,step\r\n0.5,10\r\n0.25,x\r\n", ["10"]),
        ("loss,step\r\n0.5,10\r\n0.25,20\r\n0.5,100\r\n", ["10", "20"]),
        ("loss,step\r\n", []),
        ("loss,st", []),
        ("", []),
        (f"loss,step\r\n0.5,10\r\n{'9' * 200_000},20\r\n0.125,30\r\n", ["10", "30"]),
    ],
    ids=["cut", "cut in the step", "short", "zeros", "words", "later", "header", "cut header", "empty", "long"],
)
def test_unreadable_rows_are_left_out_of_a_resumed_run(left: str, kept: list[str], tmp_path: Path) -> None:
    """And those from its step on, which are made again."""
    (tmp_path / "metrics.csv").write_text(left, newline="")
    metrics = open_table(tmp_path, first_step=100)
    metrics.add({"loss": 1.0, "new": 2.0}, 100)
    metrics.add({"loss": 1.0}, 110)
    assert steps(tmp_path) == [*kept, "100", "110"]


def test_the_user_is_told_how_many_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.csv").write_text("loss,step\r\n0.5,10\r\n0.5\r\n0.5,2", newline="")
    open_table(tmp_path).add({"loss": 1.0}, 100)
    assert "2 rows of " in capsys.readouterr().err
    assert steps(tmp_path) == ["10", "100"]


def test_a_full_disk_at_the_start_keeps_what_is_to_be_continued(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("loss,step\r\n0.5,10\r\n0.5,20\r\n")
    before = (tmp_path / "metrics.csv").read_bytes()
    metrics = open_table(tmp_path, first_step=20)
    with full_disk():
        metrics.add({"loss": 1.0}, 20)
        metrics.add({"loss": 1.0}, 30)
    assert (tmp_path / "metrics.csv").read_bytes() == before
    metrics.add({"loss": 1.0}, 40)
    assert steps(tmp_path) == ["10", "20", "30", "40"]


@pytest.mark.parametrize(
    "left", [None, "", "hello\n", "loss,step\r\n0.5,10\r\n"], ids=["gone", "empty", "words", "cut"]
)
def test_a_file_that_changes_during_a_training_has_its_columns_again(left: str | None, tmp_path: Path) -> None:
    """Rows alone would be columns without names."""
    metrics = open_table(tmp_path, first_step=0)
    for step in (10, 20):
        metrics.add({"loss": 0.5}, step)
    (tmp_path / "metrics.csv").unlink()
    if left is not None:
        (tmp_path / "metrics.csv").write_text(left, newline="")
    metrics.add({"loss": 0.25}, 30)
    metrics.add({"loss": 0.125}, 40)
    assert steps(tmp_path) == (["10", "30", "40"] if left and "step" in left else ["30", "40"])
