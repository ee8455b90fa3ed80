"""Every start of a training leaves a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_a3c import __version__
from lit_a3c.metrics.runs import Run
from lit_a3c.metrics.starts import read_starts, record_start


def test_each_start_is_a_line(tmp_path: Path) -> None:
    record_start(tmp_path / "run", ["fit", "--config", "cartpole.yaml"], 0, "cpu")
    record_start(tmp_path / "run", ["fit", "--ckpt_path", "last"], 800, "cpu")
    first, second = Run(tmp_path / "run").starts
    assert first["command"] == ["fit", "--config", "cartpole.yaml"]
    assert (first["step"], second["step"]) == (0, 800)
    assert first["versions"]["lit-a3c"] == __version__
    assert {"torch", "numpy", "python"} <= set(first["versions"])
    assert first["machine"]["cores"] >= 1
    assert first["time"].endswith("+00:00")


def test_a_directory_that_takes_no_file_costs_the_line_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("a file")
    record_start(tmp_path / "run", ["fit"], 0, "cpu")
    assert "starts.jsonl cannot be written" in capsys.readouterr().err


def test_lines_that_cannot_be_read_are_left_out() -> None:
    assert read_starts('{"step": 1}\n{"st\n[1]\n' + "[" * 100_000 + "\n") == [{"step": 1}]
    assert Run(Path("nowhere")).starts == []
